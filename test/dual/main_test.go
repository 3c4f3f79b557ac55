package dual

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"netbox/test/bed"
	"netbox/test/world"
)

var (
	casesFlag  = flag.String("cases", "", "regular expression of the program/case to run")
	whereFlag  = flag.String("where", everywhere, "places to run at")
	usersFlag  = flag.String("users", "root,nobody", "users to run as")
	uplinkFlag = flag.String("uplink", "sim", "netbox's uplink: sim or host, which reach the same hosts")
	// Most of a case's time is waiting, so more run at once than there are
	// processors; the limits leave room for it.
	jobsFlag = flag.Int("jobs", 4, "cases run at once")

	tableFlag = flag.String("table", filepath.Join(bed.Root(), "build", "dual.txt"), "file that the table is written to")
)

// everywhere are all places that the table runs at.
const everywhere = "native,debuggable,notify,ptrace"

func TestMain(m *testing.M) { world.Main(m, bed.Remove) }

// everything tells whether the flags leave nothing out, nor the user's rights.
func everything() bool {
	return *uplinkFlag == "sim" && *casesFlag == "" && *whereFlag == everywhere && *usersFlag == "root,nobody" && os.Geteuid() == 0
}

// chosen tells whether the flags ask for this case.
func chosen(t *testing.T, name string) bool {
	t.Helper()
	matched, err := regexp.MatchString(*casesFlag, name)
	if err != nil {
		t.Fatal(err)
	}
	return matched
}

func has(list, word string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item == word {
			return true
		}
	}
	return false
}
