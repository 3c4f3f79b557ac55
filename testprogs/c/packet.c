// Packet sockets, see packet(7): what they are shown, what they send, their
// filters and rings.
#include "packet.h"

// What getsockname(2), bind(2) and calls that make no sense answer.
static void names(const char *name)
{
	(void)name;
	int fd = packet_socket(SOCK_RAW, 0);
	struct sockaddr_ll a = { 0 };
	socklen_t len = sizeof a;
	OK(getsockname(fd, (struct sockaddr *)&a, &len));
	EQ(len, 12);
	EQ(a.sll_family, AF_PACKET);
	EQ(a.sll_ifindex, 0);
	a = on("lo", ETH_P_IP);
	ERR(bind(fd, (struct sockaddr *)&a, sizeof a - 1), EINVAL);
	a.sll_family = AF_INET;
	ERR(bind(fd, (struct sockaddr *)&a, sizeof a), EINVAL);
	a = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_ifindex = 4711 };
	ERR(bind(fd, (struct sockaddr *)&a, sizeof a), ENODEV);
	a = on("lo", ETH_P_IP);
	OK(bind(fd, (struct sockaddr *)&a, sizeof a));
	a = on("lo", 0); // keeps the protocol
	OK(bind(fd, (struct sockaddr *)&a, sizeof a));
	len = sizeof a;
	OK(getsockname(fd, (struct sockaddr *)&a, &len));
	EQ(len, 18);
	EQ(ntohs(a.sll_protocol), ETH_P_IP);
	EQ(a.sll_hatype, 772); // ARPHRD_LOOPBACK
	EQ(a.sll_halen, 6);
	ERR(connect(fd, (struct sockaddr *)&a, sizeof a), EOPNOTSUPP);
	ERR(getpeername(fd, (struct sockaddr *)&a, &len), EOPNOTSUPP);
	ERR(listen(fd, 1), EOPNOTSUPP);
	ERR(accept(fd, NULL, NULL), EOPNOTSUPP);
	ERR(shutdown(fd, SHUT_RDWR), EOPNOTSUPP);
	EQ(get_int(fd, SOL_SOCKET, SO_DOMAIN), AF_PACKET);
	EQ(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_RAW);
	EQ(get_int(fd, SOL_SOCKET, SO_BPF_EXTENSIONS), SKF_AD_MAX);
	ERR(socket(AF_PACKET, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
	int pair[2];
	ERR(socketpair(AF_PACKET, SOCK_RAW, 0, pair), EOPNOTSUPP);
}

// A frame on lo is shown as it goes and as it comes, with its Ethernet header.
static void receive_raw(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	int fd = packet_on("lo", SOCK_RAW, ETH_P_ALL);
	filter_port(fd, ETH_HLEN, local_port(b), 0xffff);
	send_udp(a, b, 100);
	for (int i = 0; i < 2; i++) {
		unsigned char frame[2048];
		struct sockaddr_ll from;
		socklen_t len = sizeof from;
		EQ(recvfrom(fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &len), 14 + 28 + 100);
		EQ(len, sizeof from);
		EQ(from.sll_family, AF_PACKET);
		EQ(from.sll_pkttype, i == 0 ? PACKET_OUTGOING : PACKET_HOST);
		EQ(ntohs(from.sll_protocol), ETH_P_IP);
		EQ(from.sll_ifindex, if_nametoindex("lo"));
		EQ(from.sll_hatype, 772);
		EQ(from.sll_halen, 6);
		EQ(frame[12] << 8 | frame[13], ETH_P_IP);
		EQ(frame[14], 0x45);
		EQ(frame[41 + 100], 'x');
	}
}

// SOCK_DGRAM is without the header; a socket of one protocol sees only what
// comes, not what goes.
static void receive_cooked(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	int fd = packet_on("lo", SOCK_DGRAM, ETH_P_IP);
	filter_port(fd, 0, local_port(b), 0xffff);
	send_udp(a, b, 10);
	send_udp(a, b, 20);
	for (int i = 1; i <= 2; i++) {
		unsigned char packet[2048];
		struct sockaddr_ll from;
		socklen_t len = sizeof from;
		EQ(recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &len), 28 + 10 * i);
		EQ(from.sll_pkttype, PACKET_HOST);
		EQ(packet[0], 0x45);
	}
}

