// calls SEED FIRST COUNT [CALL...]: scenes of random system calls, each on
// sockets of its own, whose results are the kernel's alone to decide: nothing
// blocks, nothing races, and what the network does is awaited. A line each:
//
//	scene.call name arguments → result
//
// FIRST and COUNT say which scenes. With CALLs, only those of each scene are
// made; the arguments of a call do not depend on the others.
#include "fuzz.h"

enum { CALLS_IN_SCENE = 8, LIMIT = 300 };

// What the scene has besides the target: its peer, and a socket at the port
// that addresses name.
struct scene {
	struct target target;
	int peer, other;
	size_t unread; // bytes that have been sent to the target's peer
};

static void nonblocking(int fd) { OK(fcntl(fd, F_SETFL, O_NONBLOCK)); }

static void make_fresh(struct scene *s)
{
	s->target.fd = OK(socket(s->target.family, s->target.type | SOCK_NONBLOCK, 0));
	s->other = s->target.type == SOCK_STREAM ? listener(s->target.family, 128) : bound(s->target.family, SOCK_DGRAM);
	s->target.peer = local_port(s->other);
}

static void make_listening(struct scene *s)
{
	s->other = -1;
	s->target.fd = listener(s->target.family, 4);
	s->target.peer = s->target.own = local_port(s->target.fd);
	nonblocking(s->target.fd);
	if (one_in(2)) {
		s->peer = connect_to(s->target.fd);
		EQ(poll_one(s->target.fd, POLLIN, 10000), POLLIN);
	}
}

static void make_established(struct scene *s)
{
	struct pair p = tcp_pair(s->target.family);
	s->other = listener(s->target.family, 128);
	s->target.peer = local_port(s->other);
	s->target.fd = p.client;
	s->peer = p.server;
	nonblocking(p.client);
	nonblocking(p.server);
}

static void make_joined(struct scene *s)
{
	make_fresh(s);
	s->peer = dup(s->other);
	OK(connect_fd(s->target.fd, s->other));
}

static void make_netlink(struct scene *s)
{
	s->other = -1;
	s->target.fd = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE));
}

static void make_other(struct scene *s)
{
	s->other = -1;
	s->target.fd = one_in(3) ? NEVER_OPEN : one_in(2) ? make_file() : make_pipe();
}

static const struct kind {
	const char *name;
	int family, type;
	void (*make)(struct scene *);
} kinds[] = {
	{ "tcp", AF_INET, SOCK_STREAM, make_fresh }, { "tcp6", AF_INET6, SOCK_STREAM, make_fresh },
	{ "udp", AF_INET, SOCK_DGRAM, make_fresh }, { "udp6", AF_INET6, SOCK_DGRAM, make_fresh },
	{ "listener", AF_INET, SOCK_STREAM, make_listening }, { "listener6", AF_INET6, SOCK_STREAM, make_listening },
	{ "connected", AF_INET, SOCK_STREAM, make_established }, { "connected6", AF_INET6, SOCK_STREAM, make_established },
	{ "joined", AF_INET, SOCK_DGRAM, make_joined }, { "joined6", AF_INET6, SOCK_DGRAM, make_joined },
	{ "netlink", AF_NETLINK, SOCK_RAW, make_netlink }, { "other", AF_INET, SOCK_STREAM, make_other },
};

static void tell_address(const struct target *t, const union address *a, int len)
{
	char host[64] = "?";
	int family = a->any.sa_family;
	if (len < 16) {
		printf(" address of %d", len);
		return;
	}
	if (family != AF_INET && family != AF_INET6) {
		printf(" family %d", family);
		return;
	}
	inet_ntop(family, family == AF_INET ? (void *)&a->in.sin_addr : (void *)&a->in6.sin6_addr, host, sizeof host);
	uint16_t port = port_of(*a);
	printf(" %s %s", host, port == 0 ? "0" : port == t->peer ? "peer" : port == t->own ? "own" : "some");
}

static void tell(const struct scene *s, const struct call *c, long result, int number)
{
	printf("%s %s%s → ", c->name, s->target.kind, c->text);
	if (result < 0)
		printf("%s", errno_name(number));
	else if (c->number == SYS_socket || c->number == SYS_accept || c->number == SYS_accept4)
		printf("ok");
	else
		printf("%ld", result);
	if (result >= 0 && c->length && c->address)
		tell_address(&s->target, (void *)c->address, *c->length);
	if (c->length)
		printf(" length %d", *c->length);
	if (result >= 0 && c->header)
		printf(" flags %#x name %d control %zu", c->header->msg_flags, (int)c->header->msg_namelen, c->header->msg_controllen);
	putchar('\n');
}

