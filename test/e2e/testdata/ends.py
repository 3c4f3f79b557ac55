# ends.py [watch] ADDRESS PORT: ends of TCP connections to the ends program there, and
# what lies between: prints what the calls answered. With "watch" a packet socket is
# open during every second case, and opened and closed all the time during the others.
import errno, os, select, socket, struct, subprocess, sys, threading, time

HOST, PORT = sys.argv[-2], int(sys.argv[-1])
FAMILY = socket.AF_INET6 if ":" in HOST else socket.AF_INET
WATCH = "watch" in sys.argv
INSIDE = HOST in ("127.0.0.1", "::1")
MiB = 1 << 20
names = iter(range(1000))


def connect(command, name="-", **options):
    c = socket.socket(FAMILY, socket.SOCK_STREAM)
    for option, value in options.items():
        c.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    c.settimeout(20)
    c.connect((HOST, PORT))
    c.settimeout(None)
    c.sendall(f"{command} {name}\n".encode())
    return c


def fresh():
    return f"{os.getpid()}-{next(names)}"


def report(name):
    """What the server says of the connection of that name, when it is over."""
    c = connect("report", name)
    said = read_all(c)
    c.close()
    return said.decode()


def read_all(c):
    data = b""
    while piece := c.recv(65536):
        data += piece
    return data


def tried(f, *args):
    try:
        return f(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


def state(c):
    return c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[0]


def until(f, seconds=10):
    """Whether f comes true in time."""
    end = time.time() + seconds
    while time.time() < end:
        if f():
            return True
        time.sleep(0.005)
    return False


def revents(c, mask):
    p = select.poll()
    p.register(c, mask)
    return next((found for _, found in p.poll(10000)), 0)


def linger(c, seconds):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))


def orderly():
    name = fresh()
    c = connect("sink", name)
    c.sendall(b"x" * (3 * MiB))
    c.close()
    return report(name)


def half_close():
    c = connect("echo")
    c.sendall(b"y" * 200000)
    c.shutdown(socket.SHUT_WR)
    sent = until(lambda: state(c) in (5, 6, 7))
    data = read_all(c)
    return sent, len(data), data == b"y" * 200000, tried(c.send, b"z")


def peer_half_closes():
    name = fresh()
    c = connect("early", name)
    end = c.recv(10)
    waits = until(lambda: state(c) == 8)
    c.sendall(b"z" * (2 * MiB))
    still = state(c)
    c.shutdown(socket.SHUT_WR)
    return end, waits, still, report(name)


def peer_resets():
    c = connect("reset")
    c.sendall(b"!")
    revents(c, 0)
    answers = tried(c.recv, 10), tried(c.recv, 10), tried(c.send, b"x")
    return answers, c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), tried(c.getpeername)


def peer_resets_poll():
    c = connect("reset")
    c.sendall(b"!")
    got = revents(c, select.POLLIN | select.POLLRDHUP)
    return got & select.POLLHUP != 0, got & select.POLLIN != 0, c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def peer_resets_behind_data():
    c = connect("spoil")
    data, end = b"", None
    while end is None:
        got = tried(c.recv, 65536)
        if isinstance(got, str) or got == b"":
            end = got
        else:
            data += got
    return end


def peer_resets_writer():
    """A reset ends a writer that waits for room."""
    c = connect("stall-reset")
    end = tried(c.sendall, b"w" * (64 * MiB))
    return end in ("ECONNRESET", "EPIPE")


def peer_closes_then_resets():
    """Bytes after the peer has closed are answered by a reset."""
    c = connect("gone")
    end = c.recv(10)
    first = tried(c.send, b"a")
    ended = until(lambda: isinstance(tried(c.send, b"b"), str))
    return end, first, ended


def linger_zero():
    name = fresh()
    c = connect("sink", name)
    c.sendall(b"x" * 1000)
    time.sleep(0.5)
    linger(c, 0)
    c.close()
    return report(name)


def linger_zero_stalled():
    """A reset also goes where the peer does not read."""
    name = fresh()
    c = connect("stall", name)
    fill(c)
    linger(c, 0)
    c.close()
    return report(name).split()[-1]


def unread():
    name = fresh()
    c = connect("source", name)
    revents(c, select.POLLIN)
    c.close()
    return report(name)


def killed():
    name = fresh()
    child = subprocess.Popen([sys.executable, "-S", "-c", f"""
import socket, sys
c = socket.create_connection(({HOST!r}, {PORT}))
c.sendall(b"flood {name}\\n")
print(len(c.recv(1)), flush=True)
c.recv(1000)
import time
time.sleep(100)
"""], stdout=subprocess.PIPE)
    child.stdout.readline()
    child.kill()
    child.wait()
    return report(name).split()[-1]


def fill(c):
    """Sends until there is no room for half a second, nor after it: who makes room
    may have had no processor."""
    c.setblocking(False)
    sent, last = 0, time.time()
    while time.time() < last + 0.5 or select.select([], [c], [], 0)[1]:
        n = tried(c.send, b"f" * 65536)
        if isinstance(n, int):
            sent, last = sent + n, time.time()
        else:
            time.sleep(0.01)
    c.setblocking(True)
    return sent


def peer_stalls():
    """What is not read is bounded, and all arrives."""
    name = fresh()
    # Behind a published port netbox reads at first, so that its socket may grow to
    # what this machine gives one, before the sandbox's are full.
    with open("/proc/sys/net/ipv4/tcp_rmem") as f:
        bound = int(f.read().split()[2]) + 26 * MiB
    c = connect("stall", name)
    sent = fill(c)
    full = select.select([], [c], [], 0)[1] == []
    said = connect("go", name).recv(10)
    writable = select.select([], [c], [], 10)[1] == [c]
    c.close()
    return sent < bound, full, said, writable, int(report(name).split()[0]) == sent


