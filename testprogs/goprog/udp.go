package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

func udpListen(network, address string) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP(network, a)
}

func port(c *net.UDPConn) uint16 { return c.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

func udpEcho() error {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		server, err := udpListen("udp", address)
		if err != nil {
			return err
		}
		defer server.Close()
		client, err := udpListen("udp", address)
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := client.WriteTo([]byte("ask"), server.LocalAddr()); err != nil {
			return err
		}
		buffer := make([]byte, 16)
		n, from, err := server.ReadFromUDPAddrPort(buffer)
		if err != nil || from.Port() != port(client) || string(buffer[:n]) != "ask" {
			return fmt.Errorf("%q from %v: %v", buffer[:n], from, err)
		}
		if _, err := server.WriteToUDPAddrPort([]byte("reply"), from); err != nil {
			return err
		}
		if n, _, err = client.ReadFrom(buffer); err != nil || string(buffer[:n]) != "reply" {
			return fmt.Errorf("%q: %v", buffer[:n], err)
		}
	}
	return nil
}

func udpConnected() error {
	server, err := udpListen("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer server.Close()
	c, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range 20 {
		text := fmt.Sprint("datagram ", i)
		c.Write([]byte(text))
		buffer := make([]byte, 32)
		n, from, err := server.ReadFrom(buffer)
		if err != nil || string(buffer[:n]) != text || from.String() != c.LocalAddr().String() {
			return fmt.Errorf("%q from %v: %v", buffer[:n], from, err)
		}
	}
	return nil
}

func udpRefused() error {
	closed, err := udpListen("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	closed.Close()
	c, err := net.Dial("udp", closed.LocalAddr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.Write([]byte("x"))
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("want connection refused, got %v", err)
	}
	return nil
}

// udpDualStack talks to a wildcard socket over v4 and v6.
func udpDualStack() error {
	server, err := udpListen("udp", ":0")
	if err != nil {
		return err
	}
	defer server.Close()
	for _, host := range []string{"127.0.0.1", "::1"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(host), port(server))
		c, err := net.Dial("udp", to.String())
		if err != nil {
			return err
		}
		defer c.Close()
		c.Write([]byte("x"))
		_, from, err := server.ReadFromUDPAddrPort(make([]byte, 1))
		if err != nil || from.Addr().Unmap().String() != host {
			return fmt.Errorf("from %v: %v", from, err)
		}
		server.WriteToUDPAddrPort([]byte("y"), from)
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			return err
		}
	}
	return nil
}

func udpDeadline() error {
	c, err := udpListen("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, _, err := c.ReadFrom(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("read past the deadline: %v", err)
	}
	return nil
}
