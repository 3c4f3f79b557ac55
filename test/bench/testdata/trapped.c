/* trapped: what each call costs that netbox traps, in nanoseconds, the median: one
 * line a call. What a call needs, and what it leaves, is made and taken away without
 * the clock.
 */
#include "client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* udp sends to itself; tcp and accepted are a connection; fd is the call's own. */
static int udp, listening, tcp, accepted, fd;
static struct sockaddr_in udp_name, tcp_name;

static void check(int result, const char *what)
{
	if (result < 0)
		fail(what);
}

static int named(int type, struct sockaddr_in *name)
{
	socklen_t size = sizeof *name;
	int s = socket(AF_INET, type, 0);

	*name = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	check(s, "socket");
	check(bind(s, (struct sockaddr *)name, size), "bind");
	check(getsockname(s, (struct sockaddr *)name, &size), "getsockname");
	return s;
}

void begin_trapped(void)
{
	udp = named(SOCK_DGRAM, &udp_name);
	listening = named(SOCK_STREAM, &tcp_name);
	check(listen(listening, 64), "listen");
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	check(connect(tcp, (struct sockaddr *)&tcp_name, sizeof tcp_name), "connect");
	accepted = accept(listening, NULL, NULL);
	check(accepted, "accept");
}

static void new_tcp(void) { check(fd = socket(AF_INET, SOCK_STREAM, 0), "socket"); }
static void new_udp(void) { check(fd = socket(AF_INET, SOCK_DGRAM, 0), "socket"); }
static void drop(void) { close(fd); }

static void call_bind(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };

	check(bind(fd, (struct sockaddr *)&any, sizeof any), "bind");
}

static void new_bound(void) { new_tcp(); call_bind(); }
static void call_listen(void) { check(listen(fd, 8), "listen"); }
static void connect_udp(void) { check(connect(fd, (struct sockaddr *)&udp_name, sizeof udp_name), "connect"); }
static void connect_tcp(void) { check(connect(fd, (struct sockaddr *)&tcp_name, sizeof tcp_name), "connect"); }

/* The other end goes, too, and with a reset: no port is to be left in TIME-WAIT. */
static void reset(int s)
{
	struct linger none = { 1, 0 };

	check(setsockopt(s, SOL_SOCKET, SO_LINGER, &none, sizeof none), "SO_LINGER");
	close(s);
}

static void drop_connected(void)
{
	reset(fd);
	close(accept(listening, NULL, NULL));
}

static int taken;
static void new_connected(void) { new_tcp(); connect_tcp(); }
static void call_accept(void) { check(taken = accept(listening, NULL, NULL), "accept"); }
static void drop_accepted(void) { reset(fd); close(taken); }

void get_name(void)
{
	struct sockaddr_in a;
	socklen_t size = sizeof a;

	check(getsockname(udp, (struct sockaddr *)&a, &size), "getsockname");
}

static void get_peer(void)
{
	struct sockaddr_in a;
	socklen_t size = sizeof a;

	check(getpeername(tcp, (struct sockaddr *)&a, &size), "getpeername");
}

static void get_option(void)
{
	int value;
	socklen_t size = sizeof value;

	check(getsockopt(tcp, SOL_SOCKET, SO_ERROR, &value, &size), "getsockopt");
}

static void set_option(void)
{
	int one = 1;

	check(setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "setsockopt");
}

static void call_shutdown(void) { check(shutdown(fd, SHUT_WR), "shutdown"); }

static void send_to(void) { check(sendto(udp, "x", 1, 0, (struct sockaddr *)&udp_name, sizeof udp_name), "sendto"); }

static void receive_from(void)
{
	struct sockaddr_in a;
	socklen_t size = sizeof a;

	check(recvfrom(udp, buffer, 8, 0, (struct sockaddr *)&a, &size), "recvfrom");
}

static void send_message(void)
{
	struct iovec v = { "x", 1 };
	struct msghdr m = { &udp_name, sizeof udp_name, &v, 1 };

	check(sendmsg(udp, &m, 0), "sendmsg");
}

static void receive_message(void)
{
	struct sockaddr_in a;
	struct iovec v = { buffer, 8 };
	struct msghdr m = { &a, sizeof a, &v, 1 };

	check(recvmsg(udp, &m, 0), "recvmsg");
}

static void get_flags(void)
{
	struct ifreq r = { .ifr_name = "lo" };

	check(ioctl(udp, SIOCGIFFLAGS, &r), "SIOCGIFFLAGS");
}

static void call_open_only(void) { check(fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC), "open"); }

static const struct {
	const char *name;
	void (*before)(void), (*call)(void), (*after)(void);
} calls[] = {
	{ "socket, TCP", NULL, new_tcp, drop },
	{ "socket, UDP", NULL, new_udp, drop },
	{ "bind, TCP", new_tcp, call_bind, drop },
	{ "listen", new_bound, call_listen, drop },
	{ "connect, UDP", new_udp, connect_udp, drop },
	{ "connect, TCP within the box", new_tcp, connect_tcp, drop_connected },
	{ "accept", new_connected, call_accept, drop_accepted },
	{ "shutdown", new_connected, call_shutdown, drop_connected },
	{ "getsockname", NULL, get_name, NULL },
	{ "getpeername", NULL, get_peer, NULL },
	{ "getsockopt, SO_ERROR", NULL, get_option, NULL },
	{ "setsockopt, SO_REUSEADDR", NULL, set_option, NULL },
	{ "sendto", NULL, send_to, receive_from },
	{ "recvfrom", send_to, receive_from, NULL },
	{ "sendmsg", NULL, send_message, receive_from },
	{ "recvmsg", send_to, receive_message, NULL },
	{ "ioctl, SIOCGIFFLAGS", NULL, get_flags, NULL },
	{ "open", NULL, call_open_only, drop },
};

void trapped(void)
{
	begin_trapped();
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		printf("%s: %.0f\n", calls[i].name, median_of(calls[i].before, calls[i].call, calls[i].after));
	exit(0);
}
