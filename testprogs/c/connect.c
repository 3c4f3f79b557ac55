// connect: blocking and not, its outcomes and the states around it.
#include "test.h"
#include <sys/epoll.h>

static int new_stream(int family, int flags)
{
	return OK(socket(family, SOCK_STREAM | flags, 0));
}

static int connect_address(int fd, union address a)
{
	return connect(fd, &a.any, address_len(a.any.sa_family));
}

static void succeeds(const char *name)
{
	(void)name;
	for (int i = 0; i < 2; i++) {
		int l = listener(i ? AF_INET6 : AF_INET, 8), c = connect_to(l);
		ping_pong(c, OK(accept(l, NULL, NULL)));
	}
}

static void refused(const char *name)
{
	(void)name;
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET, fd = new_stream(family, 0);
		ERR(connect_fd(fd, bound(family, SOCK_STREAM)), ECONNREFUSED);
		EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	}
}

static void refused_then_poll(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_STREAM);
	for (int i = 0; i < 50; i++) {
		int fd = new_stream(AF_INET, 0);
		ERR(connect_fd(fd, server), ECONNREFUSED);
		EQ(poll_one(fd, POLLIN | POLLOUT, 0), POLLOUT | POLLHUP);
		OK(close(fd));
	}
}

// After a refusal the same socket may try again.
static void again_after_refused(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_STREAM), fd = new_stream(AF_INET, 0);
	ERR(connect_fd(fd, server), ECONNREFUSED);
	ERR(connect_fd(fd, server), ECONNREFUSED);
	OK(listen(server, 1));
	OK(connect_fd(fd, server));
	ping_pong(fd, OK(accept(server, NULL, NULL)));
}

// And with it its copies, whose address stays.
static void copy_after_refused(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_STREAM), spare = bound(AF_INET, SOCK_STREAM);
	union address own = local_address(spare); // a port that bind(2) names stays
	int port = port_of(own);
	struct epoll_event event = { .events = EPOLLIN };
	OK(close(spare));
	int fd = new_stream(AF_INET, 0), copy = OK(dup(fd)), ep = OK(epoll_create1(EPOLL_CLOEXEC));
	OK(bind(fd, &own.any, sizeof own.in));
	OK(set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, copy, &event));
	ERR(connect_fd(fd, server), ECONNREFUSED);
	EQ(poll_one(copy, POLLOUT, 0), POLLOUT | POLLHUP);
	EQ(local_port(copy), port);
	OK(listen(server, 1));
	OK(connect_fd(copy, server));
	EQ(local_port(fd), port);
	EQ(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	int far = OK(accept(server, NULL, NULL));
	EQ(epoll_wait(ep, &event, 1, 0), 0);
	write_all(far, "x", 1);
	EQ(epoll_wait(ep, &event, 1, 5000), 1);
	ping_pong(far, copy);
}

static void nonblock_succeeds(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), fd = new_stream(AF_INET, SOCK_NONBLOCK);
	ERR(connect_fd(fd, l), EINPROGRESS);
	EQ(poll_one(fd, POLLOUT, 5000), POLLOUT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	OK(connect_fd(fd, l));
	ERR(connect_fd(fd, l), EISCONN);
	ping_pong(fd, OK(accept(l, NULL, NULL)));
}

static void nonblock_refused(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_STREAM), fd = new_stream(AF_INET, SOCK_NONBLOCK);
	ERR(connect_fd(fd, server), EINPROGRESS);
	until_writable(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

// SO_ERROR while the refusal comes in: one of two looks, before and after
// poll(2), tells it, as Ruby's connect needs.
static void refusal_told_once(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_STREAM);
	for (int i = 0; i < 300; i++) {
		int fd = new_stream(AF_INET, SOCK_NONBLOCK);
		ERR(connect_fd(fd, server), EINPROGRESS);
		int before = get_int(fd, SOL_SOCKET, SO_ERROR);
		until_writable(fd);
		int after = get_int(fd, SOL_SOCKET, SO_ERROR);
		EQ(before + after, ECONNREFUSED);
		OK(close(fd));
	}
}

