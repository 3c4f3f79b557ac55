package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
)

// A task has one tracer, and that is netbox: strace and gdb are refused with
// the errno of Linux for a second one, say so, and end; what they were to look
// at goes on, its network too.
func TestTracersAreRefused(t *testing.T) {
	bed.Need(t, "strace", "gdb", "python3")
	const echo = `/usr/bin/python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname())
l.accept()[0].send(b"still connected")
print(c.recv(100).decode())'`
	b := bed.Build(t)
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		for _, tracer := range []string{
			"strace -f true", "strace -p $$", "gdb -q -nx -batch -ex run --args true", "gdb -q -nx -batch -p $$",
		} {
			t.Run(u.Name+"/"+tracer, func(t *testing.T) {
				u.Need(t)
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				line := append(append([]string{}, u.Prefix...), b.Netbox, "run", "--debuggable=false", "--uplink", "none", "--", "sh", "-c", tracer+"; "+echo)
				r := bed.Run(t, command(ctx, scratch(t), line...))
				if r.Code != 0 || r.Out != "still connected\n" && !strings.HasSuffix(r.Out, "\nstill connected\n") {
					t.Errorf("afterwards: %s", r.Output())
				}
				if !strings.Contains(strings.ToLower(r.Err), "operation not permitted") {
					t.Errorf("no reason given: %s", r.Output())
				}
			})
		}
	}
}
