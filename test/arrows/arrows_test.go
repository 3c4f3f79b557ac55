package arrows

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"netbox/test/bed"
)

// goPackage is what `go list -json` tells, as far as it is needed.
type goPackage struct {
	ImportPath                         string
	Dir                                string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

// packages lists the module's packages.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json", "./...")
	cmd.Dir = bed.Root()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// matches tells whether a rule's name stands for the package.
func matches(name, pkg string) bool {
	folder, whole := strings.CutSuffix(name, "/...")
	return name == pkg || whole && (pkg == folder || strings.HasPrefix(pkg, folder+"/"))
}

// rule is the allow-list of the package, the one with its own name first.
func rule(pkg string) ([]string, bool) {
	list, ok := allowed[pkg]
	if ok {
		return list, true
	}
	for name, list := range allowed {
		if matches(name, pkg) {
			return list, true
		}
	}
	return nil, false
}

func TestImportDirections(t *testing.T) {
	for _, p := range packages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		list, ok := rule(pkg)
		if !ok {
			t.Errorf("%s has no rule in test/arrows/rules.go", pkg)
			continue
		}
		checkImports(t, pkg, p.Imports, list)
		checkImports(t, pkg, slices.Concat(p.TestImports, p.XTestImports), slices.Concat(list, testSupport, testAllowed[pkg]))
	}
}

func checkImports(t *testing.T, pkg string, imports, list []string) {
	for _, imported := range imports {
		other, own := strings.CutPrefix(imported, module)
		if own && other != pkg && !slices.ContainsFunc(list, func(n string) bool { return matches(n, other) }) {
			t.Errorf("%s imports %s; it may import only %v", pkg, other, list)
		}
	}
}

func TestRestrictedImports(t *testing.T) {
	for _, p := range packages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for prefix, users := range restricted {
				if strings.HasPrefix(imported, prefix) && !slices.Contains(users, pkg) {
					t.Errorf("%s imports %s, which is for %v alone", pkg, imported, users)
				}
			}
		}
	}
}

// The rules themselves must be able to fail.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name, pkg string
		want      bool
	}{
		{"netemu", "netemu", true},
		{"netemu", "netemu/stack", false},
		{"netemu/...", "netemu/stack", true},
		{"netemu/...", "netemu", true},
		{"netemu/...", "netemulator", false},
	} {
		if got := matches(c.name, c.pkg); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.name, c.pkg, got)
		}
	}
	if _, ok := rule("nowhere"); ok {
		t.Error("a package without a rule has one")
	}
}
