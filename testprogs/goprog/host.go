package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// serveHTTP answers with the request's body, on a free port.
func serveHTTP() (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})}
	go server.Serve(l)
	return "http://" + l.Addr().String(), func() { server.Close() }, nil
}

func post(client *http.Client, url string, body []byte) error {
	answer, err := client.Post(url, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err == nil && !bytes.Equal(got, body) {
		err = fmt.Errorf("%d bytes sent, %d came back", len(body), len(got))
	}
	return err
}

func httpBothRoles() error {
	url, stop, err := serveHTTP()
	if err != nil {
		return err
	}
	defer stop()
	return post(http.DefaultClient, url, bytes.Repeat([]byte("body "), 200000))
}

func httpKeepAlive() error {
	url, stop, err := serveHTTP()
	if err != nil {
		return err
	}
	defer stop()
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for i := 0; i < 40 && err == nil; i++ {
				err = post(http.DefaultClient, url, []byte(strings.Repeat("k", i*10)))
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

func interfaces() error {
	list, err := net.Interfaces()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list, func(i net.Interface) bool { return i.Name == "lo" })
	if at < 0 || list[at].Flags&(net.FlagLoopback|net.FlagUp) != net.FlagLoopback|net.FlagUp || list[at].Index != 1 {
		return fmt.Errorf("lo is not as it should be in %v", list)
	}
	addresses, err := list[at].Addrs()
	if err != nil {
		return err
	}
	for _, want := range []string{"127.0.0.1/8", "::1/128"} {
		if !slices.ContainsFunc(addresses, func(a net.Addr) bool { return a.String() == want }) {
			return fmt.Errorf("lo has %v, not %s", addresses, want)
		}
	}
	_, err = net.InterfaceAddrs()
	return err
}

// groups reads /proc/net/igmp and igmp6.
func groups() error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	list, err := lo.MulticastAddrs()
	if err != nil {
		return err
	}
	for _, want := range []string{"224.0.0.1", "ff02::1"} {
		if !slices.ContainsFunc(list, func(a net.Addr) bool { return a.String() == want }) {
			return fmt.Errorf("lo is in %v, not in %s", list, want)
		}
	}
	return nil
}

func lookupLocalhost() error {
	for _, resolver := range []*net.Resolver{{PreferGo: true}, {}} {
		got, err := resolver.LookupHost(context.Background(), "localhost")
		if err != nil {
			return err
		}
		if !slices.Contains(got, "127.0.0.1") && !slices.Contains(got, "::1") {
			return fmt.Errorf("localhost is %v", got)
		}
	}
	return nil
}

// child starts this program again in a role, with file as descriptor 3.
func child(role string, file *os.File) (*exec.Cmd, error) {
	c := exec.Command("/proc/self/exe", role)
	c.ExtraFiles, c.Stdout, c.Stderr = []*os.File{file}, os.Stdout, os.Stderr
	return c, c.Start()
}

// execListener gives a listener to a child by exec, as socket activation does.
func execListener() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	address := l.Addr().String()
	l.Close()
	c, err := child("_serve_listener", file)
	if err != nil {
		return err
	}
	file.Close()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	if err := exchange(conn, "to the child"); err != nil {
		return err
	}
	conn.Close()
	return c.Wait()
}

func roleServeListener() error {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	_, err = io.Copy(c, c)
	return err
}

func execConnection() error {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return err
	}
	defer l.Close()
	conn, err := net.Dial("tcp6", l.Addr().String())
	if err != nil {
		return err
	}
	server, err := l.Accept()
	if err != nil {
		return err
	}
	file, err := server.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	server.Close()
	c, err := child("_echo_connection", file)
	if err != nil {
		return err
	}
	file.Close()
	if err := exchange(conn, "through exec"); err != nil {
		return err
	}
	conn.Close()
	return c.Wait()
}

func roleEchoConnection() error {
	c, err := net.FileConn(os.NewFile(3, "connection"))
	if err != nil {
		return err
	}
	_, err = io.Copy(c, c)
	return err
}

// fileListener makes a second listener of a duplicate of the first.
func fileListener() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	second, err := net.FileListener(file)
	if err != nil {
		return err
	}
	defer second.Close()
	if second.Addr().String() != l.Addr().String() {
		return fmt.Errorf("the duplicate listens on %v, not %v", second.Addr(), l.Addr())
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	server, err := second.Accept()
	if err != nil {
		return err
	}
	return server.Close()
}

func unixSocket() error {
	directory, err := os.MkdirTemp("", "nbt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	l, err := echoServer("unix", filepath.Join(directory, "socket"))
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	return exchange(c, "native")
}
