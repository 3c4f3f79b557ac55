// Multicast groups on the loopback interface: who has joined what, from whom,
// and what a socket then receives.
#include "test.h"
#include <net/if.h>

static struct in_addr address(const char *text)
{
	struct in_addr a;
	EQ(inet_pton(AF_INET, text, &a), 1);
	return a;
}

static struct ip_mreqn on_lo(const char *group)
{
	struct ip_mreqn m = { .imr_multiaddr = address(group), .imr_ifindex = (int)if_nametoindex("lo") };
	return m;
}

static int join_group(int fd, const char *group)
{
	struct ip_mreqn m = on_lo(group);
	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m);
}

static int leave_group(int fd, const char *group)
{
	struct ip_mreqn m = on_lo(group);
	return setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m);
}

static int source(int fd, int option, const char *group, const char *from)
{
	struct ip_mreq_source m = {
		.imr_multiaddr = address(group), .imr_interface = address("127.0.0.1"), .imr_sourceaddr = address(from),
	};
	return setsockopt(fd, IPPROTO_IP, option, &m, sizeof m);
}

static int receiver(in_port_t *port)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), on = 1;
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = *port };
	socklen_t length = sizeof any;
	OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
	OK(bind(fd, (struct sockaddr *)&any, sizeof any));
	OK(getsockname(fd, (struct sockaddr *)&any, &length));
	*port = any.sin_port;
	return fd;
}

static int sender(const char *group, in_port_t port)
{
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct ip_mreqn m = on_lo(group);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = port, .sin_addr = m.imr_multiaddr };
	m.imr_address = address("127.0.0.1"); // else the source is 0.0.0.0
	OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m));
	OK(connect(fd, (struct sockaddr *)&to, sizeof to));
	return fd;
}

// says waits for a datagram with this text.
static void says(int fd, const char *text)
{
	char got[100] = "";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	EQ(poll(&p, 1, 20000), 1);
	ssize_t n = OK(recv(fd, got, sizeof got - 1, 0));
	if (strcmp(got, text) != 0)
		FAIL("received %zd bytes \"%s\", want \"%s\"", n, got, text);
}

static void memberships(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	char group[20];
	OK(join_group(fd, "239.255.1.1"));
	ERR(join_group(fd, "239.255.1.1"), EADDRINUSE);
	ERR(join_group(fd, "127.0.0.1"), EINVAL);
	OK(leave_group(fd, "239.255.1.1"));
	ERR(leave_group(fd, "239.255.1.1"), EADDRNOTAVAIL);
	ERR(leave_group(fd, "127.0.0.1"), EADDRNOTAVAIL);
	struct ip_mreqn nowhere = { .imr_multiaddr = address("239.255.1.1"), .imr_ifindex = 9999 };
	ERR(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &nowhere, sizeof nowhere), ENODEV);
	for (int i = 0; i < 20; i++) {
		snprintf(group, sizeof group, "239.255.2.%d", i);
		OK(join_group(fd, group));
	}
	ERR(join_group(fd, "239.255.3.1"), ENOBUFS);
}

static void memberships6(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET6, SOCK_DGRAM, 0));
	struct ipv6_mreq m = { .ipv6mr_interface = if_nametoindex("lo") };
	ERR(setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m), EINVAL);
	EQ(inet_pton(AF_INET6, "ff12::77", &m.ipv6mr_multiaddr), 1);
	OK(setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m));
	ERR(setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m), EADDRINUSE);
	OK(setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m));
	ERR(setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m), EADDRNOTAVAIL);
	m.ipv6mr_interface = 9999;
	ERR(setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m), ENODEV);
}

