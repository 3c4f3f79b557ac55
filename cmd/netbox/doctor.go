package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"netbox/icmp"
	"netbox/netemu/dns"
	"netbox/tracer"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "tell what works on this machine, what not, and the command that would mend it",
		Description: `Tries each thing that netbox needs or can use. Exit code 0: programs can be run;
1: they cannot.`,
		Action: func(c *cli.Context) error {
			if !report(c.App.Writer, examine()) {
				return exitStatus{tracer.ExitStatus{Code: 1}}
			}
			return nil
		},
	}
}

// finding is one line of the doctor's report. Vital ones decide the exit code.
type finding struct {
	name   string
	works  bool
	vital  bool
	detail string
	mend   string
}

func examine() []finding {
	all := []finding{kernel(), interception(tracer.Ptrace), notification(), descriptors(), resolver()}
	for _, r := range icmp.Probe(icmp.Options{}) {
		f := finding{name: "ping by " + r.Rung, works: r.Works, detail: r.Why, mend: r.Mend}
		if r.Works {
			f.detail = strings.TrimSpace(families(r.IPv4, r.IPv6) + " " + r.Path)
		}
		all = append(all, f)
	}
	return all
}

func families(v4, v6 bool) string {
	switch {
	case v4 && v6:
		return "IPv4 and IPv6"
	case v4:
		return "IPv4 only"
	}
	return "IPv6 only"
}

func kernel() finding {
	var u unix.Utsname
	f := finding{name: "kernel", works: true}
	if err := unix.Uname(&u); err != nil {
		f.works, f.detail = false, err.Error()
		return f
	}
	f.detail = "Linux " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	return f
}

// notification is the engine that is taken where it can be had.
func notification() finding {
	f := interception(tracer.Notify)
	f.name, f.vital = "engine notify", false
	f.mend = "none needed, the engine ptrace is slower (Linux 5.14 and later; docker: --cap-add SYS_PTRACE for pidfd_getfd)"
	return f
}

// interception runs netbox itself, harmlessly, under the tracer.
func interception(engine tracer.Engine) finding {
	f := finding{name: "engine ptrace", vital: true, detail: "programs can be run"}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		f.detail = err.Error()
		return f
	}
	defer null.Close()
	o := options{uplink: "none", log: slog.New(slog.DiscardHandler), names: dns.NewZone()}
	b, err := newBox(o)
	if err != nil {
		f.detail = err.Error()
		return f
	}
	defer b.close()
	status, err := tracer.Launch(tracer.Options{
		Path: "/proc/self/exe", Args: []string{"netbox", "version"},
		Stdin: null, Stdout: null, Stderr: null, Engine: engine, Handler: b.emulator, Log: o.log,
	})
	f.mend = "allow ptrace(2) and seccomp(2) (docker: the default profile of Linux 4.8 and later does)"
	var refused *tracer.RefusedError
	switch {
	case errors.As(err, &refused):
		f.detail, f.mend = "ptrace(2) is refused by "+refused.Setting, refused.Mend
	case err != nil:
		f.detail = err.Error()
	case status != tracer.ExitStatus{}:
		f.detail = fmt.Sprintf("a program under ptrace(2) ended with code %d, signal %d", status.Code, status.Signal)
	default:
		f.works = true
	}
	return f
}

// leastDescriptors is what a busy sandbox may want: two a flow, for a thousand
// flows, and as many again on their way.
const leastDescriptors = 4096

func descriptors() finding {
	var l unix.Rlimit
	f := finding{name: "descriptors"}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		f.detail = err.Error()
		return f
	}
	f.detail = fmt.Sprintf("at most %d open at once", l.Cur)
	if f.works = l.Cur >= leastDescriptors; !f.works {
		f.mend = fmt.Sprintf("ulimit -Hn %d", leastDescriptors)
	}
	return f
}

func resolver() finding {
	c, err := dns.ReadResolvConf(resolvConf)
	if err != nil {
		return finding{name: "resolver", detail: err.Error(), mend: "mend " + resolvConf + ", or use --dns IP"}
	}
	return finding{name: "resolver", works: true, detail: fmt.Sprint(c.Nameservers)}
}

// report prints the findings and says whether programs can be run.
func report(w io.Writer, all []finding) bool {
	able := true
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range all {
		mark := "ok"
		if !f.works {
			mark = "no"
			able = able && !f.vital
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", mark, f.name, f.detail)
		if !f.works && f.mend != "" {
			fmt.Fprintf(t, "\t\tto mend it: %s\n", f.mend)
		}
	}
	t.Flush()
	return able
}
