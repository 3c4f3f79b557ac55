package programs

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"netbox/test/bed"
	"netbox/test/world"
)

var remoteRows = []Row{
	{"ssh", []string{"ssh", "sshd", "ssh-keygen"}, runSSH},
}

// runSSH runs the client against a real sshd on the other host.
func runSSH(t *testing.T, s *Site) {
	port := freePort()
	key := filepath.Join(s.Dir, "key")
	hostKey := filepath.Join(s.Dir, "host-key")
	for _, path := range []string{key, hostKey} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	s.own(t, key)
	known := s.file(t, "known-hosts", knownHosts(t, hostKey+".pub", s, port), 0o644)
	account := s.startSSHD(t, port, hostKey, string(public))
	s.dial(t, netip.AddrPortFrom(s.Serve4, port)).Close()

	for _, f := range s.families() {
		s.feed(t, func(out string) bool { return out == line+"\nfrom sshd\n" },
			"ssh", "-F", "none", "-i", key, "-o", "BatchMode=yes", "-o", "UserKnownHostsFile="+known,
			"-p", fmt.Sprint(port), account+"@"+f.far.String(), "cat; echo from sshd")
	}
}

func knownHosts(t *testing.T, publicFile string, s *Site, port uint16) string {
	t.Helper()
	public, err := os.ReadFile(publicFile)
	if err != nil {
		t.Fatal(err)
	}
	var hosts strings.Builder
	for _, f := range s.families() {
		fmt.Fprintf(&hosts, "[%v]:%d %s", f.far, port, public)
	}
	return hosts.String()
}

// startSSHD starts sshd on the other host, with accounts of the test's making,
// and returns the one to log in to: as uid 0 sshd calls setgroups(2), which is
// EPERM in a user namespace of one uid.
func (s *Site) startSSHD(t *testing.T, port uint16, hostKey, authorized string) (account string) {
	t.Helper()
	keys := filepath.Join(s.Dir, "authorized")
	err := os.WriteFile(keys, []byte(authorized), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	SetAccounts(t, s.Outside)
	config := s.file(t, "sshd.conf", fmt.Sprintf(`
Port %d
ListenAddress %v
ListenAddress %v
HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
`, port, s.Serve4, s.Serve6, hostKey, keys), 0o644)
	line := []string{"/usr/sbin/sshd", "-D", "-e", "-f", config}
	if world.InUserNamespace() {
		s.startOutside(t, append(bed.Nobody().Prefix, line...)...)
		return "nobody"
	}
	s.startOutside(t, line...)
	return "root"
}
