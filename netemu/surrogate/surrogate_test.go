package surrogate

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

func connecting(t *testing.T) (*Stream, int) {
	t.Helper()
	s, p, err := NewConnecting(true)
	if err != nil {
		t.Fatal(err)
	}
	return s, p.T
}

// within is what Next asks for.
func within(buf []byte) func() []byte { return func() []byte { return buf } }

// A stream that waits holds no buffer: there are thousands that wait.
func TestWaitingHoldsNoBuffer(t *testing.T) {
	s, T := connecting(t)
	s.Open()
	asked := make(chan bool, 1)
	got := make(chan string, 1)
	go func() {
		data, err := s.Next(func() []byte { asked <- true; return make([]byte, 16) })
		got <- fmt.Sprint(string(data), err)
	}()
	select {
	case <-asked:
		t.Error("a buffer before there is something")
	case <-time.After(50 * time.Millisecond):
	}
	if _, err := unix.Write(T, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "x<nil>" || len(asked) != 1 {
		t.Errorf("%q, asked %d times", text, len(asked))
	}
}

func TestConnectingPollsNotWritableUntilOpen(t *testing.T) {
	s, T := connecting(t)
	defer s.Close()
	defer unix.Close(T)
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ep)
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, T, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET}); err != nil {
		t.Fatal(err)
	}
	events := make([]unix.EpollEvent, 4)
	if n, _ := unix.EpollWait(ep, events, 0); n != 0 {
		t.Fatalf("connecting surrogate is ready: %#x", events[0].Events)
	}
	s.Open()
	if n, _ := unix.EpollWait(ep, events, 0); n != 1 || events[0].Events != unix.EPOLLOUT {
		t.Fatalf("after Open: %d events, %#x", n, events[0].Events)
	}
}

// A byte that T sends while Next waits and before Open has its edge too early.
func TestBytesBeforeOpen(t *testing.T) {
	for range 20 {
		s, T := connecting(t)
		got := make(chan []byte)
		go func() {
			data, _ := s.Next(within(make([]byte, 16)))
			got <- data
		}()
		// Open while Next sleeps after its look: the polls of a reader that does
		// not sleep yet would hide the loss.
		time.Sleep(2 * time.Millisecond)
		if _, err := unix.Write(T, []byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		s.Open()
		select {
		case data := <-got:
			if string(data) != "x" {
				t.Fatalf("Next gave %q", data)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("Next sleeps over a byte that came before Open")
		}
		unix.Close(T)
		s.Close()
	}
}

func TestStreamBytesAndEnds(t *testing.T) {
	for _, end := range []struct {
		name  string
		close func(T int)
		want  error
	}{
		{"shutdown", func(T int) { unix.Shutdown(T, unix.SHUT_WR) }, io.EOF},
		{"close", func(T int) { unix.Close(T) }, ErrHangup},
	} {
		t.Run(end.name, func(t *testing.T) {
			s, T := connecting(t)
			defer s.Close()
			s.Open()
			sent := sha256.New()
			done := make(chan struct{})
			go func() {
				defer close(done)
				r := rand.New(rand.NewSource(1))
				_ = unix.SetNonblock(T, false)
				for range 2000 {
					b := make([]byte, 1+r.Intn(40000))
					r.Read(b)
					sent.Write(b)
					for len(b) > 0 {
						n, err := unix.Write(T, b)
						if err != nil {
							t.Error(err)
							return
						}
						b = b[n:]
					}
				}
				end.close(T)
			}()
			got := sha256.New()
			buf := make([]byte, 65536)
			for {
				data, err := s.Next(within(buf))
				got.Write(data)
				if err != nil {
					if !errors.Is(err, end.want) {
						t.Fatalf("end = %v, want %v", err, end.want)
					}
					break
				}
				if len(data) == 0 {
					t.Fatal("Next returned nothing")
				}
			}
			<-done
			if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
				t.Fatal("bytes differ")
			}
			if end.want == io.EOF {
				unix.Close(T)
			}
		})
	}
}

func TestCloseWithUnreadDataIsReset(t *testing.T) {
	s, T := connecting(t)
	defer s.Close()
	s.Open()
	if n, err := s.Write([]byte("unread")); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	unix.Close(T)
	if _, err := s.Next(within(make([]byte, 16))); !errors.Is(err, ErrReset) {
		t.Fatalf("Next = %v, want ErrReset", err)
	}
}

func TestResetReachesANativeRead(t *testing.T) {
	for _, wrote := range []bool{false, true} {
		s, T := connecting(t)
		s.Open()
		if wrote {
			if _, err := unix.Write(T, []byte("request")); err != nil {
				t.Fatal(err)
			}
			if d, err := s.Next(within(make([]byte, 64))); string(d) != "request" || err != nil {
				t.Fatalf("%q %v", d, err)
			}
		}
		if _, err := s.Write([]byte("part")); err != nil {
			t.Fatal(err)
		}
		s.Reset()
		buf := make([]byte, 16)
		if n, err := unix.Read(T, buf); n != 4 || err != nil {
			t.Fatalf("data before the reset: %d %v", n, err)
		}
		if _, err := unix.Read(T, buf); err != unix.ECONNRESET {
			t.Fatalf("read = %v, want ECONNRESET (wrote %v)", err, wrote)
		}
		if n, err := unix.Read(T, buf); n != 0 || err != nil {
			t.Fatalf("then %d %v, want end of file", n, err)
		}
		unix.Close(T)
	}
}

// TestSplicedBytesLeaveWritable: what splice(2) has sent and the supervisor has
// read holds no room, however much it was.
func TestSplicedBytesLeaveWritable(t *testing.T) {
	s, T := connecting(t)
	defer unix.Close(T)
	s.Open()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	buf := make([]byte, 64<<10)
	for i := range 64 {
		if n, err := unix.Write(pipe[1], buf[:8192]); n != 8192 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := unix.Splice(pipe[0], nil, T, nil, 8192, unix.SPLICE_F_NONBLOCK); n != 8192 || err != nil {
			t.Fatalf("splice %d: %d %v", i, n, err)
		}
		if d, err := s.Next(within(buf)); len(d) != 8192 || err != nil {
			t.Fatalf("%d bytes, %v", len(d), err)
		}
		if quick.Poll(T, unix.POLLOUT)&unix.POLLOUT == 0 {
			t.Fatalf("not writable after %d bytes", (i+1)*8192)
		}
	}
}

func TestCloseIsOrderly(t *testing.T) {
	s, T := connecting(t)
	defer unix.Close(T)
	s.Open()
	s.Close()
	if n, err := unix.Read(T, make([]byte, 4)); n != 0 || err != nil {
		t.Fatalf("read = %d, %v", n, err)
	}
	if _, err := s.Next(within(make([]byte, 4))); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("Next after Close = %v", err)
	}
}

