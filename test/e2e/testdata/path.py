"""What a program is told of the path to a host: run natively and in the box,
the output must be the same."""
import errno, select, socket, struct, sys, time

IP_MTU_DISCOVER, IP_RECVERR, IP_MTU, IP_PMTUDISC_DO = 10, 11, 14, 2
IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_MTU = 23, 25, 24
PATIENCE = 20000  # ms


def options(address):
    if ":" in address:
        return (socket.AF_INET6, socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_MTU,
                socket.IPV6_RECVHOPLIMIT, socket.IPV6_UNICAST_HOPS, socket.IPV6_TCLASS)
    return (socket.AF_INET, socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_RECVERR, IP_MTU,
            12, socket.IP_TTL, socket.IP_TOS)  # IP_RECVTTL


def name(e):
    return errno.errorcode.get(e, e)


def queued(s, level, patience=PATIENCE):
    """The next entry of the error queue."""
    p = select.poll()
    p.register(s, 0)
    end = time.monotonic() + patience / 1000
    while time.monotonic() < end:
        p.poll(100)
        try:
            data, control, _, to = s.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            continue
        out = []
        for l, t, d in control:
            if l == level and t in (IP_RECVERR, IPV6_RECVERR) and len(d) > 16:
                e, origin, typ, code, info, _ = struct.unpack_from("=IBBBxII", d)
                family = struct.unpack_from("=H", d, 16)[0]
                who = "nobody"
                if family == socket.AF_INET:
                    who = socket.inet_ntop(family, d[20:24])
                elif family == socket.AF_INET6:
                    who = socket.inet_ntop(family, d[24:40])
                out.append(f"{name(e)} origin {origin} type {typ} code {code} info {info} by {who}")
            else:
                out.append(f"level {l} type {t} value {d.hex()}")
        return f"{len(data)} bytes to {to[0]} {to[1] if origin != 1 else ''}: {', '.join(out)}"
    return "nothing"


def udp(address, port):
    family, level, discover, recverr, mtu, recvttl, ttl, tos = options(address)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(level, recverr, 1)
    s.setsockopt(level, recvttl, 1)
    s.setblocking(False)
    s.connect((address, port))
    return s, level, discover, mtu, ttl, tos


def way(address, port):
    """TTL and TOS both ways: the server tells what it saw."""
    s, level, _, _, ttl, tos = udp(address, port)
    for hops, service in ((64, 0), (9, 0x48), (33, 0x28)):
        s.setsockopt(level, ttl, hops)
        s.setsockopt(level, tos, service)
        s.send(b"?")
        select.select([s], [], [], PATIENCE / 1000)
        data, control, _, _ = s.recvmsg(100, 512)
        print("way", address, data.decode(), [(l, t, d.hex()) for l, t, d in control])


def path_mtu(address):
    s, level, discover, mtu, _, _ = udp(address, 9)
    s.setsockopt(level, discover, IP_PMTUDISC_DO)
    s.send(b"x" * 1440)
    print("path mtu", address, queued(s, level))
    print("path mtu", address, "known", s.getsockopt(level, mtu))
    try:
        s.sendmsg([b"x" * 1440])
    except OSError as e:
        print("path mtu", address, "again", name(e.errno), queued(s, level))
    # A socket that lets its host fragment goes on, now that it knows.
    s, level, _, _, _, _ = udp(address, 9)
    s.send(b"x" * 1440)
    print("path mtu", address, "fragmented", queued(s, level))


def refused(address, hops=64):
    s, level, _, _, ttl, _ = udp(address, 9)
    s.setsockopt(level, ttl, hops)
    # A router answers few datagrams a second with "unreachable" (ip_error).
    for _ in range(PATIENCE // 1500):
        s.send(b"probe")
        told = queued(s, level, 1500)
        if told != "nothing":
            break
    print("udp", address, hops, told, "SO_ERROR", name(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))


def connect(address, hops=64):
    family, level, _, _, _, _, ttl, _ = options(address)
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(PATIENCE / 1000)
    s.setsockopt(level, ttl, hops)
    print("tcp", address, hops, name(s.connect_ex((address, 9))))


def echo(address, connected):
    """An ICMP echo socket (icmp(7)) whose request dies on the way."""
    family, level, _, recverr, _, _, ttl, _ = options(address)
    six = family == socket.AF_INET6
    s = socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    s.setsockopt(level, recverr, 1)
    s.setsockopt(level, ttl, 1)
    s.setblocking(False)
    request = struct.pack(">BBHHH", 128 if six else 8, 0, 0, 0, 7) + b"sixteen bytes...."
    if connected:
        s.connect((address, 0))
    for _ in range(PATIENCE // 1500):
        if connected:
            s.send(request)
        else:
            s.sendto(request, (address, 0))
        told = queued(s, level, 1500)
        if told != "nothing":
            break
    print("echo", address, connected, told, "SO_ERROR", name(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))


far4, far6, prohibited4, prohibited6, unreachable4, unreachable6, port = sys.argv[1:8]
way(far4, int(port))
way(far6, int(port))
for a in far4, far6:
    refused(a)
    refused(a, 1)
    connect(a)
    connect(a, 1)
for a in prohibited4, prohibited6, unreachable4, unreachable6:
    refused(a)
    connect(a)
for a in far4, far6:
    echo(a, False)
    echo(a, True)
path_mtu(far4)
path_mtu(far6)
