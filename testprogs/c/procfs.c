// /proc/net and /proc/sys/net, by the ways that programs take to them.
#include "test.h"
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

// row finds the line of a listening IPv4 socket in an open /proc/net/tcp, with the
// socket's inode.
static bool row(int fd, int server)
{
	static char text[1 << 20];
	size_t n = 0;
	ssize_t got;
	while (n < sizeof text - 1 && (got = OK(read(fd, text + n, sizeof text - 1 - n))) > 0)
		n += got;
	text[n] = 0;
	OK(close(fd));
	struct stat s;
	OK(fstat(server, &s));
	char address[64], inode[32];
	snprintf(address, sizeof address, ": 0100007F:%04X 00000000:0000 0A ", local_port(server));
	snprintf(inode, sizeof inode, " %lu 1 ", (unsigned long)s.st_ino);
	char *line = strstr(text, address);
	if (!line)
		return false;
	char *end = strchr(line, '\n');
	CHECK(end);
	*end = 0;
	return strstr(line, inode) != NULL;
}

static void listener_row(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4);
	CHECK(row(OK(open("/proc/net/tcp", O_RDONLY)), l));
	CHECK(row(OK(open("/proc/self/net/tcp", O_RDONLY | O_CLOEXEC)), l));
	CHECK(row(OK(open("/proc/thread-self/net/tcp", O_RDONLY)), l));
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/net/tcp", getpid());
	CHECK(row(OK(open(path, O_RDONLY)), l));
	CHECK(row(OK((int)syscall(SYS_openat, AT_FDCWD, "//proc/./net/tcp", O_RDONLY)), l));
	OK(close(l));
	l = listener(AF_INET6, 4);
	CHECK(!row(OK(open("/proc/net/tcp", O_RDONLY)), l));
}

static void relative(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4);
	OK(chdir("/proc/net"));
	CHECK(row(OK(open("tcp", O_RDONLY)), l));
	OK(chdir("/proc/self"));
	CHECK(row(OK(open("net/tcp", O_RDONLY)), l));
	OK(chdir("/"));
	CHECK(row(OK(open("proc/net/tcp", O_RDONLY)), l));
	EQ(open("tcp", O_RDONLY), -1);
	EQ(errno, ENOENT);
}

static void directory(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4);
	int d = OK(open("/proc/self/net", O_RDONLY | O_DIRECTORY));
	CHECK(row(OK(openat(d, "tcp", O_RDONLY)), l));
	DIR *dir = fdopendir(d);
	CHECK(dir);
	bool tcp = false, route = false;
	for (struct dirent *e; (e = readdir(dir));) {
		tcp = tcp || strcmp(e->d_name, "tcp") == 0;
		route = route || strcmp(e->d_name, "route") == 0;
	}
	closedir(dir);
	CHECK(tcp && route);
	d = OK(open("/proc/self", O_PATH));
	CHECK(row(OK(openat(d, "net/tcp", O_RDONLY | O_NOFOLLOW)), l));
	EQ(openat(d, "net/tcp", O_RDONLY | O_DIRECTORY), -1);
	EQ(errno, ENOTDIR);
}

