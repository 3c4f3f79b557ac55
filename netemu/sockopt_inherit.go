package netemu

import "golang.org/x/sys/unix"

// inheritOptions gives an accepted connection, which no task holds yet, the
// options of its listener, as sk_clone copies them. Netstack has copied those
// that it keeps (package stack); the native ones are set on the surrogate.
func inheritOptions(parent, child *stream) {
	child.mem.copyFrom(&parent.mem)
	for k, value := range child.mem.recorded() {
		if row := levels[k.level].rows[k.name]; row.native {
			setAgain(child, child.file, k, row, value)
		}
	}
}

// keepOptions gives a new socket, whose T is file, all options of the one that
// it takes the place of.
func keepOptions(parent, child *stream, file int) {
	child.mem.copyFrom(&parent.mem)
	for k, value := range child.mem.recorded() {
		setAgain(child, file, k, levels[k.level].rows[k.name], value)
	}
}

// setAgain sets an option to a value that it was set to before. What cannot be
// set in the new socket's state keeps its default.
func setAgain(s *stream, file int, k optionKey, row option, value []byte) {
	if row.native && unix.SetsockoptString(file, int(k.level), int(k.name), string(value)) != nil {
		return
	}
	row.apply(s, value)
}
