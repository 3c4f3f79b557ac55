// One function a system call; generate() picks one.

static void gen_bind(struct call *c, const struct target *t) { add_address(c, t, 1); }
static void gen_connect(struct call *c, const struct target *t) { add_address(c, t, 1); }

static void gen_listen(struct call *c, const struct target *t)
{
	(void)t;
	c->args[1] = boundary(c);
}

static void gen_accept(struct call *c, const struct target *t)
{
	(void)t;
	if (one_in(2))
		add_result_address(c, 1);
}

static void gen_accept4(struct call *c, const struct target *t)
{
	static const long flags[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK, 1, -1 };
	gen_accept(c, t);
	c->args[3] = PICK(flags);
	say(c, " %#lx", c->args[3]);
}

static void gen_name(struct call *c, const struct target *t)
{
	(void)t;
	add_result_address(c, 1);
}

static void gen_shutdown(struct call *c, const struct target *t)
{
	(void)t;
	c->args[1] = one_in(2) ? (long)below(3) : boundary(c);
	say(c, " %ld", c->args[1]);
}

static void gen_sendto(struct call *c, const struct target *t)
{
	bool good;
	if (t->family == AF_NETLINK) {
		char message[64];
		size_t size;
		netlink_message(c, message, &size);
		c->args[1] = (long)pointer(c, message, sizeof message, &good);
		c->args[2] = (long)size;
	} else {
		c->args[2] = send_size(c, t);
		c->args[1] = (long)pointer(c, payload, sizeof payload, &good);
	}
	c->args[3] = send_flags(c);
	if (one_in(2))
		add_address(c, t, 4);
}

static void gen_recvfrom(struct call *c, const struct target *t)
{
	bool good;
	c->args[2] = send_size(c, t);
	c->args[1] = (long)pointer(c, NULL, sizeof payload, &good);
	c->args[3] = receive_flags(c);
	if (one_in(2))
		add_result_address(c, 4);
}

static void gen_sendmsg(struct call *c, const struct target *t)
{
	struct msghdr m;
	bool good;
	send_header(c, t, &m);
	c->args[1] = (long)pointer(c, &m, sizeof m, &good);
	c->args[2] = send_flags(c);
}

static void gen_recvmsg(struct call *c, const struct target *t)
{
	struct msghdr m;
	bool good;
	receive_header(c, t, &m);
	c->args[1] = (long)pointer(c, &m, sizeof m, &good);
	c->args[2] = receive_flags(c);
	c->header = good ? (struct msghdr *)c->args[1] : NULL;
}

static void several(struct call *c, const struct target *t, void (*make)(struct call *, const struct target *, struct msghdr *))
{
	struct mmsghdr m[3] = { 0 };
	unsigned count = below(4);
	bool good;
	for (unsigned i = 0; i < count; i++)
		make(c, t, &m[i].msg_hdr);
	c->args[1] = (long)pointer(c, m, sizeof m, &good);
	c->args[2] = count;
	say(c, " x%u", count);
}

static void gen_sendmmsg(struct call *c, const struct target *t)
{
	several(c, t, send_header);
	c->args[3] = send_flags(c);
}

static void gen_recvmmsg(struct call *c, const struct target *t)
{
	static const struct timespec times[] = { { 0, 0 }, { 1000, 0 }, { 0, 2000000000 }, { -1, 0 }, { 0, -1 } };
	bool good;
	several(c, t, receive_header);
	c->args[3] = receive_flags(c);
	if (one_in(3)) {
		struct timespec time = PICK(times);
		say(c, " time %ld.%ld", time.tv_sec, time.tv_nsec);
		c->args[4] = (long)pointer(c, &time, sizeof time, &good);
	}
}

static void gen_option(struct call *c)
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_RAW, SOL_NETLINK, -1, 9999 };
	c->args[1] = PICK(levels);
	c->args[2] = one_in(20) ? boundary(c) : (long)below(80);
	say(c, " %ld/%ld", c->args[1], c->args[2]);
}

