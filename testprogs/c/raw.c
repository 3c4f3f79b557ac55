// Raw IP sockets, see raw(7) and ipv6(7): any protocol, headers of one's own,
// checksums, and filters.
#include "packet.h"
#include <linux/icmp.h>
#include <netinet/icmp6.h>

enum { SPARE = 254, UNKNOWN = 251 }; // RFC 3692: for experiments; unassigned

static int raw(int family, int protocol)
{
	int fd = privileged_socket(family, SOCK_RAW, protocol);
	OK(set_timeout(fd, SO_RCVTIMEO, 10000));
	return fd;
}

// A payload that no other case sends.
static const char *mark(const char *name)
{
	static char text[64];
	snprintf(text, sizeof text, "%s of %d", name, getpid());
	return text;
}

// The next message that holds text after skip bytes.
static ssize_t next_with(int fd, unsigned char *b, size_t size, size_t skip, const char *text, union address *from)
{
	for (;;) {
		socklen_t len = sizeof *from;
		ssize_t n = OK(recvfrom(fd, b, size, 0, &from->any, &len));
		if ((size_t)n >= skip + strlen(text) && memcmp(b + skip, text, strlen(text)) == 0)
			return n;
	}
}

static void any_protocol_v4(const char *name)
{
	int a = raw(AF_INET, SPARE), b = raw(AF_INET, SPARE);
	const char *text = mark(name);
	union address to = loopback(AF_INET, 4711), from;
	unsigned char packet[256];
	OK(set_int(a, SOL_IP, IP_TTL, 9));
	EQ(sendto(a, text, strlen(text), 0, &to.any, sizeof to.in), strlen(text));
	for (int i = 0; i < 2; i++) {
		EQ(next_with(i ? a : b, packet, sizeof packet, 20, text, &from), 20 + strlen(text));
		EQ(packet[0], 0x45);
		EQ(packet[2] << 8 | packet[3], 20 + strlen(text));
		EQ(packet[8], 9);
		EQ(packet[9], SPARE);
		EQ(from.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		EQ(from.in.sin_port, 0);
	}
	EQ(get_int(a, SOL_SOCKET, SO_PROTOCOL), SPARE);
}

static void any_protocol_v6(const char *name)
{
	int a = raw(AF_INET6, SPARE), b = raw(AF_INET6, SPARE);
	const char *text = mark(name);
	union address to = loopback(AF_INET6, 0), from;
	unsigned char packet[256];
	EQ(sendto(a, text, strlen(text), 0, &to.any, sizeof to.in6), strlen(text));
	EQ(next_with(b, packet, sizeof packet, 0, text, &from), strlen(text));
	CHECK(IN6_IS_ADDR_LOOPBACK(&from.in6.sin6_addr));
}

// A protocol that nobody takes is refused by ICMP.
static void unknown_protocol(const char *name)
{
	(void)name;
	int icmp = raw(AF_INET, IPPROTO_ICMP), spare = raw(AF_INET, SPARE);
	union address to = loopback(AF_INET, 0), from;
	unsigned char packet[512];
	const char *text = mark(name);
	OK(set_int(spare, SOL_IP, IP_HDRINCL, 1));
	unsigned char own[128] = { 0x45, [8] = 64, [9] = UNKNOWN, [12] = 127, [15] = 1, [16] = 127, [19] = 1 };
	memcpy(own + 20, text, strlen(text));
	EQ(sendto(spare, own, 20 + strlen(text), 0, &to.any, sizeof to.in), 20 + strlen(text));
	for (;;) {
		socklen_t len = sizeof from;
		ssize_t n = OK(recvfrom(icmp, packet, sizeof packet, 0, &from.any, &len));
		if (n < 28 + 20 + (ssize_t)strlen(text) || packet[20] != ICMP_DEST_UNREACH || memcmp(packet + 48, text, strlen(text)))
			continue;
		EQ(packet[21], ICMP_PROT_UNREACH);
		EQ(packet[28 + 9], UNKNOWN);
		return;
	}
}

// IP_HDRINCL: the kernel fills in length and checksum, and source and
// identification where they are 0. IPPROTO_RAW implies it.
static void header_included(const char *name)
{
	(void)name;
	for (int implied = 0; implied < 2; implied++) {
		int fd = raw(AF_INET, implied ? IPPROTO_RAW : IPPROTO_UDP), b = bound(AF_INET, SOCK_DGRAM);
		int look = packet_on("lo", SOCK_DGRAM, ETH_P_IP);
		unsigned char packet[256];
		char text[32];
		union address to = loopback(AF_INET, 0), from;
		socklen_t len = sizeof from;
		EQ(get_int(fd, SOL_IP, IP_HDRINCL), implied);
		OK(set_int(fd, SOL_IP, IP_HDRINCL, 1));
		OK(set_timeout(b, SO_RCVTIMEO, 10000));
		filter_port(look, 0, local_port(b), 0xffff);
		size_t n = udp4(packet, "0.0.0.0", "127.0.0.1", 4711, local_port(b), "my own");
		memset(packet + 2, 0, 4);
		memset(packet + 10, 0, 2);
		packet[8] = 77;
		EQ(sendto(fd, packet, n, 0, &to.any, sizeof to.in), n);
		EQ(recvfrom(b, text, sizeof text, 0, &from.any, &len), 6);
		EQ(memcmp(text, "my own", 6), 0);
		EQ(port_of(from), 4711);
		EQ(from.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		EQ(recv(look, packet, sizeof packet, 0), n);
		EQ(packet[2] << 8 | packet[3], n);
		EQ(packet[8], 77);
		EQ(sum16(packet, 20, 0), 0);
		CHECK(packet[4] || packet[5]);
		ERR(sendto(fd, packet, 19, 0, &to.any, sizeof to.in), EINVAL);
		packet[0] = 0x4f;
		ERR(sendto(fd, packet, n, 0, &to.any, sizeof to.in), EINVAL);
	}
}

static void header_included_v6(const char *name)
{
	(void)name;
	for (int implied = 0; implied < 2; implied++) {
		int fd = raw(AF_INET6, implied ? IPPROTO_RAW : IPPROTO_UDP), b = bound(AF_INET6, SOCK_DGRAM);
		unsigned char packet[256];
		char text[32];
		union address to = loopback(AF_INET6, 0), from;
		socklen_t len = sizeof from;
		EQ(get_int(fd, SOL_IPV6, IPV6_HDRINCL), implied);
		OK(set_int(fd, SOL_IPV6, IPV6_HDRINCL, 1));
		OK(set_timeout(b, SO_RCVTIMEO, 10000));
		size_t n = udp6(packet, 4711, local_port(b), "my own");
		EQ(sendto(fd, packet, n, 0, &to.any, sizeof to.in6), n);
		EQ(recvfrom(b, text, sizeof text, 0, &from.any, &len), 6);
		EQ(port_of(from), 4711);
		ERR(sendto(fd, packet, 39, 0, &to.any, sizeof to.in6), EINVAL);
	}
}

// IPV6_CHECKSUM: filled in where it is said to be, and looked at.
static void checksum_v6(const char *name)
{
	int a = raw(AF_INET6, SPARE), plain = raw(AF_INET6, SPARE), checks = raw(AF_INET6, SPARE);
	union address to = loopback(AF_INET6, 0), from;
	unsigned char message[128] = { 0 }, got[128];
	const char *text = mark(name);
	size_t n = 4 + strlen(text);
	memcpy(message + 4, text, strlen(text));
	ERR(set_int(a, SOL_IPV6, IPV6_CHECKSUM, 3), EINVAL);
	EQ(get_int(a, SOL_IPV6, IPV6_CHECKSUM), -1);
	OK(set_int(checks, SOL_IPV6, IPV6_CHECKSUM, 2));
	EQ(get_int(checks, SOL_IPV6, IPV6_CHECKSUM), 2);
	message[0] = 1; // without a checksum: only who does not look gets it
	EQ(sendto(a, message, n, 0, &to.any, sizeof to.in6), n);
	EQ(next_with(plain, got, sizeof got, 4, text, &from), n);
	OK(set_int(a, SOL_IPV6, IPV6_CHECKSUM, 2));
	message[0] = 2;
	EQ(sendto(a, message, n, 0, &to.any, sizeof to.in6), n);
	EQ(next_with(checks, got, sizeof got, 4, text, &from), n);
	EQ(got[0], 2);
	CHECK(got[2] || got[3]);
	ERR(sendto(a, message, 3, 0, &to.any, sizeof to.in6), EINVAL);
}

static void icmp_filter(const char *name)
{
	int fd = raw(AF_INET, IPPROTO_ICMP);
	struct icmp_filter f = { .data = ~(1u << ICMP_ECHOREPLY) };
	OK(setsockopt(fd, SOL_RAW, ICMP_FILTER, &f, sizeof f));
	unsigned char echo[80] = { ICMP_ECHO, 0, 0, 0, 0, 7, 0, 1 }, got[128];
	const char *text = mark(name);
	memcpy(echo + 8, text, strlen(text));
	size_t n = 8 + strlen(text);
	uint16_t sum = sum16(echo, n, 0);
	memcpy(echo + 2, &sum, 2);
	union address to = loopback(AF_INET, 0), from;
	EQ(sendto(fd, echo, n, 0, &to.any, sizeof to.in), n);
	EQ(next_with(fd, got, sizeof got, 28, text, &from), 20 + n);
	EQ(got[20], ICMP_ECHOREPLY);
	int v6 = raw(AF_INET6, IPPROTO_ICMPV6);
	struct icmp6_filter f6;
	ICMP6_FILTER_SETBLOCKALL(&f6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f6);
	OK(setsockopt(v6, IPPROTO_ICMPV6, ICMP6_FILTER, &f6, sizeof f6));
	echo[0] = ICMP6_ECHO_REQUEST;
	to = loopback(AF_INET6, 0);
	EQ(sendto(v6, echo, n, 0, &to.any, sizeof to.in6), n);
	EQ(next_with(v6, got, sizeof got, 8, text, &from), n);
	EQ(got[0], ICMP6_ECHO_REPLY);
}

// A filter of a raw socket sees the IP header, one of a UDP socket the UDP
// header, which it cannot cut away.
static void socket_filters(const char *name)
{
	int fd = raw(AF_INET, SPARE), a = raw(AF_INET, SPARE);
	const char *text = mark(name);
	union address to = loopback(AF_INET, 0), from;
	unsigned char got[256];
	struct sock_filter first[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'Y', 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 24),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	OK(attach(fd, first, COUNT(first)));
	EQ(sendto(a, text, strlen(text), 0, &to.any, sizeof to.in), strlen(text));
	EQ(sendto(a, "Yes, this", 9, 0, &to.any, sizeof to.in), 9);
	EQ(next_with(fd, got, sizeof got, 20, "Yes,", &from), 24);
	int b = bound(AF_INET, SOCK_DGRAM), c = bound(AF_INET, SOCK_DGRAM);
	OK(set_timeout(b, SO_RCVTIMEO, 10000));
	struct sock_filter by_source[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, local_port(c), 0, 5),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), // the length
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8 + 100, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	OK(attach(b, by_source, COUNT(by_source)));
	send_udp(a = bound(AF_INET, SOCK_DGRAM), b, 5);
	send_udp(c, b, 6);
	send_udp(c, b, 100);
	EQ(recv(b, got, sizeof got, 0), 6);
	EQ(recv(b, got, sizeof got, 0), 0);
	OK(set_int(b, SOL_SOCKET, SO_DETACH_FILTER, 0));
	send_udp(a, b, 5);
	EQ(recv(b, got, sizeof got, 0), 5);
}

// A connected raw socket, and one bound to an address, get less.
static void bound_and_connected(const char *name)
{
	int a = raw(AF_INET, SPARE), b = raw(AF_INET, SPARE), c = raw(AF_INET, SPARE);
	const char *text = mark(name);
	union address one = loopback(AF_INET, 0), two = loopback(AF_INET, 0), from;
	unsigned char got[256];
	two.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	OK(bind(b, &two.any, sizeof two.in));
	OK(connect(c, &two.any, sizeof two.in));
	EQ(local_port(b), SPARE);
	EQ(sendto(a, text, strlen(text), 0, &one.any, sizeof one.in), strlen(text)); // for neither
	EQ(send(c, text, 5, 0), 5);
	EQ(next_with(b, got, sizeof got, 20, "bound", &from), 25);
}

static const struct test_case cases[] = {
	{ "any_protocol_v4", any_protocol_v4 },
	{ "any_protocol_v6", any_protocol_v6 },
	{ "unknown_protocol", unknown_protocol },
	{ "header_included", header_included },
	{ "header_included_v6", header_included_v6 },
	{ "checksum_v6", checksum_v6 },
	{ "icmp_filter", icmp_filter },
	{ "socket_filters", socket_filters },
	{ "bound_and_connected", bound_and_connected },
};

TEST_MAIN(cases)
