package relay

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// unixSink is one end of a socketpair; the test reads the other.
type unixSink struct {
	fd      int
	spliced int
}

func newUnixSink(t *testing.T) (*unixSink, *os.File) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fds[0], true)
	far := os.NewFile(uintptr(fds[1]), "far")
	t.Cleanup(func() { unix.Close(fds[0]); far.Close() })
	return &unixSink{fd: fds[0]}, far
}

func (s *unixSink) Write(p []byte) (int, error) {
	n, err := unix.SendmsgN(s.fd, p, nil, nil, unix.MSG_NOSIGNAL)
	return max(n, 0), err
}

func (s *unixSink) Splice(pipe, n int) (int, error) {
	k, err := unix.Splice(pipe, nil, s.fd, nil, n, unix.SPLICE_F_NONBLOCK)
	s.spliced += int(max(k, 0))
	return int(max(k, 0)), err
}

func (s *unixSink) WaitWritable() error {
	p := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	_, err := unix.Poll(p, int(patience.Milliseconds()))
	return err
}

// TestCarry: bulk is spliced, and comes whole.
func TestCarry(t *testing.T) {
	var table Shortcuts
	program, peer, done := shortRun(t, &table)
	s := table.Take(someEnds)
	sink, far := newUnixSink(t)
	sent := random(16 << 20)
	go func() { peer.Write(sent); peer.CloseWrite() }()
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, len(sent))
		io.ReadFull(far, b)
		got <- b
	}()
	rest, err := s.Carry(sink, func(int) {})
	if len(rest) != 0 || err != io.EOF {
		t.Errorf("%d bytes left, %v", len(rest), err)
	}
	if !bytes.Equal(<-got, sent) {
		t.Error("other bytes came than were sent")
	}
	if sink.spliced == 0 {
		t.Error("nothing was spliced")
	}
	s.Release(rest, err)
	program.Close()
	<-done
}

// TestCarryEnds: what a sink does not take any more is handed back, and nothing
// stays in a pipe for the next flow.
func TestCarryEnds(t *testing.T) {
	for range 20 {
		var table Shortcuts
		program, peer, done := shortRun(t, &table)
		s := table.Take(someEnds)
		sink, far := newUnixSink(t)
		sent := random(4 << 20)
		go peer.Write(sent)
		go func() {
			io.ReadFull(far, make([]byte, 1<<20))
			far.Close()
		}()
		rest, err := s.Carry(sink, func(int) {})
		at := int(s.in.Load()) - len(rest)
		if len(rest) == 0 || err != nil || !bytes.Equal(rest, sent[at:at+len(rest)]) {
			t.Errorf("%d bytes left, %v", len(rest), err)
		}
		Reset(peer)
		s.Release(rest, err)
		program.Close()
		<-done
	}
	for range len(idlePipes) {
		p := <-idlePipes
		if n, err := unix.Read(p.r, make([]byte, 1)); n > 0 || err != unix.EAGAIN {
			t.Errorf("a pipe that nobody uses: %d bytes, %v", n, err)
		}
		p.give()
	}
}

// TestPipes: there are so many, and then none.
func TestPipes(t *testing.T) {
	var taken []*pipe
	for p := takePipe(); p != nil; p = takePipe() {
		taken = append(taken, p)
	}
	if len(taken) != maxPipes {
		t.Errorf("%d pipes, want %d", len(taken), maxPipes)
	}
	for _, p := range taken {
		p.give()
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