// When SO_ERROR took the refusal, the next connect only finds the attempt
// aborted, and the one after that tries again (inet_stream_connect in
// net/ipv4/af_inet.c).
static void nonblock_again(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_STREAM), fd = new_stream(AF_INET, SOCK_NONBLOCK);
	ERR(connect_fd(fd, server), EINPROGRESS);
	until_writable(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	OK(listen(server, 1));
	ERR(connect_fd(fd, server), ECONNABORTED);
	ERR(connect_fd(fd, server), EINPROGRESS);
	EQ(poll_one(fd, POLLOUT, 5000), POLLOUT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	ping_pong(fd, OK(accept(server, NULL, NULL)));
}

// The pending error may be taken by the next connect or by recv; once.
static int refused_in_progress(int server)
{
	int fd = new_stream(AF_INET, SOCK_NONBLOCK);
	ERR(connect_fd(fd, server), EINPROGRESS);
	CHECK(poll_one(fd, POLLOUT, 5000) & POLLHUP);
	return fd;
}

static void refusal_told_by_connect(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_STREAM), fd = refused_in_progress(server);
	ERR(connect_fd(fd, server), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

static void refusal_told_by_recv(const char *name)
{
	(void)name;
	int fd = refused_in_progress(bound(AF_INET, SOCK_STREAM));
	char c;
	ERR(recv(fd, &c, 1, 0), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

static void in_progress_states(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = new_stream(a.any.sa_family, SOCK_NONBLOCK);
	char c;
	ERR(connect_address(fd, a), EINPROGRESS);
	ERR(connect_address(fd, a), EALREADY);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	ERR(recv(fd, &c, 1, 0), EAGAIN);
	union address peer;
	socklen_t len = sizeof peer;
	ERR(getpeername(fd, &peer.any, &len), ENOTCONN);
	CHECK(local_port(fd) != 0);
}

// Nothing can be sent before the handshake.
static void in_progress_send(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = new_stream(a.any.sa_family, SOCK_NONBLOCK);
	ERR(connect_address(fd, a), EINPROGRESS);
	ERR(send(fd, "x", 1, 0), EAGAIN);
}

static void shutdown_ends_attempt(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = new_stream(a.any.sa_family, SOCK_NONBLOCK);
	ERR(connect_address(fd, a), EINPROGRESS);
	OK(shutdown(fd, SHUT_RDWR));
	EQ(poll_one(fd, POLLOUT, 5000) & (POLLOUT | POLLHUP), POLLOUT | POLLHUP);
}

static void send_timeout(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = new_stream(a.any.sa_family, 0);
	OK(set_timeout(fd, SO_SNDTIMEO, 200));
	long begin = now_ms();
	ERR(connect_address(fd, a), EINPROGRESS);
	long took = now_ms() - begin;
	CHECK(took >= 190 && took < 5000);
	ERR(connect_address(fd, a), EALREADY);
}

// TCP_USER_TIMEOUT ends the attempt with ETIMEDOUT.
static void times_out(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = new_stream(a.any.sa_family, 0);
	OK(set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1500));
	ERR(connect_address(fd, a), ETIMEDOUT);
}

static void refused_by_remote(const char *name)
{
	(void)name;
	union address a = remote("NBT_REFUSED", 9);
	int fd = new_stream(a.any.sa_family, 0);
	ERR(connect_address(fd, a), ECONNREFUSED);
	fd = new_stream(a.any.sa_family, SOCK_NONBLOCK);
	ERR(connect_address(fd, a), EINPROGRESS);
	until_writable(fd);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
}

static void unreachable(const char *name)
{
	(void)name;
	union address a = remote("NBT_UNREACHABLE", 9);
	int fd = new_stream(a.any.sa_family, 0);
	ERR(connect_address(fd, a), EHOSTUNREACH);
	fd = new_stream(a.any.sa_family, SOCK_NONBLOCK);
	ERR(connect_address(fd, a), EINPROGRESS);
	CHECK(poll_one(fd, POLLOUT, 15000) != 0);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), EHOSTUNREACH);
}

static void unspec_disconnects_udp(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	union address peer;
	socklen_t len = sizeof peer;
	OK(connect_fd(a, b));
	EQ(port_of(peer_address(a)), local_port(b));
	OK(connect(a, &none, sizeof none));
	ERR(getpeername(a, &peer.any, &len), ENOTCONN);
	OK(connect_fd(a, b));
	EQ(send(a, "x", 1, 0), 1);
}

static void unspec_disconnects_tcp(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), fd = connect_to(l), s = OK(accept(l, NULL, NULL));
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	union address peer;
	socklen_t len = sizeof peer;
	char c;
	OK(connect(fd, &none, sizeof none));
	ERR(getpeername(fd, &peer.any, &len), ENOTCONN);
	ERR(read(s, &c, 1), ECONNRESET);
	OK(connect_fd(fd, l));
	ping_pong(fd, OK(accept(l, NULL, NULL)));
}

