package programs

import (
	"fmt"
	"sync/atomic"
)

// firstPort is below the kernel's ephemeral range (32768 on), so that no
// outgoing connection takes a port that a row is about to listen on.
const firstPort = 20000

var ports atomic.Uint32

// freePort gives each row a port of its own to listen on: sites share hosts,
// and a port just closed may be in TIME_WAIT.
func freePort() uint16 { return uint16(firstPort + ports.Add(1)) }

// tcp publishes the port under its own number, on both families.
func tcp(port uint16) []string {
	return []string{fmt.Sprintf("0.0.0.0:%d:%d", port, port), fmt.Sprintf("[::]:%d:%d", port, port)}
}

// udp is tcp for UDP.
func udp(port uint16) []string {
	return []string{fmt.Sprintf("0.0.0.0:%d:%d/udp", port, port), fmt.Sprintf("[::]:%d:%d/udp", port, port)}
}
