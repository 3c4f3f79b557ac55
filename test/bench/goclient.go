package main

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// connectForever is client.c's connect of a static Go program, whose runtime
// makes other calls for a connection, from other threads.
func connectForever(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("connect MILLISECONDS HOST PORT")
	}
	ms, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	start, n := time.Now(), 0
	for time.Since(start) < time.Duration(ms)*time.Millisecond {
		err = connectOnce(net.JoinHostPort(args[1], args[2]))
		if err != nil {
			return err
		}
		n++
	}
	fmt.Printf("%.3f\n", float64(n)/time.Since(start).Seconds())
	return nil
}

func connectOnce(address string) error {
	c, err := net.Dial("tcp4", address)
	if err != nil {
		return err
	}
	defer c.Close()
	p := []byte("ex")
	_, err = c.Write(p)
	if err != nil {
		return err
	}
	_, err = c.Read(p[:1])
	return err
}
