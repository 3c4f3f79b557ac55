// Argument cross-products: a program calls one family of system calls with
// every combination of interesting arguments and prints a line each,
//
//	call arguments → result
//
// where the result is "ok", a value, or an errno's name. The lines hold
// nothing that differs between two runs on one kernel, so that the runner can
// compare a native run with one under netbox line by line.
//
// The calls are made raw: libc would look at some arguments itself.
#ifndef ARGS_H
#define ARGS_H
#include "test.h"

// A number of a descriptor that is never open.
enum { NEVER_OPEN = 900 };

#define BAD_POINTER ((void *)16)

static const char *errno_name(int number)
{
	static char other[16];
	switch (number) {
#define NAME(e) case e: return #e
	NAME(EPERM); NAME(ENOENT); NAME(EINTR); NAME(EBADF); NAME(EAGAIN); NAME(ENOMEM); NAME(EACCES);
	NAME(EFAULT); NAME(EEXIST); NAME(ENODEV); NAME(EINVAL); NAME(ENOTTY); NAME(ESPIPE); NAME(EPIPE);
	NAME(EDOM); NAME(ENOSYS); NAME(ENOTSOCK); NAME(EDESTADDRREQ); NAME(EMSGSIZE); NAME(EPROTOTYPE);
	NAME(ENOPROTOOPT); NAME(EPROTONOSUPPORT); NAME(ESOCKTNOSUPPORT); NAME(EOPNOTSUPP);
	NAME(EAFNOSUPPORT); NAME(EADDRINUSE); NAME(EADDRNOTAVAIL); NAME(ENETUNREACH); NAME(ECONNABORTED);
	NAME(ECONNRESET); NAME(ENOBUFS); NAME(EISCONN); NAME(ENOTCONN); NAME(ETIMEDOUT); NAME(ECONNREFUSED);
	NAME(EHOSTUNREACH); NAME(EALREADY); NAME(EINPROGRESS); NAME(ENXIO); NAME(ENOSPC); NAME(EOVERFLOW);
	NAME(EBUSY); NAME(ENETDOWN); NAME(ENODATA);
#undef NAME
	}
	snprintf(other, sizeof other, "errno %d", number);
	return other;
}

// One line. A value of 0 or more is told as "ok" or as the value.
static void UNUSED told(long result, bool value, const char *format, ...)
{
	int number = errno;
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	if (result < 0)
		printf(" → %s\n", errno_name(number));
	else if (value)
		printf(" → %ld\n", result);
	else
		printf(" → ok\n");
}

// A line for a call that takes a length by pointer: what it left there is part
// of the result.
static void UNUSED told_length(long result, int length, const char *format, ...)
{
	int number = errno;
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" → %s, length %d\n", result < 0 ? errno_name(number) : "ok", length);
}

#define TELL(call, ...) do {                                                 \
	errno = 0;                                                           \
	long told_ = (long)(call);                                           \
	told(told_, false, __VA_ARGS__);                                     \
} while (0)

#define TELL_VALUE(call, ...) do {                                           \
	errno = 0;                                                           \
	long told_ = (long)(call);                                           \
	told(told_, true, __VA_ARGS__);                                      \
} while (0)

// The kinds of descriptor that every call is tried on.
struct subject {
	const char *name;
	int (*make)(void);
};

static int make_bad(void) { return -1; }
static int make_closed(void) { return NEVER_OPEN; }
static int make_file(void) { return OK(open("/dev/null", O_RDWR)); }
static int make_pipe(void)
{
	int fds[2];
	OK(pipe(fds));
	return fds[0];
}
static int make_tcp(void) { return OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)); }
static int make_tcp6(void) { return OK(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0)); }
static int make_udp(void) { return OK(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)); }
static int make_udp6(void) { return OK(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0)); }
static int make_unix(void) { return OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)); }
static int make_listener(void)
{
	int fd = listener(AF_INET, 4);
	set_nonblock(fd);
	return fd;
}
static int make_connected(void)
{
	struct pair p = tcp_pair(AF_INET);
	set_nonblock(p.client);
	return p.client;
}
static int make_udp_connected(void)
{
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	OK(connect_fd(a, b));
	set_nonblock(a);
	return a;
}

static const struct subject UNUSED subjects[] = {
	{ "bad", make_bad },
	{ "closed", make_closed },
	{ "file", make_file },
	{ "pipe", make_pipe },
	{ "tcp", make_tcp },
	{ "tcp6", make_tcp6 },
	{ "udp", make_udp },
	{ "udp6", make_udp6 },
	{ "unix", make_unix },
	{ "listener", make_listener },
	{ "connected", make_connected },
	{ "udp-connected", make_udp_connected },
};

static void UNUSED drop(int fd)
{
	if (fd >= 0 && fd != NEVER_OPEN)
		close(fd);
}

static union address UNUSED address_at(const char *host, uint16_t port)
{
	union address a = { 0 };
	if (inet_pton(AF_INET, host, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
	} else {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
		EQ(inet_pton(AF_INET6, host, &a.in6.sin6_addr), 1);
	}
	return a;
}

// A message to to, NULL: to the peer.
static struct msghdr UNUSED message_to(struct iovec *v, union address *to)
{
	return (struct msghdr){ .msg_name = to, .msg_namelen = to ? address_len(to->any.sa_family) : 0, .msg_iov = v, .msg_iovlen = 1 };
}
#endif
