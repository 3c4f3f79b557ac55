// Command goprog holds the test cases written in Go: what the standard
// library's own poller, resolver and process code make of the sockets they
// get. Like its C siblings it is called with the name of a case, prints
// nothing on success or one line of why not, and lists its cases when called
// with none.
package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// limit is after how long a case counts as hung. They take under 2 s.
const limit = 60 * time.Second

// cases are the case names and their bodies; a name beginning with '_' is the
// role of a child process.
var cases = map[string]func() error{
	"tcp_echo":           tcpEcho,
	"tcp_echo_v6":        tcpEchoV6,
	"tcp_many":           tcpMany,
	"tcp_half_close":     tcpHalfClose,
	"tcp_deadline":       tcpDeadline,
	"tcp_refused":        tcpRefused,
	"tcp_dial_timeout":   tcpDialTimeout,
	"tcp_dial_cancel":    tcpDialCancel,
	"tcp_listener_close": tcpListenerClose,
	"tcp_options":        tcpOptions,
	"tcp_bulk":           tcpBulk,
	"happy_eyeballs":     happyEyeballs,
	"udp_echo":           udpEcho,
	"udp_connected":      udpConnected,
	"udp_refused":        udpRefused,
	"udp_dual_stack":     udpDualStack,
	"udp_deadline":       udpDeadline,
	"http":               httpBothRoles,
	"http_keepalive":     httpKeepAlive,
	"interfaces":         interfaces,
	"groups":             groups,
	"lookup_localhost":   lookupLocalhost,
	"exec_listener":      execListener,
	"exec_connection":    execConnection,
	"file_listener":      fileListener,
	"unix_socket":        unixSocket,
	"_serve_listener":    roleServeListener,
	"_echo_connection":   roleEchoConnection,
}

func main() {
	if len(os.Args) < 2 {
		list()
		return
	}
	run := cases[os.Args[1]]
	if run == nil {
		fail(fmt.Errorf("no case %s", os.Args[1]))
	}
	time.AfterFunc(limit, func() { fail(fmt.Errorf("hangs: the case's own time limit ran out")) })
	if err := run(); err != nil {
		fail(err)
	}
}

func list() {
	var names []string
	for name := range cases {
		if name[0] != '_' {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Println(name)
	}
}

func fail(err error) {
	if reason, ok := err.(skipped); ok {
		fmt.Println("skip:", string(reason))
		os.Exit(77)
	}
	fmt.Println(err)
	os.Exit(1)
}

// skipped is why a case cannot run in this world.
type skipped string

func (s skipped) Error() string { return string(s) }
