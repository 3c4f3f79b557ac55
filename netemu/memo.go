package netemu

import (
	"bytes"
	"maps"
	"slices"
	"sync"
)

// memo keeps what a socket's options were set to: values that are only told
// back, and of streams every value, for the sockets that inherit them.
type memo struct {
	mu     sync.Mutex
	values map[string]int64
	sets   []setting // each option once, the latest last
}

// setting is a value that an option was set to.
type setting struct {
	key   optionKey
	value []byte
}

func (m *memo) put(name string, v int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = make(map[string]int64)
	}
	m.values[name] = v
}

func (m *memo) get(name string, initial int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.values[name]; ok {
		return v
	}
	return initial
}

// record notes a value that was set; the option tables bound how many.
func (m *memo) record(k optionKey, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets = slices.DeleteFunc(m.sets, func(s setting) bool { return s.key == k })
	m.sets = append(m.sets, setting{k, bytes.Clone(value)})
}

// copyFrom takes over what from has noted.
func (m *memo) copyFrom(from *memo) {
	from.mu.Lock()
	values, sets := maps.Clone(from.values), slices.Clone(from.sets)
	from.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values, m.sets = values, sets
}

// settings are the values that were set, in order.
func (m *memo) settings() []setting {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sets)
}
