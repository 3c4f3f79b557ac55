package main

import (
	"io"
	"os"
	"os/exec"
	"syscall"
)

// process is a server that runs as long as the bench.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
	out io.Reader
}

// start starts one that ends at stop, or when the thread that called this does:
// run keeps it.
func start(command ...string) (*process, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, in, out}, cmd.Start()
}

func (p *process) stop() {
	p.in.Close()
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // killed: an error
}
