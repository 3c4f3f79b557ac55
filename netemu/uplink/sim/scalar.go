package sim

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	mdns "github.com/miekg/dns"
)

// lineError is a mistake and the line of the file on which it stands.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

func errorAt(line int, format string, args ...any) error {
	return &lineError{line: line, err: fmt.Errorf(format, args...)}
}

func lineOf(n ast.Node) int { return n.GetToken().Position.Line }

// scalar is a value that is written as one YAML scalar, and its line. The
// types below say how the text is read.
type scalar[T any] struct {
	value T
	line  int
}

func (s *scalar[T]) decode(n ast.Node, parse func(string) (T, error)) error {
	s.line = lineOf(n)
	var text string
	if err := yaml.NodeToValue(n, &text); err != nil {
		return err
	}
	v, err := parse(text)
	if err != nil {
		return &lineError{line: s.line, err: err}
	}
	s.value = v
	return nil
}

type (
	address  struct{ scalar[netip.Addr] }
	prefix   struct{ scalar[netip.Prefix] }
	name     struct{ scalar[string] }
	span     struct{ scalar[time.Duration] }
	share    struct{ scalar[float64] }
	record   struct{ scalar[mdns.RR] }
	portNo   struct{ scalar[uint16] }
	byteSize struct{ scalar[int64] }
)

func (s *address) UnmarshalYAML(n ast.Node) error  { return s.decode(n, parseAddress) }
func (s *prefix) UnmarshalYAML(n ast.Node) error   { return s.decode(n, parsePrefix) }
func (s *name) UnmarshalYAML(n ast.Node) error     { return s.decode(n, parseName) }
func (s *span) UnmarshalYAML(n ast.Node) error     { return s.decode(n, parseSpan) }
func (s *share) UnmarshalYAML(n ast.Node) error    { return s.decode(n, parseShare) }
func (s *record) UnmarshalYAML(n ast.Node) error   { return s.decode(n, parseRecord) }
func (s *portNo) UnmarshalYAML(n ast.Node) error   { return s.decode(n, parsePort) }
func (s *byteSize) UnmarshalYAML(n ast.Node) error { return s.decode(n, parseSize) }

func parseAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	}
	return a.Unmap(), nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an IP prefix such as 198.51.100.0/24", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s has bits set behind its length; write %s", s, p.Masked())
	}
	return p, nil
}

func parseName(s string) (string, error) {
	if _, ok := mdns.IsDomainName(s); !ok || s == "" || s == "." || strings.ContainsAny(s, " \t\r\n\\\"") {
		return "", fmt.Errorf("%q is not a domain name", s)
	}
	return s, nil
}

// maxDelay keeps a slip (20s for 20ms is fine, 20h is not) from looking like a
// hang; no path on Earth comes near it.
const maxDelay = time.Minute

func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 20ms", s)
	}
	if d < 0 || d > maxDelay {
		return 0, fmt.Errorf("%s is not between 0 and %v", s, maxDelay)
	}
	return d, nil
}

// parseShare reads 0.1 or 10%.
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || math.IsNaN(f) || f < 0 || f > 1 {
		return 0, fmt.Errorf("%q is not a share such as 0.1 or 10%%", s)
	}
	return f, nil
}

func parseRecord(s string) (mdns.RR, error) {
	// NewRR reads a zone file and takes its first record; more lines, or a
	// directive such as $INCLUDE, would be something else than they seem.
	if strings.ContainsAny(s, "\r\n") || strings.HasPrefix(strings.TrimSpace(s), "$") {
		return nil, errors.New("a record is one line of a zone file")
	}
	rr, err := mdns.NewRR(s)
	if err != nil {
		return nil, fmt.Errorf("record %q: %w", s, err)
	}
	if rr == nil {
		return nil, errors.New("the record is empty")
	}
	if rr.Header().Class != mdns.ClassINET {
		return nil, fmt.Errorf("record %q: its class is not IN", s)
	}
	return rr, nil
}

func parsePort(s string) (uint16, error) {
	p, err := strconv.ParseUint(s, 10, 16)
	if err != nil || p == 0 {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", s)
	}
	return uint16(p), nil
}

func parseSize(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxBody {
		return 0, fmt.Errorf("%q is not a number of bytes from 0 to %d", s, int64(maxBody))
	}
	return n, nil
}
