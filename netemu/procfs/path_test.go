package procfs

import "testing"

func TestJudge(t *testing.T) {
	const pid, tid = 40, 41
	for _, c := range []struct {
		base, path string
		answer     Answer
		name       string
	}{
		{"/", "/proc/net/tcp", Inside, "/proc/net/tcp"},
		{"/", "//proc/./net//tcp", Inside, "/proc/net/tcp"},
		{"/", "/proc/self/net/tcp", Inside, "/proc/net/tcp"},
		{"/", "/proc/thread-self/net/dev", Inside, "/proc/net/dev"},
		{"/", "/proc/1/net/tcp", Inside, "/proc/net/tcp"},
		{"/", "/proc/40/task/41/net/tcp", Inside, "/proc/net/tcp"},
		{"/", "/proc/net", Inside, "/proc/net"},
		{"/", "/proc/net/", Inside, "/proc/net"},
		{"/", "/proc/net/../net/tcp", Inside, "/proc/net/tcp"},
		{"/", "/proc/net/../status", Elsewhere, ""},
		{"/", "/proc/self/status", Elsewhere, ""},
		{"/", "/proc/sys/net/core/somaxconn", Inside, "/proc/sys/net/core/somaxconn"},
		{"/", "/proc/sys/kernel/osrelease", Elsewhere, ""},
		{"/", "/proc/network", Elsewhere, ""},
		{"/", "/proc/netx/tcp", Elsewhere, ""},
		{"/", "/proc", Elsewhere, ""},
		{"/proc/40/net", "tcp", Inside, "/proc/net/tcp"},
		{"/proc/40/net", ".", Inside, "/proc/net"},
		{"/proc/40", "net/tcp", Inside, "/proc/net/tcp"},
		{"/proc", "net/tcp", Inside, "/proc/net/tcp"},
		{"/proc", "self/net/tcp", Inside, "/proc/net/tcp"},
		{"/proc/sys", "net/core/somaxconn", Inside, "/proc/sys/net/core/somaxconn"},
		{"/", "proc/net/tcp", Inside, "/proc/net/tcp"},
		{"/proc/40/net", "/etc/passwd", Elsewhere, ""},
		{"/home/me", "../../proc/net/tcp", Unsure, ""},
		{"/home/me", "a.c", Elsewhere, ""},
		{"/", "/usr/include/sys/types.h", Elsewhere, ""},
		{"/", "/usr/include/net/if.h", Elsewhere, ""},
		{"/", "/usr/../proc/net/tcp", Unsure, ""},
		{"/", "/mnt/proc/1/net/tcp", Unsure, ""},
		{"/", "/proc/self/root/proc/net/tcp", Unsure, ""},
		{"/", "/proc/1/cwd/tcp", Unsure, ""},
		{"/", "/proc/self/fd/7/tcp", Unsure, ""},
		{"/", "/proc/self/fd/7", Unsure, ""},
		{"/", "/proc/self/fd", Elsewhere, ""},
		{"/", "/proc/self/fdinfo/7", Elsewhere, ""},
		{"/", "/sys/class/net", Inside, "/sys/class/net"},
		{"/", "/sys/class/net/eth0", Inside, "/sys/devices/virtual/net/eth0"},
		{"/", "/sys/class/net/eth0/../lo/mtu", Inside, "/sys/devices/virtual/net/lo/mtu"},
		{"/", "/sys/class/net/../net/lo/mtu", Inside, "/sys/devices/virtual/net/lo/mtu"},
		{"/", "/sys/devices/pci0000:00/0000:00:03.0/net/ens5/address", Inside, "/sys/devices/virtual/net/ens5/address"},
		{"/", "/sys/class/ieee80211/phy0/device/net/wlan0/mtu", Inside, "/sys/devices/virtual/net/wlan0/mtu"},
		{"/", "/sys/kernel/debug/tracing/events/net/enable", Elsewhere, ""},
		{"/", "/sys/class/block/sda/size", Elsewhere, ""},
		{"/", "/sys/module/virtio_net/drivers/virtio:virtio_net/virtio0/net/ens5/address", Inside, "/sys/devices/virtual/net/ens5/address"},
		{"/", "/sys/block/vda/device/net/ens5/mtu", Inside, "/sys/devices/virtual/net/ens5/mtu"},
		{"/", "/sys/kernel/iommu_groups/1/devices/0000:00:03.0/net/ens5/mtu", Inside, "/sys/devices/virtual/net/ens5/mtu"},
		{"/", "/sys/fs/cgroup/net/cpu.max", Elsewhere, ""},
		{"/", "/sys/kernel/iommu_groups/1/devices/0000:00:03.0/../../../../proc/net/tcp", Unsure, ""},
		{"/", "/sys/class/net/ens5/device/../../../../proc/self/cwd/tcp", Unsure, ""},
		{"/", "/sys/bus/mdio_bus/devices/a:00/attached_dev/address", Unsure, ""},
		{"/", "/dev/fd/7", Unsure, ""},
		{"/", "/dev/fd/7/tcp", Unsure, ""},
		{"/", "/dev/./stdin/tcp", Unsure, ""},
		{"/dev", "stdout/tcp", Unsure, ""},
		{"/", "dev/stderr/tcp", Unsure, ""},
		{"/dev", "null", Elsewhere, ""},
		{"/", "/dev/net/tun", Elsewhere, ""},
		{"/", "", Elsewhere, ""},
	} {
		answer, name := Judge([]byte(c.base), []byte(c.path), pid, tid)
		if answer != c.answer || name != c.name {
			t.Errorf("%s + %s: %d %q, want %d %q", c.base, c.path, answer, name, c.answer, c.name)
		}
	}
}

func TestMisleads(t *testing.T) {
	for target, want := range map[string]bool{
		"/proc/net/tcp": true, "/proc": true, "../proc/self": true, "/sys/class": true, "/": true, "..": true, "../..": true,
		"/tmp/..": true, "/./": true,
		"": false, ".": false, "a": false, "../lib/x.so": false, "/usr/lib": false, "processes": false, "a..": false, "libsystemd.so": false,
	} {
		if got := Misleads([]byte(target)); got != want {
			t.Errorf("%q: %v, want %v", target, got, want)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add("/proc/40", "net/../net/tcp")
	f.Add("/", "/proc/self/fd/../..//sys/class/net/x/..")
	f.Fuzz(func(t *testing.T, base, path string) {
		answer, name := Judge([]byte(base), []byte(path), 40, 41)
		if (answer == Inside) != (name != "") {
			t.Errorf("%q + %q: %d %q", base, path, answer, name)
		}
		// A name of the tree is one without links.
		if answer == Inside {
			if a, again := Judge(nil, []byte(name), 40, 41); a != Inside || again != name {
				t.Errorf("%q, judged again: %d %q", name, a, again)
			}
		}
	})
}
