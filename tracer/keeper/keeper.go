package keeper

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Keeper is the supervisor's side.
type Keeper struct {
	pid  int // of the keeper
	link int
	main int // a pidfd of the main process
	once sync.Once
}

// Start starts a keeper, which starts the job, and returns that one's pid.
func Start(job Job, dir string) (*Keeper, int, error) {
	// If the keeper dies, the box is this process's.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, 0, fmt.Errorf("PR_SET_CHILD_SUBREAPER: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("socket to the keeper: %w", err)
	}
	pid, err := exec(job, dir, pair[1])
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
		return nil, 0, fmt.Errorf("start of the keeper: %w", err)
	}
	k := &Keeper{pid: pid, link: pair[0], main: -1}
	what, value, err := receive(k.link)
	if err == nil && what == failed {
		err = unix.Errno(value)
	}
	if err == nil {
		k.main, err = unix.PidfdOpen(int(value), 0)
	}
	if err != nil {
		k.End()
		return nil, 0, fmt.Errorf("start of the program by its keeper: %w", err)
	}
	return k, int(value), nil
}

// Pid is the keeper's: the processes of the box are its descendants.
func (k *Keeper) Pid() int { return k.pid }

// Signal sends sig to the main process. Nothing happens when it has ended.
func (k *Keeper) Signal(sig unix.Signal) { _ = unix.PidfdSendSignal(k.main, sig, nil, 0) }

// Wait waits for the end of the main process; stopped is called when a signal has
// stopped it. What is left of the box is killed.
func (k *Keeper) Wait(stopped func(unix.Signal)) (unix.WaitStatus, error) {
	defer k.End()
	for {
		_, value, err := receive(k.link)
		if err != nil {
			return 0, fmt.Errorf("the box is killed: %w", err)
		}
		ws := unix.WaitStatus(value)
		if !ws.Stopped() {
			return ws, nil
		}
		stopped(ws.StopSignal())
	}
}

// End kills what is left of the box, and returns when it is gone.
func (k *Keeper) End() {
	k.once.Do(func() {
		unix.Close(k.link)
		var ws unix.WaitStatus
		for {
			if _, err := unix.Wait4(k.pid, &ws, unix.WALL, nil); err != unix.EINTR {
				break
			}
		}
		if !ws.Exited() { // killed, so that its children are this process's
			killUntil(os.Getpid(), func() bool { return false })
		}
		if k.main >= 0 {
			unix.Close(k.main)
		}
	})
}
