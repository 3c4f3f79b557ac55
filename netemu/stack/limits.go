package stack

// Limits are the settings of a host's stack that Linux has as sysctls. Sizes
// are in bytes.
type Limits struct {
	FirstPort, LastPort       int // net.ipv4.ip_local_port_range
	TTL                       int
	TCPMin, TCPDefault        int // of both tcp_rmem and tcp_wmem
	TCPMaxReceive, TCPMaxSend int
	DefaultBuffer, MaxBuffer  int // net.core.rmem_* and wmem_*
}

// Limits tells the settings.
func (s *Stack) Limits() Limits {
	return Limits{
		FirstPort: firstEphemeralPort, LastPort: lastEphemeralPort, TTL: defaultTTL,
		TCPMin: tcpMinBuffer, TCPDefault: tcpDefaultBuffer,
		TCPMaxReceive: tcpMaxReceive, TCPMaxSend: tcpMaxSend,
		DefaultBuffer: hostBuffer, MaxBuffer: maxBuffer,
	}
}
