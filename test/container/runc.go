package container

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/world"
)

// box is a running container.
type box struct {
	id, state string
	// network is the container's network namespace.
	network *world.Namespace
	// dir is a folder that host and container share under one path.
	dir string
}

// passwd and resolver are the container's own files in /etc.
const (
	passwd   = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\nuser:x:1000:1000::/tmp:/bin/sh\n"
	resolver = "nameserver 127.0.0.1\n"
)

// startContainer starts a container that lasts as long as the test, or, should
// the test be killed, as long as its process.
func startContainer(t *testing.T, shared ...string) *box {
	t.Helper()
	bed.Need(t, "runc")
	needRoot(t)
	dir, err := bed.PublicDir("netbox-test-", 0o777)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &box{
		id:      filepath.Base(dir),
		state:   t.TempDir(),
		network: world.NewNamespace(t, "container"),
		dir:     dir,
	}
	bundle := t.TempDir()
	err = writeBundle(bundle, c.network.Path(), append(shared, dir))
	if err != nil {
		t.Fatal(err)
	}
	first := exec.Command("runc", "--root", c.state, "run", "--bundle", bundle, c.id)
	// The write end stays open in this process alone.
	input, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { input.Close() })
	bed.Start(t, func(context.Context) *exec.Cmd { return first })
	t.Cleanup(c.delete)
	running := bed.Eventually(10*time.Second, func() bool {
		return c.command(context.Background(), "true").Run() == nil
	})
	if !running {
		t.Fatalf("the container does not start")
	}
	return c
}

// build builds netbox, where there can be a container for it.
func build(t *testing.T) *bed.Binaries {
	t.Helper()
	needRoot(t)
	return bed.Build(t)
}

// needRoot skips the test where runc can't do what it does for Docker's daemon.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case world.InUserNamespace():
		world.Skip(t, "runc, as Docker's daemon runs it, mounts devpts with gid=5 and becomes uid 1000: both EINVAL in a user namespace of one uid")
	case os.Geteuid() != 0:
		world.Skip(t, "runc, as Docker's daemon runs it, needs root")
	}
}

func (c *box) delete() {
	// The container may have ended by itself.
	_ = exec.Command("runc", "--root", c.state, "delete", "--force", c.id).Run()
}

// command runs args inside the container, as its user.
func (c *box) command(ctx context.Context, args ...string) *exec.Cmd {
	line := []string{"--root", c.state, "exec", "--cwd", c.dir}
	for _, variable := range append(bed.Environment(), "LANG=C.UTF-8", "HOME="+c.dir) {
		line = append(line, "--env", variable)
	}
	return exec.CommandContext(ctx, "runc", append(append(line, c.id), args...)...)
}

// writeBundle writes an OCI bundle: config.json and an empty root.
func writeBundle(bundle, network string, shared []string) error {
	root := filepath.Join(bundle, "root")
	err := os.Mkdir(root, 0o755)
	if err != nil {
		return err
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		err = os.Symlink("usr/"+name, filepath.Join(root, name))
		if err != nil {
			return err
		}
	}
	files := map[string]string{}
	for name, content := range map[string]string{"passwd": passwd, "resolv.conf": resolver} {
		path := filepath.Join(bundle, name)
		err = os.WriteFile(path, []byte(content), 0o644)
		if err != nil {
			return err
		}
		target, err := filepath.EvalSymlinks("/etc/" + name)
		if err != nil {
			return err
		}
		files[target] = path
	}
	spec, err := newSpec(root, network, files, shared...)
	if err != nil {
		return err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o644)
}

// scratch makes a folder in the shared one that every user may write.
func (c *box) scratch(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(c.dir, name)
	err := os.Mkdir(dir, 0o777)
	if err != nil {
		t.Fatal(err)
	}
	err = os.Chmod(dir, 0o777) // past the umask
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
