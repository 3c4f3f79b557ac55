// Package arrows checks how the project is built: which package may import
// which (docs/design.md, Rooms), who alone may import gVisor, and that files
// and functions stay small. The rules are data, in rules.go.
package arrows
