// AF_UNIX stays native; other address families do not exist in the box.
#include "test.h"
#include <stddef.h>

static void unix_pairs(const char *name)
{
	(void)name;
	int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	for (size_t i = 0; i < COUNT(types); i++) {
		int fds[2];
		OK(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, fds));
		EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
		ping_pong(fds[0], fds[1]);
		EQ(get_int(fds[0], SOL_SOCKET, SO_DOMAIN), AF_UNIX);
		EQ(get_int(fds[0], SOL_SOCKET, SO_TYPE), types[i]);
		char text[4];
		struct iovec iov = { text, sizeof text };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		write_all(fds[0], "abc", 3);
		EQ(recvmsg(fds[1], &m, 0), 3);
		struct ucred credentials;
		socklen_t len = sizeof credentials;
		OK(getsockopt(fds[0], SOL_SOCKET, SO_PEERCRED, &credentials, &len));
		EQ(credentials.pid, getpid());
	}
}

static struct sockaddr_un unix_name(const char *text, bool abstract, socklen_t *len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path + abstract, sizeof a.sun_path - 1, "%s", text);
	*len = offsetof(struct sockaddr_un, sun_path) + abstract + strlen(text) + !abstract;
	return a;
}

static void unix_server(struct sockaddr_un a, socklen_t len, int type)
{
	int l = OK(socket(AF_UNIX, type, 0)), c = OK(socket(AF_UNIX, type, 0));
	OK(bind(l, (struct sockaddr *)&a, len));
	OK(listen(l, 4));
	OK(connect(c, (struct sockaddr *)&a, len));
	struct sockaddr_un from;
	socklen_t from_len = sizeof from;
	int s = OK(accept4(l, (struct sockaddr *)&from, &from_len, SOCK_CLOEXEC));
	EQ(from_len, sizeof(sa_family_t));
	ping_pong(c, s);
	from_len = sizeof from;
	OK(getpeername(c, (struct sockaddr *)&from, &from_len));
	EQ(from_len, len);
	EQ(memcmp(&from, &a, len), 0);
	OK(shutdown(c, SHUT_WR));
	char byte;
	EQ(read(s, &byte, 1), 0);
}

static void unix_path(const char *name)
{
	(void)name;
	char directory[] = "/tmp/nbt-XXXXXX", path[64];
	CHECK(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/socket", directory);
	int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	for (size_t i = 0; i < COUNT(types); i++) {
		socklen_t len;
		struct sockaddr_un a = unix_name(path, false, &len);
		unix_server(a, len, types[i]);
		OK(unlink(path));
	}
	OK(rmdir(directory));
}

static void unix_abstract(const char *name)
{
	(void)name;
	char text[32];
	socklen_t len;
	snprintf(text, sizeof text, "nbt-%d", getpid());
	struct sockaddr_un a = unix_name(text, true, &len);
	unix_server(a, len, SOCK_STREAM);
}

static void unix_datagram(const char *name)
{
	(void)name;
	char text[32], data[8];
	socklen_t len, from_len;
	snprintf(text, sizeof text, "nbt-d-%d", getpid());
	struct sockaddr_un a = unix_name(text, true, &len), from;
	int server = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), client = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	OK(bind(server, (struct sockaddr *)&a, len));
	struct sockaddr_un own = { .sun_family = AF_UNIX };
	OK(bind(client, (struct sockaddr *)&own, sizeof(sa_family_t)));
	EQ(sendto(client, "data", 4, 0, (struct sockaddr *)&a, len), 4);
	from_len = sizeof from;
	EQ(recvfrom(server, data, sizeof data, 0, (struct sockaddr *)&from, &from_len), 4);
	EQ(sendto(server, "back", 4, 0, (struct sockaddr *)&from, from_len), 4);
	EQ(recv(client, data, sizeof data, 0), 4);
}

