// What raw IP sockets tell of what they could not send, see raw(7).
#include "packet.h"

static int raw(int family, int protocol)
{
	int fd = privileged_socket(family, SOCK_RAW, protocol);
	OK(set_timeout(fd, SO_RCVTIMEO, 10000));
	return fd;
}

// Every packet that is too long leaves one error of this host's in the queue, which
// is not pending: receiving waits on.
static void local_error(const char *name)
{
	(void)name;
	static char big[65535]; // with its header more than a packet has room for
	int fd = raw(AF_INET, 253);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	OK(set_int(fd, IPPROTO_IP, IP_RECVERR, 1));
	OK(set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
	for (int i = 0; i < 2; i++)
		ERR(sendto(fd, big, sizeof big, 0, (struct sockaddr *)&to, sizeof to), EMSGSIZE);
	CHECK(poll_one(fd, 0, 5000) & POLLERR);
	struct timeval limit = { .tv_usec = 100000 };
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
	struct iovec io = { big, sizeof big };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
	ERR(recvmsg(fd, &message, 0), EAGAIN);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	for (int i = 0; i < 2; i++)
		EQ(recvmsg(fd, &message, MSG_ERRQUEUE), 0);
	ERR(recvmsg(fd, &message, MSG_ERRQUEUE), EAGAIN);
}

enum { HEADERS = 28 };

// A datagram that nobody takes: its IP header, which is left out unless included, and
// its UDP header.
static struct iovec to_nobody(unsigned char packet[HEADERS], bool included)
{
	uint16_t from = htons(4712), to = htons(9); // discard, which nobody serves
	memset(packet, 0, HEADERS);
	packet[0] = 0x45;
	packet[3] = HEADERS;
	packet[8] = 64;
	packet[9] = IPPROTO_UDP;
	memcpy(packet + 16, &(uint32_t){ htonl(INADDR_LOOPBACK) }, 4);
	memcpy(packet + 20, &from, 2);
	memcpy(packet + 22, &to, 2);
	packet[25] = 8;
	return included ? (struct iovec){ packet, HEADERS } : (struct iovec){ packet + 20, 8 };
}

// A pending error is for a sender who brings the header, and for no other
// (raw_send_hdrinc, ip_append_data).
static void pending_error(const char *name)
{
	(void)name;
	for (int included = 0; included < 2; included++) {
		for (int way = 0; way < 4; way++) {
			unsigned char packet[HEADERS];
			struct iovec iov = to_nobody(packet, included);
			struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
			union address peer = loopback(AF_INET, 0);
			int fd = raw(AF_INET, IPPROTO_UDP);
			OK(set_int(fd, SOL_IP, IP_HDRINCL, included));
			OK(set_int(fd, SOL_IP, IP_RECVERR, 1));
			OK(connect(fd, &peer.any, sizeof peer.in));
			EQ(send(fd, iov.iov_base, iov.iov_len, 0), iov.iov_len);
			struct pollfd p = { .fd = fd };
			EQ(poll(&p, 1, 10000), 1);
			EQ(p.revents & POLLERR, POLLERR);
			ssize_t n = way == 0   ? send(fd, iov.iov_base, iov.iov_len, 0)
				    : way == 1 ? write(fd, iov.iov_base, iov.iov_len)
				    : way == 2 ? sendmsg(fd, &m, 0)
					       : sendto(fd, iov.iov_base, iov.iov_len, 0, &peer.any, sizeof peer.in);
			if (included) {
				EQ(n, -1);
				EQ(errno, ECONNREFUSED);
				EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
			} else {
				EQ(n, iov.iov_len);
				EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
			}
			close(fd);
		}
	}
}

static const struct test_case cases[] = {
	{ "local_error", local_error },
	{ "pending_error", pending_error },
};

TEST_MAIN(cases)
