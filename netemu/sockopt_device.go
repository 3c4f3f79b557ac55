package netemu

import (
	"bytes"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// setDevice is SO_BINDTODEVICE: an interface name, or an empty one to undo it.
func setDevice(s socket, value []byte) unix.Errno {
	name, _, _ := bytes.Cut(value, []byte{0})
	index := int32(0)
	if len(name) > 0 {
		i, ok := interfaceByName(s, string(name))
		if !ok {
			return unix.ENODEV
		}
		index = i
	}
	return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetInt(stack.BindToDevice, int(index)) })
}

// getDevice tells the name, or nothing if the socket is not bound to a device.
func getDevice(s socket, length int) ([]byte, unix.Errno) {
	var index int
	errno := withEndpoint(s, func(ep *stack.Endpoint) (errno unix.Errno) {
		index, errno = ep.GetInt(stack.BindToDevice)
		return errno
	})
	if errno != 0 || index == 0 {
		return nil, errno
	}
	if length < unix.IFNAMSIZ {
		return nil, unix.EINVAL
	}
	for _, i := range s.stack().Interfaces() {
		if int(i.Index) == index {
			return append([]byte(i.Name), 0), 0
		}
	}
	return nil, unix.ENODEV
}

func interfaceByName(s socket, name string) (int32, bool) {
	for _, i := range s.stack().Interfaces() {
		if i.Name == name {
			return i.Index, true
		}
	}
	return 0, false
}
