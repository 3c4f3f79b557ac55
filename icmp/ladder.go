package icmp

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// RungStatus is what `netbox doctor` shows of a rung of the ladder.
type RungStatus struct {
	// Rung is its name, and Path the helper's binary, if there is one.
	Rung, Path string
	Works      bool
	// IPv4 and IPv6 tell which families work.
	IPv4, IPv6 bool
	// Why it does not work, and the command (or advice) that mends it.
	Why, Mend string
}

// Probe tries each rung, in the order of the ladder, and leaves nothing
// running.
func Probe(o Options) []RungStatus {
	return []RungStatus{probeHelper(o), probePing()}
}

func probeHelper(o Options) RungStatus {
	s := RungStatus{Rung: RungHelper}
	path, err := findHelper(o.HelperPath)
	if err != nil {
		return s.broken(helperUnavailable("", err))
	}
	s.Path = path
	p, err := startHelper(path)
	if err != nil {
		return s.broken(helperUnavailable(path, err))
	}
	defer p.stop()
	if err := p.hello.capable(); err != nil {
		return s.broken(helperUnavailable(path, err))
	}
	s.Works, s.IPv4, s.IPv6 = true, p.hello.errno4 == 0, p.hello.errno6 == 0
	return s
}

func probePing() RungStatus {
	s := RungStatus{Rung: RungPingSocket}
	v4, err4 := openPingSocket(inet)
	v6, err6 := openPingSocket(inet6)
	for _, sock := range []*pingSocket{v4, v6} {
		if sock != nil {
			sock.file.Close()
		}
	}
	if v4 == nil && v6 == nil {
		return s.broken(pingUnavailable(err4, err6))
	}
	s.Works, s.IPv4, s.IPv6 = true, v4 != nil, v6 != nil
	return s
}

func (s RungStatus) broken(u *unavailable) RungStatus {
	s.Why, s.Mend = u.err.Error(), u.mend
	return s
}

// unavailable is why a rung does not hold and what mends it.
type unavailable struct {
	rung string
	err  error
	mend string
}

func (u *unavailable) Error() string {
	return fmt.Sprintf("%s: %v (to mend it: %s)", u.rung, u.err, u.mend)
}

func (u *unavailable) Unwrap() error { return u.err }

// helperUnavailable explains why the helper at path ("": none found) did not
// start or has no raw sockets.
func helperUnavailable(path string, err error) *unavailable {
	u := &unavailable{rung: RungHelper, err: err}
	switch {
	case path == "":
		u.mend = "install " + helperName + " beside netbox, or name it in $" + helperEnv
	case errors.Is(err, errProtocol):
		u.mend = "install netbox and " + helperName + " of one build"
	case !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES):
		u.mend = "install a working " + helperName + " at " + path
	default:
		u.lacksCapability(path)
	}
	return u
}

// lacksCapability finds out why the helper at path has no CAP_NET_RAW. exec
// itself fails with EPERM where the file has the capability and the bounding
// set has not (capabilities(7)).
func (u *unavailable) lacksCapability(path string) {
	setcap := "sudo setcap cap_net_raw+ep " + path
	var fs unix.Statfs_t
	switch {
	case unix.Access(path, unix.X_OK) != nil:
		u.mend = "sudo chmod a+x " + path
	case noNewPrivs():
		u.err = fmt.Errorf("%w: no_new_privs is set, so the capability of the file counts for nothing", u.err)
		u.mend = "start netbox without no_new_privs (containers: allowPrivilegeEscalation: true)"
	case unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0:
		u.err = fmt.Errorf("%w: %s lies on a filesystem mounted nosuid", u.err, path)
		u.mend = "install " + helperName + " elsewhere, and: " + setcap
	case !hasFileCapability(path):
		u.err = fmt.Errorf("%w: %s has no file capability", u.err, path)
		u.mend = setcap
	case !inBoundingSet(unix.CAP_NET_RAW):
		u.err = fmt.Errorf("%w: CAP_NET_RAW is not in the bounding set", u.err)
		u.mend = "give the container NET_RAW (docker run --cap-add NET_RAW)"
	default:
		u.mend = setcap
	}
}

func hasFileCapability(path string) bool {
	n, err := unix.Getxattr(path, "security.capability", nil)
	return err == nil && n > 0
}

func noNewPrivs() bool {
	n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err == nil && n == 1
}

func inBoundingSet(capability uintptr) bool {
	n, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, capability, 0, 0, 0)
	return err == nil && n == 1
}

// pingUnavailable explains why there is no ping socket in either family. One
// sysctl rules both (icmp(7)).
func pingUnavailable(err4, err6 error) *unavailable {
	u := &unavailable{rung: RungPingSocket, err: fmt.Errorf("IPv4: %w; IPv6: %w", err4, err6)}
	if !errors.Is(u.err, unix.EACCES) {
		u.mend = "use a kernel and a sandbox that allow ping sockets (icmp(7))"
		return u
	}
	allowed, _ := os.ReadFile("/proc/sys/net/ipv4/ping_group_range")
	u.err = fmt.Errorf("%w: group %d is not within net.ipv4.ping_group_range (%s)",
		unix.EACCES, os.Getgid(), strings.Join(strings.Fields(string(allowed)), " "))
	u.mend = `sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"`
	return u
}