def stalls():
    """The peer sees that nothing is read, and all arrives."""
    name = fresh()
    c = connect("flood", name)
    blocked = connect("blocked", name).recv(100)
    n = 0
    while n < 64 * MiB:
        n += len(c.recv(MiB))
    c.close()
    return blocked, n, report(name)


def small_buffers():
    """SO_SNDBUF and SO_RCVBUF bound what is under way; the surrogate has more."""
    name = fresh()
    c = connect("stall", name, SO_SNDBUF=65536)
    sent = fill(c)
    connect("go", name).recv(10)
    c.close()
    return sent < 12 * MiB, int(report(name).split()[0]) == sent


def shut_both():
    name = fresh()
    c = connect("sink", name)
    c.sendall(b"q" * 5000)
    c.shutdown(socket.SHUT_RDWR)
    return c.recv(1), tried(c.send, b"x"), report(name)


def shut_read_then_write():
    name = fresh()
    c = connect("sink", name)
    c.shutdown(socket.SHUT_RD)
    first = c.recv(1)
    c.sendall(b"r" * 5000)
    c.shutdown(socket.SHUT_WR)
    return first, report(name)


def names_and_tables():
    c = connect("echo")
    host, port = c.getsockname()[:2]
    peer = c.getpeername()[:2]
    table = "/proc/net/tcp6" if FAMILY == socket.AF_INET6 else "/proc/net/tcp"
    rows = [line.split() for line in open(table).readlines()[1:]]
    states = [r[3] for r in rows if int(r[1].split(":")[1], 16) == port and int(r[2].split(":")[1], 16) == PORT]
    other = socket.socket(FAMILY, socket.SOCK_STREAM)
    taken = tried(other.bind, (host, port))
    ss = subprocess.run(["ss", "-tnH", "sport", "=", f":{port}"], capture_output=True, text=True).stdout.split()[:1]
    c.shutdown(socket.SHUT_WR)
    read_all(c)
    c.close()
    linger_on = until(lambda: any(r.split()[1].endswith(f":{port:04X}") and r.split()[3] == "06" for r in open(table).readlines()[1:]))
    return peer == (HOST, PORT), states, taken, ss, linger_on


def ping_pong():
    c = connect("echo-now")
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ok = True
    for i in range(500):
        word = b"%d" % i
        c.sendall(word)
        ok = ok and c.recv(100) == word
    c.close()
    return ok


def both_ways():
    c = connect("echo-now")
    block = os.urandom(MiB)
    def feed():
        for i in range(20):
            c.sendall(block)
        c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=feed)
    t.start()
    data = read_all(c)
    t.join()
    return len(data), data == block * 20


def edges():
    """Edge-triggered: each piece announces itself."""
    c = connect("echo-now")
    c.setblocking(False)
    p = select.epoll()
    p.register(c, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
    seen = []
    for i in range(3):
        c.send(b"e")
        seen.append(p.poll(10)[0][1] & select.EPOLLIN)
        c.recv(10)
    c.shutdown(socket.SHUT_WR)
    until(lambda: (e := p.poll(10)) and e[0][1] & select.EPOLLRDHUP)
    return seen, c.recv(10)


def shared():
    """A copy in another process keeps the connection."""
    name = fresh()
    c = connect("sink", name)
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        c.sendall(b"child")
        os._exit(0)
    c.close()
    os.waitpid(pid, 0)
    return report(name)


def many():
    all = [connect("echo-now") for i in range(300)]
    for i, c in enumerate(all):
        c.sendall(b"%4d" % i)
    ok = all and [int(c.recv(10)) for c in all] == list(range(300))
    for c in all:
        c.close()
    return ok


def counted():
    def received():
        for line in open("/proc/net/dev"):
            if line.strip().startswith("lo:" if INSIDE else "eth0:"):
                return int(line.split()[1])
    before = received()
    c = connect("echo")
    c.sendall(b"c" * (4 * MiB))
    c.shutdown(socket.SHUT_WR)
    read_all(c)
    wanted = 8 * MiB if INSIDE else 4 * MiB
    return wanted <= received() - before < wanted * 3 / 2


def refused():
    c = socket.socket(FAMILY, socket.SOCK_STREAM)
    return tried(c.connect, (HOST, 1))


cases = [orderly, half_close, peer_half_closes, peer_resets, peer_resets_poll, peer_resets_behind_data, peer_resets_writer,
         peer_closes_then_resets, linger_zero, linger_zero_stalled, unread, killed, peer_stalls, stalls, small_buffers,
         shut_both, shut_read_then_write, names_and_tables, ping_pong, both_ways, edges, shared, many, counted, refused]


def watch(over, seconds):
    """Looks at packets, with a pause of 2 ms after so many seconds, until it is over."""
    while not over.is_set():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)):
            over.wait(seconds)
        over.wait(0.002)


if INSIDE:
    # The server looks for the reset by poll(2), without reading: docs/limits.md.
    cases.remove(linger_zero_stalled)
for i, case in enumerate(cases):
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(over, 60 if i % 2 else 0.002))
    if WATCH:
        watcher.start()
        time.sleep(0.05)
    print(case.__name__, case(), flush=True)
    if WATCH:
        over.set()
        watcher.join()
