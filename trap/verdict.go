package trap

import (
	"time"

	"golang.org/x/sys/unix"
)

// Kind says which of a [Verdict]'s forms it is.
type Kind uint8

const (
	// KindDone: the call returns Value.
	KindDone Kind = iota
	// KindFail: the call fails with Errno.
	KindFail
	// KindNative: the kernel runs the call; see [Native].
	KindNative
	// KindInstall: the task gets a descriptor; see [Install].
	KindInstall
	// KindWait: the task sleeps in the kernel until a descriptor is ready; see [Wait].
	KindWait
	// KindReceive: the task takes the next message of a surrogate; see [Receive].
	KindReceive
	// KindClose: the task loses a descriptor; see [Close].
	KindClose
	// KindLend: the supervisor gets a copy of a descriptor; see [Lend].
	KindLend
)

// Verdict is the emulation's answer to a call. Make one with Done, Fail,
// Run or the pointer forms; the zero Verdict is Done(0).
type Verdict struct {
	Kind    Kind
	Value   int64
	Errno   unix.Errno
	Native  *Native
	Install *Install
	Wait    *Wait
	Receive *Receive
	Close   *Close
	Lend    *Lend
}

// Native lets the kernel run the call as the task made it. With Args, other
// argument registers are used for the run, and put back afterwards. With
// Then, the engine stops at the call's end and returns Then's verdict
// instead: ret is the kernel's return value, -errno for a failure. Then must
// not answer with the cheap form, which is both nil (or a nil *Native): no second
// stop.
//
// With Copy, of at most MaxCopy bytes, argument CopyArg of Args is the address of
// these bytes in memory of the task that the program does not use. What the kernel
// has made of them is in Copy when Then is called.
//
// A call that is interrupted by a signal returns Partial if that is not 0, what the
// call has done before this run; else it is restarted, or fails with EINTR,
// as Linux would; Then is not called for it.
type Native struct {
	Args    *[6]uint64
	Copy    []byte
	CopyArg int
	Partial int64
	Then    func(t Task, ret int64) Verdict
}

// MaxCopy bounds Native's Copy, in bytes: it lies on the task's stack, which may be
// short of room.
const MaxCopy = 128

// Install gives the task a descriptor for the supervisor's descriptor File,
// which the engine closes in any case. The task's gets CloseOnExec as said;
// status flags are a matter of the file itself. At < 0 picks the lowest free
// number as socket(2) does; otherwise the descriptor At of the task is
// replaced, as by dup3(2). Then's verdict (Done, Fail, or a Wait) goes on with
// the call; with a nil Then it returns the number. EMFILE and the like end the call
// with that errno after Failed, if set, was called.
//
// The registrations of the descriptor that is replaced in the epoll sets of Watched are
// made anew for File, where that can be had: where Task's Borrow can.
//
// With Use the descriptor is there for one run of the trapped call only: with
// the arguments that Use returns for it. Then it is closed, and the call returns
// what that run did. TrapPolls has poll(2), select(2), epoll_wait(2) and their
// kin trapped in the task's process from then on, if that run succeeds.
type Install struct {
	File        int
	CloseOnExec bool
	At          int32
	Use         func(fd int32) [6]uint64
	Watched     EpollSets
	TrapPolls   bool
	Then        func(t Task, fd int32) Verdict
	Failed      func(errno unix.Errno)
}

// EpollSets are those in which a descriptor may be registered: the supervisor's
// descriptors Kept, or, with Others, whatever sets are found among the descriptors of
// the task's process. The zero value is none.
type EpollSets struct {
	Kept   []int
	Others bool
}

