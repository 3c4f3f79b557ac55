package sim

import (
	"errors"
	"io"
)

// patternPeriod is prime, so that a buffer of any power of two that is lost,
// repeated or moved changes the bytes.
const patternPeriod = 251

// patternBlock is many periods: byte i of a pattern is i modulo 251.
var patternBlock = func() []byte {
	b := make([]byte, patternPeriod*256)
	for i := range b {
		b[i] = byte(i % patternPeriod)
	}
	return b
}()

// pattern is a generated body. It implements io.ReadSeeker.
type pattern struct{ size, off int64 }

// Read implements io.Reader.
func (p *pattern) Read(b []byte) (int, error) {
	if p.off >= p.size {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.size-p.off)]
	n := 0
	for n < len(b) {
		n += copy(b[n:], patternBlock[(p.off+int64(n))%patternPeriod:])
	}
	p.off += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (p *pattern) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.off
	case io.SeekEnd:
		offset += p.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	p.off = offset
	return offset, nil
}
