// Arguments of socket, socketpair, bind, connect, listen, accept, shutdown,
// getsockname and getpeername.
#include "args.h"

static void args_socket(const char *name)
{
	(void)name;
	const int families[] = { -1, 0, AF_UNIX, AF_INET, AF_INET6, 46, 1000 };
	const int types[] = { -1, 0, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, 6, 7, 11, 15,
		SOCK_STREAM | SOCK_CLOEXEC, SOCK_DGRAM | SOCK_NONBLOCK, SOCK_STREAM | 0x10, SOCK_DGRAM | 0x100 };
	const int protocols[] = { -1, 0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6, 254, 255, 256, 1000 };
	for (size_t f = 0; f < COUNT(families); f++)
		for (size_t t = 0; t < COUNT(types); t++)
			for (size_t p = 0; p < COUNT(protocols); p++) {
				int fd = (int)syscall(SYS_socket, families[f], types[t], protocols[p]);
				told(fd, false, "socket %d %#x %d", families[f], types[t], protocols[p]);
				drop(fd);
			}
}

static void args_socketpair(const char *name)
{
	(void)name;
	const int families[] = { -1, 0, AF_UNIX, AF_INET, AF_INET6, 1000 };
	const int types[] = { -1, 0, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, 99, SOCK_STREAM | 0x10 };
	const int protocols[] = { -1, 0, 1, IPPROTO_TCP };
	int fds[2];
	for (size_t f = 0; f < COUNT(families); f++)
		for (size_t t = 0; t < COUNT(types); t++)
			for (size_t p = 0; p < COUNT(protocols); p++) {
				long result = syscall(SYS_socketpair, families[f], types[t], protocols[p], fds);
				told(result, false, "socketpair %d %#x %d", families[f], types[t], protocols[p]);
				if (result == 0) {
					close(fds[0]);
					close(fds[1]);
				}
			}
	TELL(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL), "socketpair unix stream NULL");
	TELL(syscall(SYS_socketpair, AF_INET, SOCK_STREAM, 0, NULL), "socketpair inet stream NULL");
	TELL(syscall(SYS_socketpair, AF_INET, SOCK_STREAM, 0, BAD_POINTER), "socketpair inet stream bad");
}

// The addresses that bind and connect are tried with.
struct named_address { const char *name; union address address; };

static size_t make_addresses(struct named_address *out)
{
	size_t n = 0;
	union address any4 = { .in.sin_family = AF_INET }, any6 = { .in6.sin6_family = AF_INET6 };
	union address mapped = any6, foreign4 = any4, foreign6 = any6, multicast = any4, broadcast = any4;
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.in6.sin6_addr);
	inet_pton(AF_INET, "192.0.2.99", &foreign4.in.sin_addr);
	inet_pton(AF_INET6, "2001:db8::99", &foreign6.in6.sin6_addr);
	inet_pton(AF_INET, "224.0.0.251", &multicast.in.sin_addr);
	inet_pton(AF_INET, "255.255.255.255", &broadcast.in.sin_addr);
	out[n++] = (struct named_address){ "lo4", loopback(AF_INET, 0) };
	out[n++] = (struct named_address){ "lo6", loopback(AF_INET6, 0) };
	out[n++] = (struct named_address){ "any4", any4 };
	out[n++] = (struct named_address){ "any6", any6 };
	out[n++] = (struct named_address){ "mapped", mapped };
	out[n++] = (struct named_address){ "foreign4", foreign4 };
	out[n++] = (struct named_address){ "foreign6", foreign6 };
	out[n++] = (struct named_address){ "multicast4", multicast };
	out[n++] = (struct named_address){ "broadcast4", broadcast };
	out[n++] = (struct named_address){ "unspec", { .any.sa_family = AF_UNSPEC } };
	out[n++] = (struct named_address){ "family-99", { .any.sa_family = 99 } };
	return n;
}

static const long lengths[] = { -1, 0, 1, 2, 8, 15, 16, 20, 24, 28, 64, 128, 129, 4096, 0x7fffffff };

static void args_bind(const char *name)
{
	(void)name;
	struct named_address addresses[16];
	size_t n = make_addresses(addresses);
	for (size_t s = 0; s < COUNT(subjects); s++) {
		// AF_UNIX would bind names; it is native anyway.
		if (subjects[s].make == make_unix)
			continue;
		for (size_t a = 0; a < n; a++)
			for (size_t l = 0; l < COUNT(lengths); l++) {
				char room[4096] = { 0 };
				memcpy(room, &addresses[a].address, sizeof addresses[a].address);
				int fd = subjects[s].make();
				TELL(syscall(SYS_bind, fd, room, lengths[l]), "bind %s %s %ld",
				     subjects[s].name, addresses[a].name, lengths[l]);
				drop(fd);
			}
		int fd = subjects[s].make();
		TELL(syscall(SYS_bind, fd, NULL, 16), "bind %s NULL 16", subjects[s].name);
		TELL(syscall(SYS_bind, fd, BAD_POINTER, 28), "bind %s bad 28", subjects[s].name);
		TELL(syscall(SYS_bind, fd, BAD_POINTER, 0), "bind %s bad 0", subjects[s].name);
		drop(fd);
	}
}