// Wait lets the task sleep in the kernel until descriptor FD shows one of the
// poll(2) Events (POLLERR and POLLHUP always count), or Timeout has passed
// (negative: for ever). Then Again is called for the next verdict, with ready
// false on a timeout. When a signal interrupts the wait, the engine restarts
// the original call (SA_RESTART) or fails it with EINTR as Linux does for a
// call without a timeout; with one, always EINTR (socket(7), SO_RCVTIMEO).
//
// Soon, if not nil, is closed when the descriptor is ready, as far as the emulation
// hears of it: an engine may wait for that in its own process for a moment, which is
// cheaper than to ask the kernel.
type Wait struct {
	FD      int32
	Events  int16
	Timeout time.Duration
	Soon    <-chan struct{}
	Again   func(t Task, ready bool) Verdict
}

// Receive takes one message from the surrogate FD, as recvmsg(2) run in the
// task would: the payload goes to the task's own iovec array at IOV (address
// and count), or to the BufLen bytes at Buf if IOVLen is 0 (both 0 for a
// message of no interest), and with Rights a descriptor that comes along (SCM_RIGHTS) is installed, close-on-exec if
// CloseOnExec. Flags are recvmsg's; with MSG_DONTWAIT the run never blocks.
// Without it the kernel blocks natively, with EAGAIN, EINTR and restarts as
// Linux gives them for the original call.
//
// Gate, if not nil, lets one Receive with the same value run at a time; it
// must then have MSG_DONTWAIT, so that no task is held for long. Check, if
// set, is called when the gate has been entered, right before the run: a
// verdict other than nil is taken instead of it.
//
// Then ends the call: n is recvmsg's return or -errno (never a restart
// errno), flags are msg_flags, fd the installed descriptor or -1. Its verdict
// may be Done, Fail, Wait, another Receive, or a Native with Args.
type Receive struct {
	FD          int32
	IOV         uint64
	IOVLen      uint64
	Buf         uint64
	BufLen      uint64
	Flags       int
	Rights      bool
	CloseOnExec bool
	Gate        any
	Check       func(t Task) *Verdict
	Then        func(t Task, n int64, flags int, fd int32) Verdict
}

// Close closes the task's descriptor FD and goes on with Next: Done, Fail or an
// Install. The descriptor is gone whatever becomes of Next.
type Close struct {
	FD   int32
	Next Verdict
}

// Lend gives the supervisor a copy of the task's descriptor FD for as long as Then
// runs, whose verdict goes on with the call; it must not be the cheap form of Native.
// It is Task's Borrow where that is allowed, else the task is made to send the
// descriptor. EBADF and the like end the call.
type Lend struct {
	FD   int32
	Then func(t Task, file int) Verdict
}

// Done ends the call with value v.
func Done(v int64) Verdict { return Verdict{Kind: KindDone, Value: v} }

// Fail ends the call with errno e; Fail(0) is Done(0).
func Fail(e unix.Errno) Verdict {
	if e == 0 {
		return Done(0)
	}
	return Verdict{Kind: KindFail, Errno: e}
}

// Run lets the kernel run the call untouched.
func Run() Verdict { return Verdict{Kind: KindNative} }

// RunThen lets the kernel run the call, with args if not nil, and ends it
// with then's verdict.
func RunThen(args *[6]uint64, then func(t Task, ret int64) Verdict) Verdict {
	return Verdict{Kind: KindNative, Native: &Native{Args: args, Then: then}}
}

// Verdict wraps a Native.
func (n *Native) Verdict() Verdict { return Verdict{Kind: KindNative, Native: n} }

// Verdict wraps an Install.
func (i *Install) Verdict() Verdict { return Verdict{Kind: KindInstall, Install: i} }

// Verdict wraps a Close.
func (c *Close) Verdict() Verdict { return Verdict{Kind: KindClose, Close: c} }

// Verdict wraps a Lend.
func (l *Lend) Verdict() Verdict { return Verdict{Kind: KindLend, Lend: l} }

// Verdict wraps a Wait.
func (w *Wait) Verdict() Verdict { return Verdict{Kind: KindWait, Wait: w} }

// Verdict wraps a Receive.
func (r *Receive) Verdict() Verdict { return Verdict{Kind: KindReceive, Receive: r} }
