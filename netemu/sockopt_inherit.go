package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// inheritOptions gives an accepted connection, which no task holds yet, the
// options of its listener, as sk_clone copies them. Netstack has copied those
// that it keeps (package stack) but the cloned rows; the native ones are set on
// the surrogate.
func inheritOptions(parent, child *stream) {
	child.mem.copyFrom(&parent.mem)
	for _, set := range child.mem.settings() {
		if row := optionOf(child, set.key); row.native || row.cloned {
			setAgain(child, child.file, row, set)
		}
	}
}

// keepOptions gives a new socket, whose T is file, or -1 if it keeps its T, all options of the one that
// it takes the place of.
func keepOptions(parent, child *stream, file int) {
	if device, errno := parent.ep.GetInt(stack.BindToDevice); errno == 0 {
		child.ep.BindScope(int32(device)) // which an address may have said
	}
	child.mem.copyFrom(&parent.mem)
	for _, set := range child.mem.settings() {
		setAgain(child, file, optionOf(child, set.key), set)
	}
}

// setAgain sets an option to a value that it was set to before. What cannot be
// set in the new socket's state keeps its default.
func setAgain(s *stream, file int, row option, set setting) {
	if row.native && file >= 0 && unix.SetsockoptString(file, int(set.key.level), int(set.key.name), string(set.value)) != nil {
		return
	}
	row.apply(s, set.value)
}

// optionOf is the row of an option that was set before.
func optionOf(s *stream, k optionKey) option {
	row, _ := levelOf(s, k.level).row(s, k.name)
	return row
}
