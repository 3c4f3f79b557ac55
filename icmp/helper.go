package icmp

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// queueLimit bounds the bytes of requests that wait for the helper: 16
	// messages of the largest size, or 10,000 small requests, which at the
	// helper's pace are 50 ms. More would be loss that is told too late.
	queueLimit = 16 * maxMessage

	// The first restart is at once, since the usual death is an accident. If
	// that does not help, the pause doubles from minPause to maxPause, and
	// starts over after a helper has lived for goodLife.
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	goodLife = 10 * time.Second
)

// helperRung is the rung of the helper.
//
//	starting ─→ up ─(dies)→ down ─(pause, start)→ up …
//
// closed from any of them.
type helperRung struct {
	conn *Conn
	path string
	log  *slog.Logger
	down func(error)

	once    sync.Once // guards closing's close
	closing chan struct{}
	// work is signalled (capacity 1) when requests are queued.
	work    chan struct{}
	running sync.WaitGroup // run

	mu sync.Mutex
	// up is the helper that serves; nil while there is none.
	up    *process
	queue packer
}

// openHelper starts the helper. It fails if it cannot be started or has no
// raw sockets.
func openHelper(o Options, c *Conn) (*helperRung, error) {
	path, err := findHelper(o.HelperPath)
	if err != nil {
		return nil, helperUnavailable("", err)
	}
	h := &helperRung{
		conn: c, path: path, log: o.Log, down: o.Down,
		closing: make(chan struct{}),
		work:    make(chan struct{}, 1),
		queue:   packer{typ: requestsMessage},
	}
	p, err := h.start()
	if err != nil {
		return nil, helperUnavailable(path, err)
	}
	h.log.Debug("icmp: helper started", "path", path, "pid", p.cmd.Process.Pid)
	h.setUp(p)
	h.running.Add(1) // run
	go h.run(p)
	return h, nil
}

// start starts a helper that has raw sockets.
func (h *helperRung) start() (*process, error) {
	p, err := startHelper(h.path)
	if err != nil {
		return nil, err
	}
	if err := p.hello.capable(); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (*helperRung) name() string { return RungHelper }

func (h *helperRung) close() {
	h.once.Do(func() { close(h.closing) })
	h.mu.Lock()
	if h.up != nil {
		h.up.socket.Close()
	}
	h.mu.Unlock()
	h.running.Wait()
}

func (h *helperRung) send(r *Request) unix.Errno {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.up == nil {
		return unix.EHOSTUNREACH
	}
	if h.up.hello.lacks(familyOf(r.Dst)) {
		return unix.ENETUNREACH
	}
	if h.queue.bytes+requestRecordLen+len(r.Payload) > queueLimit {
		return unix.ENOBUFS
	}
	h.queue.addRequest(r)
	select {
	case h.work <- struct{}{}:
	default: // the writer has yet to see the last signal
	}
	return 0
}

// lacks tells whether the helper has no raw sockets of the family.
func (h hello) lacks(f family) bool {
	if f == inet {
		return h.errno4 != 0
	}
	return h.errno6 != 0
}

// setUp makes p the helper that serves; nil: none does. What is queued for
// another is lost.
func (h *helperRung) setUp(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = p
	for _, m := range h.queue.take() {
		h.queue.recycle(m)
	}
}

// run serves with p, and after its death with another one, until closing.
func (h *helperRung) run(p *process) {
	defer h.running.Done()
	var pause time.Duration
	var failed string // the last failure to start, so that it is reported once
	for {
		if p != nil {
			born := time.Now()
			h.serve(p)
			if time.Since(born) >= goodLife {
				pause = 0
			}
		}
		if !h.sleep(pause) {
			return
		}
		pause = min(max(minPause, 2*pause), maxPause)
		var err error
		if p, err = h.start(); err != nil {
			if err.Error() != failed {
				failed = err.Error()
				h.report(fmt.Errorf("icmp: start %s: %w", h.path, err))
			}
			continue
		}
		failed = ""
		h.setUp(p)
		h.log.Info("icmp: helper started again", "path", h.path, "pid", p.cmd.Process.Pid)
	}
}

// sleep waits for d; false: the Conn closes.
func (h *helperRung) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-h.closing:
		return false
	case <-timer.C:
	}
	select {
	case <-h.closing:
		return false
	default:
		return true
	}
}

// serve relays for p, which is up, until it dies or the Conn closes, and reports a death.
func (h *helperRung) serve(p *process) {
	select {
	case <-h.closing: // close may have looked before setUp
		p.socket.Close()
	default:
	}
	ended := make(chan struct{})
	var writer sync.WaitGroup
	writer.Add(1) // write
	go func() {
		defer writer.Done()
		h.write(p.socket, ended)
	}()
	err := h.read(p.socket)
	h.setUp(nil)
	close(ended)
	p.stop()
	writer.Wait()
	select {
	case <-h.closing:
		return
	default:
	}
	h.conn.counters.deaths.Add(1)
	h.report(fmt.Errorf("icmp: helper %s (pid %d) is gone: %s (%w)", h.path, p.cmd.Process.Pid, p.epitaph(), err))
}

// report tells Options.Down, or else the log, about a helper that is not
// there.
func (h *helperRung) report(err error) {
	if h.down != nil {
		h.down(err)
		return
	}
	h.log.Warn(err.Error())
}

// write sends what is queued until the conversation has ended.
func (h *helperRung) write(socket *os.File, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-h.work:
		}
		h.mu.Lock()
		messages := h.queue.take()
		h.mu.Unlock()
		for _, m := range messages {
			if _, err := socket.Write(m); err != nil {
				socket.Close() // so that read ends, too
				return
			}
		}
		h.mu.Lock()
		for _, m := range messages {
			h.queue.recycle(m)
		}
		h.mu.Unlock()
	}
}

// read delivers replies until the helper hangs up or breaks the protocol.
func (h *helperRung) read(socket *os.File) error {
	buffer := make([]byte, maxMessage+1) // one more shows what is too long
	var replies []Reply
	var overflows uint32
	for {
		n, err := socket.Read(buffer)
		if err != nil {
			return err
		}
		// A copy, since receivers may keep the payloads.
		message := append(make([]byte, 0, n), buffer[:n]...)
		var total uint32
		if replies, total, err = parseReplies(message, replies[:0]); err != nil {
			return err
		}
		h.conn.counters.overflows.Add(uint64(total - overflows))
		overflows = total
		for _, r := range replies {
			h.conn.deliver(r)
		}
	}
}
