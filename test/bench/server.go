package main

import (
	"encoding/binary"
	"io"
	"net"
)

// serve starts the servers of client.c on one port of 127.0.0.1, TCP and UDP,
// and returns the port. They last as long as the process.
func serve() (int, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return 0, err
	}
	go acceptAll(l)
	go echoPackets(packets)
	return port, nil
}

func acceptAll(l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			// The client reports its own failures.
			_ = converse(c)
		}()
	}
}

// converse does what the connection's first byte says; see client.c.
func converse(c *net.TCPConn) error {
	var verb [1]byte
	_, err := io.ReadFull(c, verb[:])
	if err != nil {
		return err
	}
	p := make([]byte, 256<<10)
	switch verb[0] {
	case 'd':
		return send(c, p)
	case 'u':
		return receive(c, p)
	default:
		return echo(c, p)
	}
}

func send(c *net.TCPConn, p []byte) error {
	var n uint64
	err := binary.Read(c, binary.NativeEndian, &n)
	for n > 0 && err == nil {
		var w int
		w, err = c.Write(p[:min(n, uint64(len(p)))])
		n -= uint64(w)
	}
	return err
}

func receive(c *net.TCPConn, p []byte) error {
	var n uint64
	err := binary.Read(c, binary.NativeEndian, &n)
	for n > 0 && err == nil {
		var r int
		r, err = c.Read(p)
		n -= uint64(r)
	}
	if err != nil {
		return err
	}
	_, err = c.Write(p[:1])
	return err
}

func echo(c *net.TCPConn, p []byte) error {
	for {
		n, err := c.Read(p)
		if err != nil {
			return err
		}
		_, err = c.Write(p[:n])
		if err != nil {
			return err
		}
	}
}

func echoPackets(c *net.UDPConn) {
	p := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			return
		}
		// The client may be gone.
		_, _ = c.WriteToUDPAddrPort(p[:n], from)
	}
}
