package testprogs

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// GoProgram is the program written in Go; the others are C.
const GoProgram = "goprog"

//go:embed c/*.c c/*.h goprog/*.go
var sources embed.FS

// commonFlags are strict on purpose: the programs are the measure.
var commonFlags = []string{"-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"}

// compilers are the command lines of each C flavour. musl has no headers of
// the kernel's, and glibc's static build warns of getaddrinfo at link time.
var compilers = map[Flavour][]string{
	Dynamic:   {"gcc"},
	Static:    {"gcc", "-static"},
	StaticPIE: {"gcc", "-static-pie"},
	Musl:      {"musl-gcc", "-static"},
}

// Build compiles every program in every flavour that its cases need into a
// folder below cache that is named by the sources' content, unless it is there
// already. repo is the repository's top. The binaries are at
// [Binary](folder, ...).
func Build(repo, cache string) (folder string, err error) {
	key, err := contentKey()
	if err != nil {
		return "", err
	}
	folder = filepath.Join(cache, key)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := os.Chmod(scratch, 0o755); err != nil {
		return "", err
	}
	if err := buildAll(repo, scratch); err != nil {
		return "", err
	}
	// Another test process may have been faster; its folder is as good.
	if err := os.Rename(scratch, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return folder, nil
}

// Binary is the path of a built program.
func Binary(folder string, f Flavour, program string) string {
	return filepath.Join(folder, string(f), program)
}

func contentKey() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := sources.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	fmt.Fprint(sum, commonFlags, compilers, runtime.Version(), Programs)
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

// buildAll runs as many compilers at once as there are processors.
func buildAll(repo, folder string) error {
	var (
		jobs  sync.WaitGroup
		slots = make(chan struct{}, runtime.NumCPU())
		mu    sync.Mutex
		errs  []error
	)
	for _, p := range Programs {
		for _, f := range p.Flavours() {
			jobs.Add(1) // buildOne
			go func() {
				defer jobs.Done()
				slots <- struct{}{}
				defer func() { <-slots }()
				if err := buildOne(repo, folder, f, p.Name); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, err)
				}
			}()
		}
	}
	jobs.Wait()
	return errors.Join(errs...)
}

func buildOne(repo, folder string, f Flavour, program string) error {
	out := Binary(folder, f, program)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	var cmd *exec.Cmd
	if program == GoProgram {
		cmd = exec.Command("go", "build", "-buildvcs=false", "-o", out, "./testprogs/"+GoProgram)
		cgo := "CGO_ENABLED=0"
		if f == GoCgo {
			cgo = "CGO_ENABLED=1"
		}
		cmd.Env = append(os.Environ(), cgo)
	} else {
		args := append(append([]string{}, compilers[f]...), commonFlags...)
		args = append(args, "-o", out, filepath.Join("testprogs", "c", program+".c"))
		cmd = exec.Command(args[0], args[1:]...)
	}
	cmd.Dir = repo
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s as %s: %w\n%s", program, f, err, text)
	}
	return nil
}
