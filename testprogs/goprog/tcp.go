package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// echoServer listens on a free loopback port and echoes until l is closed.
func echoServer(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l, nil
}

// exchange sends text and expects it back.
func exchange(c net.Conn, text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("sent %q, got %q", text, got)
	}
	return nil
}

func tcpEcho() error   { return echoOver("tcp4", "127.0.0.1:0") }
func tcpEchoV6() error { return echoOver("tcp6", "[::1]:0") }

func echoOver(network, address string) error {
	l, err := echoServer(network, address)
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial(network, l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	if c.RemoteAddr().String() != l.Addr().String() {
		return fmt.Errorf("remote address %v, want %v", c.RemoteAddr(), l.Addr())
	}
	return exchange(c, "hello")
}

func tcpMany() error {
	l, err := echoServer("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	const clients = 200
	errs := make(chan error, clients)
	for i := range clients {
		go func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				for j := 0; j < 20 && err == nil; j++ {
					err = exchange(c, fmt.Sprintf("client %d round %d", i, j))
				}
				c.Close()
			}
			errs <- err
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func tcpHalfClose() error {
	l, err := echoServer("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, "until the end")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if string(got) != "until the end" {
		return fmt.Errorf("got %q: %v", got, err)
	}
	return err
}

func tcpDeadline() error {
	l, err := echoServer("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("read past the deadline: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	return exchange(c, "after the deadline")
}

func tcpRefused() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.Close()
	_, err = net.Dial("tcp", l.Addr().String())
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("want connection refused, got %v", err)
	}
	return nil
}

// blackhole is the address of a host that answers nothing.
func blackhole() (string, error) {
	host := os.Getenv("NBT_BLACKHOLE")
	if host == "" {
		return "", skipped("no remote hosts in this world")
	}
	return net.JoinHostPort(host, "9"), nil
}

func tcpDialTimeout() error {
	address, err := blackhole()
	if err != nil {
		return err
	}
	begin := time.Now()
	_, err = net.DialTimeout("tcp", address, 200*time.Millisecond)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begin) > 5*time.Second {
		return fmt.Errorf("want a timeout, got %v after %v", err, time.Since(begin))
	}
	return nil
}

func tcpDialCancel() error {
	address, err := blackhole()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	if !errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return fmt.Errorf("want cancelled, got %v", err)
	}
	return nil
}

func tcpListenerClose() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		_, err := l.Accept()
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("accept on a closed listener: %v", err)
	}
	again, err := net.Listen("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	return again.Close()
}

func tcpOptions() error {
	l, err := echoServer("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	c := conn.(*net.TCPConn)
	defer c.Close()
	return errors.Join(c.SetNoDelay(false), c.SetNoDelay(true), c.SetKeepAlive(true),
		c.SetKeepAlivePeriod(time.Minute), c.SetReadBuffer(65536), c.SetWriteBuffer(65536),
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}),
		exchange(c, "with options"), c.SetLinger(0))
}

func tcpBulk() error {
	l, err := echoServer("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	block := bytes.Repeat([]byte("netbox!"), 9973)
	const rounds = 100
	sent, received := sha256.New(), sha256.New()
	var writer sync.WaitGroup
	writer.Add(1) // the writer below
	go func() {
		defer writer.Done()
		for range rounds {
			c.Write(block)
			sent.Write(block)
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	n, err := io.Copy(received, c)
	writer.Wait()
	if err != nil || n != rounds*int64(len(block)) || !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
		return fmt.Errorf("%d bytes came back: %v", n, err)
	}
	return nil
}

// happyEyeballs dials a name with two addresses of which only one answers.
func happyEyeballs() error {
	l, err := echoServer("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c, err := net.Dial("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		return err
	}
	defer c.Close()
	return exchange(c, "by name")
}
