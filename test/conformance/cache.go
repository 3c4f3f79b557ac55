package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
)

// record is the verdicts of one run of a suite, as a file keeps them.
type record struct {
	// Key changes with whatever the verdicts depend on.
	Key   string             `json:"key"`
	Cases map[string]verdict `json:"cases"`
}

// recordPath is where a suite's verdicts at a place are kept.
func recordPath(s suite, place string) string {
	return filepath.Join(bed.Root(), "build", "conformance", strings.ToLower(s.name)+"-"+place+".json")
}

// key is that of a suite's cases on this kernel.
func (s suite) key(cases []string) string {
	var name unix.Utsname
	// Uname fails for a bad address only.
	_ = unix.Uname(&name)
	sum := sha256.Sum256([]byte(s.version + unix.ByteSliceToString(name.Release[:]) + strings.Join(cases, "\n")))
	return hex.EncodeToString(sum[:])
}

// readRecord gives the kept verdicts, if they are of the same cases.
func readRecord(path, key string) (map[string]verdict, bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	var r record
	err = json.Unmarshal(content, &r)
	return r.Cases, err == nil && r.Key == key
}

func writeRecord(path string, r record) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
