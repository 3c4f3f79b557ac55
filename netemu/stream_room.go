package netemu

// A stream's bytes wait in netstack and in the surrogate. So that a peer meets a full
// buffer where the program asked for a small one, SO_RCVBUF bounds what waits for the
// task in the surrogate, and SO_SNDBUF what is taken from the task at a time; what waits
// to be taken the kernel bounds (net.core.wmem_default).

// boundRoom has SO_RCVBUF bound what waits for the task. It is for connections: on a
// listener's surrogate wait connections.
func (s *stream) boundRoom() {
	if told := s.mem.get("SO_RCVBUF", 0); told != 0 {
		s.sur.SetRoom(int(told / 2))
	}
}

// piece bounds what is taken from the task at a time, in bytes.
func (s *stream) piece() int {
	return int(min(s.mem.get("SO_SNDBUF", pumpBuffer), pumpBuffer))
}

// isConnected says whether there is a connection that the task has not ended.
func (s *stream) isConnected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == connected
}
