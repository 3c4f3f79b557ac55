"""Reads /proc/net and its like in every way there is, and runs the programs that do. Argument: a port of the host's."""
import ctypes, errno, os, socket, subprocess, sys, tempfile

tcp = socket.socket()
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(("127.0.0.1", 8000))
tcp.listen(5)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 5000))
client = socket.create_connection(("127.0.0.1", 8000))
server = tcp.accept()[0]
client.send(b"xyz")

def content(fd):
    with open(fd) as f: return f.read()

def at(dir, path, flags=0):
    d = os.open(dir, flags | os.O_RDONLY)
    try: return content(os.open(path, os.O_RDONLY, dir_fd=d))
    finally: os.close(d)

def inside(dir, path):
    os.chdir(dir)
    try: return open(path).read()
    finally: os.chdir(home)

def walk():
    d = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
    for step in "net",:
        d = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=d)
    return content(os.open("tcp", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=d))

def link(target, rest=""):
    os.symlink(target, "link")
    try: return open("link" + rest).read()
    finally: os.unlink("link")

def chain():
    os.symlink("b/net/tcp", "a")
    os.symlink("/proc/self", "b")
    try: return open("a").read()
    finally: os.unlink("a"); os.unlink("b")

def openat2(dir=-100, path=b"/proc/net/tcp", resolve=0):
    libc = ctypes.CDLL(None, use_errno=True)
    how = (ctypes.c_uint64 * 3)(os.O_RDONLY | os.O_CLOEXEC, 0, resolve)
    fd = libc.syscall(437, dir, path, how, 24)
    if fd < 0 and ctypes.get_errno() == errno.ENOSYS: return ways["plain"]()
    return content(fd)

def scoped(dir, path, resolve):
    d = os.open(dir, os.O_RDONLY | os.O_DIRECTORY)
    try: return openat2(d, path, resolve)
    finally: os.close(d)

def by_device(dir, rest):
    d = os.open(dir, os.O_RDONLY | os.O_DIRECTORY)
    try: return open("/dev/fd/%d/%s" % (d, rest)).read()
    finally: os.close(d)

def rewound():
    f = open("/proc/net/tcp")
    first = f.read()
    f.seek(0)
    assert f.read() == first
    return first

me = str(os.getpid())
home = tempfile.mkdtemp()
os.chdir(home)
ways = {
    "plain": lambda: open("/proc/net/tcp").read(),
    "self": lambda: open("/proc/self/net/tcp").read(),
    "thread-self": lambda: open("/proc/thread-self/net/tcp").read(),
    "pid": lambda: open("/proc/" + me + "/net/tcp").read(),
    "task": lambda: open("/proc/" + me + "/task/" + me + "/net/tcp").read(),
    "parent": lambda: open("/proc/%d/net/tcp" % os.getppid()).read(),
    "slashes": lambda: open("//proc/./net///tcp").read(),
    "dots": lambda: open("/proc/net/../net/tcp").read(),
    "up": lambda: open("../../../../proc/net/tcp").read(),
    "down": lambda: open("/tmp/../proc/self/net/tcp").read(),
    "chdir": lambda: inside("/proc/net", "tcp"),
    "chdir /proc": lambda: inside("/proc", "net/tcp"),
    "chdir /": lambda: inside("/", "proc/net/tcp"),
    "directory": lambda: at("/proc/net", "tcp"),
    "directory O_PATH": lambda: at("/proc/self", "net/tcp", os.O_PATH),
    "walk": walk,
    "root": lambda: open("/proc/self/root/proc/net/tcp").read(),
    "cwd": lambda: inside("/proc/net", "/proc/self/cwd/tcp"),
    "openat2": openat2,
    "openat2 in another root": lambda: scoped("/proc/self", b"/net/tcp", 0x10),
    "openat2 in another root, ours": lambda: scoped("/proc/net", b"/tcp", 0x10),
    "openat2 beneath": lambda: scoped("/proc/self", b"net/tcp", 8),
    "/dev/fd": lambda: by_device("/proc/self", "net/tcp"),
    "/dev/fd, ours": lambda: by_device("/proc/net", "tcp"),
    "rewound": rewound,
    "link": lambda: link("/proc/net/tcp"),
    "link to a directory": lambda: link("/proc/net", "/tcp"),
    "link to the root": lambda: link("/", "/proc/net/tcp"),
    "links": chain,
}
def rows(text):
    """Addresses and states: queues and timers of a connection change."""
    return [line[4:37] for line in text.splitlines()]

