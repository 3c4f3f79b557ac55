package bed

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// raceVariable has the options of a program built for the race detector
// (https://go.dev/doc/articles/race_detector).
const raceVariable = "GORACE"

// races are the reports of data races of the netboxes that are run: files in a
// folder, as what a netbox writes elsewhere may be the program's, or nobody
// reads it.
var races raceReports

type raceReports struct {
	mu     sync.Mutex
	folder string         // none: netbox is not built for the race detector
	read   map[string]int // how much of a file a test has been told
}

// begin has netboxes that are run from now on report to a new folder. The
// detector waits for a second at every exit unless told otherwise: to see races
// with threads that end as well, which netbox does not wait for.
func (r *raceReports) begin(folder string) error {
	if !Race {
		return nil
	}
	r.folder, r.read = folder, map[string]int{}
	return errors.Join(
		os.Mkdir(folder, 0o777),
		os.Chmod(folder, 0o777), // past the umask: netbox is run by any user
		os.Setenv(raceVariable, "atexit_sleep_ms=0 log_path="+filepath.Join(folder, "netbox")),
	)
}

// check fails the test for what no other has been failed for. Of tests that run
// at once it is the one that ends first.
func (r *raceReports) check(t testing.TB) {
	if r.folder == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	files, err := filepath.Glob(filepath.Join(r.folder, "*"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		if fresh := text[min(r.read[file], len(text)):]; len(fresh) > 0 {
			t.Errorf("netbox has data races:\n%s", fresh)
		}
		r.read[file] = len(text)
	}
}