// A surrogate is an AF_UNIX socket to the kernel; the program must not be
// able to tell.
static void inet_is_not_unix(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	EQ(get_int(p.client, SOL_SOCKET, SO_DOMAIN), AF_INET);
	EQ(local_address(p.client).any.sa_family, AF_INET);
	socklen_t len;
	struct sockaddr_un a = unix_name("nbt-nobody", true, &len);
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	ERR(connect(fd, (struct sockaddr *)&a, sizeof a), EAFNOSUPPORT);
	ERR(bind(fd, (struct sockaddr *)&a, sizeof a), EAFNOSUPPORT);
	ERR(connect(fd, (struct sockaddr *)&a, len), EINVAL);
	// SCM_RIGHTS on an inet connection is accepted and does nothing
	// (__sock_cmsg_send in net/core/sock.c).
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	EQ(sendmsg(p.client, &m, 0), 1);
	m.msg_controllen = sizeof control;
	EQ(recvmsg(p.server, &m, 0), 1);
	EQ(m.msg_controllen, 0);
}

static void no_unix_pair_of_inet(const char *name)
{
	(void)name;
	int fds[2];
	ERR(socketpair(AF_INET, SOCK_STREAM, 0, fds), EOPNOTSUPP);
	ERR(socketpair(AF_INET6, SOCK_DGRAM, 0, fds), EOPNOTSUPP);
}

static void other_families(const char *name)
{
	(void)name;
	const struct { int family, type; } rows[] = {
		{ AF_AX25, SOCK_SEQPACKET }, { AF_IPX, SOCK_DGRAM }, { AF_APPLETALK, SOCK_DGRAM },
		{ AF_X25, SOCK_SEQPACKET }, { AF_ROSE, SOCK_SEQPACKET }, { AF_KEY, SOCK_RAW },
		{ AF_RDS, SOCK_SEQPACKET },
		{ AF_TIPC, SOCK_STREAM }, { AF_BLUETOOTH, SOCK_STREAM }, { AF_CAN, SOCK_RAW },
		{ AF_ALG, SOCK_SEQPACKET }, { AF_VSOCK, SOCK_STREAM }, { AF_NFC, SOCK_STREAM },
		{ AF_XDP, SOCK_RAW }, { 44, SOCK_STREAM }, { 45, SOCK_DGRAM }, { 200, SOCK_STREAM },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		int fd = socket(rows[i].family, rows[i].type, 0);
		if (fd != -1 || errno != EAFNOSUPPORT)
			FAIL("family %d: %d, errno %d", rows[i].family, fd, errno);
		int fds[2];
		ERR(socketpair(rows[i].family, rows[i].type, 0, fds), EAFNOSUPPORT);
	}
}

static void io_uring_refused(const char *name)
{
	(void)name;
	char parameters[256] = { 0 };
	ERR(syscall(SYS_io_uring_setup, 4, parameters), ENOSYS);
}

// The system calls of another ABI would pass by the filter's numbers.
static void foreign_abis_refused(const char *name)
{
	(void)name;
#ifdef __x86_64__
	int result, i386_socket = 359;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(i386_socket), "b"(AF_INET), "c"(SOCK_STREAM), "d"(0) : "memory");
	EQ(result, -ENOSYS);
	ERR(syscall(0x40000000 | SYS_socket, AF_INET, SOCK_STREAM, 0), ENOSYS);
#endif
}

static const struct test_case cases[] = {
	{ "unix_pairs", unix_pairs },
	{ "unix_path", unix_path },
	{ "unix_abstract", unix_abstract },
	{ "unix_datagram", unix_datagram },
	{ "inet_is_not_unix", inet_is_not_unix },
	{ "socketpair_inet", no_unix_pair_of_inet },
	{ "other_families", other_families },
	{ "io_uring_refused", io_uring_refused },
	{ "foreign_abis_refused", foreign_abis_refused },
};

TEST_MAIN(cases)