static int queued(int fd)
{
	int n = 0;
	return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 ? n : 0;
}

// Waits for what the call has begun: the outcome of a connect, bytes on their
// way to the peer. Bounded, for what never comes: a peer that is shut.
static void settle(struct scene *s, const struct call *c, long result, int number)
{
	if (c->number == SYS_connect && result < 0 && number == EINPROGRESS)
		poll_one(s->target.fd, POLLOUT, 2000);
	if (c->number == SYS_shutdown && result == 0 && s->peer >= 0)
		poll_one(s->peer, POLLRDHUP, 100);
	if (c->number == SYS_connect && s->target.type == SOCK_STREAM && s->other >= 0 && result == 0)
		poll_one(s->other, POLLIN, 100);
	bool sends = c->number == SYS_sendto || c->number == SYS_sendmsg || c->number == SYS_sendmmsg;
	if (!sends || result <= 0 || s->peer < 0)
		return;
	if (s->target.type == SOCK_DGRAM) {
		poll_one(s->peer, POLLIN, 100);
		return;
	}
	if (c->number != SYS_sendmmsg)
		s->unread += (size_t)result;
	for (int i = 0; i < 100 && queued(s->peer) < (int)s->unread; i++)
		sleep_ms(1);
}

// What the far side does between the target's calls.
static void far_side(struct scene *s, int scene, int i)
{
	switch (below(8)) {
	case 0:
		if (s->target.type == SOCK_STREAM && shutdown(s->peer, SHUT_WR) == 0) {
			printf("%d.%d far side: shutdown\n", scene, i);
			poll_one(s->target.fd, POLLRDHUP, 1000);
		}
		return;
	case 1: case 2: case 3: {
		int before = queued(s->target.fd);
		ssize_t n;
		if (s->target.type == SOCK_STREAM)
			n = send(s->peer, payload, 10, MSG_DONTWAIT | MSG_NOSIGNAL);
		else {
			union address a = local_address(s->target.fd);
			n = sendto(s->peer, payload, 10, MSG_DONTWAIT, &a.any, address_len(s->target.family));
		}
		printf("%d.%d far side: send → %zd\n", scene, i, n);
		for (int j = 0; n > 0 && j < 100 && queued(s->target.fd) == before; j++)
			sleep_ms(1);
		return;
	}
	}
}

static void seed_call(uint64_t seed, int scene, int call)
{
	random_state = seed * 1000003 + (uint64_t)scene * 1009 + (uint64_t)call;
	random_next();
}

static void play(uint64_t seed, int scene, const bool *chosen)
{
	struct memory m = new_memory();
	seed_call(seed, scene, 0);
	const struct kind *k = &PICK(kinds);
	struct scene s = { .target = { .kind = k->name, .family = k->family, .type = k->type, .own = (uint16_t)(10000 + scene % 20000) }, .peer = -1 };
	k->make(&s);
	for (int i = 1; i <= CALLS_IN_SCENE; i++) {
		struct call c;
		if (!chosen[i])
			continue;
		seed_call(seed, scene, i);
		if (s.peer >= 0 && k->make != make_listening)
			far_side(&s, scene, i);
		seed_call(seed, scene, 1000 + i);
		memset(m.arena, 0, ARENA);
		m.used = 0;
		generate(&c, &s.target, &m);
		errno = 0;
		long result = syscall(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5]);
		int number = errno;
		printf("%d.%d ", scene, i);
		tell(&s, &c, result, number);
		settle(&s, &c, result, number);
		if (result > 0 && (c.number == SYS_socket || c.number == SYS_accept || c.number == SYS_accept4))
			close((int)result);
	}
	drop(s.target.fd);
	drop(s.peer);
	drop(s.other);
	munmap(m.arena, ARENA + PAGE);
	munmap(m.readonly, PAGE);
}

int main(int argc, char **argv)
{
	bool chosen[CALLS_IN_SCENE + 1];
	if (argc < 4)
		FAIL("usage: calls SEED FIRST COUNT [CALL...]");
	signal(SIGPIPE, SIG_IGN);
	set_limit(LIMIT);
	for (int i = 0; i <= CALLS_IN_SCENE; i++)
		chosen[i] = argc == 4;
	for (int i = 4; i < argc; i++) {
		int call = atoi(argv[i]);
		CHECK(call >= 1 && call <= CALLS_IN_SCENE);
		chosen[call] = true;
	}
	int first = atoi(argv[2]), count = atoi(argv[3]);
	for (int scene = first; scene < first + count; scene++)
		play(strtoull(argv[1], NULL, 10), scene, chosen);
	return 0;
}