// Port 1 of loopback is closed. Addresses that need a route are left out:
// that the answer differs between networks is no fault.
static void args_connect(const char *name)
{
	(void)name;
	struct named_address addresses[16];
	size_t n = make_addresses(addresses);
	for (size_t s = 0; s < COUNT(subjects); s++)
		for (size_t a = 0; a < n; a++) {
			if (strncmp(addresses[a].name, "foreign", 7) == 0 || strncmp(addresses[a].name, "multi", 5) == 0)
				continue;
			for (size_t l = 0; l < COUNT(lengths); l++) {
				char room[4096] = { 0 };
				union address address = addresses[a].address;
				if (address.any.sa_family == AF_INET || address.any.sa_family == AF_INET6)
					address.in.sin_port = htons(1);
				memcpy(room, &address, sizeof address);
				int fd = subjects[s].make();
				TELL(syscall(SYS_connect, fd, room, lengths[l]), "connect %s %s %ld",
				     subjects[s].name, addresses[a].name, lengths[l]);
				drop(fd);
			}
		}
	for (size_t s = 0; s < COUNT(subjects); s++) {
		int fd = subjects[s].make();
		TELL(syscall(SYS_connect, fd, NULL, 16), "connect %s NULL 16", subjects[s].name);
		TELL(syscall(SYS_connect, fd, BAD_POINTER, 28), "connect %s bad 28", subjects[s].name);
		drop(fd);
	}
}

static void args_names(const char *name)
{
	(void)name;
	const long calls[] = { SYS_getsockname, SYS_getpeername };
	const char *const texts[] = { "getsockname", "getpeername" };
	const int lens[] = { -1, 0, 1, 2, 16, 28, 128, 4096 };
	for (size_t c = 0; c < COUNT(calls); c++)
		for (size_t s = 0; s < COUNT(subjects); s++) {
			int fd = subjects[s].make();
			char room[4096];
			for (size_t l = 0; l < COUNT(lens); l++) {
				int len = lens[l];
				long result = syscall(calls[c], fd, room, &len);
				told_length(result, len, "%s %s %d", texts[c], subjects[s].name, lens[l]);
			}
			int len = 16;
			TELL(syscall(calls[c], fd, NULL, &len), "%s %s NULL", texts[c], subjects[s].name);
			TELL(syscall(calls[c], fd, BAD_POINTER, &len), "%s %s bad", texts[c], subjects[s].name);
			TELL(syscall(calls[c], fd, room, NULL), "%s %s length NULL", texts[c], subjects[s].name);
			TELL(syscall(calls[c], fd, room, BAD_POINTER), "%s %s length bad", texts[c], subjects[s].name);
			drop(fd);
		}
}

static void args_listen_shutdown(const char *name)
{
	(void)name;
	const int numbers[] = { -2147483647, -1, 0, 1, 2, 3, 128, 2147483647 };
	for (size_t s = 0; s < COUNT(subjects); s++)
		for (size_t n = 0; n < COUNT(numbers); n++) {
			int fd = subjects[s].make();
			TELL(syscall(SYS_listen, fd, numbers[n]), "listen %s %d", subjects[s].name, numbers[n]);
			drop(fd);
			fd = subjects[s].make();
			TELL(syscall(SYS_shutdown, fd, numbers[n]), "shutdown %s %d", subjects[s].name, numbers[n]);
			drop(fd);
		}
}

// A listener with a connection waiting, non-blocking.
static int make_waiting(void)
{
	int fd = make_listener();
	connect_to(fd);
	EQ(poll_one(fd, POLLIN, 5000), POLLIN);
	return fd;
}

static void args_accept(const char *name)
{
	(void)name;
	const int flags[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK, 1, -1, SOCK_CLOEXEC | 0x10 };
	char room[128];
	int len;
	for (size_t s = 0; s <= COUNT(subjects); s++) {
		const struct subject waiting = { "waiting", make_waiting };
		struct subject subject = s < COUNT(subjects) ? subjects[s] : waiting;
		for (size_t f = 0; f < COUNT(flags); f++) {
			int fd = subject.make();
			TELL(syscall(SYS_accept4, fd, NULL, NULL, flags[f]), "accept4 %s NULL NULL %#x", subject.name, flags[f]);
			drop(fd);
		}
		const int lens[] = { -1, 0, 3, 16, 128 };
		for (size_t l = 0; l < COUNT(lens); l++) {
			int fd = subject.make();
			len = lens[l];
			long result = syscall(SYS_accept, fd, room, &len);
			told_length(result, len, "accept %s address %d", subject.name, lens[l]);
			drop(fd);
		}
		int fd = subject.make();
		TELL(syscall(SYS_accept, fd, room, NULL), "accept %s address NULL", subject.name);
		drop(fd);
		fd = subject.make();
		TELL(syscall(SYS_accept, fd, room, BAD_POINTER), "accept %s address bad", subject.name);
		drop(fd);
		fd = subject.make();
		len = 16;
		TELL(syscall(SYS_accept, fd, BAD_POINTER, &len), "accept %s bad 16", subject.name);
		drop(fd);
	}
}

static const struct test_case cases[] = {
	{ "socket", args_socket },
	{ "socketpair", args_socketpair },
	{ "bind", args_bind },
	{ "connect", args_connect },
	{ "names", args_names },
	{ "listen_shutdown", args_listen_shutdown },
	{ "accept", args_accept },
};

TEST_MAIN(cases)
