package ptrace

import (
	"netbox/seccomp"
	"netbox/tracer/proc"
	"netbox/trap"
)

// nativeRun is the operation of trap.Native with Args or Then: Copy is put in scratch
// memory.
type nativeRun struct{ n *trap.Native }

func (o *nativeRun) enter(t *task) {
	args := t.call.Args
	if o.n.Args != nil {
		args = *o.n.Args
	}
	if o.n.Copy != nil {
		addr, e := t.borrow(len(o.n.Copy))
		if e != 0 {
			return // killed meanwhile
		}
		if e := t.fill(o.n.Copy); e != 0 {
			t.giveBack()
			t.finish(-int64(e))
			return
		}
		args[o.n.CopyArg] = addr
	}
	if !seccomp.NeverWaits(t.call.NR) {
		t.unmask() // else a signal would end the call in its notification
	}
	t.invoke(t.call.NR, &args)
}

func (o *nativeRun) leave(t *task, ret int64) {
	if o.n.Copy != nil {
		proc.ReadMemory(t.tid, t.scratch.addr, o.n.Copy)
		t.giveBack()
	}
	switch {
	case (interrupted(ret) || ret == -eINTR) && o.n.Partial != 0:
		t.finish(o.n.Partial)
	case interrupted(ret) || ret == -eINTR:
		t.interrupt(restartCode(ret))
	case o.n.Then == nil:
		t.finish(ret)
	default:
		t.begin(o.n.Then(t, ret))
	}
}

func (o *nativeRun) drop(*task) {}