// The filter may cut; recv(2) with MSG_TRUNC tells what is left.
static void filter_cuts(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	int fd = packet_on("lo", SOCK_DGRAM, ETH_P_IP);
	char byte;
	filter_port(fd, 0, local_port(b), 30);
	send_udp(a, b, 100);
	EQ(recv(fd, &byte, 1, MSG_TRUNC), 30);
}

// What libpcap's filters on "any" ask for beside the bytes.
static void filter_ancillary(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	int fd = packet_socket(SOCK_DGRAM, ETH_P_ALL);
	uint16_t port = local_port(b);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 10),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 8, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, if_nametoindex("lo"), 0, 6),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 772, 0, 4),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	OK(attach(fd, code, COUNT(code)));
	drain(fd);
	OK(set_timeout(fd, SO_RCVTIMEO, 10000));
	send_udp(a, b, 7);
	char data[100];
	EQ(recv(fd, data, sizeof data, 0), 28 + 7);
	EQ(poll_one(fd, POLLIN, 0), 0);
}

static void filter_options(const char *name)
{
	(void)name;
	int fd = packet_socket(SOCK_RAW, 0);
	struct sock_filter bad[] = { BPF_STMT(BPF_LD | BPF_IMM, 1) }, good[] = { BPF_STMT(BPF_RET | BPF_K, 7) }, told[4];
	socklen_t len = sizeof told;
	ERR(attach(fd, bad, 1), EINVAL);
	ERR(attach(fd, good, 0), EINVAL);
	ERR(attach(fd, NULL, 1), EINVAL);
	ERR(attach(fd, (void *)8, 1), EFAULT);
	ERR(set_int(fd, SOL_SOCKET, SO_ATTACH_FILTER, 1), EINVAL);
	ERR(set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0), ENOENT);
	OK(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, told, &len));
	EQ(len, 0);
	OK(attach(fd, good, 1));
	len = 0;
	OK(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, told, &len));
	EQ(len, 1);
	OK(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, told, &len));
	EQ(len, 1);
	EQ(memcmp(told, good, sizeof good), 0);
	OK(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1));
	EQ(get_int(fd, SOL_SOCKET, SO_LOCK_FILTER), 1);
	ERR(set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 0), EPERM);
	ERR(set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0), EPERM);
	ERR(attach(fd, good, 1), EPERM);
}

static void options(const char *name)
{
	(void)name;
	int fd = packet_socket(SOCK_RAW, 0), value = TPACKET_V2, other;
	socklen_t len = sizeof value;
	OK(getsockopt(fd, SOL_PACKET, PACKET_HDRLEN, &value, &len));
	EQ(value, sizeof(struct tpacket2_hdr));
	value = 77;
	ERR(getsockopt(fd, SOL_PACKET, PACKET_HDRLEN, &value, &len), EINVAL);
	len = 2;
	ERR(getsockopt(fd, SOL_PACKET, PACKET_HDRLEN, &value, &len), EINVAL);
	EQ(get_int(fd, SOL_PACKET, PACKET_VERSION), TPACKET_V1);
	ERR(set_int(fd, SOL_PACKET, PACKET_VERSION, 77), EINVAL);
	ERR(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &value, 2), EINVAL);
	OK(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
	EQ(get_int(fd, SOL_PACKET, PACKET_VERSION), TPACKET_V2);
	ERR(set_int(fd, SOL_PACKET, PACKET_RESERVE, -1), EINVAL);
	OK(set_int(fd, SOL_PACKET, PACKET_RESERVE, 4));
	EQ(get_int(fd, SOL_PACKET, PACKET_RESERVE), 4);
	OK(set_int(fd, SOL_PACKET, PACKET_AUXDATA, 5));
	EQ(get_int(fd, SOL_PACKET, PACKET_AUXDATA), 1);
	ERR(set_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 2), EINVAL);
	OK(set_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1));
	EQ(get_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING), 1);
	ERR(set_int(fd, SOL_PACKET, 4711, 1), ENOPROTOOPT);
	ERR(set_int(fd, SOL_IP, IP_TTL, 1), ENOPROTOOPT);
	len = sizeof other;
	ERR(getsockopt(fd, SOL_PACKET, 4711, &other, &len), ENOPROTOOPT);
}

