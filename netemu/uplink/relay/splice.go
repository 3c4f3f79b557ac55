package relay

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Sink is where a shortcut's inward bytes go: a socket that never blocks.
type Sink interface {
	Write(p []byte) (int, error) // EAGAIN: no room
	// Splice takes up to n bytes out of a pipe.
	Splice(pipe, n int) (int, error)
	WaitWritable() error
}

const (
	// maxPipes bounds the flows that are spliced at the same moment, and the pipes
	// that are kept for the next ones; more are copied. Each has two descriptors.
	maxPipes = 32
	// pipeSize is a pipe's room in bytes. All of them are an eighth of what one
	// user's pipes may have before the kernel makes small ones
	// (fs.pipe-user-pages-soft, 64 MiB). For 2 GiB from TCP to AF_UNIX a relay's CPU
	// time is 0.2 s by splice(2), 0.75 s by read(2) and write(2) with 256 KiB, 0.7 s
	// with 64 KiB; from AF_UNIX to TCP it is 0.5 s and 0.5 s and 0.3 s, so that way
	// bytes are copied.
	pipeSize = 256 << 10
	// bulkPiece is how much must come at once for a flow to be worth a pipe.
	bulkPiece = 64 << 10
)

// pipe is a pipe(2), empty while nobody uses it.
type pipe struct{ r, w int }

var (
	idlePipes = make(chan *pipe, maxPipes)
	pipesMade atomic.Int32
)

// takePipe is nil if there are enough pipes, or the kernel gives none.
func takePipe() *pipe {
	select {
	case p := <-idlePipes:
		return p
	default:
	}
	if pipesMade.Add(1) > maxPipes {
		pipesMade.Add(-1)
		return nil
	}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		pipesMade.Add(-1)
		return nil
	}
	// What the kernel does not grant is not missed but for speed.
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize)
	return &pipe{fds[0], fds[1]}
}

// give keeps an empty pipe for the next one.
func (p *pipe) give() { idlePipes <- p }

// Carry carries the host's bytes to a sink until one of them has ended: err is how
// reading has, nil if the sink takes no more; rest is what it did not take. count is
// told of each piece.
func (s *Shortcut) Carry(to Sink, count func(n int)) (rest []byte, err error) {
	for {
		p, err := s.read()
		count(len(p))
		rest := deliver(p, to)
		if len(rest) > 0 || err != nil {
			return rest, err
		}
		bulk := len(p) >= bulkPiece
		s.reader.release()
		if !bulk {
			continue
		}
		if pipe := takePipe(); pipe != nil {
			rest, err = s.splice(pipe, to, count)
			pipe.give()
			if len(rest) > 0 || err != nil {
				return rest, err
			}
		}
	}
}

// deliver hands p to the sink, and returns what it will not take any more.
func deliver(p []byte, to Sink) (rest []byte) {
	for len(p) > 0 {
		n, err := to.Write(p)
		p = p[n:]
		if err == unix.EAGAIN || err == nil && len(p) > 0 {
			err = to.WaitWritable()
		}
		if err != nil {
			return p
		}
	}
	return nil
}

// splice is Carry through a pipe, as long as much comes. The pipe is empty
// afterwards.
func (s *Shortcut) splice(p *pipe, to Sink, count func(n int)) (rest []byte, err error) {
	for {
		n, err := s.fill(p)
		if err != nil {
			return nil, err
		}
		s.in.Add(int64(n))
		count(n)
		for left := n; left > 0; {
			k, err := to.Splice(p.r, left)
			left -= max(k, 0)
			if err == unix.EAGAIN {
				err = to.WaitWritable()
			}
			if err != nil {
				return p.drain(left), nil
			}
		}
		if n < bulkPiece {
			return nil, nil
		}
	}
}

// fill moves what has come from the host into the pipe; it waits for something.
func (s *Shortcut) fill(p *pipe) (n int, err error) {
	var moved int64
	for {
		if s.stopped.Load() {
			return 0, ErrStopped
		}
		cerr := s.raw.Read(func(fd uintptr) bool {
			for {
				moved, err = unix.Splice(int(fd), nil, p.w, nil, pipeSize, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
				if err != unix.EINTR {
					return err != unix.EAGAIN
				}
			}
		})
		switch {
		case errors.Is(cerr, os.ErrDeadlineExceeded):
			_ = s.host.SetReadDeadline(time.Time{}) // see read
			continue
		case cerr != nil:
			return 0, cerr
		case err == nil && moved == 0:
			return 0, s.endOfRead()
		}
		return int(max(moved, 0)), err
	}
}

// drain takes n bytes out, all that the pipe has.
func (p *pipe) drain(n int) []byte {
	b := make([]byte, n)
	// They are there: nothing can fail, nor wait.
	_, _ = io.ReadFull(readerFunc(func(b []byte) (int, error) { return unix.Read(p.r, b) }), b)
	return b
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
