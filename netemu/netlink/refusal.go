package netlink

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
)

// refusal is why a request fails: the errno, and the words of the extended
// acknowledgement (NLMSGERR_ATTR_MSG), Linux's own where it has some.
type refusal = rtnl.Refusal

func refuse(errno unix.Errno, reason string) *refusal { return rtnl.Refuse(errno, reason) }

// errPolicy refuses an attribute that is shorter than its type.
var errPolicy = refuse(unix.ERANGE, "Attribute failed policy validation")
