// More that the calls fuzzer (test/fuzz) has found, beside args_order.c.
#include "args.h"
#include <linux/netlink.h>
#include <linux/sockios.h>

static int make(int family, int type) { return OK(socket(family, type | SOCK_NONBLOCK, 0)); }

static void tell_host(const char *what, union address a)
{
	char host[64];
	bool v4 = a.any.sa_family == AF_INET;
	inet_ntop(a.any.sa_family, v4 ? (void *)&a.in.sin_addr : (void *)&a.in6.sin6_addr, host, sizeof host);
	printf("%s %s\n", what, host);
}

// getsockname(2) tells what bind(2) was given, also where nothing is sent from.
static void found_names(const char *name)
{
	(void)name;
	const char *const hosts[] = { "255.255.255.255", "224.0.0.251", "127.1.2.3", "0.0.0.0" };
	union address to = address_at("127.0.0.1", 9), mapped = address_at("::ffff:127.0.0.1", 9), unspec = { .any.sa_family = AF_UNSPEC };
	for (size_t i = 0; i < COUNT(hosts); i++) {
		union address a = address_at(hosts[i], 0);
		bool v4 = a.any.sa_family == AF_INET;
		int fd = make(a.any.sa_family, SOCK_DGRAM);
		OK(bind(fd, &a.any, address_len(a.any.sa_family)));
		OK(connect(fd, v4 ? &to.any : &mapped.any, address_len(a.any.sa_family)));
		tell_host("connected", local_address(fd));
		OK(connect(fd, &unspec.any, sizeof unspec.any));
		tell_host("no more", local_address(fd));
		OK(close(fd));
	}
	union address zero = address_at("127.0.0.1", 0);
	int fd = make(AF_INET, SOCK_DGRAM);
	OK(connect(fd, &unspec.any, sizeof unspec.any));
	OK(bind(fd, &zero.any, sizeof zero.in));
	printf("bound behind AF_UNSPEC: %s\n", local_port(fd) ? "a port" : "none");
}

// IPv6 sockets with a peer or an address of IPv4.
static void found_mapped(const char *name)
{
	(void)name;
	union address at0 = address_at("::ffff:127.0.0.1", 0), at9 = address_at("::ffff:127.0.0.1", 9), any = address_at("::", 9), peer;
	struct iovec v = { "x", 1 };
	struct msghdr to_peer = message_to(&v, NULL), to_any = message_to(&v, &any);
	struct cmsghdr wrong = { .cmsg_len = CMSG_LEN(0), .cmsg_level = IPPROTO_IP, .cmsg_type = 999 };
	socklen_t len = sizeof peer;
	int fd = make(AF_INET6, SOCK_DGRAM);
	OK(connect(fd, &at0.any, sizeof at0.in6));
	TELL_VALUE(sendmsg(fd, &to_peer, 0), "sendmsg to an IPv4 peer at port 0");
	TELL_VALUE(sendmsg(fd, &to_any, 0), "sendmsg to :: from an IPv4 address");
	to_any.msg_control = &wrong;
	to_any.msg_controllen = sizeof wrong;
	TELL_VALUE(sendmsg(fd, &to_any, 0), "and with a wrong control message of IPv4");
	OK(close(fd));
	fd = make(AF_INET6, SOCK_DGRAM);
	static char payload[70000];
	TELL_VALUE(sendto(fd, payload, sizeof payload, 0, &at9.any, 7), "sendto of too much to half an address");
	at9.any.sa_family = AF_INET;
	TELL_VALUE(sendto(fd, payload, sizeof payload, 0, &at9.any, 7), "and of IPv4");
	at9.any.sa_family = AF_INET6;
	TELL_VALUE(sendmsg(fd, &to_any, 0), "and from no address");
	OK(connect(fd, &at9.any, sizeof at9.in6));
	OK(connect(fd, &any.any, sizeof any.in6));
	OK(getpeername(fd, &peer.any, &len));
	tell_host("connected from an IPv4 address to :: →", peer);
	OK(close(fd));
}

// sendmmsg(2) ends behind a message of which something is left: MSG_PROBE leaves all.
static void found_probe(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = make(AF_INET, SOCK_DGRAM);
	struct iovec full = { "x", 1 }, empty = { "", 0 };
	OK(connect_fd(b, a));
	for (int i = 0; i < 4; i++) {
		struct mmsghdr m[2] = { { .msg_hdr = message_to(i & 1 ? &full : &empty, NULL) }, { .msg_hdr = message_to(&full, NULL) } };
		TELL_VALUE(sendmmsg(b, m, 2, i & 2 ? 0x10 : 0), "sendmmsg %s, %s", i & 1 ? "full" : "empty", i & 2 ? "MSG_PROBE" : "0");
	}
}