static void memberships(const char *name)
{
	(void)name;
	int fd = packet_socket(SOCK_RAW, 0);
	struct packet_mreq m = { .mr_ifindex = (int)if_nametoindex("lo"), .mr_type = PACKET_MR_PROMISC };
	ERR(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, 8), EINVAL);
	OK(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m)); // not a member
	OK(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
	OK(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
	m.mr_ifindex = 4711;
	ERR(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m), ENODEV);
}

// PACKET_AUXDATA and SO_TIMESTAMP with each packet, PACKET_STATISTICS since the
// last look.
static void auxdata(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	int fd = packet_socket(SOCK_DGRAM, 0);
	struct sockaddr_ll on_lo = on("lo", ETH_P_IP), from;
	OK(set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1));
	OK(set_int(fd, SOL_SOCKET, SO_TIMESTAMP, 1));
	OK(set_timeout(fd, SO_RCVTIMEO, 10000));
	filter_port(fd, 0, local_port(b), 30);
	OK(bind(fd, (struct sockaddr *)&on_lo, sizeof on_lo));
	send_udp(a, b, 100);
	char data[100], control[256];
	struct iovec iov = { data, sizeof data };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof control };
	EQ(recvmsg(fd, &m, 0), 30);
	EQ(from.sll_pkttype, PACKET_HOST);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c);
	EQ(c->cmsg_level, SOL_SOCKET);
	EQ(c->cmsg_type, SO_TIMESTAMP);
	c = CMSG_NXTHDR(&m, c);
	CHECK(c);
	EQ(c->cmsg_level, SOL_PACKET);
	EQ(c->cmsg_type, PACKET_AUXDATA);
	struct tpacket_auxdata aux;
	memcpy(&aux, CMSG_DATA(c), sizeof aux);
	CHECK(aux.tp_status & TP_STATUS_USER);
	EQ(aux.tp_len, 128);
	EQ(aux.tp_snaplen, 30);
	struct tpacket_stats s;
	socklen_t len = sizeof s;
	OK(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &s, &len));
	EQ(s.tp_packets, 1);
	EQ(s.tp_drops, 0);
	OK(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &s, &len));
	EQ(s.tp_packets, 0);
}

