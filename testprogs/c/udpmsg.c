// UDP through sendmsg, recvmsg and their batched kin; control messages.
#include "test.h"

struct box {
	struct msghdr header;
	struct iovec iov;
	union address name;
	union { char room[256]; struct cmsghdr align; } control;
	char data[64];
};

static struct msghdr *receive_header(struct box *b)
{
	b->iov = (struct iovec){ b->data, sizeof b->data };
	b->header = (struct msghdr){
		.msg_name = &b->name, .msg_namelen = sizeof b->name, .msg_iov = &b->iov, .msg_iovlen = 1,
		.msg_control = b->control.room, .msg_controllen = sizeof b->control.room,
	};
	return &b->header;
}

static struct msghdr *send_header(struct box *b, int to, const char *text)
{
	memset(b, 0, sizeof *b);
	b->name = local_address(to);
	strcpy(b->data, text);
	b->iov = (struct iovec){ b->data, strlen(text) };
	b->header = (struct msghdr){
		.msg_name = &b->name, .msg_namelen = address_len(b->name.any.sa_family),
		.msg_iov = &b->iov, .msg_iovlen = 1,
	};
	return &b->header;
}

static struct cmsghdr *find(struct msghdr *m, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return c;
	FAIL("no control message of level %d, type %d", level, type);
}

static void message(const char *name)
{
	(void)name;
	int families[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < COUNT(families); i++) {
		int a = bound(families[i], SOCK_DGRAM), b = bound(families[i], SOCK_DGRAM);
		struct box box;
		EQ(sendmsg(a, send_header(&box, b, "hello"), 0), 5);
		EQ(recvmsg(b, receive_header(&box), 0), 5);
		EQ(memcmp(box.data, "hello", 5), 0);
		EQ(box.header.msg_namelen, address_len(families[i]));
		EQ(port_of(box.name), local_port(a));
		EQ(box.header.msg_controllen, 0);
		EQ(box.header.msg_flags, 0);
	}
}

static void scattered(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	char x[2], y[3];
	struct iovec out[] = { { "01", 2 }, { "", 0 }, { "234", 3 }, { "56", 2 } };
	struct iovec in[] = { { x, 2 }, { y, 3 } };
	struct msghdr m = { .msg_iov = out, .msg_iovlen = 4 };
	OK(connect_fd(a, b));
	EQ(sendmsg(a, &m, 0), 7);
	EQ(writev(a, out, 3), 5);
	m = (struct msghdr){ .msg_iov = in, .msg_iovlen = 2 };
	EQ(recvmsg(b, &m, 0), 5);
	EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
	CHECK(!memcmp(x, "01", 2) && !memcmp(y, "234", 3));
	EQ(readv(b, in, 2), 5);
	CHECK(!memcmp(x, "01", 2) && !memcmp(y, "234", 3));
}

static void batches(const char *name)
{
	(void)name;
	enum { N = 8 };
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	struct box boxes[N];
	struct mmsghdr m[N] = { 0 };
	for (int i = 0; i < N; i++) {
		char text[4] = { (char)('a' + i), 'x', i % 2 ? 'y' : 0 };
		m[i].msg_hdr = *send_header(&boxes[i], b, text);
	}
	EQ(sendmmsg(a, m, N, 0), N);
	for (int i = 0; i < N; i++)
		EQ(m[i].msg_len, i % 2 ? 3 : 2);
	for (int i = 0; i < N; i++)
		m[i].msg_hdr = *receive_header(&boxes[i]);
	EQ(recvmmsg(b, m, 5, 0, NULL), 5);
	struct timespec t = { .tv_nsec = 50000000 };
	EQ(recvmmsg(b, m + 5, 3, MSG_WAITFORONE, &t), 3);
	for (int i = 0; i < N; i++) {
		EQ(m[i].msg_len, i % 2 ? 3 : 2);
		EQ(boxes[i].data[0], 'a' + i);
		EQ(port_of(boxes[i].name), local_port(a));
		EQ(m[i].msg_hdr.msg_namelen, sizeof(struct sockaddr_in));
	}
	ERR(recvmmsg(b, m, N, MSG_DONTWAIT, NULL), EAGAIN);
}

// MSG_WAITFORONE: the first may block, the rest not; without it recvmmsg
// waits for all.
static void wait_for_one(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	struct box boxes[4];
	struct mmsghdr m[4] = { 0 };
	EQ(sendmsg(a, send_header(&boxes[0], b, "one"), 0), 3);
	for (int i = 0; i < 4; i++)
		m[i].msg_hdr = *receive_header(&boxes[i]);
	EQ(recvmmsg(b, m, 4, MSG_WAITFORONE, NULL), 1);
	pid_t pid = test_fork();
	if (pid == 0) {
		EQ(recvmmsg(b, m, 2, 0, NULL), 2);
		_exit(0);
	}
	EQ(sendmsg(a, send_header(&boxes[0], b, "two"), 0), 3);
	sleep_ms(30);
	EQ(waitpid(pid, NULL, WNOHANG), 0);
	EQ(sendmsg(a, send_header(&boxes[0], b, "three"), 0), 5);
	wait_ok(pid);
}