static void unspec_on_fresh(const char *name)
{
	(void)name;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	OK(connect(new_stream(AF_INET, 0), &none, sizeof none));
	OK(connect(OK(socket(AF_INET, SOCK_DGRAM, 0)), &none, sizeof none));
}

static void unspec_ends_attempt(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = new_stream(a.any.sa_family, SOCK_NONBLOCK), l = listener(a.any.sa_family, 1);
	ERR(connect_address(fd, a), EINPROGRESS);
	OK(connect(fd, &none, sizeof none));
	ERR(connect_fd(fd, l), EINPROGRESS);
	EQ(poll_one(fd, POLLOUT, 5000), POLLOUT);
	ping_pong(fd, OK(accept(l, NULL, NULL)));
}

static void bound_source(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), fd = bound(AF_INET, SOCK_STREAM);
	uint16_t port = local_port(fd);
	OK(connect_fd(fd, l));
	EQ(local_port(fd), port);
	int s = OK(accept(l, NULL, NULL));
	EQ(port_of(peer_address(s)), port);
}

// 0.0.0.0 as destination means this host.
static void to_any_is_loopback(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), fd = new_stream(AF_INET, 0);
	union address a = local_address(l);
	a.in.sin_addr.s_addr = htonl(INADDR_ANY);
	OK(connect_address(fd, a));
	EQ(peer_address(fd).in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	ping_pong(fd, OK(accept(l, NULL, NULL)));
}

static void unconnected_io(const char *name)
{
	(void)name;
	int fd = new_stream(AF_INET, 0);
	char c;
	ERR(recv(fd, &c, 1, 0), ENOTCONN);
	ERR(read(fd, &c, 1), ENOTCONN);
	ERR(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
}

static void unconnected_messages(const char *name)
{
	(void)name;
	int fd = new_stream(AF_INET, 0);
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ERR(recvmsg(fd, &m, 0), ENOTCONN);
	ERR(sendmsg(fd, &m, MSG_NOSIGNAL), EPIPE);
	ERR(shutdown(fd, SHUT_RDWR), ENOTCONN);
	ERR(shutdown(fd, 9), EINVAL);
}

static const struct test_case cases[] = {
	{ "succeeds", succeeds },
	{ "refused", refused },
	{ "refused_then_poll", refused_then_poll },
	{ "again_after_refused", again_after_refused },
	{ "copy_after_refused", copy_after_refused },
	{ "nonblock_succeeds", nonblock_succeeds },
	{ "nonblock_refused", nonblock_refused },
	{ "refusal_told_once", refusal_told_once },
	{ "nonblock_again", nonblock_again },
	{ "refusal_told_by_connect", refusal_told_by_connect },
	{ "refusal_told_by_recv", refusal_told_by_recv },
	{ "in_progress_states", in_progress_states },
	{ "in_progress_send", in_progress_send },
	{ "shutdown_ends_attempt", shutdown_ends_attempt },
	{ "send_timeout", send_timeout },
	{ "times_out", times_out },
	{ "refused_by_remote", refused_by_remote },
	{ "unreachable", unreachable },
	{ "unspec_disconnects_udp", unspec_disconnects_udp },
	{ "unspec_disconnects_tcp", unspec_disconnects_tcp },
	{ "unspec_on_fresh", unspec_on_fresh },
	{ "unspec_ends_attempt", unspec_ends_attempt },
	{ "bound_source", bound_source },
	{ "to_any_is_loopback", to_any_is_loopback },
	{ "unconnected_io", unconnected_io },
	{ "unconnected_messages", unconnected_messages },
};

TEST_MAIN(cases)
