package conformance

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// suite is a list of cases and the program that runs them.
type suite struct {
	name string
	// cases are in the order in which they run; neighbours with the same batch
	// name share fixtures.
	cases []string
	// batchOf is the part of a case's name that its neighbours share.
	batchOf func(name string) string
	// fast matches the cases that every `go test` runs: fast ones, of the kinds
	// that have shown differences.
	fast *regexp.Regexp
	// program makes the command line that runs the cases of a file, one a line.
	// It tells why it cannot.
	program func(file string) ([]string, error)
	// version is what the native verdicts depend on beside the kernel.
	version string
}

//go:embed testdata/cpython.txt
var cpythonCases string

//go:embed testdata/cpython-fast.txt
var cpythonFast string

//go:embed testdata/unittests.py
var cpythonRunner string

// cpython is the network part of CPython's own tests, as Debian packages them.
func cpython(folder string) (suite, error) {
	runner := filepath.Join(folder, "unittests.py")
	err := os.WriteFile(runner, []byte(cpythonRunner), 0o644)
	if err != nil {
		return suite{}, err
	}
	fast, err := regexp.Compile("^(?:" + strings.Join(strings.Fields(cpythonFast), "|") + ")$")
	if err != nil {
		return suite{}, fmt.Errorf("cpython-fast.txt: %w", err)
	}
	python, err := cpythonPath()
	return suite{
		name:  "CPython",
		cases: strings.Fields(cpythonCases),
		// module.Class.test, or package.module.Class.test
		batchOf: func(name string) string { return name[:strings.LastIndexByte(name, '.')] },
		fast:    fast,
		program: func(file string) ([]string, error) { return []string{python, runner, file}, err },
		version: python + cpythonRunner,
	}, nil
}

// cpythonPath is the distribution's python that has its tests beside it:
// Debian 12's libpython3.11-testsuite, Debian 13's libpython3.13-testsuite.
func cpythonPath() (string, error) {
	found, err := filepath.Glob("/usr/lib/python3.*/test/test_socket.py")
	if err != nil || len(found) == 0 {
		return "", errors.New("no python with its tests is installed: make deps")
	}
	version := filepath.Base(filepath.Dir(filepath.Dir(found[0])))
	return filepath.Join("/usr/bin", version), nil
}

// batches cuts cases into lists of about size, between batch names.
func (s suite) batches(cases []string, size int) [][]string {
	var list [][]string
	for i, name := range cases {
		last := len(list) - 1
		if i == 0 || len(list[last]) >= size && s.batchOf(name) != s.batchOf(cases[i-1]) {
			list = append(list, nil)
			last++
		}
		list[last] = append(list[last], name)
	}
	return list
}
