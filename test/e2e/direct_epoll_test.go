package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
	"netbox/test/world"
)

// TestDirectEpoll: sockets that turn out to be the sandbox's own stay in their epoll set,
// and the descriptors of the process are only looked through where that is needed: else
// a program with n sockets would cost n² looks.
func TestDirectEpoll(t *testing.T) {
	bed.Need(t, "python3")
	w, d, script := world.New(t), newDirect(t), testdata(t, "epolls.py")
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(set), "set")
	defer file.Close()
	for _, c := range []struct {
		which string
		count int
		scans bool
	}{{"none", 2000, false}, {"few", 2000, false}, {"many", 20, true}, {"passed", 20, true}, {"received", 20, true}} {
		t.Run(c.which, func(t *testing.T) {
			d.each(t, func(t *testing.T, s site, flags []string) {
				refused := slices.Contains(s.user.Prefix, "python3") // pidfd_getfd(2): registrations are lost
				if refused && c.which != "none" {
					t.Skip("docs/limits.md")
				}
				words := append(slices.Clone(flags), "--log-level=debug")
				if c.which == "passed" {
					words = append(words, "--pass-fd=3")
				}
				cmd := s.command(t.Context(), w, d.Binaries, d.dir, words, "python3", script, c.which, strconv.Itoa(c.count))
				cmd.ExtraFiles = []*os.File{file}
				r := bed.Run(t, cmd)
				if r.Code != 0 || r.Out != "ok\n" {
					t.Fatal(r.Output())
				}
				// The listener is exchanged, too.
				if exchanged, scans := directStats(t, r.Err); exchanged < c.count+1 || (scans > 0) != c.scans {
					t.Errorf("%d exchanges, %d looks at all descriptors", exchanged, scans)
				}
			})
		})
	}
}

var directStat = regexp.MustCompile(`Exchanged:(\d+) .* Scans:(\d+)`)

func directStats(t *testing.T, log string) (exchanged, scans int) {
	t.Helper()
	found := directStat.FindStringSubmatch(log)
	if found == nil {
		t.Fatal(log)
	}
	if _, err := fmt.Sscan(found[1]+" "+found[2], &exchanged, &scans); err != nil {
		t.Fatal(err)
	}
	return exchanged, scans
}