static void sources(const char *name)
{
	(void)name;
	static const char group[] = "239.255.4.1";
	in_port_t port = 0;
	int fd = receiver(&port), witness = receiver(&port);
	ERR(source(fd, IP_BLOCK_SOURCE, group, "127.0.0.1"), EINVAL);
	OK(source(fd, IP_ADD_SOURCE_MEMBERSHIP, group, "127.0.0.9"));
	ERR(source(fd, IP_ADD_SOURCE_MEMBERSHIP, group, "127.0.0.9"), EADDRNOTAVAIL);
	ERR(source(fd, IP_BLOCK_SOURCE, group, "127.0.0.1"), EINVAL);
	ERR(source(fd, IP_DROP_SOURCE_MEMBERSHIP, group, "127.0.0.8"), EADDRNOTAVAIL);
	OK(join_group(witness, group));
	int to = sender(group, port);
	OK(send(to, "stranger", 8, 0));
	says(witness, "stranger");
	OK(source(fd, IP_ADD_SOURCE_MEMBERSHIP, group, "127.0.0.1"));
	OK(send(to, "known", 5, 0));
	says(fd, "known");
	says(witness, "known");
	OK(source(witness, IP_BLOCK_SOURCE, group, "127.0.0.1"));
	OK(send(to, "blocked", 7, 0));
	says(fd, "blocked");
	OK(source(witness, IP_UNBLOCK_SOURCE, group, "127.0.0.1"));
	OK(send(to, "unblocked", 9, 0));
	says(witness, "unblocked");
	OK(source(fd, IP_DROP_SOURCE_MEMBERSHIP, group, "127.0.0.9"));
	OK(source(fd, IP_DROP_SOURCE_MEMBERSHIP, group, "127.0.0.1"));
	ERR(leave_group(fd, group), EADDRNOTAVAIL);
}

static void filter(const char *name)
{
	(void)name;
	char space[IP_MSFILTER_SIZE(20)] = { 0 };
	struct ip_msfilter *f = (struct ip_msfilter *)space;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	f->imsf_multiaddr = address("239.255.5.1");
	f->imsf_interface = address("127.0.0.1");
	f->imsf_fmode = MCAST_EXCLUDE;
	ERR(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, 10), EINVAL);
	ERR(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, IP_MSFILTER_SIZE(0)), EINVAL);
	OK(join_group(fd, "239.255.5.1"));
	OK(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, IP_MSFILTER_SIZE(0)));
	f->imsf_numsrc = 2;
	ERR(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, IP_MSFILTER_SIZE(1)), EINVAL);
	OK(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, IP_MSFILTER_SIZE(2)));
	f->imsf_numsrc = 11;
	ERR(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, IP_MSFILTER_SIZE(11)), ENOBUFS);
	f->imsf_numsrc = 0;
	f->imsf_fmode = 7;
	ERR(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, IP_MSFILTER_SIZE(0)), EINVAL);
	f->imsf_fmode = MCAST_INCLUDE;
	OK(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, f, IP_MSFILTER_SIZE(0)));
	ERR(leave_group(fd, "239.255.5.1"), EADDRNOTAVAIL);
}

// Without IP_MULTICAST_ALL a socket gets nothing of groups that others joined.
// What is sent on the loopback interface comes back once, also when the sender
// does not want it looped.
static void others_groups(const char *name)
{
	(void)name;
	static const char group[] = "239.255.6.1";
	in_port_t port = 0;
	int member = receiver(&port), stranger = receiver(&port), listener = receiver(&port), off = 0;
	char got[10];
	OK(join_group(member, group));
	OK(setsockopt(stranger, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off));
	int to = sender(group, port);
	OK(send(to, "hello", 5, 0));
	says(member, "hello");
	says(listener, "hello");
	ERR(recv(stranger, got, sizeof got, MSG_DONTWAIT), EAGAIN);
	OK(setsockopt(to, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off));
	OK(send(to, "not looped", 10, 0));
	says(member, "not looped");
	int on = 1;
	OK(setsockopt(to, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof on));
	OK(send(to, "last", 4, 0));
	says(member, "last");
	ERR(recv(member, got, sizeof got, MSG_DONTWAIT), EAGAIN);
}

static const struct test_case cases[] = {
	{ "memberships", memberships },
	{ "memberships6", memberships6 },
	{ "sources", sources },
	{ "filter", filter },
	{ "others_groups", others_groups },
};

TEST_MAIN(cases)
