// MSG_MORE and UDP_CORK: several sends make one datagram. Each line is compared
// with a native run's.
#include "test.h"
#include <netinet/udp.h>

static int family, receiver, sender;
static char large[65535];

static int corked(void)
{
	int v = -1;
	socklen_t length = sizeof v;
	OK(getsockopt(sender, IPPROTO_UDP, UDP_CORK, &v, &length));
	return v;
}

static void tell(const char *what, long result)
{
	int off = 0, error = errno;
	printf("%d %s → ", family == AF_INET ? 4 : 6, what);
	if (result < 0)
		printf("%s", strerrorname_np(error));
	else
		printf("%ld", result);
	printf(", received");
	// Under netbox what was written is sent with the next trapped call at the latest.
	OK(setsockopt(sender, SOL_SOCKET, SO_BROADCAST, &off, sizeof off));
	for (;;) {
		char data[70000];
		ssize_t n = recv(receiver, data, sizeof data, MSG_DONTWAIT);
		if (n < 0)
			break;
		printf(" %zd:%.*s", n, n < 20 ? (int)n : 0, data);
	}
	printf("\n");
}

static long to_receiver(const char *text, int flags)
{
	union address a = local_address(receiver);
	return sendto(sender, text, strlen(text), flags, &a.any, address_len(family));
}

// An address that nobody has.
static long elsewhere(const char *text, int flags)
{
	union address a = loopback(family, 0);
	return sendto(sender, text, strlen(text), flags, &a.any, address_len(family));
}

static long message(const char *text, int flags)
{
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	return sendmsg(sender, &m, flags);
}

static long bad_pointer(void)
{
	union address a = local_address(receiver);
	return sendto(sender, (void *)1, 5, 0, &a.any, address_len(family));
}

static int cork(int on) { return setsockopt(sender, IPPROTO_UDP, UDP_CORK, &on, sizeof on); }

static void unconnected(void)
{
	tell("more", to_receiver("one ", MSG_MORE));
	tell("more elsewhere", elsewhere("two ", MSG_MORE));
	tell("nowhere", message("three", 0));
	tell("alone", to_receiver("four", 0));
	tell("empty more", to_receiver("", MSG_MORE));
	tell("empty", to_receiver("", 0));
	tell("nowhere more", message("five", MSG_MORE));
	tell("port 0 more", elsewhere("six", MSG_MORE));
	tell("more", to_receiver("seven ", MSG_MORE));
	tell("bad pointer", bad_pointer());
	tell("nothing left", to_receiver("eight", 0));
	tell("more", to_receiver("nine ", MSG_MORE));
	tell("out of band", to_receiver("ten", MSG_OOB));
	tell("end", to_receiver("eleven", 0));
}

static void connected(void)
{
	tell("more", send(sender, "one ", 4, MSG_MORE));
	tell("write", write(sender, "two", 3));
	tell("write", write(sender, "three", 5));
	tell("more", send(sender, "four ", 5, MSG_MORE));
	tell("sendmsg more", message("five ", MSG_MORE));
	struct iovec iov = { "six ", 4 };
	struct mmsghdr many[2] = { { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } }, { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } } };
	tell("sendmmsg more", sendmmsg(sender, many, 2, MSG_MORE));
	tell("sendmmsg", sendmmsg(sender, many, 2, 0));
}

static void option(void)
{
	tell("cork", cork(1));
	tell("is corked", corked());
	tell("write", write(sender, "one ", 4));
	tell("send", send(sender, "two ", 4, 0));
	tell("sendmsg", message("three", 0));
	tell("uncork", cork(0));
	tell("is corked", corked());
	tell("cork", cork(-1));
	tell("is corked", corked());
	tell("uncork with nothing", cork(0));
	tell("more", send(sender, "four ", 5, MSG_MORE));
	tell("uncork", cork(0));
}

// Errors throw away what waits.
static void lengths(void)
{
	tell("more", send(sender, large, 60000, MSG_MORE));
	tell("more", send(sender, large, 5000, MSG_MORE));
	tell("too much", send(sender, large, 5000, MSG_MORE));
	tell("nothing left", message("one", 0));
	tell("more", send(sender, large, 60000, MSG_MORE));
	tell("exactly", message("two", 0));
	tell("more", send(sender, "three", 5, MSG_MORE));
	OK(shutdown(sender, SHUT_WR));
	tell("shut", message("four", 0));
	tell("more", message("five", MSG_MORE));
}

static void gathers(const char *name)
{
	(void)name;
	static const int families[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < COUNT(families); i++) {
		family = families[i];
		receiver = bound(family, SOCK_DGRAM);
		sender = bound(family, SOCK_DGRAM);
		unconnected();
		OK(connect_fd(sender, receiver));
		connected();
		option();
		lengths();
		close(sender);
		close(receiver);
	}
	fflush(stdout);
}

static const struct test_case cases[] = {
	{ "gathers", gathers },
};

TEST_MAIN(cases)
