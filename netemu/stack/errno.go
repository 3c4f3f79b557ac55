package stack

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/syserr"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// errno translates netstack's errors. It is the only place where they become
// errno values; where Linux answers otherwise in one call only, that call's
// method corrects it.
func errno(err tcpip.Error) unix.Errno {
	switch err.(type) {
	case nil:
		return 0
	case *tcpip.ErrAborted:
		// Abort or a closing stack; Linux's tcp_abort sets ECONNABORTED,
		// syserr says EPIPE.
		return unix.ECONNABORTED
	}
	return unix.Errno(syserr.TranslateNetstackError(err).ToLinux())
}
