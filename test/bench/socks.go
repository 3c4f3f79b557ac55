package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
)

// serveSocks starts a SOCKS5 server (RFC 1928) for proxychains4 and returns its
// port: CONNECT to IPv4 addresses, nobody is asked who they are.
func serveSocks() (int, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	go acceptAll(l, proxy)
	return l.Addr().(*net.TCPAddr).Port, nil
}

func proxy(c *net.TCPConn) error {
	to, err := negotiate(c)
	if err != nil {
		return err
	}
	server, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	defer server.Close()
	_, err = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	if err != nil {
		return err
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		_, _ = io.Copy(server, c)
		_ = server.CloseWrite()
	}()
	_, err = io.Copy(c, server)
	_ = c.CloseWrite()
	<-up
	return err
}

// negotiate returns the address that the client wants.
func negotiate(c *net.TCPConn) (netip.AddrPort, error) {
	var methods [257]byte
	_, err := io.ReadFull(c, methods[:2])
	if err == nil {
		_, err = io.ReadFull(c, methods[2:2+int(methods[1])])
	}
	if err == nil {
		_, err = c.Write([]byte{5, 0})
	}
	var request [10]byte // VER CMD RSV ATYP, IPv4 address, port
	if err == nil {
		_, err = io.ReadFull(c, request[:])
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	if [4]byte(request[:4]) != [4]byte{5, 1, 0, 1} {
		return netip.AddrPort{}, errors.New("not CONNECT to an IPv4 address")
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(request[4:8])), binary.BigEndian.Uint16(request[8:])), nil
}
