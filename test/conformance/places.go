package conformance

import (
	"context"
	"os/exec"
	"testing"

	"netbox/test/bed"
	"netbox/test/world"
)

// native is a host of a real kernel.
func native(t *testing.T) place {
	host := world.NewTwin(t, "conformance").Near
	return place{name: "native", command: func(ctx context.Context, folder string, args ...string) *exec.Cmd {
		return ordinary(host.Command(ctx, append(prefix(), args...)...), folder)
	}}
}

// boxed is netbox with an engine, on the simulated internet: a host with a
// default route, as most are. The namespace that netbox itself runs in has no
// way out.
func boxed(t *testing.T, engine string) place {
	netbox := bed.Build(t).Netbox
	outside := world.NewNamespace(t, "conformance-box")
	return place{name: engine, command: func(ctx context.Context, folder string, args ...string) *exec.Cmd {
		line := append(prefix(), netbox, "run", "--engine", engine, "--uplink", "sim", "--")
		return ordinary(outside.Command(ctx, append(line, args...)...), folder)
	}}
}

func prefix() []string { return append([]string{}, bed.Unprivileged().Prefix...) }

// ordinary gives the command a fixed environment, and folder for its files.
func ordinary(cmd *exec.Cmd, folder string) *exec.Cmd {
	cmd.Dir = folder
	cmd.Env = append(bed.Environment(), "PATH="+bed.Path, "HOME="+folder, "TMPDIR="+folder, "LANG=C.UTF-8")
	return cmd
}
