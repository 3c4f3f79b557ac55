package programs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
)

var bulkRows = []Row{
	{"curl-200MB-down", []string{"curl"}, runDownload},
	{"curl-200MB-up", []string{"curl"}, runUpload},
	{"iperf3-client", []string{"iperf3"}, runIperfClient},
	{"iperf3-server", []string{"iperf3"}, runIperfServer},
}

// bulkSize is the 200 MB.
const bulkSize = 200_000_000

// bulk writes bulkSize pseudo-random bytes, the same every time.
func bulk(w io.Writer) error {
	_, err := io.Copy(w, io.LimitReader(rand.NewChaCha8([32]byte{1}), bulkSize))
	return err
}

func bulkSum(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	err := bulk(h)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func runDownload(t *testing.T, s *Site) {
	port := s.serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(bulkSize))
		// A failure shows at the client.
		_ = bulk(w)
	}))
	sum := bulkSum(t)
	for _, f := range s.families() {
		s.shell(t, func(out string) bool { return strings.HasPrefix(out, sum) },
			"curl -sS -f http://%s/ -o %s/bulk; sha256sum <%[2]s/bulk; rm %[2]s/bulk", f.farPort(port), s.Dir)
	}
}

func runUpload(t *testing.T, s *Site) {
	port := s.serveHTTP(t, http.HandlerFunc(greet))
	sum := bulkSum(t)
	path := filepath.Join(s.Dir, "upload")
	var content strings.Builder
	err := bulk(&content)
	if err != nil {
		t.Fatal(err)
	}
	s.file(t, "upload", content.String(), 0o644)
	for _, f := range s.families() {
		want := fmt.Sprintf("%d %s <nil>\n", bulkSize, sum)
		s.want(t, func(out string) bool { return out == want }, "curl", "-sS", "-f", "-T", path, "http://"+f.farPort(port)+"/")
	}
}

// iperfTests are the client's options in either role.
var iperfTests = [][]string{
	{"-P", "4"},
	{"-P", "4", "-R"},
	{"-u", "-b", "50M"},
	{"-u", "-b", "50M", "-R"},
}

// iperfDone tells whether the client moved data both sides agree on, by the last of
// the receiver's lines, which is the sum of several streams: one of four may get
// nothing in its second on a busy machine, natively too.
func iperfDone(out string) bool {
	i := strings.LastIndex(out, "receiver")
	if i < 0 || !strings.Contains(out, "iperf Done.") {
		return false
	}
	line := out[strings.LastIndex(out[:i], "\n")+1 : i]
	return !strings.Contains(line, " 0.00 Bytes")
}

func runIperfClient(t *testing.T, s *Site) {
	for _, f := range s.families() {
		port := freePort()
		// -B: a host of many addresses would answer UDP from another one.
		server := s.startOutside(t, "iperf3", "-s", "--forceflush", "-B", f.serve.String(), "-p", fmt.Sprint(port))
		for i, options := range iperfTests {
			awaitOutput(t, server, fmt.Sprintf("(test #%d)", i+1))
			args := append([]string{"iperf3", "-c", f.far.String(), "-p", fmt.Sprint(port), "-t", "1"}, options...)
			s.want(t, iperfDone, args...)
		}
	}
}

func runIperfServer(t *testing.T, s *Site) {
	port := freePort()
	server := s.start(t, append(tcp(port), udp(port)...), "iperf3", "-s", "--forceflush", "-p", fmt.Sprint(port))
	tests := 0
	for _, f := range s.families() {
		for _, options := range iperfTests {
			// The server listens anew for each test.
			tests++
			awaitOutput(t, server, fmt.Sprintf("(test #%d)", tests))
			args := append([]string{"iperf3", "-c", f.near.String(), "-p", fmt.Sprint(port), "-t", "1"}, options...)
			s.wantOutside(t, iperfDone, args...)
		}
	}
	server.Stop(t, 5*time.Second)
}

// awaitOutput waits until the process has written text.
func awaitOutput(t *testing.T, b *bed.Background, text string) {
	t.Helper()
	ok := bed.Eventually(15*time.Second, func() bool { return b.Ended() || strings.Contains(b.Output(), text) })
	if !ok || !strings.Contains(b.Output(), text) {
		t.Fatalf("%v never wrote %q: %s", b.Cmd.Args, text, b.Output())
	}
}
