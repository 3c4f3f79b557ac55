package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
)

// fullScript: three programs take as many sockets as they can, together more than
// netbox may have descriptors. Each says what ended that, and gives up what it has;
// then there is room again.
const fullScript = `
cat >full.py <<'.'
import errno, socket, sys
l = socket.create_server(("127.0.0.1", 0), backlog=100)
kept = []
def take():
	while True:
		c = socket.socket()
		c.settimeout(20)
		c.connect(l.getsockname())
		kept.extend([c, l.accept()[0]])
try:
	take()
except OSError as e:
	print(errno.errorcode.get(e.errno, e), flush=True)
sys.stdin.readline()
.
mkfifo go
for i in 1 2 3; do python3 full.py <go & done
exec 3>go
while [ $(wc -l <out) -lt 3 ]; do sleep 0.1; done
exec 3>&-
wait
python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname())
l.accept()[0].send(b"room again")
print(c.recv(100).decode())'
`

// TestFull: where netbox has no descriptor left, a program is told that there are too
// many open files, by socket(2), connect(2) or accept(2); nothing hangs, and what is
// closed makes room.
func TestFull(t *testing.T) {
	bed.Need(t, "python3")
	b := bed.Build(t)
	ways := []string{"--engine=auto", "--debuggable"}
	if os.Getenv("NETBOX_ENGINE") != "" { // scripts/test comes back for ptrace
		ways = []string{"--engine=ptrace"}
	}
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		for _, how := range ways {
			t.Run(u.Name+"/"+how, func(t *testing.T) {
				u.Need(t)
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
				defer cancel()
				line := append(append([]string{}, u.Prefix...), "sh", "-c", `: >out; ulimit -n 300; "$0" "$@" >>out 2>err; cat out`,
					b.Netbox, "run", how, "--uplink", "none", "--", "sh", "-c", fullScript)
				r := bed.Run(t, command(ctx, scratch(t), line...))
				got := strings.Split(strings.TrimSpace(r.Out), "\n")
				if len(got) != 4 || got[3] != "room again" {
					t.Fatalf("%s", r.Output())
				}
				for _, word := range got[:3] {
					if word != "ENFILE" && word != "EMFILE" {
						t.Errorf("a program ended with %s", word)
					}
				}
			})
		}
	}
}
