package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"

	"netbox/test/bed"
)

// difference explains cases that pass natively and not under netbox.
type difference struct {
	Cases  string `yaml:"cases"`  // regular expression of whole names
	Limit  string `yaml:"limit"`  // what a row of docs/limits.md says
	Reason string `yaml:"reason"` // what the case wants of that row
	// Varies: the cases do not always differ.
	Varies bool `yaml:"varies"`

	cases *regexp.Regexp
	used  bool
}

// readDifferences reads testdata/differences.yaml and proves that each entry's
// limit is documented.
func readDifferences() ([]*difference, error) {
	content, err := os.ReadFile(filepath.Join(bed.Root(), "test/conformance/testdata/differences.yaml"))
	if err != nil {
		return nil, err
	}
	limits, err := os.ReadFile(filepath.Join(bed.Root(), "docs/limits.md"))
	if err != nil {
		return nil, err
	}
	var list []*difference
	err = yaml.UnmarshalWithOptions(content, &list, yaml.Strict())
	if err != nil {
		return nil, fmt.Errorf("differences.yaml: %w", err)
	}
	for _, d := range list {
		if d.Limit == "" || d.Reason == "" || !strings.Contains(string(limits), d.Limit) {
			return nil, fmt.Errorf("differences.yaml: %s: no reason, or docs/limits.md does not say %q", d.Cases, d.Limit)
		}
		d.cases, err = regexp.Compile("^(?:" + d.Cases + ")$")
		if err != nil {
			return nil, fmt.Errorf("differences.yaml: %w", err)
		}
	}
	return list, nil
}

// explain finds the entry for a case that differs, or nil.
func explain(list []*difference, name string) *difference {
	for _, d := range list {
		if d.cases.MatchString(name) {
			d.used = true
			return d
		}
	}
	return nil
}
