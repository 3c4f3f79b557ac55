package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
)

// serve runs the servers of client.c on one port, TCP and UDP, prints the port,
// and ends when its input does. It is a process of its own so that it can be
// pinned. It listens on every address: a peer that is a host of its own on a
// link (runsc) does not reach the loopback.
func serve([]string) error {
	l, err := net.ListenTCP("tcp4", nil)
	if err != nil {
		return err
	}
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	packets, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv4Unspecified(), port)))
	if err != nil {
		return err
	}
	go acceptAll(l, converse)
	go echoPackets(packets)
	fmt.Println(port)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// acceptAll serves each connection until l is closed.
func acceptAll(l *net.TCPListener, serve func(*net.TCPConn) error) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			// The client reports its own failures.
			_ = serve(c)
		}()
	}
}

// converse does what the connection's first byte says; see traffic.c.
func converse(c *net.TCPConn) error {
	var verb [1]byte
	_, err := io.ReadFull(c, verb[:])
	if err != nil {
		return err
	}
	switch verb[0] {
	case 'd':
		return send(c)
	case 'u':
		return receive(c)
	default:
		return echo(c)
	}
}

// bulkSize is how much a call moves.
const bulkSize = 256 << 10

func send(c *net.TCPConn) error {
	p := make([]byte, bulkSize)
	for {
		_, err := c.Write(p)
		if err != nil {
			return err
		}
	}
}

func receive(c *net.TCPConn) error {
	p := make([]byte, bulkSize)
	for {
		_, err := c.Read(p)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err := c.Write(p[:1])
	return err
}

func echo(c *net.TCPConn) error {
	p := make([]byte, 4096)
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