static void batch_stops_at_error(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	struct box boxes[3];
	struct mmsghdr m[3] = { 0 };
	for (int i = 0; i < 3; i++)
		m[i].msg_hdr = *send_header(&boxes[i], b, "x");
	boxes[1].name.in.sin_port = 0;
	EQ(sendmmsg(a, m, 3, 0), 1);
	boxes[0].name.in.sin_port = 0;
	ERR(sendmmsg(a, m, 3, 0), EINVAL);
}

static void packet_info(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = OK(socket(AF_INET, SOCK_DGRAM, 0));
	union address any = { .in = { .sin_family = AF_INET } };
	struct box box;
	OK(bind(b, &any.any, sizeof any.in));
	OK(set_int(b, IPPROTO_IP, IP_PKTINFO, 1));
	send_header(&box, b, "x");
	box.name.in.sin_addr.s_addr = htonl(0x7f000005);
	EQ(sendmsg(a, &box.header, 0), 1);
	EQ(recvmsg(b, receive_header(&box), 0), 1);
	struct in_pktinfo info;
	memcpy(&info, CMSG_DATA(find(&box.header, IPPROTO_IP, IP_PKTINFO)), sizeof info);
	EQ(info.ipi_addr.s_addr, htonl(0x7f000005));
	EQ(info.ipi_ifindex, 1);
}

// The answer leaves with the source address chosen by IP_PKTINFO.
static void packet_info_sets_source(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = OK(socket(AF_INET, SOCK_DGRAM, 0));
	union address any = { .in = { .sin_family = AF_INET } };
	OK(bind(b, &any.any, sizeof any.in));
	struct box box;
	send_header(&box, a, "x");
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(0x7f000006) };
	box.header.msg_control = box.control.room;
	box.header.msg_controllen = CMSG_SPACE(sizeof info);
	struct cmsghdr *c = CMSG_FIRSTHDR(&box.header);
	*c = (struct cmsghdr){ CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO };
	memcpy(CMSG_DATA(c), &info, sizeof info);
	EQ(sendmsg(b, &box.header, 0), 1);
	EQ(recvmsg(a, receive_header(&box), 0), 1);
	EQ(box.name.in.sin_addr.s_addr, htonl(0x7f000006));
	EQ(port_of(box.name), local_port(b));
}