// A control message for an interface that is not there, and a wrong one behind it.
static void found_control(const char *name)
{
	(void)name;
	const char *const hosts[] = { "127.0.0.1", "::1" };
	for (size_t i = 0; i < COUNT(hosts); i++) {
		union address to = address_at(hosts[i], 9);
		bool v4 = to.any.sa_family == AF_INET;
		struct { struct cmsghdr h; int index; char rest[sizeof(struct in6_pktinfo) - 4]; struct cmsghdr wrong; } c = { 0 };
		size_t size = v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo), at = CMSG_SPACE(size);
		char room[sizeof c];
		struct iovec v = { "x", 1 };
		struct msghdr m = message_to(&v, &to);
		c.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(size), .cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6, .cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO };
		*(int *)((char *)&c + CMSG_LEN(v4 ? 0 : 16)) = 99;
		c.wrong = (struct cmsghdr){ .cmsg_len = CMSG_LEN(0), .cmsg_level = c.h.cmsg_level, .cmsg_type = 999 };
		memcpy(room, &c, at);
		memcpy(room + at, &c.wrong, sizeof c.wrong);
		m.msg_control = room;
		int fd = make(to.any.sa_family, SOCK_DGRAM);
		for (int n = 0; n < 2; n++) {
			m.msg_controllen = at + (n ? sizeof c.wrong : 0);
			TELL_VALUE(sendmsg(fd, &m, 0), "sendmsg to %s by interface 99%s", hosts[i], n ? " and a wrong one" : "");
		}
		OK(close(fd));
	}
}

static void tell_device(int fd)
{
	char device[16] = "";
	socklen_t len = sizeof device;
	OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len));
	printf("bound to \"%s\"\n", device);
}

// The interface of an address stays with the socket, also if the call fails.
static void found_scope(const char *name)
{
	(void)name;
	union address local = address_at("fe80::1", 9), unspec = { .any.sa_family = AF_UNSPEC }, lo = address_at("::1", 1);
	local.in6.sin6_scope_id = 1;
	for (int i = 0; i < 4; i++) {
		int fd = make(AF_INET6, i & 1 ? SOCK_STREAM : SOCK_DGRAM);
		if (i & 2)
			TELL(bind(fd, &local.any, sizeof local.in6), "bind to a link-local address");
		else
			TELL(connect(fd, &local.any, sizeof local.in6), "connect to a link-local address");
		tell_device(fd);
		OK(fcntl(fd, F_SETFL, 0));
		TELL(connect(fd, &lo.any, sizeof lo.in6), "connect to ::1");
		tell_device(fd);
		TELL(connect(fd, &unspec.any, sizeof unspec.any), "connect to AF_UNSPEC");
		if (!(i & 1))
			tell_device(fd);
		OK(close(fd));
	}
}

// Socket options and requests that are wrong in two ways.
static void found_options(const char *name)
{
	(void)name;
	struct ipv6_mreq join = { 0 };
	const socklen_t lengths[] = { 4, 16, sizeof join, 64 };
	char room[64] = { 0 };
	int fd = make(AF_INET6, SOCK_STREAM), one = 1;
	inet_pton(AF_INET6, "ff02::1", &join.ipv6mr_multiaddr);
	memcpy(room, &join, sizeof join);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		TELL(setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, room, lengths[i]), "TCP: IPV6_ADD_MEMBERSHIP length %d", lengths[i]);
		TELL(setsockopt(fd, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, room, lengths[i]), "TCP: IPV6_DROP_MEMBERSHIP length %d", lengths[i]);
	}
	OK(close(fd));
	fd = OK(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	TELL(setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &one, sizeof one), "netlink: SO_PEEK_OFF");
	TELL(setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &one, 1), "netlink: SO_PEEK_OFF length 1");
	TELL(ioctl(fd, 0x8906, BAD_POINTER), "netlink: SIOCGSTAMP");
	TELL(ioctl(fd, 0x8907, BAD_POINTER), "netlink: SIOCGSTAMPNS");
	OK(close(fd));
}

