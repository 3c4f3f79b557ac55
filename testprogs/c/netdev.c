// Interfaces and names, as libc asks for them: netlink, ioctl, getaddrinfo.
#include "test.h"
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

static void interface_addresses(const char *name)
{
	(void)name;
	struct ifaddrs *list;
	bool four = false, six = false;
	OK(getifaddrs(&list));
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || strcmp(i->ifa_name, "lo") != 0)
			continue;
		CHECK(i->ifa_flags & IFF_LOOPBACK);
		CHECK(i->ifa_flags & IFF_UP);
		struct sockaddr_in *in = (struct sockaddr_in *)i->ifa_addr;
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)i->ifa_addr;
		if (i->ifa_addr->sa_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
			struct sockaddr_in *mask = (struct sockaddr_in *)i->ifa_netmask;
			EQ(mask->sin_addr.s_addr, htonl(0xff000000));
			four = true;
		}
		if (i->ifa_addr->sa_family == AF_INET6)
			six = six || memcmp(&in6->sin6_addr, &in6addr_loopback, 16) == 0;
	}
	freeifaddrs(list);
	CHECK(four && six);
}

static void interface_index(const char *name)
{
	(void)name;
	char text[IF_NAMESIZE];
	EQ(if_nametoindex("lo"), 1);
	CHECK(if_indextoname(1, text) && strcmp(text, "lo") == 0);
	EQ(if_nametoindex("nonesuch0"), 0);
	EQ(errno, ENODEV);
	CHECK(!if_indextoname(9999, text));
	EQ(errno, ENXIO);
}

static void interface_list(const char *name)
{
	(void)name;
	struct if_nameindex *list = if_nameindex();
	CHECK(list);
	bool found = false;
	for (struct if_nameindex *i = list; i->if_index; i++) {
		EQ(if_nametoindex(i->if_name), i->if_index);
		found = found || strcmp(i->if_name, "lo") == 0;
	}
	if_freenameindex(list);
	CHECK(found);
}

static void configuration_ioctl(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq requests[32];
	struct ifconf conf = { .ifc_len = sizeof requests, .ifc_req = requests };
	OK(ioctl(fd, SIOCGIFCONF, &conf));
	CHECK(conf.ifc_len >= (int)sizeof(struct ifreq) && conf.ifc_len % sizeof(struct ifreq) == 0);
	EQ(strcmp(requests[0].ifr_name, "lo"), 0);
	struct sockaddr_in *in = (struct sockaddr_in *)&requests[0].ifr_addr;
	EQ(in->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	int filled = conf.ifc_len;
	conf.ifc_req = NULL;
	conf.ifc_len = 0;
	OK(ioctl(fd, SIOCGIFCONF, &conf));
	EQ(conf.ifc_len, filled);
}

static void interface_ioctls(const char *name)
{
	(void)name;
	int fds[] = { OK(socket(AF_INET, SOCK_DGRAM, 0)), OK(socket(AF_INET, SOCK_STREAM, 0)), OK(socket(AF_INET6, SOCK_DGRAM, 0)) };
	for (size_t i = 0; i < COUNT(fds); i++) {
		struct ifreq r = { .ifr_name = "lo" };
		OK(ioctl(fds[i], SIOCGIFFLAGS, &r));
		EQ(r.ifr_flags & (IFF_UP | IFF_LOOPBACK), IFF_UP | IFF_LOOPBACK);
		OK(ioctl(fds[i], SIOCGIFMTU, &r));
		CHECK(r.ifr_mtu >= 1280);
		OK(ioctl(fds[i], SIOCGIFINDEX, &r));
		EQ(r.ifr_ifindex, 1);
		memset(r.ifr_name, 0, sizeof r.ifr_name);
		OK(ioctl(fds[i], SIOCGIFNAME, &r));
		EQ(strcmp(r.ifr_name, "lo"), 0);
		OK(ioctl(fds[i], SIOCGIFHWADDR, &r));
		EQ(r.ifr_hwaddr.sa_family, 772);
		strcpy(r.ifr_name, "nonesuch0");
		ERR(ioctl(fds[i], SIOCGIFFLAGS, &r), ENODEV);
		ERR(ioctl(fds[i], SIOCGIFMTU, NULL), EFAULT);
	}
	struct ifreq r = { .ifr_name = "lo" };
	OK(ioctl(fds[0], SIOCGIFADDR, &r));
	EQ(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	OK(ioctl(fds[0], SIOCGIFNETMASK, &r));
	EQ(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr, htonl(0xff000000));
}

static void resolve_localhost(const char *name)
{
	(void)name;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	EQ(getaddrinfo("localhost", "80", &hints, &list), 0);
	bool loop = false;
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		EQ(port_of(*(union address *)a->ai_addr), 80);
		loop = loop || (a->ai_family == AF_INET &&
			((struct sockaddr_in *)a->ai_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK)) ||
			(a->ai_family == AF_INET6 &&
			memcmp(&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr, &in6addr_loopback, 16) == 0);
	}
	freeaddrinfo(list);
	CHECK(loop);
}

static void resolve_numeric(const char *name)
{
	(void)name;
	struct addrinfo hints = { .ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_DGRAM }, *list;
	EQ(getaddrinfo("127.0.0.1", "53", &hints, &list), 0);
	EQ(list->ai_family, AF_INET);
	freeaddrinfo(list);
	hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
	hints.ai_family = AF_INET6;
	EQ(getaddrinfo(NULL, "53", &hints, &list), 0);
	EQ(list->ai_family, AF_INET6);
	freeaddrinfo(list);
}

// The whole of what a client does: resolve, connect, talk.
static void connect_by_name(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4), fd = -1;
	char port[8];
	snprintf(port, sizeof port, "%u", local_port(l));
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list;
	EQ(getaddrinfo("localhost", port, &hints, &list), 0);
	for (struct addrinfo *a = list; a && fd == -1; a = a->ai_next) {
		fd = OK(socket(a->ai_family, a->ai_socktype, a->ai_protocol));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == -1) {
			EQ(errno, ECONNREFUSED);
			OK(close(fd));
			fd = -1;
		}
	}
	freeaddrinfo(list);
	CHECK(fd != -1);
	ping_pong(fd, OK(accept(l, NULL, NULL)));
}

static const struct test_case cases[] = {
	{ "getifaddrs", interface_addresses },
	{ "if_nametoindex", interface_index },
	{ "if_nameindex", interface_list },
	{ "siocgifconf", configuration_ioctl },
	{ "interface_ioctls", interface_ioctls },
	{ "localhost", resolve_localhost },
	{ "numeric", resolve_numeric },
	{ "connect_by_name", connect_by_name },
};

TEST_MAIN(cases)
