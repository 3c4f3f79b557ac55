// struct msghdr and what hangs on it: vectors, control messages, payloads.

static const char payload[1000] = "a payload";

static void add_payload(struct call *c, const struct target *t, struct iovec *v)
{
	bool good;
	v->iov_len = (size_t)send_size(c, t);
	v->iov_base = pointer(c, payload, sizeof payload, &good);
}

static void *vector(struct call *c, const struct target *t, size_t *count)
{
	static const size_t counts[] = { 1, 1, 1, 0, 2, 3 };
	static const long wrong[] = { 4, 8, 1025, 0x7fffffff, -1 };
	struct iovec v[8] = { 0 };
	bool good;
	*count = PICK(counts);
	say(c, " [");
	for (size_t i = 0; i < *count; i++)
		add_payload(c, t, &v[i]);
	say(c, "]");
	void *at = pointer(c, v, sizeof v, &good);
	if (one_in(15)) {
		*count = (size_t)PICK(wrong);
		say(c, " of %ld", (long)*count);
	}
	return at;
}

// Control messages to send. Types that a kernel may lack are left out.
static void *control(struct call *c, size_t *length)
{
	static const struct { int level, type; size_t size; } rows[] = {
		{ IPPROTO_IP, IP_TTL, 4 }, { IPPROTO_IP, IP_TOS, 4 }, { IPPROTO_IP, IP_TOS, 1 },
		{ IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo) },
		{ IPPROTO_IPV6, IPV6_HOPLIMIT, 4 }, { IPPROTO_IPV6, IPV6_TCLASS, 4 },
		{ IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo) }, { IPPROTO_IPV6, 999, 4 },
		{ SOL_SOCKET, SCM_RIGHTS, 4 }, { SOL_SOCKET, SCM_CREDENTIALS, 12 }, { SOL_SOCKET, 999, 4 },
		{ IPPROTO_IP, 999, 4 }, { 999, 1, 4 },
	};
	static const int values[] = { 0, 1, 2, 64, 255, 256, -1, -2 };
	char buffer[256] = { 0 };
	size_t at = 0;
	bool good;
	say(c, " {");
	while (at < 128 && one_in(2)) {
		size_t row = below(COUNT(rows));
		struct cmsghdr h = { .cmsg_len = CMSG_LEN(rows[row].size), .cmsg_level = rows[row].level, .cmsg_type = rows[row].type };
		int value = PICK(values);
		say(c, " %d/%d/%zu=%d", h.cmsg_level, h.cmsg_type, rows[row].size, value);
		if (one_in(8))
			h.cmsg_len = (size_t)boundary(c);
		memcpy(buffer + at, &h, sizeof h);
		memcpy(buffer + at + CMSG_LEN(0), &value, sizeof value);
		at += CMSG_SPACE(rows[row].size);
	}
	say(c, " }");
	*length = at;
	void *p = pointer(c, buffer, sizeof buffer, &good);
	if (one_in(15))
		*length = (size_t)boundary(c);
	return p;
}

static void send_header(struct call *c, const struct target *t, struct msghdr *m)
{
	bool good;
	*m = (struct msghdr){ 0 };
	if (one_in(2)) {
		union address a;
		m->msg_namelen = (socklen_t)make_address(c, t, &a);
		m->msg_name = pointer(c, &a, sizeof a, &good);
		if (one_in(8))
			m->msg_namelen = (socklen_t)boundary(c);
	}
	m->msg_iov = vector(c, t, &m->msg_iovlen);
	if (one_in(2))
		m->msg_control = control(c, &m->msg_controllen);
}

static void receive_header(struct call *c, const struct target *t, struct msghdr *m)
{
	static const socklen_t names[] = { 128, 128, 16, 0, 3, (socklen_t)-1 };
	static const size_t controls[] = { 256, 256, 0, 8, 16, 20, 24, 40 };
	bool good;
	*m = (struct msghdr){ 0 };
	if (one_in(2)) {
		m->msg_namelen = PICK(names);
		say(c, " name %d", (int)m->msg_namelen);
		m->msg_name = pointer(c, NULL, sizeof(struct sockaddr_storage), &good);
	}
	m->msg_iov = vector(c, t, &m->msg_iovlen);
	if (one_in(2)) {
		m->msg_controllen = PICK(controls);
		say(c, " control %zu", m->msg_controllen);
		m->msg_control = pointer(c, NULL, 256, &good);
	}
}

// A request to the kernel, for netlink sockets.
static void netlink_message(struct call *c, char *out, size_t *size)
{
	static const uint16_t types[] = { RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE, RTM_NEWADDR, RTM_DELLINK, 0, NLMSG_DONE, 200, 65535 };
	struct nlmsghdr h = { .nlmsg_len = 32, .nlmsg_type = PICK(types), .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (one_in(2) ? NLM_F_DUMP : 0)), .nlmsg_seq = below(100) };
	if (one_in(6))
		h.nlmsg_len = (uint32_t)boundary(c);
	memset(out, 0, 64);
	memcpy(out, &h, sizeof h);
	for (int i = 16; i < 64 && one_in(2); i++)
		out[i] = (char)below(256);
	*size = 32 + below(32);
	say(c, " netlink %d %#x %zu", h.nlmsg_type, h.nlmsg_flags, *size);
}
