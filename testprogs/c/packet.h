// For the cases of packet and raw sockets: frames on lo, found among those of
// other programs by a UDP port of the case's own.
#ifndef PACKET_H
#define PACKET_H
#include "test.h"
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/mman.h>

// Linux gives these sockets to root only, netbox to everybody.
static int UNUSED privileged_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);
	if (fd == -1 && errno == EPERM)
		skip("no permission for such sockets");
	return OK(fd);
}

static int UNUSED packet_socket(int type, int protocol) { return privileged_socket(AF_PACKET, type, htons(protocol)); }

static struct sockaddr_ll UNUSED on(const char *device, int protocol)
{
	return (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_protocol = htons(protocol),
		.sll_ifindex = (int)OK((long)if_nametoindex(device) ?: -1) };
}

static int UNUSED packet_on(const char *device, int type, int protocol)
{
	int fd = packet_socket(type, 0);
	struct sockaddr_ll a = on(device, protocol);
	OK(bind(fd, (struct sockaddr *)&a, sizeof a));
	OK(set_timeout(fd, SO_RCVTIMEO, 10000));
	return fd;
}

static int UNUSED attach(int fd, const struct sock_filter *code, size_t n)
{
	struct sock_fprog f = { .len = (unsigned short)n, .filter = (struct sock_filter *)code };
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f);
}

// Throws away what came before the filter was there: other cases use lo, too.
static void UNUSED drain(int fd)
{
	char byte;
	while (recv(fd, &byte, 1, MSG_DONTWAIT) != -1)
		;
	EQ(errno, EAGAIN);
}

// Only IPv4 UDP to that port passes, cut to keep bytes; ip is where the IP
// header begins.
static void UNUSED filter_port(int fd, uint32_t ip, uint16_t port, uint32_t keep)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ip + 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 4),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, ip),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, ip + 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, keep),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	OK(attach(fd, code, COUNT(code)));
	drain(fd);
}

// Sends a datagram of n bytes, each 'x', from one to another UDP socket on lo.
static void UNUSED send_udp(int from, int to, size_t n)
{
	char data[2048];
	union address a = local_address(to);
	memset(data, 'x', n);
	EQ(sendto(from, data, n, 0, &a.any, address_len(a.any.sa_family)), n);
}

static uint16_t UNUSED sum16(const void *data, size_t len, uint32_t sum)
{
	const unsigned char *b = data;
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	if (len % 2)
		sum += (uint32_t)b[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

// An IPv4 UDP packet without a UDP checksum; its length.
static size_t UNUSED udp4(unsigned char *b, const char *source, const char *destination, uint16_t from, uint16_t to, const char *text)
{
	size_t n = strlen(text), length = 28 + n;
	unsigned char head[28] = { 0x45, 0, (unsigned char)(length >> 8), (unsigned char)length, 0, 1, 0, 0, 64, IPPROTO_UDP, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, (unsigned char)(from >> 8), (unsigned char)from,
		(unsigned char)(to >> 8), (unsigned char)to, (unsigned char)((8 + n) >> 8), (unsigned char)(8 + n) };
	EQ(inet_pton(AF_INET, source, head + 12), 1);
	EQ(inet_pton(AF_INET, destination, head + 16), 1);
	uint16_t sum = sum16(head, 20, 0);
	memcpy(head + 10, &sum, 2);
	memcpy(b, head, sizeof head);
	memcpy(b + sizeof head, text, n);
	return length;
}

// An IPv6 UDP packet on lo.
static size_t UNUSED udp6(unsigned char *b, uint16_t from, uint16_t to, const char *text)
{
	size_t n = 8 + strlen(text);
	unsigned char head[48] = { 0x60, 0, 0, 0, 0, (unsigned char)n, IPPROTO_UDP, 64, [23] = 1, [39] = 1,
		(unsigned char)(from >> 8), (unsigned char)from, (unsigned char)(to >> 8), (unsigned char)to, 0, (unsigned char)n };
	memcpy(b, head, sizeof head);
	memcpy(b + sizeof head, text, n - 8);
	// The pseudo-header: the addresses, which lie before the datagram, its length and protocol.
	uint16_t sum = sum16(b + 8, 32 + n, (uint32_t)n + IPPROTO_UDP);
	memcpy(b + 46, &sum, 2);
	return 40 + n;
}
#endif