static void gen_setsockopt(struct call *c, const struct target *t)
{
	static const int values[] = { 0, 1, 2, 64, 255, 256, -1, -2, 65535, 0x7fffffff };
	static const int lengths[] = { 4, 4, 4, 0, 1, 2, 3, 8, 16, 20, 32, -1, 0x7fffffff };
	int content[16] = { PICK(values), PICK(values) };
	bool good;
	(void)t;
	gen_option(c);
	c->args[4] = PICK(lengths);
	say(c, " %d,%d length %ld", content[0], content[1], c->args[4]);
	c->args[3] = (long)pointer(c, content, sizeof content, &good);
}

static void gen_getsockopt(struct call *c, const struct target *t)
{
	static const int lengths[] = { 4, 4, 4, 0, 1, 2, 3, 8, 16, 32, 512, -1, 0x7fffffff };
	int length = PICK(lengths);
	bool good;
	(void)t;
	gen_option(c);
	c->args[3] = (long)pointer(c, NULL, 512, &good);
	say(c, " %d", length);
	c->args[4] = (long)pointer(c, &length, sizeof length, &good);
	c->length = good ? (int *)c->args[4] : NULL;
}

static void gen_ioctl(struct call *c, const struct target *t)
{
	char request[40] = { 0 };
	bool good;
	(void)t;
	// What may change something is asked of an interface that is not there.
	static const long reading[] = { SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC,
		SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFTXQLEN, SIOCGIFMAP };
	bool reads = one_in(2);
	strcpy(request, reads && !one_in(4) ? "lo" : "eth9");
	c->args[1] = reads ? PICK(reading) : 0x8905 + (long)below(0xfb);
	say(c, " %#lx %s", c->args[1], request);
	c->args[2] = (long)pointer(c, request, sizeof request, &good);
}

static void gen_socket(struct call *c, const struct target *t)
{
	static const int families[] = { AF_INET, AF_INET, AF_INET6, AF_INET6, AF_NETLINK, 0, 46, -1 };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, 0, 6, 9, SOCK_STREAM | SOCK_CLOEXEC, SOCK_DGRAM | SOCK_NONBLOCK, SOCK_DGRAM | 0x100, -1 };
	static const int protocols[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 255, 256, -1 };
	(void)t;
	c->args[0] = PICK(families);
	c->args[1] = PICK(types);
	c->args[2] = PICK(protocols);
	say(c, " %ld %#lx %ld", c->args[0], c->args[1], c->args[2]);
}

static const struct generator {
	const char *name;
	long number;
	unsigned weight;
	void (*make)(struct call *, const struct target *);
} generators[] = {
	{ "bind", SYS_bind, 3, gen_bind },
	{ "connect", SYS_connect, 3, gen_connect },
	{ "listen", SYS_listen, 1, gen_listen },
	{ "accept", SYS_accept, 1, gen_accept },
	{ "accept4", SYS_accept4, 1, gen_accept4 },
	{ "getsockname", SYS_getsockname, 2, gen_name },
	{ "getpeername", SYS_getpeername, 2, gen_name },
	{ "shutdown", SYS_shutdown, 1, gen_shutdown },
	{ "sendto", SYS_sendto, 4, gen_sendto },
	{ "recvfrom", SYS_recvfrom, 4, gen_recvfrom },
	{ "sendmsg", SYS_sendmsg, 5, gen_sendmsg },
	{ "recvmsg", SYS_recvmsg, 5, gen_recvmsg },
	{ "sendmmsg", SYS_sendmmsg, 3, gen_sendmmsg },
	{ "recvmmsg", SYS_recvmmsg, 3, gen_recvmmsg },
	{ "setsockopt", SYS_setsockopt, 4, gen_setsockopt },
	{ "getsockopt", SYS_getsockopt, 4, gen_getsockopt },
	{ "ioctl", SYS_ioctl, 2, gen_ioctl },
	{ "socket", SYS_socket, 1, gen_socket },
};

// Makes the next call on the target. Pointers point into memory.
static void generate(struct call *c, const struct target *t, struct memory *m)
{
	unsigned total = 0, at;
	*c = (struct call){ .memory = m };
	for (size_t i = 0; i < COUNT(generators); i++)
		total += generators[i].weight;
	at = below(total);
	for (size_t i = 0; i < COUNT(generators); i++) {
		const struct generator *g = &generators[i];
		if (at >= g->weight) {
			at -= g->weight;
			continue;
		}
		c->name = g->name;
		c->number = g->number;
		c->args[0] = t->fd;
		g->make(c, t);
		return;
	}
}
