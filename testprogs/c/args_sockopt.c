// Arguments of getsockopt and setsockopt: every option netbox knows or ought to
// know, over kinds of socket, lengths and values.
#include "args.h"

struct option { const char *name; int level, number; };

#define O(level, name) { #name, level, name }

static const struct option options[] = {
	O(SOL_SOCKET, SO_DEBUG), O(SOL_SOCKET, SO_REUSEADDR), O(SOL_SOCKET, SO_TYPE), O(SOL_SOCKET, SO_ERROR),
	O(SOL_SOCKET, SO_DONTROUTE), O(SOL_SOCKET, SO_BROADCAST), O(SOL_SOCKET, SO_SNDBUF), O(SOL_SOCKET, SO_RCVBUF),
	O(SOL_SOCKET, SO_KEEPALIVE), O(SOL_SOCKET, SO_OOBINLINE), O(SOL_SOCKET, SO_PRIORITY), O(SOL_SOCKET, SO_LINGER),
	O(SOL_SOCKET, SO_REUSEPORT), O(SOL_SOCKET, SO_PASSCRED), O(SOL_SOCKET, SO_PEERCRED), O(SOL_SOCKET, SO_RCVLOWAT),
	O(SOL_SOCKET, SO_SNDLOWAT), O(SOL_SOCKET, SO_RCVTIMEO), O(SOL_SOCKET, SO_SNDTIMEO), O(SOL_SOCKET, SO_BINDTODEVICE),
	O(SOL_SOCKET, SO_TIMESTAMP), O(SOL_SOCKET, SO_ACCEPTCONN), O(SOL_SOCKET, SO_PROTOCOL), O(SOL_SOCKET, SO_DOMAIN),
	O(IPPROTO_TCP, TCP_NODELAY), O(IPPROTO_TCP, TCP_MAXSEG), O(IPPROTO_TCP, TCP_CORK), O(IPPROTO_TCP, TCP_KEEPIDLE),
	O(IPPROTO_TCP, TCP_KEEPINTVL), O(IPPROTO_TCP, TCP_KEEPCNT), O(IPPROTO_TCP, TCP_SYNCNT), O(IPPROTO_TCP, TCP_LINGER2),
	O(IPPROTO_TCP, TCP_DEFER_ACCEPT), O(IPPROTO_TCP, TCP_WINDOW_CLAMP), O(IPPROTO_TCP, TCP_INFO), O(IPPROTO_TCP, TCP_QUICKACK),
	O(IPPROTO_TCP, TCP_CONGESTION), O(IPPROTO_TCP, TCP_USER_TIMEOUT), O(IPPROTO_TCP, TCP_FASTOPEN),
	O(IPPROTO_IP, IP_TOS), O(IPPROTO_IP, IP_TTL), O(IPPROTO_IP, IP_OPTIONS), O(IPPROTO_IP, IP_RECVOPTS), O(IPPROTO_IP, IP_PKTINFO),
	O(IPPROTO_IP, IP_MTU_DISCOVER), O(IPPROTO_IP, IP_RECVERR), O(IPPROTO_IP, IP_RECVTTL), O(IPPROTO_IP, IP_RECVTOS),
	O(IPPROTO_IP, IP_MTU), O(IPPROTO_IP, IP_FREEBIND), O(IPPROTO_IP, IP_MULTICAST_TTL), O(IPPROTO_IP, IP_MULTICAST_LOOP),
	O(IPPROTO_IP, IP_MULTICAST_IF), O(IPPROTO_IP, IP_HDRINCL), O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	O(IPPROTO_IPV6, IPV6_V6ONLY), O(IPPROTO_IPV6, IPV6_UNICAST_HOPS), O(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
	O(IPPROTO_IPV6, IPV6_MULTICAST_LOOP), O(IPPROTO_IPV6, IPV6_MULTICAST_IF), O(IPPROTO_IPV6, IPV6_RECVPKTINFO),
	O(IPPROTO_IPV6, IPV6_RECVHOPLIMIT), O(IPPROTO_IPV6, IPV6_RECVTCLASS), O(IPPROTO_IPV6, IPV6_TCLASS),
	O(IPPROTO_IPV6, IPV6_MTU_DISCOVER), O(IPPROTO_IPV6, IPV6_MTU), O(IPPROTO_IPV6, IPV6_RECVERR),
	{ "unknown-socket", SOL_SOCKET, 9999 }, { "unknown-tcp", IPPROTO_TCP, 9999 }, { "unknown-ip", IPPROTO_IP, 9999 },
	{ "unknown-ipv6", IPPROTO_IPV6, 9999 }, { "unknown-udp", IPPROTO_UDP, 9999 }, { "unknown-level", 9999, 1 },
	{ "negative-level", -1, 1 },
};

static const struct subject tried[] = {
	{ "bad", make_bad }, { "file", make_file }, { "tcp", make_tcp }, { "tcp6", make_tcp6 },
	{ "udp", make_udp }, { "udp6", make_udp6 }, { "listener", make_listener },
};

// Lengths that come back, never values: those differ by machine.
static void args_get(const char *name)
{
	(void)name;
	const int lengths[] = { -1, 0, 1, 3, 4, 8, 16, 64 };
	for (size_t s = 0; s < COUNT(tried); s++) {
		int fd = tried[s].make();
		for (size_t o = 0; o < COUNT(options); o++) {
			char room[512];
			int len;
			for (size_t l = 0; l < COUNT(lengths); l++) {
				len = lengths[l];
				long result = syscall(SYS_getsockopt, fd, options[o].level, options[o].number, room, &len);
				told_length(result, len, "getsockopt %s %s %d", tried[s].name, options[o].name, lengths[l]);
			}
			len = 4;
			TELL(syscall(SYS_getsockopt, fd, options[o].level, options[o].number, BAD_POINTER, &len), "getsockopt %s %s bad", tried[s].name, options[o].name);
			TELL(syscall(SYS_getsockopt, fd, options[o].level, options[o].number, room, NULL), "getsockopt %s %s length NULL", tried[s].name, options[o].name);
		}
		drop(fd);
	}
}

static void args_set(const char *name)
{
	(void)name;
	const int values[] = { -2, -1, 0, 1, 2, 64, 255, 256, 1000, 65535, 0x7fffffff };
	const int lengths[] = { -1, 0, 1, 3, 8, 16 };
	for (size_t s = 0; s < COUNT(tried); s++)
		for (size_t o = 0; o < COUNT(options); o++) {
			const char *text = tried[s].name, *option = options[o].name;
			int fd = tried[s].make(), level = options[o].level, number = options[o].number;
			for (size_t v = 0; v < COUNT(values); v++)
				TELL(syscall(SYS_setsockopt, fd, level, number, &values[v], 4), "setsockopt %s %s = %d", text, option, values[v]);
			drop(fd);
			fd = tried[s].make();
			for (size_t l = 0; l < COUNT(lengths); l++) {
				int room[8] = { 1 };
				TELL(syscall(SYS_setsockopt, fd, level, number, room, lengths[l]), "setsockopt %s %s length %d", text, option, lengths[l]);
			}
			TELL(syscall(SYS_setsockopt, fd, level, number, NULL, 4), "setsockopt %s %s NULL", text, option);
			TELL(syscall(SYS_setsockopt, fd, level, number, BAD_POINTER, 4), "setsockopt %s %s bad", text, option);
			drop(fd);
		}
}

// What integer options read back after a set of each value: rounding, clamping
// and switches. Buffer sizes depend on sysctls at their upper end.
static void args_round_trip(const char *name)
{
	(void)name;
	const int values[] = { -1, 0, 1, 2, 7, 64, 200, 5000 };
	for (size_t s = 2; s < COUNT(tried); s++)
		for (size_t o = 0; o < COUNT(options); o++) {
			if (options[o].number == TCP_INFO && options[o].level == IPPROTO_TCP)
				continue;
			for (size_t v = 0; v < COUNT(values); v++) {
				int fd = tried[s].make(), value = values[v], got = -99;
				socklen_t len = sizeof got;
				bool took = syscall(SYS_setsockopt, fd, options[o].level, options[o].number, &value, 4) == 0;
				bool told = took && getsockopt(fd, options[o].level, options[o].number, &got, &len) == 0;
				printf("%s %s set %d", tried[s].name, options[o].name, value);
				if (told)
					printf(" → reads %d\n", got);
				else
					printf(" → %s\n", took ? "taken" : "refused");
				drop(fd);
			}
		}
}

static const struct test_case cases[] = {
	{ "get", args_get },
	{ "set", args_set },
	{ "round_trip", args_round_trip },
};

TEST_MAIN(cases)
