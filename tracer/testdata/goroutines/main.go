// A static Go program for package tracer: goroutines with small stacks that
// make trapped calls at many stack depths while others allocate and collect.
// Arguments of injected calls lie on these stacks: nothing may be damaged.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

const (
	orderLevel  = 77
	orderByte   = 2
	orderRights = 3
)

func order(fd, what, arg int) error {
	return syscall.SetsockoptInt(fd, orderLevel, what, arg)
}

// dive makes the calls at the given depth, with data above and below.
//
//go:noinline
func dive(depth, seed int) error {
	var data [3]int
	for i := range data {
		data[i] = seed ^ depth ^ i
	}
	err := error(nil)
	if depth == 0 {
		err = calls()
	} else {
		err = dive(depth-1, seed)
	}
	for i := range data {
		if data[i] != seed^depth^i {
			return fmt.Errorf("stack damaged at depth %d", depth)
		}
	}
	return err
}

func calls() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if err := order(fd, orderByte, 1); err != nil {
		return err
	}
	var sa [16]byte
	for {
		_, _, e := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), 16)
		if e == 0 {
			break
		}
		if e != syscall.EINTR {
			return e
		}
	}
	var b [1]byte
	if n, err := syscall.Read(fd, b[:]); n != 1 || b[0] != 'x' {
		return fmt.Errorf("read %d %q: %v", n, b, err)
	}
	if err := order(fd, orderRights, 1); err != nil {
		return err
	}
	c, _, e := syscall.Syscall6(syscall.SYS_ACCEPT4, uintptr(fd), 0, 0, syscall.SOCK_CLOEXEC, 0, 0)
	if e != 0 {
		return e
	}
	return syscall.Close(int(c))
}

func main() {
	stop := make(chan bool)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	var wg sync.WaitGroup
	failed := make(chan error, 1)
	for g := range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 12 {
				var err error
				done := make(chan bool)
				go func() { err = dive((g*7+i*3)%60, g<<16|i); close(done) }()
				<-done
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		}()
	}
	wg.Wait()
	close(stop)
	select {
	case err := <-failed:
		fmt.Println(err)
		os.Exit(1)
	default:
	}
}
