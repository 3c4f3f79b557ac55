package icmp

import (
	"net/netip"
	"time"
)

const (
	// blockSlots is how many requests one ICMP identifier tells apart: its
	// 16-bit sequence numbers.
	blockSlots = 1 << 16

	// unansweredLife is how long a request without an answer keeps its slot,
	// and so how late a reply may come: iputils' MAXWAIT, the longest that
	// ping lingers for the last reply.
	unansweredLife = 10 * time.Second

	// answeredLife is how long an answered request keeps its slot, for
	// duplicates and for a reply behind an error. Duplicates come from paths
	// that differ by milliseconds; a second is generous, and lets one
	// identifier carry 65,000 answered requests a second.
	answeredLife = time.Second

	// maxProbes bounds the search for a free slot. Slots are taken in turn,
	// so busy ones are together: when this many in a row are busy, the table
	// is as good as full.
	maxProbes = 64
)

// slot is one outstanding request.
type slot struct {
	token uint64
	sent  int64 // CLOCK_REALTIME, ns
	// busyUntil is when the slot may be used again, ns of the table's clock;
	// 0 means never used.
	busyUntil int64
	dst       [16]byte // as netip.Addr.As16
	id, seq   uint16   // the caller's
}

// table gives each outstanding request a number: the upper part counts
// identifiers from a base, the lower 16 bits are the sequence number on the
// wire. It starts with one identifier's slots (3 MB) and takes another one
// only when the oldest slots are still busy.
type table struct {
	blocks    [][]slot
	maxBlocks int
	next      uint32
}

// newTable makes a table of at most maxBlocks identifiers that starts to
// count at start, a random number: the first sequence numbers should not be
// guessed.
func newTable(maxBlocks int, start uint16) *table {
	return &table{blocks: [][]slot{make([]slot, blockSlots)}, maxBlocks: maxBlocks, next: uint32(start)}
}

func (t *table) at(index uint32) *slot { return &t.blocks[index>>16][index&0xffff] }

func (t *table) len() uint32 { return uint32(len(t.blocks)) * blockSlots }

// put takes a slot for r at time now (monotonic ns). It fails when all are
// busy.
func (t *table) put(r *Request, now int64) (index uint32, ok bool) {
	index, ok = t.free(now)
	if !ok {
		return 0, false
	}
	*t.at(index) = slot{
		token:     r.Token,
		busyUntil: now + int64(unansweredLife),
		dst:       r.Dst.As16(),
		id:        r.ID,
		seq:       r.Seq,
	}
	return index, true
}

// free finds the next slot that is not busy, growing the table if need be.
func (t *table) free(now int64) (uint32, bool) {
	for range maxProbes {
		index := t.next
		t.next = (t.next + 1) % t.len()
		if t.at(index).busyUntil <= now {
			return index, true
		}
	}
	if len(t.blocks) == t.maxBlocks {
		return 0, false
	}
	index := t.len()
	t.blocks = append(t.blocks, make([]slot, blockSlots))
	t.next = index + 1
	return index, true
}

// find is the outstanding request with this number that went to dst, or nil.
func (t *table) find(index uint32, dst netip.Addr, now int64) *slot {
	if index >= t.len() {
		return nil
	}
	s := t.at(index)
	if s.busyUntil <= now || s.dst != dst.As16() {
		return nil
	}
	return s
}

// answered shortens the life of a slot that has had an answer.
func (s *slot) answered(now int64) {
	s.busyUntil = min(s.busyUntil, now+int64(answeredLife))
}

// release frees the slot of a request that was never sent.
func (s *slot) release() { s.busyUntil = 0 }

// reply starts the Reply to the slot's request.
func (s *slot) reply(kind Kind) Reply {
	return Reply{
		Token: s.token, ID: s.id, Seq: s.seq,
		Dst:  netip.AddrFrom16(s.dst).Unmap(),
		Kind: kind,
		Sent: time.Unix(0, s.sent),
	}
}
