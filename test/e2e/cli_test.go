package e2e

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"netbox/test/bed"
)

// TestCommandLine runs the scripts of testdata: what a user sees of netbox.
func TestCommandLine(t *testing.T) {
	b := bed.Build(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", b.Dir+string(os.PathListSeparator)+bed.Path)
			return nil
		},
	})
}