static void descriptor(const char *name)
{
	(void)name;
	int low = OK(dup(1));
	OK(close(low));
	int fd = OK(open("/proc/net/dev", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	EQ(fd, low);
	EQ(OK(fcntl(fd, F_GETFD)), FD_CLOEXEC);
	EQ(OK(fcntl(fd, F_GETFL)) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
	char first[8], again[8];
	EQ(read(fd, first, sizeof first), (ssize_t)sizeof first);
	EQ(lseek(fd, 0, SEEK_SET), 0);
	EQ(read(fd, again, sizeof again), (ssize_t)sizeof again);
	EQ(memcmp(first, again, sizeof first), 0);
	EQ(write(fd, "x", 1), -1);
	EQ(errno, EBADF);
	OK(close(fd));
	fd = OK(open("/proc/net/dev", O_RDONLY));
	EQ(OK(fcntl(fd, F_GETFD)), 0);
}

static void refused(const char *name)
{
	(void)name;
	EQ(open("/proc/net/tcp", O_WRONLY), -1);
	EQ(errno, EACCES);
	EQ(open("/proc/net/tcp", O_RDONLY | O_DIRECTORY), -1);
	EQ(errno, ENOTDIR);
	EQ(open("/proc/net/tcp", O_RDONLY | O_CREAT | O_EXCL, 0600), -1);
	EQ(errno, EEXIST);
	EQ(open("/proc/net/nonesuch", O_RDONLY), -1);
	EQ(errno, ENOENT);
	EQ(open("/proc/net/tcp/nonesuch", O_RDONLY), -1);
	EQ(errno, ENOTDIR);
	EQ(open("/proc/sys/net/nonesuch", O_RDONLY), -1);
	EQ(errno, ENOENT);
	EQ(open("/proc/net", O_RDWR), -1);
	EQ(errno, EISDIR);
	EQ(open((char *)8, O_RDONLY), -1);
	EQ(errno, EFAULT);
	EQ(open("", O_RDONLY), -1);
	EQ(errno, ENOENT);
	EQ(openat(-1, "tcp", O_RDONLY), -1);
	EQ(errno, EBADF);
	EQ(openat(0x7fff, "tcp", O_RDONLY), -1);
	EQ(errno, EBADF);
}

static void settings(const char *name)
{
	(void)name;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	int low, high;
	CHECK(f && fscanf(f, "%d %d", &low, &high) == 2);
	CHECK(low < high && high < 65536);
	fclose(f);
	f = fopen("/proc/sys/net/core/somaxconn", "r");
	CHECK(f && fscanf(f, "%d", &low) == 1 && low > 0);
	fclose(f);
	f = fopen("/proc/sys/net/ipv6/conf/lo/mtu", "r");
	CHECK(f && fscanf(f, "%d", &low) == 1);
	EQ(low, 65536);
	fclose(f);
}

static void link_to_it(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4);
	char path[64];
	snprintf(path, sizeof path, "/tmp/procfs-%d", getpid());
	OK(symlink("/proc/net/tcp", path));
	int fd = open(path, O_RDONLY);
	unlink(path);
	CHECK(row(OK(fd), l));
}

// limited: a number that is the last one free does for a file whose path only
// the kernel can follow.
static void limited(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4);
	int low = OK(dup(1));
	OK(close(low));
	struct rlimit old, r;
	OK(getrlimit(RLIMIT_NOFILE, &old));
	r = old;
	r.rlim_cur = low + 1;
	OK(setrlimit(RLIMIT_NOFILE, &r));
	int fd = open("/proc/self/root/proc/net/tcp", O_RDONLY);
	EQ(fd, low);
	EQ(open("/proc/self/root/proc/net/tcp", O_RDONLY), -1);
	EQ(errno, EMFILE);
	OK(setrlimit(RLIMIT_NOFILE, &old));
	CHECK(row(fd, l));
}

// scoped: openat2(2) with another root, and the links to descriptors in /dev.
static void scoped(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4);
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0x10 }; // RESOLVE_IN_ROOT
	int d = OK(open("/proc/self", O_PATH));
	CHECK(row(OK((int)syscall(SYS_openat2, d, "/net/tcp", &how, sizeof how)), l));
	how.resolve = 0x08; // RESOLVE_BENEATH
	CHECK(row(OK((int)syscall(SYS_openat2, d, "net/tcp", &how, sizeof how)), l));
	EQ(syscall(SYS_openat2, d, "/proc/net/tcp", &how, sizeof how), -1);
	EQ(errno, EXDEV);
	char path[64];
	snprintf(path, sizeof path, "/dev/fd/%d/net/tcp", d);
	CHECK(row(OK(open(path, O_RDONLY)), l));
	OK(chdir("/dev"));
	CHECK(row(OK(open(path + 5, O_RDONLY)), l));
	OK(dup2(d, 0));
	CHECK(row(OK(open("/dev/stdin/net/tcp", O_RDONLY)), l));
}

// rooted: behind a change of the root, for who may make one.
static void rooted(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4);
	// Not by the uid: root may have given up what makes it so (SECBIT_NOROOT).
	// musl has no linux/capability.h.
	enum { VERSION_3 = 0x20080522, CAP_SYS_CHROOT_ = 18 };
	struct { uint32_t version; int pid; } header = { .version = VERSION_3 };
	struct { uint32_t effective, permitted, inheritable; } caps[2];
	OK(syscall(SYS_capget, &header, caps));
	if (!(caps[0].effective & 1u << CAP_SYS_CHROOT_)) {
		EQ(chroot("/proc/self"), -1);
		EQ(errno, EPERM);
		return;
	}
	OK(chroot("/proc/self"));
	CHECK(row(OK(open("/net/tcp", O_RDONLY)), l));
}

// deep: from a working directory whose path is longer than PATH_MAX.
static void deep(const char *name)
{
	(void)name;
	enum { LEVELS = 25 };
	int l = listener(AF_INET, 4);
	char top[64], part[201], path[3 * (LEVELS + 2) + 32] = "";
	memset(part, 'd', 200);
	part[200] = 0;
	snprintf(top, sizeof top, "/tmp/procfs-deep-%d", getpid());
	OK(mkdir(top, 0700));
	OK(chdir(top));
	for (int i = 0; i < LEVELS; i++) {
		OK(mkdir(part, 0700));
		OK(chdir(part));
		strcat(path, "../");
	}
	strcat(path, "../../proc/net/tcp");
	int fd = open(path, O_RDONLY);
	for (int i = 0; i < LEVELS; i++) {
		OK(chdir(".."));
		OK(rmdir(part));
	}
	OK(chdir("/"));
	OK(rmdir(top));
	CHECK(row(OK(fd), l));
}

static const struct test_case cases[] = {
	{ "listener_row", listener_row },
	{ "relative", relative },
	{ "directory", directory },
	{ "descriptor", descriptor },
	{ "refused", refused },
	{ "settings", settings },
	{ "link", link_to_it },
	{ "limited", limited },
	{ "scoped", scoped },
	{ "rooted", rooted },
	{ "deep", deep },
};

TEST_MAIN(cases)
