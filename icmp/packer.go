package icmp

// packer packs records into messages of at most maxBatch records and
// maxMessage bytes, in the order in which they came. The last message stays
// open for more.
type packer struct {
	typ      byte
	messages [][]byte
	bytes    int
	// spare are buffers to use again, at most maxSpare of them.
	spare [][]byte
}

// maxSpare keeps enough buffers for a busy exchange of small packets, and not
// the memory of one burst of large ones.
const maxSpare = 16

// open is the message that takes the next record, of size bytes.
func (p *packer) open(size int) *[]byte {
	if n := len(p.messages); n > 0 {
		last := &p.messages[n-1]
		if (*last)[1] < maxBatch && len(*last)+size <= maxMessage {
			return last
		}
	}
	var m []byte
	if n := len(p.spare); n > 0 {
		m, p.spare = p.spare[n-1][:0], p.spare[:n-1]
	}
	p.messages = append(p.messages, append(m, p.typ, 0, 0, 0, 0, 0, 0, 0))
	p.bytes += batchHeaderLen
	return &p.messages[len(p.messages)-1]
}

func (p *packer) addRequest(r *Request) {
	m := p.open(requestRecordLen + len(r.Payload))
	before := len(*m)
	*m = appendRequest(*m, r)
	(*m)[1]++
	p.bytes += len(*m) - before
}

func (p *packer) addReply(r *Reply) {
	m := p.open(replyRecordLen + len(r.Payload))
	before := len(*m)
	*m = appendReply(*m, r)
	(*m)[1]++
	p.bytes += len(*m) - before
}

func (p *packer) empty() bool { return len(p.messages) == 0 }

// first is the oldest message; pop forgets it and recycles its buffer, which
// the caller must no longer use.
func (p *packer) first() []byte { return p.messages[0] }

func (p *packer) pop() {
	m := p.messages[0]
	p.bytes -= len(m)
	p.messages[0] = nil
	if p.messages = p.messages[1:]; len(p.messages) == 0 {
		p.messages = nil
	}
	p.recycle(m)
}

// take removes all messages, and recycle gives the buffer of one back.
func (p *packer) take() [][]byte {
	ms := p.messages
	p.messages, p.bytes = nil, 0
	return ms
}

func (p *packer) recycle(m []byte) {
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, m)
	}
}
