package ifreq

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
)

// row is the meaning of a request on some sockets.
type row struct {
	on     kind
	handle func(*call) unix.Errno
}

// siocUnixFile is SIOCUNIXFILE of <linux/un.h>, which golang.org/x/sys/unix
// lacks.
const siocUnixFile = 0x89e0

// fails is the handler of a request whose answer is always an error.
func fails(errno unix.Errno) func(*call) unix.Errno {
	return func(*call) unix.Errno { return errno }
}

// failsRead is one that copies the struct ifreq in first.
func failsRead(errno unix.Errno) func(*call) unix.Errno {
	return func(c *call) unix.Errno { return c.edit(fails(errno)) }
}

// sets are the requests that change something, by the sockets that know them.
var sets = map[kind]map[uint32]func(*call) unix.Errno{
	anyKind: {
		unix.SIOCSIFFLAGS: changeDevice(setFlags), unix.SIOCSIFMTU: changeDevice(setMTU), unix.SIOCSIFNAME: changeDevice(setName),
		unix.SIOCSIFHWADDR: changeDevice(setHardwareAddr), unix.SIOCSIFTXQLEN: changeDevice(setTxQueueLen),
	},
	inet: {
		unix.SIOCADDRT: change(addRoute), unix.SIOCDELRT: change(deleteRoute), unix.SIOCSIFADDR: withAddress(setAddr),
		unix.SIOCSIFBRDADDR: withAddress(needsOld(setBroadcast)), unix.SIOCSIFNETMASK: withAddress(needsOld(setNetmask)),
	},
	inet6: {
		unix.SIOCADDRT: change(addRoute6), unix.SIOCDELRT: change(deleteRoute6),
		unix.SIOCSIFADDR: change(addAddr6), unix.SIOCDIFADDR: change(deleteAddr6),
	},
}

// refused are the requests that need CAP_NET_ADMIN and that the sandbox's
// devices have nothing for, by the sockets that know them.
var refused = map[kind][]uint32{
	anyKind: {
		unix.SIOCSIFMETRIC, unix.SIOCSIFSLAVE, unix.SIOCADDMULTI, unix.SIOCDELMULTI, unix.SIOCSIFHWBROADCAST,
		unix.SIOCSIFMAP, unix.SIOCGMIIPHY, unix.SIOCGMIIREG, unix.SIOCSMIIREG, unix.SIOCGSKNS,
		unix.SIOCBONDENSLAVE, unix.SIOCBONDRELEASE, unix.SIOCBONDSETHWADDR, unix.SIOCBONDCHANGEACTIVE,
		unix.SIOCBRADDBR, unix.SIOCBRDELBR, unix.SIOCBRADDIF, unix.SIOCBRDELIF, unix.SIOCSHWTSTAMP,
	},
	inet:       {unix.SIOCSIFDSTADDR, unix.SIOCDARP, unix.SIOCSARP},
	unixSocket: {siocUnixFile},
}

// gets are the requests that read something of an interface, by the sockets
// that know them.
var gets = map[kind]map[uint32]func(*call) unix.Errno{
	anyKind: {
		unix.SIOCGIFINDEX:           getIndex,
		unix.SIOCGIFFLAGS:           getFlags,
		unix.SIOCGIFMETRIC:          getMetric,
		unix.SIOCGIFMTU:             getMTU,
		unix.SIOCGIFHWADDR:          getHardwareAddr,
		unix.SIOCGIFTXQLEN:          getTxQueueLen,
		unix.SIOCGIFMAP:             getMap,
		unix.SIOCGIFSLAVE:           failsRead(unix.EINVAL),
		unix.SIOCGHWTSTAMP:          fails(unix.EOPNOTSUPP),
		unix.SIOCWANDEV:             fails(unix.EOPNOTSUPP),
		unix.SIOCBONDSLAVEINFOQUERY: fails(unix.EOPNOTSUPP),
		unix.SIOCBONDINFOQUERY:      fails(unix.EOPNOTSUPP),
	},
	inet: {
		unix.SIOCGIFADDR:    getAddr,
		unix.SIOCGIFDSTADDR: getAddr,
		unix.SIOCGIFBRDADDR: getBroadcast,
		unix.SIOCGIFNETMASK: getNetmask,
	},
}

// table has the requests of <linux/sockios.h>.
var table = buildTable()

func buildTable() map[uint32][]row {
	t := map[uint32][]row{
		unix.SIOCATMARK:       {{stream, func(c *call) unix.Errno { return c.writeInt(0) }}, {unixSocket, fails(unix.EOPNOTSUPP)}},
		unix.SIOCGSTAMP:       {{inet | inet6, fails(unix.ENOENT)}},
		unix.SIOCGSTAMP_NEW:   {{inet | inet6, fails(unix.ENOENT)}},
		unix.SIOCGSTAMPNS:     {{inet | inet6, fails(unix.ENOENT)}},
		unix.SIOCGSTAMPNS_NEW: {{inet | inet6, fails(unix.ENOENT)}},
		unix.SIOCRTMSG:        {{inet, fails(unix.EINVAL)}},
		unix.SIOCGIFNAME:      {{anyKind, func(c *call) unix.Errno { return c.edit(getName) }}},
		unix.SIOCGIFCONF:      {{anyKind, getConf}},
		unix.SIOCETHTOOL:      {{anyKind, ethtool}},
		unix.SIOCGARP:         {{inet, getARP}},
		unix.SIOCSIFPFLAGS:    {{inet, failsRead(unix.EINVAL)}},
		unix.SIOCGIFPFLAGS:    {{inet, failsRead(unix.EINVAL)}},
		unix.SIOCSIFDSTADDR:   {{inet6, fails(unix.ENODEV)}}, // would make a tunnel
		unix.SIOCGIFBR:        {{anyKind, fails(unix.EOPNOTSUPP)}},
		unix.SIOCSIFBR:        {{anyKind, fails(unix.EOPNOTSUPP)}},
		unix.SIOCGIFVLAN:      {{anyKind, fails(unix.ENOPKG)}},
		unix.SIOCSIFVLAN:      {{anyKind, fails(unix.ENOPKG)}},
	}
	for on, requests := range gets {
		for request, read := range requests {
			t[request] = append(t[request], row{on, func(c *call) unix.Errno { return c.device(read) }})
		}
	}
	for on, requests := range sets {
		for request, set := range requests {
			t[request] = append(t[request], row{on, set})
		}
	}
	for on, requests := range refused {
		for _, request := range requests {
			t[request] = append(t[request], row{on, changeDevice(func(*call, *rtnl.Host) unix.Errno { return unix.EOPNOTSUPP })})
		}
	}
	return t
}