plain = ways["plain"]()
if ":1F40 00000000:0000 0A " not in plain or len(plain.splitlines()) != 4:
    print("tcp:", plain)
for name, read in ways.items():
    text = read()
    if rows(text) != rows(plain): print("by", name, "another file:", text)
reopened = os.open("/proc/net/tcp", os.O_RDONLY)
if rows(content("/proc/self/fd/%d" % reopened)) != rows(plain): print("by fd another file")
os.close(reopened)

def fails(want, path, flags, **more):
    try: os.close(os.open(path, flags, **more))
    except OSError as e:
        if e.errno == want: return
        print(path, oct(flags), e)
    else: print(path, oct(flags), "opened")

refused = errno.EROFS if os.geteuid() == 0 else errno.EACCES
fails(refused, "/proc/sys/net/core/somaxconn", os.O_WRONLY)
fails(refused, "/proc/sys/net/core/somaxconn", os.O_RDWR | os.O_TRUNC)
fails(errno.EACCES, "/proc/net/tcp", os.O_WRONLY)
fails(errno.ENOENT, "/proc/net/nf_conntrack", os.O_RDONLY)
fails(errno.ENOTDIR, "/proc/net/tcp", os.O_DIRECTORY)
fails(errno.EEXIST, "/proc/net/tcp", os.O_CREAT | os.O_EXCL)
fails(errno.ENOENT, "/sys/class/net/wlan9/mtu", os.O_RDONLY)
fails(errno.ENOENT, "tcp", os.O_RDONLY)

low = os.open("/dev/null", os.O_RDONLY)
os.close(low)
fd = os.open("/proc/net/dev", os.O_RDONLY | os.O_NONBLOCK)
if fd != low or os.get_inheritable(fd): print("descriptor", fd, "want", low, os.get_inheritable(fd))
import fcntl
if fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_NONBLOCK) != os.O_NONBLOCK: print("flags", oct(fcntl.fcntl(fd, fcntl.F_GETFL)))
os.close(fd)
if sorted(os.listdir("/sys/class/net")) != ["eth0", "lo"]: print("interfaces", os.listdir("/sys/class/net"))
if "mtu" not in os.listdir("/sys/class/net/eth0"): print("eth0", os.listdir("/sys/class/net/eth0"))
names = set(os.listdir("/proc/net"))
if not {"tcp", "udp6", "dev", "route", "snmp", "dev_snmp6"} <= names or "nf_conntrack" in names: print("names", names)
for path, want in {
    "/sys/class/net/eth0/address": "02:00:0a:00:02:64\n", "/sys/class/net/lo/mtu": "65536\n", "/sys/class/net/eth0/operstate": "up\n",
    "/sys/devices/virtual/net/eth0/ifindex": "2\n",
    "/proc/sys/net/core/somaxconn": "4096\n", "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n", "/proc/sys/net/ipv6/conf/eth0/mtu": "65520\n",
    "/proc/net/if_inet6": "00000000000000000000000000000001 01 80 10 80       lo\nfd000002000000000000000000000064 02 40 00 80     eth0\n"
                          "fe8000000000000000000afffe000264 02 40 20 80     eth0\n",
}.items():
    if open(path).read() != want: print(path, repr(open(path).read()))
del ways, plain
stranger = sys.argv[1]
for name in "tcp", "udp", "raw", "dev", "route":
    if (":%04X " % int(stranger)) in open("/proc/net/" + name).read(): print(name, "shows the host's port")

os.chdir("/")
os.rmdir(home)
print("== end of files")
for command in ("netstat -tanp", "netstat -uanp", "netstat -rn", "netstat -in", "netstat -gn", "route -n", "arp -an", "ifconfig -a",
                "lsof -nP -i", "ss -s", "ip maddr", "sysctl net.ipv4.ping_group_range net.core.somaxconn"):
    r = subprocess.run(command.split(), capture_output=True, text=True)
    print("==", command, "exit", r.returncode, "stderr", repr(r.stderr))
    print(r.stdout, end="")
