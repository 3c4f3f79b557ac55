package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
)

// netlinkScript sends where only the privileged may, and asks for what netbox
// does not know.
const netlinkScript = `
import socket, struct
def message(typ): return struct.pack("=IHHII", 20, typ, 0x301, 7, 0) + bytes(4)
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
for to in (1, 0), (0, 1):
    for send in lambda: route.sendto(message(94), to), lambda: route.sendmsg([message(94)], [], 0, to):
        try: send()
        except PermissionError: print("refused")
route.sendto(message(94), (0, 0))
diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
diag.send(message(33))
print("answered", struct.unpack_from("=i", diag.recv(100), 16)[0])
`

// TestNetlinkRefusals: the errors of netlink_sendmsg, and unknown requests in the
// ledger with the program that made them.
func TestNetlinkRefusals(t *testing.T) {
	bed.Need(t, "python3")
	b := bed.Build(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := bed.Run(t, command(ctx, scratch(t), b.Netbox, "run", "--uplink", "none", "--log-level", "debug", "--", "python3", "-c", netlinkScript))
	if r.Code != 0 || strings.Count(r.Out, "refused\n") != 4 || !strings.Contains(r.Out, "answered -22\n") {
		t.Errorf("%s", r.Output())
	}
	for _, want := range []string{"name=RTM_GETSTATS program=python3 count=1", `name="SOCK_DIAG type 33" program=python3 count=1`} {
		if !strings.Contains(r.Err, want) {
			t.Errorf("no %q in the ledger: %s", want, r.Output())
		}
	}
}
