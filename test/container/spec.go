package container

import (
	"fmt"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// uid is the ordinary user that runs everything in the container.
const uid = 1000

// capabilities is Docker's default bounding set; a user other than root has
// none of it in effect. moby: oci/caps/defaults.go.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// maskedPaths and readonlyPaths are Docker's. moby: oci/defaults.go.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
		"/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// newSpec is the container: the machine's programs read-only on a root of its
// own, the shared folders under their own paths, and the given network
// namespace. Its first process lives as long as its standard input.
func newSpec(root, network string, files map[string]string, shared ...string) (*specs.Spec, error) {
	spec := &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			User:         specs.User{UID: uid, GID: uid},
			Args:         []string{"cat"},
			Env:          []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
			Cwd:          "/",
			Capabilities: &specs.LinuxCapabilities{Bounding: capabilities},
		},
		Root:     &specs.Root{Path: root, Readonly: true},
		Hostname: "container",
		Mounts:   mounts(files, shared),
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace},
				{Type: specs.NetworkNamespace, Path: network},
			},
			MaskedPaths:   maskedPaths,
			ReadonlyPaths: readonlyPaths,
		},
	}
	profile, err := seccomp.GetDefaultProfile(spec)
	if err != nil {
		return nil, fmt.Errorf("the default seccomp profile: %w", err)
	}
	spec.Linux.Seccomp = profile
	return spec, nil
}

func mounts(files map[string]string, shared []string) []specs.Mount {
	all := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=755"}},
		{Destination: "/var", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=755"}},
		{Destination: "/usr", Type: "bind", Source: "/usr", Options: []string{"rbind", "ro"}},
		{Destination: "/etc", Type: "bind", Source: "/etc", Options: []string{"rbind", "ro"}},
	}
	for destination, source := range files {
		all = append(all, specs.Mount{Destination: destination, Type: "bind", Source: source, Options: []string{"bind", "ro"}})
	}
	for _, path := range shared {
		all = append(all, specs.Mount{Destination: path, Type: "bind", Source: path, Options: []string{"rbind", "rw"}})
	}
	return all
}
