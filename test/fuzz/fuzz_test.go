package fuzz

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/world"
)

var (
	forFlag  = flag.Duration("for", 0, "how long to run; 0: briefly, on the fixed seeds")
	seedFlag = flag.Uint64("seed", 1, "first seed")
)

func TestMain(m *testing.M) { world.Main(m, bed.Remove) }

// build compiles one of testdata's programs into a folder for every user.
func build(t *testing.T, name string) string {
	t.Helper()
	dir, err := bed.PublicDir("netbox-fuzz-", 0o755)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	out := filepath.Join(dir, name)
	source := filepath.Join(bed.Root(), "test/fuzz/testdata", name+".c")
	err = bed.CBuild("gcc", out, source, "-pthread", "-I"+filepath.Join(bed.Root(), "testprogs/c"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// seeds calls f with one seed after the other: the first alone for a brief run,
// else until half of the time is over.
func seeds(t *testing.T, f func(seed uint64)) {
	t.Helper()
	end := time.Now().Add(*forFlag / 2)
	for seed := *seedFlag; ; seed++ {
		f(seed)
		if time.Now().After(end) {
			t.Logf("seeds %d to %d", *seedFlag, seed)
			return
		}
	}
}
