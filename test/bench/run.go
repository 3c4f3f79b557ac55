package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runTimeout ends a run that hangs; none takes a tenth of it but those of scaleTable.
// A peer that hangs does so in each round, and is given up earlier: peerTimeout.
const (
	runTimeout   = 30 * time.Second
	peerTimeout  = 10 * time.Second
	scaleTimeout = 2 * time.Minute
)

// runs are those of a round that rows share, by command line.
type runs map[string]outcome

// outcome is what a run printed, and how long it took.
type outcome struct {
	text string
	took time.Duration
	err  error
}

// measure is one figure of a row.
func (b *bench) measure(s side, t task, shared runs) (float64, error) {
	command := t.command
	if s.name == native && t.floor != nil {
		command = t.floor
	}
	args := b.words(s, t.pin, command)
	key := strings.Join(args, " ")
	o, ok := shared[key]
	if !ok {
		o = runOnce(s, t, args)
	}
	if t.table != mainTable {
		shared[key] = o
	}
	switch {
	case o.err != nil:
		return 0, o.err
	case t.timed:
		return float64(o.took.Nanoseconds()), nil
	}
	figure, err := t.read(o.text)
	if err != nil {
		err = fmt.Errorf("%v: %w", args, err)
	}
	return figure, err
}

func runOnce(s side, t task, args []string) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), s.limit(t))
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	// A group of its own can be killed as a whole.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	// A peer that fails may leave a child behind (pasta where it has no user
	// namespace). Where it did not, there is no such group any more.
	defer func() {
		if cmd.Process != nil {
			_ = cmd.Cancel()
		}
	}()
	var out, errors bytes.Buffer
	cmd.Stderr = &errors
	var err error
	start := time.Now()
	switch {
	case t.looks && s.name != native:
		err = watch(cmd, &out, s.supervisors)
	case t.looks:
		cmd.Stdin = strings.NewReader(strings.Repeat("\n", maxLooks))
		fallthrough
	default:
		cmd.Stdout = &out
		err = cmd.Run()
	}
	o := outcome{text: out.String(), took: time.Since(start)}
	if err != nil {
		o.err = fmt.Errorf("%v: %w: %s", args, err, strings.TrimSpace(errors.String()))
	}
	return o
}

// limit is how long a run may take.
func (s side) limit(t task) time.Duration {
	switch {
	case t.table == scaleTable:
		return scaleTimeout
	case s.peer:
		return peerTimeout
	}
	return runTimeout
}

func (r row) read(out string) (float64, error) {
	if r.figure != nil {
		found := r.figure.FindStringSubmatch(out)
		if found == nil {
			return 0, fmt.Errorf("no figure in %q", out)
		}
		out = found[1]
	}
	return strconv.ParseFloat(strings.TrimSpace(out), 64)
}

// maxLooks is how often a program waits for a line at most.
const maxLooks = 8

// watch runs a client that says when to look at who carries its network (scale.c), and
// writes what it prints to out, with what is seen.
func watch(cmd *exec.Cmd, out *bytes.Buffer, supervisors []string) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	text, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	err = cmd.Start()
	if err != nil {
		return err
	}
	err = looks(text, in, out, func() (holding, error) { return held(cmd.Process.Pid, supervisors) })
	in.Close()
	ended := cmd.Wait()
	if err == nil {
		err = ended
	}
	return err
}

// settle is how long a state lasts before it is looked at: what is on its way comes.
const settle = 200 * time.Millisecond

// looks copies lines until there are no more, and looks where one asks for it.
func looks(text io.Reader, in io.Writer, out *bytes.Buffer, look func() (holding, error)) error {
	var first holding
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		var when string
		var sockets float64
		fmt.Fprintln(out, lines.Text())
		n, _ := fmt.Sscanf(lines.Text(), "look %s %g", &when, &sockets)
		if n != 2 {
			continue
		}
		time.Sleep(settle)
		now, err := look()
		if err != nil {
			return err
		}
		now.sockets = sockets
		now.print(out, when, first)
		if first.sockets == 0 {
			first = now
		}
		_, err = io.WriteString(in, "\n")
		if err != nil {
			return err
		}
	}
	return lines.Err()
}
