// How much fits a receive queue: datagrams are charged with the memory that they
// take, not with their bytes. Each line is compared with a native run's.
#include "test.h"
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sock_diag.h>
#include <net/ethernet.h>
#include <net/if.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

static const int sizes[] = { 0, 1, 100, 197, 198, 255, 1000, 1500, 2000, 4000, 9000, 16000, 20000, 65000 };
static const int buffers[] = { 0, 1, 2000, 10000, 50000 };
// More than fit any of the buffers.
enum { SENT = 400 };

static char payload[65536];

static void memory_of(int fd, uint32_t info[SK_MEMINFO_VARS])
{
	socklen_t length = SK_MEMINFO_VARS * sizeof *info;
	OK(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length));
	EQ(length, SK_MEMINFO_VARS * sizeof *info);
}

static int drain(int fd)
{
	int n = 0;
	while (recv(fd, payload, sizeof payload, MSG_DONTWAIT) >= 0)
		n++;
	EQ(errno, EAGAIN);
	return n;
}

// Sends datagrams of each size, until the buffer of each size is full; new_receiver
// and new_sender make the sockets.
static void fill(const char *what, int (*new_receiver)(void), int (*new_sender)(void), union address (*to)(int))
{
	for (size_t b = 0; b < COUNT(buffers); b++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			int receiver = new_receiver(), sender = new_sender();
			uint32_t info[SK_MEMINFO_VARS];
			if (buffers[b])
				OK(setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &buffers[b], sizeof buffers[b]));
			union address a = to(receiver);
			drain(receiver);
			for (int n = 0; n < SENT; n++)
				EQ(sendto(sender, payload, (size_t)sizes[i], 0, &a.any, address_len(a.any.sa_family)), sizes[i]);
			memory_of(receiver, info);
			printf("%s: %d of %d bytes in %u: memory %u, dropped %u\n", what, drain(receiver), sizes[i],
			       info[SK_MEMINFO_RCVBUF], info[SK_MEMINFO_RMEM_ALLOC], info[SK_MEMINFO_DROPS]);
			close(receiver);
			close(sender);
		}
	}
	fflush(stdout);
}

static int udp4(void) { return bound(AF_INET, SOCK_DGRAM); }
static int udp6(void) { return bound(AF_INET6, SOCK_DGRAM); }

static void udp(const char *name)
{
	(void)name;
	fill("udp", udp4, udp4, local_address);
	fill("udp6", udp6, udp6, local_address);
}

static union address this_host(int fd)
{
	(void)fd;
	return (union address){ .in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
}

// A protocol that nobody has.
static int raw4(void) { return OK(socket(AF_INET, SOCK_RAW, 200)); }

static int raw_for_sending(void)
{
	int fd = raw4(), least = 1;
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least));
	return fd;
}

static void raw(const char *name)
{
	(void)name;
	fill("raw", raw4, raw_for_sending, this_host);
}

static uint16_t packet_port;

// A TOS that no other case has: they use lo, too, and ports come again.
enum { MARK = 0x5c };

static int marked(void)
{
	int fd = udp4(), tos = MARK;
	OK(setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos));
	return fd;
}

// Packets to packet_port with the mark.
static int packets_of_lo(void)
{
	struct sock_filter ours[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETH_HLEN + 20 + 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, packet_port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0x40000),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { COUNT(ours), ours };
	struct sockaddr_ll lo = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1 };
	int fd = OK(socket(AF_PACKET, SOCK_RAW, 0));
	OK(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
	OK(bind(fd, (struct sockaddr *)&lo, sizeof lo));
	return fd;
}

static union address to_nobody(int fd)
{
	union address a = this_host(fd);
	a.in.sin_port = htons(packet_port);
	return a;
}

// Packets are counted as they pass lo, whether somebody takes them or not.
static void packet(const char *name)
{
	(void)name;
	int taker = udp4(), least = 1;
	OK(setsockopt(taker, SOL_SOCKET, SO_RCVBUF, &least, sizeof least));
	packet_port = local_port(taker);
	fill("packet", packets_of_lo, marked, to_nobody);
}

// SO_RXQ_OVFL tells how many were dropped before a datagram came.
static void overflow(const char *name)
{
	(void)name;
	int receiver = udp4(), sender = udp4(), on = 1, least = 1;
	union address to = local_address(receiver);
	OK(setsockopt(receiver, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on));
	OK(setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &least, sizeof least));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++)
			EQ(sendto(sender, "x", 1, 0, &to.any, sizeof to.in), 1);
		for (;;) {
			char data[8], control[64];
			struct iovec iov = { data, sizeof data };
			struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
			if (recvmsg(receiver, &m, MSG_DONTWAIT) < 0)
				break;
			struct cmsghdr *c = CMSG_FIRSTHDR(&m);
			printf("round %d:", round);
			if (c)
				printf(" control message %d %d, %u dropped", c->cmsg_level, c->cmsg_type, *(uint32_t *)CMSG_DATA(c));
			printf("\n");
		}
	}
	fflush(stdout);
}

static const struct test_case cases[] = {
	{ "udp", udp },
	{ "raw", raw },
	{ "packet", packet },
	{ "overflow", overflow },
};

TEST_MAIN(cases)
