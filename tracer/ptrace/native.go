package ptrace

import "netbox/trap"

// nativeRun is the operation of trap.Native with Args or Then.
type nativeRun struct{ n *trap.Native }

func (o *nativeRun) enter(t *task) {
	args := t.call.Args
	if o.n.Args != nil {
		args = *o.n.Args
	}
	t.unmask()
	t.invoke(t.call.NR, &args)
}

func (o *nativeRun) leave(t *task, ret int64) {
	switch {
	case interrupted(ret) || ret == -eINTR:
		t.interrupt(restartCode(ret))
	case o.n.Then == nil:
		t.finish(ret)
	default:
		t.begin(o.n.Then(t, ret))
	}
}

func (o *nativeRun) drop(*task) {}
