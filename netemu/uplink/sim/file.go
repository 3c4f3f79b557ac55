package sim

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds the YAML text: a thousand hosts fit, and the parser's time on
// hostile nesting (quadratic) stays at some seconds.
const maxFile = 128 << 10

//go:embed default.yaml
var defaultText []byte

// document is the file as it is written.
type document struct {
	Defaults    conditionsEntry    `yaml:"defaults"`
	Hosts       []hostEntry        `yaml:"hosts"`
	Unreachable []unreachableEntry `yaml:"unreachable"`
	Records     []record           `yaml:"records"`
}

type conditionsEntry struct {
	Delay  *span  `yaml:"delay"`
	Jitter *span  `yaml:"jitter"`
	Loss   *share `yaml:"loss"`
}

type hostEntry struct {
	line      int
	Names     []name         `yaml:"names"`
	Addresses []address      `yaml:"addresses"`
	Echo      *bool          `yaml:"echo"`
	DNS       bool           `yaml:"dns"`
	Otherwise string         `yaml:"otherwise"`
	Delay     *span          `yaml:"delay"`
	Jitter    *span          `yaml:"jitter"`
	Loss      *share         `yaml:"loss"`
	TCP       []serviceEntry `yaml:"tcp"`
	UDP       []serviceEntry `yaml:"udp"`
}

type serviceEntry struct {
	line    int
	Port    portNo            `yaml:"port"`
	Service string            `yaml:"service"`
	Text    *string           `yaml:"text"`
	Status  *int              `yaml:"status"`
	Headers map[string]string `yaml:"headers"`
	Body    *string           `yaml:"body"`
	Size    *byteSize         `yaml:"size"`
}

type unreachableEntry struct {
	Prefix prefix `yaml:"prefix"`
	Kind   string `yaml:"kind"`
}

// UnmarshalYAML keeps the line of the host.
func (h *hostEntry) UnmarshalYAML(n ast.Node) error {
	type plain hostEntry
	err := yaml.NodeToValue(n, (*plain)(h), yaml.Strict())
	h.line = lineOf(n)
	return err
}

// UnmarshalYAML keeps the line of the service.
func (s *serviceEntry) UnmarshalYAML(n ast.Node) error {
	type plain serviceEntry
	err := yaml.NodeToValue(n, (*plain)(s), yaml.Strict())
	s.line = lineOf(n)
	return err
}

// Default is the built-in internet.
func Default() (*Internet, error) { return Parse("default.yaml", defaultText) }

// ReadFile reads an internet from a YAML file. Errors name the file and, where
// the text is at fault, the line.
func ReadFile(path string) (*Internet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	return Parse(path, text)
}

// Parse reads an internet from YAML text; path is for errors.
func Parse(path string, text []byte) (*Internet, error) {
	d, err := decode(text)
	if err == nil {
		var n *Internet
		if n, err = d.check(); err == nil {
			return n, nil
		}
	}
	var at *lineError
	if errors.As(err, &at) {
		return nil, fmt.Errorf("sim: %s:%d: %w", path, at.line, at.err)
	}
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		return nil, fmt.Errorf("sim: %s:%d: %s", path, y.GetToken().Position.Line, y.GetMessage())
	}
	return nil, fmt.Errorf("sim: %s: %w", path, err)
}

func decode(text []byte) (*document, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, err
	}
	docs := f.Docs[:0]
	for _, d := range f.Docs {
		if d.Body != nil {
			docs = append(docs, d)
		}
	}
	if len(docs) == 0 {
		return nil, errors.New("there is nothing in it")
	}
	if len(docs) > 1 {
		return nil, errorAt(lineOf(docs[1].Body), "a second document; one is taken")
	}
	var b bannedFinder
	ast.Walk(&b, docs[0].Body)
	if b.line > 0 {
		return nil, errorAt(b.line, "anchors, aliases and tags are not taken")
	}
	var d document
	if err := yaml.NewDecoder(bytes.NewReader(nil), yaml.Strict()).DecodeFromNode(docs[0].Body, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// bannedFinder finds the first anchor, alias or tag. A small file of nested
// aliases can unfold to any size, and goccy's decoder panics where a tag stands
// on something else than it says (found by FuzzParse).
type bannedFinder struct{ line int }

// Visit implements ast.Visitor.
func (f *bannedFinder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		if f.line == 0 {
			f.line = lineOf(n)
		}
	}
	return f
}
