package icmp

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func sampleRequests() []Request {
	return []Request{
		{Dst: addr("192.0.2.1"), ID: 1, Seq: 2, TTL: 3, TOS: 4, DF: true, Payload: pattern(5), Token: 1 << 63},
		{Dst: addr("2001:db8::1"), ID: 0xffff, Seq: 0xffff, TTL: 255, TOS: 255, Payload: []byte{}, Token: 0},
		{Dst: addr("127.0.0.1"), Payload: pattern(1400)},
	}
}

func sampleReplies() []Reply {
	at := time.Unix(1795442302, 796000001)
	v4, v6 := addr("192.0.2.1"), addr("2001:db8::1")
	return []Reply{
		{Token: 1, ID: 2, Seq: 3, Dst: v4, Kind: EchoReply, From: v4, TTL: 64, Payload: pattern(9), Sent: at, Received: at.Add(1)},
		{Token: 1 << 40, Dst: v6, Kind: Error, From: addr("fe80::1"), Type: 2, Info: 1280, Payload: []byte{}, Sent: at, Received: at},
		{Dst: v6, Kind: SendFailure, Errno: unix.ENETUNREACH, Payload: []byte{}, Sent: at},
	}
}

func packRequests(rs []Request) [][]byte {
	p := packer{typ: requestsMessage}
	for i := range rs {
		p.addRequest(&rs[i])
	}
	return p.take()
}

func packReplies(rs []Reply) [][]byte {
	p := packer{typ: repliesMessage}
	for i := range rs {
		p.addReply(&rs[i])
	}
	return p.take()
}

func TestProtocolRoundTrip(t *testing.T) {
	want := sampleRequests()
	ms := packRequests(want)
	if len(ms) != 1 {
		t.Fatalf("%d messages", len(ms))
	}
	if got, err := parseRequests(ms[0], nil); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	wantReplies := sampleReplies()
	m := packReplies(wantReplies)[0]
	binary.BigEndian.PutUint32(m[4:], 77)
	got, overflows, err := parseReplies(m, nil)
	if err != nil || overflows != 77 || !reflect.DeepEqual(got, wantReplies) {
		t.Fatalf("got %+v, %d, %v", got, overflows, err)
	}
	if h, err := parseHello(appendHello(nil, hello{unix.EPERM, unix.EAFNOSUPPORT})); err != nil ||
		h != (hello{unix.EPERM, unix.EAFNOSUPPORT}) {
		t.Fatalf("got %+v, %v", h, err)
	}
}

// Any cut or lengthened message, and any other version, is refused.
func TestProtocolRefuses(t *testing.T) {
	requests, replies := packRequests(sampleRequests())[0], packReplies(sampleReplies())[0]
	hi := appendHello(nil, hello{})
	refused := func(b []byte) bool {
		_, err1 := parseRequests(b, nil)
		_, _, err2 := parseReplies(b, nil)
		_, err3 := parseHello(b)
		return err1 != nil && err2 != nil && err3 != nil
	}
	for _, m := range [][]byte{requests, replies, hi} {
		for n := range len(m) {
			if !refused(m[:n]) {
				t.Fatalf("%d bytes of message %x", n, m)
			}
		}
		if !refused(append(bytes.Clone(m), 0)) {
			t.Fatalf("a byte too many in message %x", m)
		}
	}
	change := func(m []byte, at int, to byte) []byte {
		m = bytes.Clone(m)
		m[at] = to
		return m
	}
	const record = batchHeaderLen
	for name, m := range map[string][]byte{
		"version":          change(hi, 5, protocolVersion+1),
		"count 0":          {requestsMessage, 0, 0, 0, 0, 0, 0, 0},
		"count too large":  change(requests, 1, maxBatch+1),
		"family":           change(requests, record+12, 5),
		"IPv4 as IPv6":     change(requests, record+12, byte(inet6)),
		"IPv6 as IPv4":     change(requests, record+requestRecordLen+5+12, byte(inet)),
		"flags":            change(requests, record+15, 2),
		"kind 0":           change(replies, record+13, 0),
		"kind":             change(replies, record+13, byte(SendFailure)+1),
		"errno of a reply": change(replies, record+19, 1),
	} {
		if !refused(m) {
			t.Errorf("%s: taken", name)
		}
	}
	large := make([]byte, maxMessage+1)
	large[0], large[1] = requestsMessage, 1
	if !refused(large) {
		t.Error("too long: taken")
	}
}

