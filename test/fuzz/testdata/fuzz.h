// Shared by the fuzzers: a generator of hostile system calls. A call is a
// function of the random numbers and of the target alone, so that the same
// seed gives the same call again, alone or in a sequence.
#ifndef FUZZ_H
#define FUZZ_H
#include "args.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdatomic.h>
#include <sys/mman.h>

// ---- random numbers: splitmix64 ----

static __thread uint64_t random_state;

static uint64_t random_next(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned below(unsigned n) { return (unsigned)(random_next() % n); }
static bool one_in(unsigned n) { return below(n) == 0; }

#define PICK(array) ((array)[below(COUNT(array))])

// ---- memory ----

enum { ARENA = 1 << 16, PAGE = 4096 };

// What a call's pointers point to: an arena that ends at a page nobody may
// touch, and a page that may be read only.
struct memory {
	char *arena, *readonly;
	size_t used;
};

static struct memory new_memory(void)
{
	struct memory m = { 0 };
	m.arena = mmap(NULL, ARENA + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(m.arena != MAP_FAILED);
	OK(mprotect(m.arena + ARENA, PAGE, PROT_NONE));
	m.readonly = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(m.readonly != MAP_FAILED);
	return m;
}

// ---- the call under construction ----

struct target {
	int fd;
	const char *kind;
	int family, type;
	uint16_t own, peer; // ports
};

struct call {
	const char *name;
	long number, args[6];
	struct memory *memory;
	char text[512];
	// What the call may fill in, told after it; NULL if not to be looked at.
	int *length;
	struct sockaddr_storage *address;
	struct msghdr *header;
};

static void say(struct call *c, const char *format, ...)
{
	size_t n = strlen(c->text);
	va_list args;
	va_start(args, format);
	vsnprintf(c->text + n, sizeof c->text - n, format, args);
	va_end(args);
}

// Room in the arena, in its first half; the second half's end is the edge.
static void *room(struct call *c, size_t size)
{
	struct memory *m = c->memory;
	if (m->used + size + 16 > ARENA / 2)
		m->used = 0;
	void *at = m->arena + m->used;
	m->used = (m->used + size + 15) & ~(size_t)15;
	return at;
}

// A pointer to a copy of content, or a bad one: NULL, an unmapped page, the
// kernel's half, beyond everything, memory that ends too early, a page that
// may not be written. *good tells whether the whole content is there.
static void *pointer(struct call *c, const void *content, size_t size, bool *good)
{
	char *edge = c->memory->arena + ARENA;
	*good = false;
	switch (one_in(5) ? below(8) : 7) {
	case 0: say(c, " NULL"); return NULL;
	case 1: say(c, " bad"); return BAD_POINTER;
	case 2: say(c, " kernel"); return (void *)0xffff800000001000;
	case 3: say(c, " -1"); return (void *)-1;
	case 4:
		say(c, " short");
		if (content)
			memcpy(edge - size / 2, content, size / 2);
		return edge - size / 2;
	case 5: say(c, " readonly"); return c->memory->readonly;
	case 6:
		say(c, " edge");
		*good = true;
		if (content)
			memcpy(edge - size, content, size);
		return edge - size;
	}
	void *at = room(c, size);
	*good = true;
	if (content)
		memcpy(at, content, size);
	else
		memset(at, 0, size);
	return at;
}

// ---- values ----

static long boundary(struct call *c)
{
	static const long values[] = { 0, 1, 2, 3, 4, 7, 8, 15, 16, 28, 64, 127, 128, 129, 255, 256, 1024, 1025, 4096,
		65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, -1, -2, 0x100000000, INT64_MIN };
	long v = PICK(values);
	say(c, " %ld", v);
	return v;
}

static long send_size(struct call *c, const struct target *t)
{
	static const long small[] = { 0, 1, 3, 100, 1000 };
	static const long large[] = { 65507, 65508, 0x7fffffff, -1 };
	long v = t->type != SOCK_STREAM && one_in(6) ? PICK(large) : PICK(small);
	say(c, " %ld", v);
	return v;
}

static long send_flags(struct call *c)
{
	static const int bits[] = { MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_PROXY, MSG_TRUNC, MSG_DONTWAIT, MSG_EOR,
		MSG_WAITALL, MSG_FIN, MSG_SYN, MSG_CONFIRM, MSG_RST, MSG_ERRQUEUE, MSG_NOSIGNAL, MSG_MORE, MSG_WAITFORONE,
		MSG_CMSG_CLOEXEC, 1 << 30, (int)0x80000000 };
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	while (one_in(2))
		flags |= PICK(bits);
	say(c, " %#x", flags);
	return flags;
}

static long receive_flags(struct call *c)
{
	static const int bits[] = { MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC, MSG_EOR, MSG_WAITALL, MSG_ERRQUEUE,
		MSG_NOSIGNAL, MSG_MORE, MSG_WAITFORONE, MSG_CMSG_CLOEXEC, 1 << 30, (int)0x80000000 };
	int flags = MSG_DONTWAIT;
	while (one_in(2))
		flags |= PICK(bits);
	say(c, " %#x", flags);
	return flags;
}

// An address that a socket of any family may be given, and its right length.
static int make_address(struct call *c, const struct target *t, union address *a)
{
	static const char *const v4[] = { "127.0.0.1", "127.0.0.1", "127.0.0.1", "0.0.0.0", "127.1.2.3", "192.0.2.99", "224.0.0.251", "255.255.255.255", "240.0.0.1" };
	static const char *const v6[] = { "::1", "::1", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "2001:db8::99", "fe80::1", "ff02::1", "::127.0.0.1" };
	static const int families[] = { AF_UNSPEC, AF_UNIX, AF_NETLINK, AF_PACKET, 46, 255, 65535 };
	const uint16_t ports[] = { t->peer, t->peer, t->peer, 0, t->own };
	uint16_t port = PICK(ports);
	const char *host;
	*a = (union address){ 0 };
	int family = one_in(12) ? PICK(families) : one_in(6) ? AF_INET + AF_INET6 - t->family : t->family;
	if (family == AF_INET) {
		host = PICK(v4);
		inet_pton(AF_INET, host, &a->in.sin_addr);
	} else if (family == AF_INET6) {
		host = PICK(v6);
		inet_pton(AF_INET6, host, &a->in6.sin6_addr);
		if (one_in(5))
			a->in6.sin6_scope_id = below(3);
	} else {
		host = "family";
	}
	a->in.sin_family = (sa_family_t)family;
	a->in.sin_port = htons(port);
	say(c, " %s/%d:%s%%%d", host, family, port == 0 ? "0" : port == t->peer ? "peer" : "own",
	    family == AF_INET6 ? (int)a->in6.sin6_scope_id : 0);
	return family == AF_INET6 ? sizeof a->in6 : sizeof a->in;
}

static void add_address(struct call *c, const struct target *t, int at)
{
	union address a;
	bool good;
	int len = make_address(c, t, &a);
	c->args[at] = (long)pointer(c, &a, sizeof a, &good);
	c->args[at + 1] = one_in(6) ? boundary(c) : len;
}

// A pair of pointers where the kernel stores an address and its length.
static void add_result_address(struct call *c, int at)
{
	static const int lengths[] = { 16, 28, 128, 128, 0, 1, 2, 3, 15, -1, 0x7fffffff };
	int length = PICK(lengths);
	bool good, good_length;
	say(c, " (");
	void *address = pointer(c, NULL, sizeof(struct sockaddr_storage), &good);
	say(c, " %d", length);
	c->args[at] = (long)address;
	c->args[at + 1] = (long)pointer(c, &length, sizeof length, &good_length);
	say(c, ")");
	c->length = good_length ? (int *)c->args[at + 1] : NULL;
	// Of a port whose half alone is stored nobody knows whose it is.
	c->address = good && good_length && length != 3 ? address : NULL;
}

#include "message.h"
#include "generate.h"
#endif
