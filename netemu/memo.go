package netemu

import "sync"

// memo keeps the values of options that are only told back.
type memo struct {
	mu     sync.Mutex
	values map[string]int64
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
