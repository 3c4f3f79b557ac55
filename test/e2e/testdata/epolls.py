# epolls.py WHICH COUNT: makes COUNT connections within the box by sockets that are
# registered in an epoll set before, and sees to it that the set tells of what comes.
#   none: there is no set. few: there is one. many: there are a hundred, of which it is
#   the last. passed: it is descriptor 3 from the start. received: it came by SCM_RIGHTS.
import array, select, signal, socket, sys

which, count = sys.argv[1], int(sys.argv[2])
signal.alarm(100)


def received():
	a, b = socket.socketpair()
	made = select.epoll()
	a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [made.fileno()]))])
	made.close()
	data = b.recvmsg(1, 64)[1][0][2]
	return select.epoll.fromfd(array.array("i", data)[0])


makers = {
	"none": lambda: [], "few": lambda: [select.epoll()], "many": lambda: [select.epoll() for i in range(100)],
	"passed": lambda: [select.epoll.fromfd(3)], "received": lambda: [received()],
}
sets = makers[which]()
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
kept = []
for i in range(count):
	s = socket.socket()
	if sets:
		sets[-1].register(s, select.EPOLLIN | select.EPOLLET)
	s.connect(listener.getsockname())
	a, _ = listener.accept()
	kept += [s, a]
	if sets and i % 20 == 0:
		a.send(b"x")
		told = False
		while not told:
			events = sets[-1].poll(10)
			assert events, "the set tells nothing"
			told = any(fd == s.fileno() and e & select.EPOLLIN for fd, e in events)
print("ok")