func datagram(t *testing.T) (*Datagram[int], int) {
	t.Helper()
	d, p, err := NewDatagram[int](true)
	if err != nil {
		t.Fatal(err)
	}
	return d, p.T
}

func TestOldestFollowsNativeReads(t *testing.T) {
	d, T := datagram(t)
	defer d.Close()
	defer unix.Close(T)
	sizes := []int{0, 1, 100, 1472, 9000, 30000, 65507}
	pushed, read := 0, 0
	r := rand.New(rand.NewSource(2))
	buf := make([]byte, MaxDatagram)
	for range 3000 {
		if r.Intn(2) == 0 {
			if errno := d.Push(make([]byte, sizes[r.Intn(len(sizes))]), pushed); errno == 0 {
				pushed++
			} else if errno != unix.EAGAIN {
				t.Fatal(errno)
			}
		} else if _, _, err := unix.Recvfrom(T, buf, unix.MSG_DONTWAIT); err == nil {
			read++
		}
		meta, ok := d.Oldest()
		if ok != (pushed > read) || ok && meta != read {
			t.Fatalf("oldest = %d %v with %d pushed and %d read", meta, ok, pushed, read)
		}
	}
}

// An error that comes when T is closed leaves nothing that looks sent.
func TestRaiseAfterClose(t *testing.T) {
	d, T := datagram(t)
	defer d.Close()
	unix.Close(T)
	for range 3 {
		if errno := d.Raise(); errno != unix.ECONNREFUSED {
			t.Fatalf("raise: %v", errno)
		}
		if n, err := d.TryNext(make([]byte, 8)); err != unix.EAGAIN {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
}

func TestRaise(t *testing.T) {
	d, T := datagram(t)
	defer d.Close()
	if errno := d.Push([]byte("kept"), 1); errno != 0 {
		t.Fatal(errno)
	}
	if _, err := unix.Write(T, []byte("sent before")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if errno := d.Raise(); errno != 0 {
			t.Fatal(errno)
		}
		if quick.Poll(T, 0)&unix.POLLERR == 0 {
			t.Fatal("no POLLERR")
		}
		if _, _, err := unix.Recvfrom(T, make([]byte, 8), unix.MSG_DONTWAIT); err != unix.ECONNRESET {
			t.Fatalf("recv = %v", err)
		}
		if quick.Poll(T, 0)&unix.POLLERR != 0 {
			t.Fatal("POLLERR stays")
		}
	}
	buf := make([]byte, 64)
	if n, _, err := unix.Recvfrom(T, buf, unix.MSG_DONTWAIT); string(buf[:max(n, 0)]) != "kept" {
		t.Fatalf("%q %v", buf[:max(n, 0)], err)
	}
	if n, err := d.TryNext(buf); string(buf[:n]) != "sent before" {
		t.Fatalf("%q %v", buf[:n], err)
	}
	if _, err := unix.Write(T, []byte("after")); err != nil {
		t.Fatal(err)
	}
	if err := d.Await(d.Waiting); err != nil {
		t.Fatal(err)
	}
	if n, err := d.TryNext(buf); string(buf[:n]) != "after" {
		t.Fatalf("%q %v", buf[:n], err)
	}
	unix.Close(T)
}

func TestAlive(t *testing.T) {
	d, T := datagram(t)
	defer d.Close()
	dup, err := unix.Dup(T)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(T)
	if !d.Alive() {
		t.Fatal("dead while a copy is open")
	}
	unix.Close(dup)
	if d.Alive() {
		t.Fatal("alive after the last close")
	}
	if errno := d.Push([]byte("x"), 0); errno != unix.ECONNREFUSED {
		t.Fatalf("Push = %v", errno)
	}
}

func TestIdleLooksUnconnectedUntilJoin(t *testing.T) {
	s, p, err := NewIdle(true)
	if err != nil {
		t.Fatal(err)
	}
	T := p.T
	defer unix.Close(T)
	if got := quick.Poll(T, unix.POLLIN|unix.POLLOUT); got != unix.POLLOUT|unix.POLLHUP {
		t.Errorf("idle T polls %#x", got)
	}
	if _, err := unix.Read(T, make([]byte, 1)); err != unix.EINVAL {
		t.Errorf("read of an idle T: %v", err)
	}
	if _, err := unix.Write(T, []byte("x")); err != unix.ENOTCONN {
		t.Errorf("write to an idle T: %v", err)
	}
	copied, err := unix.Dup(T)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Join(copied)
	unix.Close(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := quick.Poll(T, unix.POLLIN|unix.POLLOUT); got != 0 {
		t.Errorf("joined T polls %#x", got)
	}
	s.Open()
	if _, err := unix.Write(T, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if data, err := s.Next(within(make([]byte, 16))); string(data) != "x" || err != nil {
		t.Errorf("Next = %q, %v", data, err)
	}
	if n, err := s.Write([]byte("y")); n != 1 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
}

func TestIdleIsHungUpWithItsLastCopy(t *testing.T) {
	s, p, err := NewIdle(false)
	if err != nil {
		t.Fatal(err)
	}
	dup, err := unix.Dup(p.T)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(p.T)
	if s.HungUp() {
		t.Error("hung up while a copy is open")
	}
	unix.Close(dup)
	if !s.HungUp() {
		t.Error("not hung up after the last close")
	}
	s.Close()
}

// TestMeetingIsMovedWhenFound: who has found the listener keeps nobody out, and does
// not know the next one.
func TestMeetingIsMovedWhenFound(t *testing.T) {
	join := func() {
		t.Helper()
		s, p, err := NewIdle(false)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p.T)
		if err := s.JoinOpen(p.T); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if n, err := s.Write([]byte("y")); n != 1 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		b := make([]byte, 2)
		if n, err := unix.Read(p.T, b); n != 1 || b[0] != 'y' || err != nil {
			t.Fatalf("T read %q, %v", b[:max(n, 0)], err)
		}
	}
	join()
	found := meetings.name.Name
	join()
	if meetings.name == nil || meetings.name.Name != found {
		t.Error("the listener is not kept")
	}
	for range joinBacklog + 1 { // a full backlog
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: found}); err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
	}
	join()
	if meetings.name.Name == found {
		t.Error("the listener that was found is kept")
	}
}