func TestPackerBounds(t *testing.T) {
	var rs []Request
	for range 3 * maxBatch {
		rs = append(rs, Request{Dst: addr("192.0.2.1"), Payload: pattern(56)})
	}
	if ms := packRequests(rs); len(ms) != 3 || ms[0][1] != maxBatch {
		t.Fatalf("%d messages, %d in the first", len(ms), ms[0][1])
	}
	for i := range rs {
		rs[i] = Request{Dst: addr("2001:db8::1"), Payload: pattern(maxPayload6)}
	}
	p := packer{typ: requestsMessage}
	total := 0
	for i := range rs {
		p.addRequest(&rs[i])
	}
	for !p.empty() {
		if len(p.first()) > maxMessage {
			t.Fatalf("message of %d bytes", len(p.first()))
		}
		got, err := parseRequests(p.first(), nil)
		if err != nil {
			t.Fatal(err)
		}
		total += len(got)
		p.pop()
	}
	if total != len(rs) || p.bytes != 0 || len(p.spare) != maxSpare {
		t.Fatalf("%d requests, %d bytes left, %d spare", total, p.bytes, len(p.spare))
	}
}

// speak starts a helper, checks that it greets, and says what it is given.
func speak(t *testing.T, messages ...[]byte) (exit int, words string) {
	t.Helper()
	p, err := startHelper(os.Getenv(plainEnv))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if _, err := unix.SendmsgN(int(p.socket.Fd()), m, nil, nil, unix.MSG_NOSIGNAL); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		p.stop()
		t.Fatalf("the helper goes on after %x", messages)
	}
	p.socket.Close()
	return p.cmd.ProcessState.ExitCode(), p.stderr.String()
}

// The helper hangs up on whoever does not speak the protocol.
func TestHelperDistrusts(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	requests := packRequests(sampleRequests())[0]
	badFlags := bytes.Clone(requests)
	badFlags[batchHeaderLen+15] = 0xff
	for name, m := range map[string][]byte{
		"garbage":       []byte("GET / HTTP/1.1\r\n\r\n"),
		"a reply":       packReplies(sampleReplies())[0],
		"a hello again": appendHello(nil, hello{}),
		"cut short":     requests[:len(requests)-1],
		"unknown flags": badFlags,
		"too long":      append(bytes.Clone(requests), make([]byte, 2*maxMessage)...),
	} {
		if exit, words := speak(t, m); exit != 3 || !strings.Contains(words, "protocol error") {
			t.Errorf("%s: exit %d, %q", name, exit, words)
		}
	}
}

// The helper answers a hello that is none by leaving.
func TestHelperWantsHello(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	for name, m := range map[string][]byte{
		"another version": {helloMessage, 'n', 'b', 'i', 0, protocolVersion + 1, 0, 0, 0, 0},
		"a request":       packRequests(sampleRequests())[0],
	} {
		ours, theirs, err := seqpacketPair()
		if err != nil {
			t.Fatal(err)
		}
		helper := exec.Command(os.Getenv(plainEnv))
		helper.ExtraFiles = []*os.File{theirs}
		if _, err := ours.Write(m); err != nil {
			t.Fatal(err)
		}
		out, err := helper.CombinedOutput()
		ours.Close()
		theirs.Close()
		if helper.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), "protocol error") {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}

// A helper that is not one of ours is refused with its reason. It answers our
// hello, for which it waits: the descriptor never blocks.
func TestConnDistrusts(t *testing.T) {
	const hear = "until dd bs=64 count=1 <&3 >/dev/null 2>&1; do sleep 0.01; done\n"
	for name, answer := range map[string]string{
		"garbage":         `printf garbage >&3`,
		"another version": `printf '\001nbi\000\002\000\000\000\000' >&3`,
	} {
		path := t.TempDir() + "/helper"
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+hear+answer+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if p, err := startHelper(path); err == nil {
			p.stop()
			t.Errorf("%s: taken", name)
		} else if !strings.Contains(err.Error(), "protocol error") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHelperByHand(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	stream := os.NewFile(uintptr(fds[0]), "stream")
	defer stream.Close()
	defer unix.Close(fds[1])
	for _, extra := range [][]*os.File{nil, {null}, {stream}} {
		helper := exec.Command(os.Getenv(plainEnv))
		helper.ExtraFiles = extra
		out, _ := helper.CombinedOutput()
		if helper.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "setcap cap_net_raw+ep") {
			t.Errorf("exit %d, %s", helper.ProcessState.ExitCode(), out)
		}
	}
}

// An inherited descriptor does not live on in the helper, and neither does the
// helper when whoever started it is gone.
func TestHelperIsNoOrphan(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	ours, theirs, err := seqpacketPair()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	helper := exec.Command(os.Getenv(plainEnv))
	helper.ExtraFiles = []*os.File{theirs, w} // w is its descriptor 4
	helper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	w.Close()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v from the inherited pipe", n, err)
	}
	r.Close()
	ours.Close() // as the kernel does when we die
	if err := helper.Wait(); err != nil {
		t.Error(err)
	}
}
