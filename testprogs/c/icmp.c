// ICMP echo to this host through datagram ("ping") and raw sockets.
#include "test.h"

struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	char data[32];
};

enum { ECHO4 = 8, REPLY4 = 0, ECHO6 = 128, REPLY6 = 129 };

static uint16_t checksum(const void *data, size_t len)
{
	uint32_t sum = 0;
	uint16_t word;
	for (size_t i = 0; i < len; i += 2) {
		memcpy(&word, (const char *)data + i, 2);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static struct echo request(uint8_t type, uint16_t id, uint16_t sequence)
{
	struct echo e = { .type = type, .id = htons(id), .sequence = htons(sequence) };
	memset(e.data, (int)sequence, sizeof e.data);
	e.checksum = checksum(&e, sizeof e);
	return e;
}

static int icmp_socket(int family, int type)
{
	int fd = socket(family, type, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (fd == -1 && (errno == EACCES || errno == EPERM))
		skip("no permission for ICMP sockets");
	return OK(fd);
}

static void datagram_echo(int family)
{
	int fd = icmp_socket(family, SOCK_DGRAM);
	union address to = loopback(family, 0), from;
	OK(set_timeout(fd, SO_RCVTIMEO, 5000));
	for (uint16_t i = 1; i <= 3; i++) {
		struct echo e = request(family == AF_INET ? ECHO4 : ECHO6, 7, i), reply;
		socklen_t len = sizeof from;
		EQ(sendto(fd, &e, sizeof e, 0, &to.any, address_len(family)), sizeof e);
		EQ(recvfrom(fd, &reply, sizeof reply, 0, &from.any, &len), sizeof reply);
		EQ(reply.type, family == AF_INET ? REPLY4 : REPLY6);
		EQ(ntohs(reply.sequence), i);
		EQ(memcmp(reply.data, e.data, sizeof e.data), 0);
		EQ(from.any.sa_family, family);
	}
}

static void dgram_v4(const char *name) { (void)name; datagram_echo(AF_INET); }
static void dgram_v6(const char *name) { (void)name; datagram_echo(AF_INET6); }

// The identifier is the socket's: bind's port, or one the kernel chose.
static void dgram_identifier(const char *name)
{
	(void)name;
	int fd = icmp_socket(AF_INET, SOCK_DGRAM);
	union address a = loopback(AF_INET, 4321), to = loopback(AF_INET, 0);
	OK(bind(fd, &a.any, sizeof a.in));
	EQ(local_port(fd), 4321);
	struct echo e = request(ECHO4, 1, 1), reply;
	OK(connect(fd, &to.any, sizeof to.in));
	EQ(send(fd, &e, sizeof e, 0), sizeof e);
	OK(set_timeout(fd, SO_RCVTIMEO, 5000));
	EQ(recv(fd, &reply, sizeof reply, 0), sizeof reply);
	EQ(ntohs(reply.id), 4321);
}

static void dgram_refuses_others(const char *name)
{
	(void)name;
	int fd = icmp_socket(AF_INET, SOCK_DGRAM);
	union address to = loopback(AF_INET, 0);
	struct echo e = request(REPLY4, 1, 1);
	ERR(sendto(fd, &e, sizeof e, 0, &to.any, sizeof to.in), EINVAL);
	ERR(sendto(fd, &e, 4, 0, &to.any, sizeof to.in), EINVAL);
}

// A raw socket sees the reply with its IP header, and the request as well.
static void raw_v4(const char *name)
{
	(void)name;
	int fd = icmp_socket(AF_INET, SOCK_RAW);
	union address to = loopback(AF_INET, 0), from;
	struct echo e = request(ECHO4, 4711, 1);
	unsigned char packet[256];
	OK(set_timeout(fd, SO_RCVTIMEO, 5000));
	EQ(sendto(fd, &e, sizeof e, 0, &to.any, sizeof to.in), sizeof e);
	for (;;) {
		socklen_t len = sizeof from;
		ssize_t n = OK(recvfrom(fd, packet, sizeof packet, 0, &from.any, &len));
		EQ(n, 20 + sizeof e);
		EQ(packet[0], 0x45);
		EQ(from.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		if (packet[20] == REPLY4 && packet[24] == 4711 >> 8 && packet[25] == (4711 & 255))
			break;
	}
}

// ICMPv6: no header; the kernel fills the checksum in.
static void raw_v6(const char *name)
{
	(void)name;
	int fd = icmp_socket(AF_INET6, SOCK_RAW);
	union address to = loopback(AF_INET6, 0), from;
	struct echo e = request(ECHO6, 4712, 1), reply;
	e.checksum = 0;
	OK(set_timeout(fd, SO_RCVTIMEO, 5000));
	EQ(sendto(fd, &e, sizeof e, 0, &to.any, sizeof to.in6), sizeof e);
	do {
		socklen_t len = sizeof from;
		EQ(recvfrom(fd, &reply, sizeof reply, 0, &from.any, &len), sizeof e);
	} while (reply.type != REPLY6 || ntohs(reply.id) != 4712);
}

static volatile sig_atomic_t alarms;
static void on_alarm(int signal) { (void)signal; alarms++; }

// As ping does: recvmsg that a timer interrupts, or that ends by SO_RCVTIMEO.
static void dgram_waits(const char *name)
{
	(void)name;
	int fd = icmp_socket(AF_INET, SOCK_DGRAM);
	struct echo reply;
	union address from, to = loopback(AF_INET, 0);
	char control[256];
	struct iovec iov = { &reply, sizeof reply };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof control };
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval t = { .it_value.tv_usec = 100000 };
	OK(sigaction(SIGALRM, &action, NULL));
	OK(setitimer(ITIMER_REAL, &t, NULL));
	ERR(recvmsg(fd, &m, 0), EINTR);
	EQ(alarms, 1);
	OK(set_timeout(fd, SO_RCVTIMEO, 100));
	ERR(recvmsg(fd, &m, 0), EAGAIN);
	struct echo e = request(ECHO4, 7, 1);
	EQ(sendto(fd, &e, sizeof e, 0, &to.any, sizeof to.in), sizeof e);
	EQ(poll_one(fd, POLLIN, 5000), POLLIN);
	EQ(recvmsg(fd, &m, MSG_DONTWAIT), sizeof reply);
	EQ(from.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

static void remote_echo(int family, const char *variable)
{
	int fd = icmp_socket(family, SOCK_DGRAM);
	union address to = remote(variable, 0), from;
	socklen_t len = sizeof from;
	struct echo e = request(family == AF_INET ? ECHO4 : ECHO6, 1, 9), reply;
	OK(set_timeout(fd, SO_RCVTIMEO, 10000));
	EQ(sendto(fd, &e, sizeof e, 0, &to.any, address_len(family)), sizeof e);
	EQ(recvfrom(fd, &reply, sizeof reply, 0, &from.any, &len), sizeof reply);
	EQ(ntohs(reply.sequence), 9);
	if (family == AF_INET)
		EQ(from.in.sin_addr.s_addr, to.in.sin_addr.s_addr);
}

static void remote_v4(const char *name) { (void)name; remote_echo(AF_INET, "NBT_ECHO"); }

static const struct test_case cases[] = {
	{ "dgram_v4", dgram_v4 },
	{ "dgram_v6", dgram_v6 },
	{ "dgram_identifier", dgram_identifier },
	{ "dgram_refuses_others", dgram_refuses_others },
	{ "dgram_waits", dgram_waits },
	{ "raw_v4", raw_v4 },
	{ "raw_v6", raw_v6 },
	{ "remote_v4", remote_v4 },
};

TEST_MAIN(cases)