// What recvmsg(2) stores comes in an order, which shows where one lies upon the other.
static void found_stores(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = make(AF_INET, SOCK_DGRAM), on = 1;
	char room[8], control[64];
	struct iovec v = { room, sizeof room };
	struct { char before[8]; struct msghdr m; } at = { 0 };
	OK(connect_fd(b, a));
	OK(setsockopt(a, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
	for (int i = 0; i < 4; i++) {
		EQ(send(b, "x", 1, 0), 1);
		EQ(poll_one(a, POLLIN, 5000), POLLIN);
		at.m = (struct msghdr){ .msg_name = i ? NULL : at.before, .msg_namelen = 16, .msg_iov = &v, .msg_iovlen = 1 };
		at.m.msg_control = i == 1 ? BAD_POINTER : i == 2 ? NULL : control;
		at.m.msg_controllen = sizeof control;
		TELL_VALUE(recvmsg(a, &at.m, 0), "recvmsg");
		printf("name %d, flags %#x, control %zu\n", (int)at.m.msg_namelen, at.m.msg_flags, at.m.msg_controllen);
	}
}

// A datagram that MSG_MORE leaves open is measured before what is added is read.
static void found_open(const char *name)
{
	(void)name;
	static char payload[65507];
	int a = bound(AF_INET, SOCK_DGRAM), b = make(AF_INET, SOCK_DGRAM);
	OK(connect_fd(b, a));
	EQ(send(b, payload, 100, MSG_MORE), 100);
	TELL_VALUE(send(b, BAD_POINTER, sizeof payload, MSG_MORE), "send too much, and bad");
	EQ(send(b, payload, 100, MSG_MORE), 100);
	TELL_VALUE(send(b, BAD_POINTER, 1, MSG_MORE), "send bad");
}

// netlink_sendmsg looks at the payload last, and gives the socket a port id before.
static void found_netlink(const char *name)
{
	(void)name;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK }, other = { .nl_family = AF_INET };
	const struct { const char *name; void *at; size_t n; struct sockaddr_nl *to; socklen_t len; } rows[] = {
		{ "nothing", "", 0, &kernel, sizeof kernel }, { "to another family", "x", 1, &other, sizeof other },
		{ "to no address", "x", 1, &kernel, 0 }, { "to a short one", "x", 1, &kernel, 8 },
		{ "what is not there", BAD_POINTER, 8, &kernel, sizeof kernel } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		int fd = OK(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
		TELL_VALUE(sendto(fd, rows[i].at, rows[i].n, 0, (struct sockaddr *)rows[i].to, rows[i].len), "send %s", rows[i].name);
		TELL(bind(fd, (struct sockaddr *)&kernel, sizeof kernel), "bind");
		OK(close(fd));
	}
}

// What a program may say of itself to netlink (__scm_send).
static void found_credentials(const char *name)
{
	(void)name;
	const struct { const char *what; int pid, uid, gid; } rows[] = {
		{ "its own", getpid(), (int)getuid(), (int)getgid() }, { "process 1", 1, (int)getuid(), (int)getgid() },
		{ "process -2", -2, (int)getuid(), (int)getgid() }, { "no process", 0x7ffffffe, (int)getuid(), (int)getgid() },
		{ "user 4711", getpid(), 4711, (int)getgid() }, { "group 4711", getpid(), (int)getuid(), 4711 },
		{ "no user", getpid(), -1, (int)getgid() } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct { struct cmsghdr h; int data[4]; } c = { { CMSG_LEN(12), SOL_SOCKET, SCM_CREDENTIALS }, { rows[i].pid, rows[i].uid, rows[i].gid } };
		struct nlmsghdr request = { .nlmsg_len = sizeof request, .nlmsg_type = NLMSG_NOOP };
		struct iovec v = { &request, sizeof request };
		struct msghdr m = message_to(&v, NULL);
		m.msg_control = &c;
		m.msg_controllen = sizeof c;
		int fd = OK(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
		TELL_VALUE(sendmsg(fd, &m, 0), "send as %s", rows[i].what);
		OK(close(fd));
	}
}

static const struct test_case cases[] = {
	{ "names", found_names }, { "mapped", found_mapped }, { "probe", found_probe }, { "control", found_control },
	{ "scope", found_scope }, { "options", found_options }, { "stores", found_stores }, { "open", found_open },
	{ "netlink", found_netlink }, { "credentials", found_credentials },
};

TEST_MAIN(cases)
