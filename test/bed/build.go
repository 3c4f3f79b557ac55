package bed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/world"
)

// Path is the PATH of the programs under test: the distribution's own, so that
// a developer's python or node from elsewhere does not take part.
const Path = "/usr/sbin:/usr/bin:/sbin:/bin"

// Root is the repository's top folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Binaries are netbox and its ICMP helper, in a folder that every user may
// enter.
type Binaries struct {
	Dir    string
	Netbox string
	Helper string
	// Capable says that the helper has cap_net_raw by its file.
	Capable bool
}

var built struct {
	sync.Once
	Binaries
	err error
}

// Build builds netbox once for this test process, as the tests are built: for
// the race detector or not. The first to ask waits for it, for minutes where Go's
// cache is empty, and says so. Races that a netbox reports until the test has
// ended fail it.
func Build(t testing.TB) *Binaries {
	t.Helper()
	built.Do(func() {
		start := time.Now()
		built.Binaries, built.err = build()
		t.Logf("%v of this test's time went by building netbox", time.Since(start).Round(time.Millisecond))
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	t.Cleanup(func() { races.check(t) })
	return &built.Binaries
}

// Remove deletes what Build made, for TestMain's end.
func Remove() {
	if built.Dir != "" && built.Dir != os.Getenv(binariesVariable) {
		os.RemoveAll(built.Dir)
	}
}

// binariesVariable names a folder whose netbox and netbox-icmp are tested
// instead of a fresh build: an installed one.
const binariesVariable = "NETBOX_TEST_BIN"

func build() (Binaries, error) {
	if dir := os.Getenv(binariesVariable); dir != "" {
		b := Binaries{Dir: dir, Netbox: filepath.Join(dir, "netbox"), Helper: filepath.Join(dir, "netbox-icmp")}
		caps, _ := exec.Command("getcap", b.Helper).Output() // none: not capable
		b.Capable = strings.Contains(string(caps), "cap_net_raw") && !nosuid(dir)
		return b, nil
	}
	dir, err := PublicDir("netbox-test-bin-", 0o755)
	if err != nil {
		return Binaries{}, err
	}
	b := Binaries{Dir: dir, Netbox: filepath.Join(dir, "netbox"), Helper: filepath.Join(dir, "netbox-icmp")}
	// How they are built is the Makefile's to say.
	text, err := exec.Command("make", "-s", "-C", Root(), buildTarget, "BIN="+dir).CombinedOutput()
	if err == nil {
		err = races.begin(filepath.Join(dir, "races"))
	}
	if err != nil {
		os.RemoveAll(dir)
		return Binaries{}, fmt.Errorf("make %s: %w\n%s", buildTarget, err, text)
	}
	b.Capable = exec.Command("setcap", "cap_net_raw+ep", b.Helper).Run() == nil && !nosuid(dir)
	return b, nil
}

// PublicDir makes a scratch folder that any user may enter. /var/tmp and not
// /tmp: Debian 13 mounts the latter nosuid, where file capabilities are void.
func PublicDir(pattern string, mode os.FileMode) (string, error) {
	dir, err := os.MkdirTemp("/var/tmp", pattern)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, mode)
}

// GoBuild builds packages of this module statically to out.
func GoBuild(out string, packages ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", out}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build %v: %w\n%s", packages, err, text)
	}
	return nil
}

// CBuild builds a C file statically with compiler cc and more flags to out.
func CBuild(cc, out, file string, flags ...string) error {
	args := append([]string{"-O2", "-Wall", "-static", "-o", out, file}, flags...)
	text, err := exec.Command(cc, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", cc, file, err, text)
	}
	return nil
}

func nosuid(dir string) bool {
	var fs unix.Statfs_t
	err := unix.Statfs(dir, &fs)
	return err != nil || fs.Flags&unix.ST_NOSUID != 0
}

// Need skips the test when one of the programs is not installed: a name on the
// Path, or the pattern of an absolute path. `make deps` installs them all.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		found := false
		for _, dir := range filepath.SplitList(Path) {
			if filepath.IsAbs(p) {
				dir = "/"
			}
			files, err := filepath.Glob(filepath.Join(dir, p))
			found = found || err == nil && files != nil
		}
		if !found {
			world.Skip(t, "%s is not installed: make deps", p)
		}
	}
}
