package netlink

import "golang.org/x/sys/unix"

// refusal is why a request fails: the errno, and the words of the extended
// acknowledgement (NLMSGERR_ATTR_MSG), Linux's own where it has some.
type refusal struct {
	errno  unix.Errno
	reason string
}

func refuse(errno unix.Errno, reason string) *refusal { return &refusal{errno, reason} }

// errPolicy refuses an attribute that is shorter than its type.
var errPolicy = refuse(unix.ERANGE, "Attribute failed policy validation")

// code is the number in NLMSG_ERROR and NLMSG_DONE: 0 or a negative errno.
func (r *refusal) code() int32 {
	if r == nil {
		return 0
	}
	return -int32(r.errno)
}