// Frames that are sent on lo come back. One of IPv6 reaches the UDP socket it is
// for, one of IPv4 does not: 127.0.0.1 is a martian where there is no route yet.
// Other packet sockets see a frame go, the sender does not.
static void send_frame(int type)
{
	int b = bound(AF_INET6, SOCK_DGRAM), four = bound(AF_INET, SOCK_DGRAM);
	uint16_t port = local_port(four), port6 = local_port(b);
	int fd = packet_on("lo", type, ETH_P_ALL), other = packet_on("lo", SOCK_DGRAM, ETH_P_ALL);
	size_t header = type == SOCK_RAW ? ETH_HLEN : 0;
	filter_port(fd, (uint32_t)header, port, 0xffff);
	filter_port(other, 0, port, 0xffff);
	unsigned char frame[256] = { 0 };
	memset(frame, 0, 12);
	frame[12] = ETH_P_IP >> 8;
	struct sockaddr_ll to = on("lo", ETH_P_IP), from;
	to.sll_halen = 6;
	size_t n = header + udp4(frame + header, "127.0.0.1", "127.0.0.1", 4711, port, "martian");
	EQ(sendto(fd, frame, n, 0, (struct sockaddr *)&to, sizeof to), n);
	socklen_t len = sizeof from;
	EQ(recvfrom(fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &len), n);
	EQ(from.sll_pkttype, PACKET_HOST);
	EQ(recvfrom(other, frame, sizeof frame, 0, (struct sockaddr *)&from, &len), n - header);
	EQ(from.sll_pkttype, PACKET_OUTGOING);
	EQ(poll_one(four, POLLIN, 0), 0);

	memset(frame, 0, 12);
	frame[12] = ETH_P_IPV6 >> 8, frame[13] = (unsigned char)ETH_P_IPV6;
	n = header + udp6(frame + header, 4711, port6, "by hand");
	to.sll_protocol = htons(ETH_P_IPV6);
	EQ(sendto(fd, frame, n, 0, (struct sockaddr *)&to, sizeof to), n);
	OK(set_timeout(b, SO_RCVTIMEO, 10000));
	char text[32];
	union address source;
	len = sizeof source;
	EQ(recvfrom(b, text, sizeof text, 0, &source.any, &len), 7);
	EQ(memcmp(text, "by hand", 7), 0);
	EQ(port_of(source), 4711);
	to.sll_ifindex = 4711;
	ERR(sendto(fd, frame, n, 0, (struct sockaddr *)&to, sizeof to), ENXIO);
	ERR(sendto(fd, frame, n, 0, (struct sockaddr *)&to, 10), EINVAL);
}

static void send_raw(const char *name) { (void)name; send_frame(SOCK_RAW); }
static void send_cooked(const char *name) { (void)name; send_frame(SOCK_DGRAM); }

// A neighbour on eth0 answers ARP.
static void arp(const char *name)
{
	(void)name;
	int fd = packet_socket(SOCK_DGRAM, ETH_P_ARP);
	if (!if_nametoindex("eth0"))
		skip("no eth0 in this world");
	struct sockaddr_ll to = on("eth0", ETH_P_ARP), from;
	OK(bind(fd, (struct sockaddr *)&to, sizeof to));
	socklen_t len = sizeof from;
	OK(getsockname(fd, (struct sockaddr *)&from, &len));
	unsigned char request[28] = { 0, 1, 8, 0, 6, 4, 0, 1 }, reply[64];
	memcpy(request + 8, from.sll_addr, 6);
	inet_pton(AF_INET, "10.0.2.100", request + 14);
	inet_pton(AF_INET, "10.0.2.2", request + 24);
	memset(to.sll_addr, 0xff, 6);
	to.sll_halen = 6;
	OK(set_timeout(fd, SO_RCVTIMEO, 10000));
	EQ(sendto(fd, request, sizeof request, 0, (struct sockaddr *)&to, sizeof to), sizeof request);
	do {
		len = sizeof from;
		CHECK(recvfrom(fd, reply, sizeof reply, 0, (struct sockaddr *)&from, &len) >= 28);
	} while (reply[7] != 2 || memcmp(reply + 14, request + 24, 4) != 0);
	EQ(memcmp(reply + 8, from.sll_addr, 6), 0);
	EQ(memcmp(reply + 24, request + 14, 4), 0);
	EQ(from.sll_hatype, 1);
	EQ(from.sll_pkttype, PACKET_HOST);
}

static const struct test_case cases[] = {
	{ "names", names },
	{ "receive_raw", receive_raw },
	{ "receive_cooked", receive_cooked },
	{ "filter_cuts", filter_cuts },
	{ "filter_ancillary", filter_ancillary },
	{ "filter_options", filter_options },
	{ "options", options },
	{ "memberships", memberships },
	{ "auxdata", auxdata },
	{ "send_raw", send_raw },
	{ "send_cooked", send_cooked },
	{ "arp", arp },
};

TEST_MAIN(cases)
