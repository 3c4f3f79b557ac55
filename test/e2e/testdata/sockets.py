"""Opens sockets of every kind that ss(8) lists, asks ss for them, and prints
each answer behind a line with the arguments: "== ARGUMENTS exit CODE stderr TEXT"."""
import socket
import subprocess

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def bound(family, typ, address):
    s = socket.socket(family, typ)
    s.bind(address)
    return s


def ss(arguments):
    r = subprocess.run(["ss"] + arguments.split(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print("== %s exit %d stderr %r" % (arguments, r.returncode, r.stderr))
    print(r.stdout, end="", flush=True)


four = bound(socket.AF_INET, TCP, ("127.0.0.1", 8000))
four.listen(5)
six = bound(socket.AF_INET6, TCP, ("::", 8001))
six.listen(9)
client = socket.create_connection(("127.0.0.1", 8000), source_address=("127.0.0.1", 9000))
server, _ = four.accept()
client.sendall(b"hello")
server.recv(5)
mapped = socket.create_connection(("127.0.0.1", 8001), source_address=("127.0.0.1", 9001))
shut = socket.create_connection(("127.0.0.1", 8000), source_address=("127.0.0.1", 9002))
shut_end, _ = four.accept()
shut.shutdown(socket.SHUT_WR)
shut_end.recv(1)
dialing = bound(socket.AF_INET, TCP, ("10.0.2.100", 9003))
dialing.setblocking(False)
dialing.connect_ex((socket.gethostbyname("blackhole.test"), 81))
any_udp = bound(socket.AF_INET, UDP, ("0.0.0.0", 5000))
peer_udp = bound(socket.AF_INET, UDP, ("10.0.2.100", 5001))
peer_udp.connect(("8.8.8.8", 53))
no_port = socket.socket(socket.AF_INET, UDP)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
local = socket.socketpair()

for arguments in [
    "-Htlnp", "-Htan", "-Huan", "-Hwan", "-Htin", "-Hn", "-Hna", "-Hxa", "-H0a", "-Ha -A netlink", "-s",
    "-Htan sport = :8000", "-Htan dport = :8000 or dst 192.0.2.0/24", "-Htan state listening", "-Hte", "-Htmn",
]:
    ss(arguments)

# An answer that is longer than a receive buffer.
many = [bound(socket.AF_INET, TCP, ("127.0.0.1", 10000 + i)) for i in range(500)]
for s in many:
    s.listen(1)
ss("-Htlnmi src 127.0.0.1 and sport >= :10000")
