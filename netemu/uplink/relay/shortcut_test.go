package relay

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var someEnds = Ends{netip.MustParseAddrPort("10.0.2.100:40000"), netip.MustParseAddrPort("192.0.2.1:80")}

// shortRun is a relay whose flow is offered.
func shortRun(t *testing.T, table *Shortcuts) (program, peer *net.TCPConn, done chan Bytes) {
	t.Helper()
	program, box := connect(t)
	host, peer := connect(t)
	box.SetDeadline(time.Time{})
	host.SetDeadline(time.Time{})
	o := Options{Shortcut: table.Offer(someEnds, host)}
	done = make(chan Bytes, 1)
	go func() { done <- TCP(host, kernelBox{box}, o) }()
	return program, peer, done
}

// TestShortcut: the bytes of a flow that was taken go past the box, and its ends
// do not.
func TestShortcut(t *testing.T) {
	var table Shortcuts
	program, peer, done := shortRun(t, &table)
	s := table.Take(someEnds)
	if s == nil || table.Take(someEnds) != nil {
		t.Fatal("an offer can be taken once")
	}
	io.WriteString(peer, "from the host")
	if p, err := s.read(); string(p) != "from the host" || err != nil {
		t.Fatalf("read %q, %v", p, err)
	}
	s.reader.release()
	if n, err := s.Write([]byte("to the host")); n != 11 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	program.CloseWrite()
	if got, err := io.ReadAll(peer); string(got) != "to the host" || err != nil {
		t.Fatalf("the peer got %q, %v", got, err)
	}
	io.WriteString(peer, "rest")
	p, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	s.Release(p, nil)
	peer.Close()
	if got, err := io.ReadAll(program); string(got) != "rest" || err != nil {
		t.Errorf("the program got %q, %v", got, err)
	}
	if n := <-done; n != (Bytes{Inward: 17, Outward: 11}) {
		t.Errorf("counted %+v", n)
	}
}

// TestShortcutEnds: how reading has ended is what the box sees.
func TestShortcutEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(peer *net.TCPConn)
		want error // of the shortcut
		box  error
	}{
		{"end", func(c *net.TCPConn) { c.CloseWrite() }, io.EOF, io.EOF},
		{"reset", func(c *net.TCPConn) { Reset(c) }, unix.ECONNRESET, unix.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			var table Shortcuts
			program, peer, _ := shortRun(t, &table)
			s := table.Take(someEnds)
			c.end(peer)
			_, err := s.read()
			if !errors.Is(err, c.want) {
				t.Errorf("read: %v, want %v", err, c.want)
			}
			s.Release(nil, err)
			if _, err := program.Read(make([]byte, 1)); !errors.Is(err, c.box) {
				t.Errorf("the program: %v, want %v", err, c.box)
			}
			program.Close()
		})
	}
}

// TestShortcutLostReset: a reset that a write was told of is not read as an end.
func TestShortcutLostReset(t *testing.T) {
	var table Shortcuts
	_, peer, _ := shortRun(t, &table)
	s := table.Take(someEnds)
	Reset(peer)
	end := time.Now().Add(patience)
	for err := error(nil); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		_, err = s.Write([]byte("x"))
	}
	_, err := s.read()
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	s.Release(nil, err)
}

// TestShortcutStop: Stop wakes a reader, and the relay goes on when the box's end has
// come.
func TestShortcutStop(t *testing.T) {
	var table Shortcuts
	program, peer, done := shortRun(t, &table)
	s := table.Take(someEnds)
	time.AfterFunc(10*time.Millisecond, s.Stop)
	if _, err := s.read(); !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
	s.Release(nil, ErrStopped)
	program.CloseWrite()
	io.WriteString(peer, "late")
	peer.Close()
	if got, err := io.ReadAll(program); string(got) != "late" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	program.Close()
	<-done
}

// TestShortcutRefused: what nobody takes, or nobody may take, goes by the box.
func TestShortcutRefused(t *testing.T) {
	var table Shortcuts
	check := func(want string) {
		t.Helper()
		program, peer, done := shortRun(t, &table)
		if want == "observed" {
			table.Observe(true)
			if table.Take(someEnds) != nil {
				t.Error("taken although it is observed")
			}
		}
		if want == "spoken" {
			io.WriteString(program, "first ")
			io.ReadFull(peer, make([]byte, 6))
			if table.Take(someEnds) != nil {
				t.Error("taken although bytes came by the box")
			}
		}
		io.WriteString(peer, "answer") // the box waits for as long as an offer stands
		peer.CloseWrite()
		if got, err := io.ReadAll(program); string(got) != "answer" || err != nil {
			t.Errorf("%s: %q, %v", want, got, err)
		}
		program.Close()
		<-done
		if len(table.offers) > 0 {
			t.Errorf("%s: the offer is left", want)
		}
	}
	check("silent")
	check("spoken")
	check("observed")
	host, _ := connect(t)
	if table.Offer(someEnds, host) != nil {
		t.Error("offered although it is observed")
	}
	if taken, withdrawn := table.Counts(); taken != 0 || withdrawn != 3 {
		t.Errorf("%d taken, %d withdrawn", taken, withdrawn)
	}
}
