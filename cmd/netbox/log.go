package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// newLog writes lines "netbox: LEVEL message key=value" to standard error.
func newLog(level string) (*slog.Logger, error) {
	var l slog.Level
	switch level {
	case "error":
		l = slog.LevelError
	case "warn":
		l = slog.LevelWarn
	case "info":
		l = slog.LevelInfo
	case "debug":
		l = slog.LevelDebug
	default:
		return nil, fmt.Errorf("--log-level %q: want error, warn, info or debug", level)
	}
	h := slog.NewTextHandler(prefixed{os.Stderr}, &slog.HandlerOptions{
		Level: l,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	return slog.New(h), nil
}

// prefixed puts netbox's name before each line, in one write.
type prefixed struct{ w io.Writer }

func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte("netbox: "), bytes.TrimPrefix(line, []byte("level="))...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
