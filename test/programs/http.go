package programs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"netbox/test/bed"
)

var httpRows = []Row{
	{"curl", []string{"curl"}, runCurl},
	{"curl-https", []string{"curl"}, runCurlHTTPS},
	{"wget", []string{"wget"}, runWget},
	{"python3-urllib", []string{"python3"}, runURLLib},
	{"node-client", []string{"node"}, runNodeClient},
	{"go-client", nil, runGoClient},
	{"musl-client", []string{"musl-gcc"}, runMuslClient},
	{"git-clone", []string{"git"}, runGitClone},
}

// greeting is what the outside's web server says; it tells whose connection
// it saw.
const greeting = "greetings from outside"

func greet(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost, http.MethodPut:
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%d %s %v\n", n, hex.EncodeToString(h.Sum(nil)), err)
	default:
		fmt.Fprintln(w, greeting)
	}
}

func isGreeting(out string) bool { return strings.TrimSpace(out) == greeting }

func contains(part string) func(string) bool {
	return func(out string) bool { return strings.Contains(out, part) }
}

func runCurl(t *testing.T, s *Site) {
	port := s.serveHTTP(t, http.HandlerFunc(greet))
	for _, f := range s.families() {
		s.want(t, isGreeting, "curl", "-sS", "http://"+f.farPort(port)+"/")
	}
	s.want(t, isGreeting, "curl", "-sS", fmt.Sprintf("http://%s:%d/", s.FarName, port))
	r := s.run(t, "curl", "-sS", fmt.Sprintf("http://%v:%d/", s.Far4, freePort()))
	if r.Code != 7 || !strings.Contains(strings.ToLower(r.Err), "connect") { // 7: couldn't connect
		t.Errorf("curl of a closed port: %s", r.Output())
	}
}

func runCurlHTTPS(t *testing.T, s *Site) {
	pair, ca := certificate(t, s)
	l := s.listen(t, s.Serve4, 0)
	port := portOf(l.Addr())
	// Quiet: the client that does not know the CA is part of the test.
	quiet := log.New(io.Discard, "", 0)
	server := &http.Server{Handler: http.HandlerFunc(greet), TLSConfig: pair, ErrorLog: quiet}
	go server.ServeTLS(l, "", "")
	go server.ServeTLS(s.listen(t, s.Serve6, port), "", "")
	defer server.Close()
	for _, f := range s.families() {
		s.want(t, isGreeting, "curl", "-sS", "--cacert", ca, "https://"+f.farPort(port)+"/")
	}
	s.want(t, isGreeting, "curl", "-sS", "--cacert", ca, fmt.Sprintf("https://%s:%d/", s.FarName, port))
	r := s.run(t, "curl", "-sS", fmt.Sprintf("https://%s:%d/", s.FarName, port))
	if r.Code != 60 { // 60: peer certificate can't be authenticated
		t.Errorf("curl without the CA: %s", r.Output())
	}
}

func runWget(t *testing.T, s *Site) {
	port := s.serveHTTP(t, http.HandlerFunc(greet))
	for _, f := range s.families() {
		s.want(t, isGreeting, "wget", "-nv", "-O", "-", "http://"+f.farPort(port)+"/")
	}
	s.want(t, isGreeting, "wget", "-nv", "-O", "-", fmt.Sprintf("http://%s:%d/", s.FarName, port))
}

func runURLLib(t *testing.T, s *Site) {
	port := s.serveHTTP(t, http.HandlerFunc(greet))
	const script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"
	for _, f := range s.families() {
		s.want(t, isGreeting, "/usr/bin/python3", "-c", script, "http://"+f.farPort(port)+"/")
	}
	s.want(t, isGreeting, "/usr/bin/python3", "-c", script, fmt.Sprintf("http://%s:%d/", s.FarName, port))
}

func runNodeClient(t *testing.T, s *Site) {
	port := s.serveHTTP(t, http.HandlerFunc(greet))
	const script = "fetch(process.argv[1]).then(r => r.text()).then(b => console.log(b), e => { console.error(e); process.exit(1) })"
	for _, f := range s.families() {
		s.want(t, isGreeting, "node", "-e", script, "http://"+f.farPort(port)+"/")
	}
	s.want(t, isGreeting, "node", "-e", script, fmt.Sprintf("http://%s:%d/", s.FarName, port))
}

func runGoClient(t *testing.T, s *Site) {
	port := s.serveHTTP(t, http.HandlerFunc(greet))
	web := goProgram(t, s, "web")
	for _, f := range s.families() {
		s.want(t, isGreeting, web, "get", "http://"+f.farPort(port)+"/")
	}
	s.want(t, isGreeting, web, "get", fmt.Sprintf("http://%s:%d/", s.FarName, port))
}

func runMuslClient(t *testing.T, s *Site) {
	port := fmt.Sprint(s.echoTCP(t))
	client := filepath.Join(s.Dir, "echo-client")
	err := bed.CBuild("musl-gcc", client, filepath.Join(bed.Root(), "test/programs/testdata/echo-client.c"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{s.Far4.String(), s.Far6.String(), s.FarName} {
		s.want(t, func(out string) bool { return out == "echoed 100000 bytes\n" }, client, host, port)
	}
}

// goProgram builds a Go program of this folder statically into the site.
func goProgram(t *testing.T, s *Site, name string) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	err := bed.GoBuild(path, "./test/programs/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func runGitClone(t *testing.T, s *Site) {
	repo := filepath.Join(s.Dir, "repo.git")
	source := filepath.Join(s.Dir, "source")
	script := fmt.Sprintf(`export HOME=/nonexistent GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
git init -q %[1]s; cd %[1]s; head -c 3000000 /dev/urandom >blob; git add blob; git commit -qm first
git clone -q --bare %[1]s %[2]s`, source, repo)
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("making a repository: %v\n%s", err, out)
	}
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	port := s.serveHTTP(t, &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + s.Dir, "GIT_HTTP_EXPORT_ALL=1", "PATH=" + bed.Path},
	})
	clone := filepath.Join(s.folder(t, "clones"), "clone")
	s.want(t, func(string) bool { return true }, "git", "clone", "-q", fmt.Sprintf("http://%s:%d/repo.git", s.FarName, port), clone)
	want, err := os.ReadFile(filepath.Join(source, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(clone, "blob"))
	if err != nil || string(got) != string(want) {
		t.Errorf("the clone's file differs: %v", err)
	}
}