static void packet_info6(const char *name)
{
	(void)name;
	int a = bound(AF_INET6, SOCK_DGRAM), b = bound(AF_INET6, SOCK_DGRAM);
	struct box box;
	OK(set_int(b, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	OK(set_int(b, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	EQ(sendmsg(a, send_header(&box, b, "x"), 0), 1);
	EQ(recvmsg(b, receive_header(&box), 0), 1);
	struct in6_pktinfo info;
	memcpy(&info, CMSG_DATA(find(&box.header, IPPROTO_IPV6, IPV6_PKTINFO)), sizeof info);
	EQ(memcmp(&info.ipi6_addr, &in6addr_loopback, 16), 0);
	EQ(info.ipi6_ifindex, 1);
	int hops;
	memcpy(&hops, CMSG_DATA(find(&box.header, IPPROTO_IPV6, IPV6_HOPLIMIT)), sizeof hops);
	EQ(hops, 64);
}

static void ttl_and_tos(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM), ttl;
	struct box box;
	OK(set_int(b, IPPROTO_IP, IP_RECVTTL, 1));
	OK(set_int(b, IPPROTO_IP, IP_RECVTOS, 1));
	OK(set_int(a, IPPROTO_IP, IP_TTL, 33));
	OK(set_int(a, IPPROTO_IP, IP_TOS, 0x28));
	EQ(sendmsg(a, send_header(&box, b, "x"), 0), 1);
	EQ(recvmsg(b, receive_header(&box), 0), 1);
	memcpy(&ttl, CMSG_DATA(find(&box.header, IPPROTO_IP, IP_TTL)), sizeof ttl);
	EQ(ttl, 33);
	EQ(*CMSG_DATA(find(&box.header, IPPROTO_IP, IP_TOS)), 0x28);
}

static void timestamp(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	struct box box;
	struct timeval then, stamp, now;
	OK(set_int(b, SOL_SOCKET, SO_TIMESTAMP, 1));
	OK(gettimeofday(&then, NULL));
	EQ(sendmsg(a, send_header(&box, b, "x"), 0), 1);
	EQ(recvmsg(b, receive_header(&box), 0), 1);
	OK(gettimeofday(&now, NULL));
	memcpy(&stamp, CMSG_DATA(find(&box.header, SOL_SOCKET, SCM_TIMESTAMP)), sizeof stamp);
	CHECK(!timercmp(&stamp, &then, <) && !timercmp(&stamp, &now, >));
}

static void control_truncated(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	struct box box;
	OK(set_int(b, IPPROTO_IP, IP_PKTINFO, 1));
	EQ(sendmsg(a, send_header(&box, b, "x"), 0), 1);
	receive_header(&box)->msg_controllen = CMSG_LEN(2);
	EQ(recvmsg(b, &box.header, 0), 1);
	EQ(box.header.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
	EQ(sendmsg(a, send_header(&box, b, "y"), 0), 1);
	receive_header(&box)->msg_control = NULL;
	box.header.msg_controllen = 0;
	EQ(recvmsg(b, &box.header, 0), 1);
	EQ(box.header.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
}

// IP_RECVERR queues the ICMP error with the destination it belongs to.
static void error_queue(const char *name)
{
	(void)name;
	int closed = bound(AF_INET, SOCK_DGRAM), fd = bound(AF_INET, SOCK_DGRAM);
	union address to = local_address(closed);
	struct box box;
	OK(close(closed));
	OK(set_int(fd, IPPROTO_IP, IP_RECVERR, 1));
	ERR(recvmsg(fd, receive_header(&box), MSG_ERRQUEUE), EAGAIN);
	EQ(sendto(fd, "probe", 5, 0, &to.any, sizeof to.in), 5);
	CHECK(poll_one(fd, 0, 5000) & POLLERR);
	EQ(recvmsg(fd, receive_header(&box), MSG_ERRQUEUE), 5);
	EQ(box.header.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
	EQ(port_of(box.name), port_of(to));
	EQ(memcmp(box.data, "probe", 5), 0);
	struct { uint32_t number; uint8_t origin, type, code, pad; uint32_t info, data; } error;
	memcpy(&error, CMSG_DATA(find(&box.header, IPPROTO_IP, IP_RECVERR)), sizeof error);
	EQ(error.number, ECONNREFUSED);
	EQ(error.origin, 2);
	EQ(error.type, 3);
	EQ(error.code, 3);
}

// An error of this host's own is in the queue, and so is POLLERR; it is not pending:
// receiving waits on, and SO_ERROR is 0.
static void local_error(const char *name)
{
	(void)name;
	static char big[65508]; // one byte more than a packet has room for
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	union address to = local_address(b);
	struct box box;
	OK(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	OK(set_int(a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
	for (int i = 0; i < 2; i++)
		ERR(sendto(a, big, sizeof big, 0, &to.any, sizeof to.in), EMSGSIZE);
	CHECK(poll_one(a, 0, 5000) & POLLERR);
	ERR(recvmsg(a, receive_header(&box), MSG_DONTWAIT), EAGAIN);
	struct timeval limit = { .tv_usec = 100000 };
	OK(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
	ERR(recvmsg(a, receive_header(&box), 0), EAGAIN);
	EQ(get_int(a, SOL_SOCKET, SO_ERROR), 0);
	CHECK(poll_one(a, 0, 5000) & POLLERR);
	// What waits is received, the queue full or not.
	union address self = local_address(a);
	EQ(sendto(b, "x", 1, 0, &self.any, sizeof self.in), 1);
	EQ(recvmsg(a, receive_header(&box), 0), 1);
	CHECK(poll_one(a, 0, 5000) & POLLERR);
	for (int i = 0; i < 2; i++) {
		EQ(recvmsg(a, receive_header(&box), MSG_ERRQUEUE), 0);
		struct { uint32_t number; uint8_t origin, type, code, pad; uint32_t info, data; } error;
		memcpy(&error, CMSG_DATA(find(&box.header, IPPROTO_IP, IP_RECVERR)), sizeof error);
		EQ(error.number, EMSGSIZE);
		EQ(error.origin, 1);
		EQ(get_int(a, SOL_SOCKET, SO_ERROR), 0);
	}
	ERR(recvmsg(a, receive_header(&box), MSG_ERRQUEUE), EAGAIN);
	EQ(poll_one(a, 0, 0), 0);
}

static const struct test_case cases[] = {
	{ "message", message },
	{ "scattered", scattered },
	{ "batches", batches },
	{ "wait_for_one", wait_for_one },
	{ "batch_stops_at_error", batch_stops_at_error },
	{ "packet_info", packet_info },
	{ "packet_info_sets_source", packet_info_sets_source },
	{ "packet_info6", packet_info6 },
	{ "ttl_and_tos", ttl_and_tos },
	{ "timestamp", timestamp },
	{ "control_truncated", control_truncated },
	{ "error_queue", error_queue },
	{ "local_error", local_error },
};

TEST_MAIN(cases)
