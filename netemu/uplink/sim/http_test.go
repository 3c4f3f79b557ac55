package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// client is an HTTP client in the sandbox.
func (w *world) client() *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		a, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, err
		}
		return w.host.DialTCP(ctx, netip.AddrPort{}, a, nil)
	}}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 6 * patience}
}

// do gives status, headers and body.
func (w *world) do(c *http.Client, method, url string, header http.Header, body io.Reader) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(text)
}

func TestHTTPDefault(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.client()
	for _, host := range []string{"192.0.2.80", "[2001:db8::80]"} {
		resp, body := w.do(c, "GET", "http://"+host+"/", nil, nil)
		if resp.StatusCode != 200 || !strings.Contains(body, "<h1>It works</h1>") || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %s %v %q", host, resp.Status, resp.Header, body)
		}
		_, body = w.do(c, "GET", "http://"+host+"/bytes/1000", nil, nil)
		for i := range len(body) {
			if body[i] != byte(i%251) {
				t.Fatalf("byte %d of /bytes is %d", i, body[i])
			}
		}
		if len(body) != 1000 {
			t.Errorf("%d bytes, want 1000", len(body))
		}
		resp, body = w.do(c, "GET", "http://"+host+"/bytes/1000", http.Header{"Range": {"bytes=500-503"}}, nil)
		if resp.StatusCode != 206 || body != string([]byte{249, 250, 0, 1}) {
			t.Errorf("range: %s %q", resp.Status, body)
		}
		resp, _ = w.do(c, "HEAD", "http://"+host+"/bytes/1000", nil, nil)
		if resp.ContentLength != 1000 {
			t.Errorf("HEAD: length %d", resp.ContentLength)
		}
		for _, path := range []string{"/bytes/x", "/bytes/-1", "/bytes/99999999999999999999"} {
			if resp, _ := w.do(c, "GET", "http://"+host+path, nil, nil); resp.StatusCode != 400 {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
		for _, method := range []string{"POST", "PUT"} {
			up := bytes.Repeat([]byte(method), 100_000)
			resp, body := w.do(c, method, "http://"+host+"/any", nil, bytes.NewReader(up))
			if want := fmt.Sprintf("bytes %d\nsha256 %x\n", len(up), sha256.Sum256(up)); resp.StatusCode != 200 || body != want {
				t.Errorf("%s: %s %q, want %q", method, resp.Status, body, want)
			}
		}
		if resp, _ := w.do(c, "DELETE", "http://"+host+"/", nil, nil); resp.StatusCode != 405 {
			t.Errorf("DELETE: %s", resp.Status)
		}
	}
}

func TestHTTPServices(t *testing.T) {
	w := newWorld(t, parsed(t, `
hosts:
  - addresses: [203.0.113.1]
    tcp:
      - {port: 80, service: http}
      - {port: 81, service: http, status: 404, body: "no\n", headers: {X-A: b}}
      - {port: 82, service: http, size: 3000}
      - {port: 83, service: http, status: 503, size: 5}
      - {port: 84, service: http, status: 204}
      - {port: 85, service: http, status: 302, headers: {location: "http://203.0.113.1:82/"}}
`))
	c := w.client()
	for _, tc := range []struct {
		port, status, length int
		header, value        string
	}{
		{80, 200, 0, "", ""},
		{81, 404, 3, "X-A", "b"},
		{82, 200, 3000, "Content-Type", "application/octet-stream"},
		{83, 503, 5, "", ""},
		{84, 204, 0, "", ""},
		{85, 200, 3000, "", ""},
	} {
		resp, body := w.do(c, "GET", fmt.Sprintf("http://203.0.113.1:%d/x", tc.port), nil, nil)
		if resp.StatusCode != tc.status || len(body) != tc.length || tc.header != "" && resp.Header.Get(tc.header) != tc.value {
			t.Errorf("port %d: %s, %d bytes, %v", tc.port, resp.Status, len(body), resp.Header)
		}
	}
}

// Closing while transfers and requests hang in the middle leaves nothing, and
// does not wait for them (newWorld's check).
func TestHTTPCloseInFlight(t *testing.T) {
	w := newWorld(t, Options{})
	half := w.mustDial("192.0.2.80:80")
	if _, err := io.WriteString(half, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	stuck := w.mustDial("192.0.2.80:80")
	if _, err := io.WriteString(stuck, "GET /bytes/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stuck, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	w.mustDial("192.0.2.80:80")
}

// Many clients at once, each with a connection of its own.
func TestHTTPConcurrent(t *testing.T) {
	w := newWorld(t, Options{})
	const clients = 100
	var wg sync.WaitGroup
	for range clients {
		c := w.client()
		wg.Add(1)
		go func() {
			defer wg.Done()
			resp, err := c.Get("http://192.0.2.80/bytes/100000")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); n != 100000 || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		}()
	}
	wg.Wait()
	if s := w.up.Stats(); s != (Stats{}) {
		t.Errorf("dropped: %+v", s)
	}
}

func BenchmarkDownload(b *testing.B) {
	w := newWorld(b, Options{})
	c := w.client()
	const size = 64 << 20
	b.SetBytes(size)
	for b.Loop() {
		resp, err := c.Get(fmt.Sprintf("http://192.0.2.80/bytes/%d", size))
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
			b.Fatal(n, err)
		}
		resp.Body.Close()
	}
}
