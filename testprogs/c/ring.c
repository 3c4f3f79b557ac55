// The receive ring of packet sockets (PACKET_RX_RING), which libpcap reads by:
// frames that the program takes and gives back without a call, and poll(2),
// which tells whether there are any.
#include "packet.h"
#include <sys/epoll.h>
#include <sys/select.h>

enum { FRAME = 2048, FRAMES = 8, SIZE = FRAME * FRAMES };

struct ring {
	int fd, version;
	unsigned next;
	unsigned char *memory;
	int a, b; // UDP sockets, whose traffic the ring gets
};

static struct tpacket_req request(void)
{
	return (struct tpacket_req){ .tp_block_size = 4096, .tp_block_nr = SIZE / 4096, .tp_frame_size = FRAME, .tp_frame_nr = FRAMES };
}

static struct ring ring_of(int version)
{
	struct ring r = { .version = version, .a = bound(AF_INET, SOCK_DGRAM), .b = bound(AF_INET, SOCK_DGRAM) };
	struct tpacket_req q = request();
	struct sockaddr_ll lo = on("lo", ETH_P_IP);
	r.fd = packet_socket(SOCK_RAW, 0);
	filter_port(r.fd, ETH_HLEN, local_port(r.b), 0xffff);
	OK(set_int(r.fd, SOL_PACKET, PACKET_VERSION, version));
	OK(setsockopt(r.fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q));
	r.memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, 0);
	CHECK(r.memory != MAP_FAILED);
	OK(bind(r.fd, (struct sockaddr *)&lo, sizeof lo));
	return r;
}

// The status word of a frame: of TPACKET_V1's long, the lower half.
static volatile uint32_t *status(struct ring *r, unsigned i) { return (volatile uint32_t *)(r->memory + i * FRAME); }

static bool has_packet(struct ring *r) { return __atomic_load_n(status(r, r->next), __ATOMIC_ACQUIRE) & TP_STATUS_USER; }

// Takes a packet of n bytes of UDP payload.
static void take(struct ring *r, unsigned n)
{
	CHECK(has_packet(r));
	unsigned char *frame = r->memory + r->next * FRAME;
	unsigned length, snaplen, mac, net, sll;
	uint32_t sec;
	if (r->version == TPACKET_V1) {
		struct tpacket_hdr *h = (void *)frame;
		length = h->tp_len, snaplen = h->tp_snaplen, mac = h->tp_mac, net = h->tp_net, sec = h->tp_sec;
		CHECK(h->tp_usec < 1000000);
		sll = TPACKET_ALIGN(sizeof *h);
	} else {
		struct tpacket2_hdr *h = (void *)frame;
		length = h->tp_len, snaplen = h->tp_snaplen, mac = h->tp_mac, net = h->tp_net, sec = h->tp_sec;
		CHECK(h->tp_nsec < 1000000000);
		sll = TPACKET_ALIGN(sizeof *h);
	}
	EQ(length, ETH_HLEN + 28 + n);
	EQ(snaplen, length < FRAME - mac ? length : FRAME - mac);
	EQ(mac, 66);
	EQ(net, 80);
	CHECK(labs((long)time(NULL) - (long)sec) < 3600);
	struct sockaddr_ll from;
	memcpy(&from, frame + sll, sizeof from);
	EQ(from.sll_family, AF_PACKET);
	EQ(from.sll_ifindex, if_nametoindex("lo"));
	EQ(from.sll_pkttype, PACKET_HOST);
	EQ(ntohs(from.sll_protocol), ETH_P_IP);
	EQ(from.sll_halen, 6);
	EQ(frame[net], 0x45);
	EQ(frame[mac + snaplen - 1], 'x');
	__atomic_store_n(status(r, r->next), TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	r->next = (r->next + 1) % FRAMES;
}

static void packets(int version)
{
	struct ring r = ring_of(version);
	for (unsigned i = 1; i <= 5 * FRAMES; i++) {
		send_udp(r.a, r.b, i);
		EQ(poll_one(r.fd, POLLIN, 10000), POLLIN);
		take(&r, i);
		// Nothing is left: poll waits again, however often it is asked.
		for (int look = 0; look < 3; look++)
			EQ(poll_one(r.fd, POLLIN, 0), 0);
	}
	CHECK(!has_packet(&r));
}

static void packets_v1(const char *name) { (void)name; packets(TPACKET_V1); }
static void packets_v2(const char *name) { (void)name; packets(TPACKET_V2); }

// poll tells POLLIN until the last packet is given back.
static void several(const char *name)
{
	(void)name;
	struct ring r = ring_of(TPACKET_V2);
	for (unsigned i = 1; i <= 3; i++)
		send_udp(r.a, r.b, i);
	while (!(*status(&r, 2) & TP_STATUS_USER))
		EQ(poll_one(r.fd, POLLIN, 10000), POLLIN);
	for (unsigned i = 1; i <= 3; i++) {
		EQ(poll_one(r.fd, POLLIN, 0), POLLIN);
		take(&r, i);
	}
	EQ(poll_one(r.fd, POLLIN, 0), 0);
}

static void *send_later(void *p)
{
	struct ring *r = p;
	sleep_ms(100);
	send_udp(r->a, r->b, 9);
	return NULL;
}

// A packet wakes a thread that sleeps in poll, select or epoll_wait; after it
// was taken those sleep again, until their time is over.
static void waits(const char *name)
{
	(void)name;
	struct ring r = ring_of(TPACKET_V2);
	int e = OK(epoll_create1(0));
	struct epoll_event event = { .events = EPOLLIN, .data.fd = r.fd }, got;
	OK(epoll_ctl(e, EPOLL_CTL_ADD, r.fd, &event));
	for (int how = 0; how < 6; how++) {
		fd_set set;
		struct timeval tv = { 10, 0 }, none = { 0, 20000 };
		struct timespec ts = { 10, 0 }, short_ts = { 0, 20000000 };
		struct pollfd p = { .fd = r.fd, .events = POLLIN };
		pthread_t thread = start(send_later, &r);
		for (int again = 0; again < 2; again++) {
			int n = -1;
			FD_ZERO(&set);
			FD_SET(r.fd, &set);
			switch (how) {
			case 0: n = poll(&p, 1, again ? 20 : 10000); break;
			case 1: n = ppoll(&p, 1, again ? &short_ts : &ts, NULL); break;
			case 2: n = select(r.fd + 1, &set, NULL, NULL, again ? &none : &tv); break;
			case 3: n = pselect(r.fd + 1, &set, NULL, NULL, again ? &short_ts : &ts, NULL); break;
			case 4: n = epoll_wait(e, &got, 1, again ? 20 : 10000); break;
			case 5: n = epoll_pwait(e, &got, 1, again ? 20 : 10000, NULL); break;
			}
			EQ(n, !again);
			if (!again)
				take(&r, 9);
		}
		join(thread);
	}
}

static volatile sig_atomic_t alarms;
static void on_alarm(int signal) { (void)signal; alarms++; }

// poll is interrupted by a signal with a handler, whatever SA_RESTART says.
static void interrupted(const char *name)
{
	(void)name;
	struct ring r = ring_of(TPACKET_V2);
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval t = { .it_value.tv_usec = 50000 };
	OK(sigaction(SIGALRM, &action, NULL));
	for (unsigned i = 1; i <= 2; i++) {
		if (i == 2) {
			send_udp(r.a, r.b, 1);
			EQ(poll_one(r.fd, POLLIN, 10000), POLLIN);
			take(&r, 1);
		}
		struct pollfd p = { .fd = r.fd, .events = POLLIN };
		OK(setitimer(ITIMER_REAL, &t, NULL));
		ERR(poll(&p, 1, -1), EINTR);
		EQ(alarms, i);
	}
}

// What does not fit is dropped and counted; what came first stays.
static void overflow(const char *name)
{
	(void)name;
	struct ring r = ring_of(TPACKET_V2);
	struct tpacket_stats s, sum = { 0 };
	for (unsigned i = 1; i <= FRAMES + 3; i++)
		send_udp(r.a, r.b, i);
	for (int look = 0; sum.tp_packets < FRAMES + 3 && look < 1000; look++) {
		socklen_t len = sizeof s;
		OK(getsockopt(r.fd, SOL_PACKET, PACKET_STATISTICS, &s, &len));
		EQ(len, sizeof s);
		sum.tp_packets += s.tp_packets;
		sum.tp_drops += s.tp_drops;
		sleep_ms(look ? 5 : 0);
	}
	EQ(sum.tp_packets, FRAMES + 3);
	EQ(sum.tp_drops, 3);
	for (unsigned i = 1; i <= FRAMES; i++)
		take(&r, i);
	CHECK(!has_packet(&r));
}

// A packet longer than a frame is cut.
static void long_packet(const char *name)
{
	(void)name;
	struct ring r = ring_of(TPACKET_V2);
	send_udp(r.a, r.b, 2000);
	EQ(poll_one(r.fd, POLLIN, 10000), POLLIN);
	take(&r, 2000);
}

// A child has the mapping and the socket.
static void child(const char *name)
{
	(void)name;
	struct ring r = ring_of(TPACKET_V2);
	pid_t pid = test_fork();
	if (pid == 0) {
		for (unsigned i = 1; i <= 3; i++) {
			send_udp(r.a, r.b, i);
			EQ(poll_one(r.fd, POLLIN, 10000), POLLIN);
			take(&r, i);
			EQ(poll_one(r.fd, POLLIN, 0), 0);
		}
		_exit(0);
	}
	wait_ok(pid);
	r.next = 3;
	send_udp(r.a, r.b, 4);
	EQ(poll_one(r.fd, POLLIN, 10000), POLLIN);
	take(&r, 4);
	EQ(poll_one(r.fd, POLLIN, 0), 0);
}

static void refused_request(int fd, unsigned block, unsigned blocks, unsigned frame, unsigned frames)
{
	struct tpacket_req q = { block, blocks, frame, frames };
	ERR(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q), EINVAL);
}

static void refused(const char *name)
{
	(void)name;
	int fd = packet_socket(SOCK_RAW, 0);
	OK(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
	const int both = PROT_READ | PROT_WRITE;
	CHECK(mmap(NULL, SIZE, both, MAP_SHARED, fd, 0) == MAP_FAILED);
	EQ(errno, EINVAL);
	refused_request(fd, 0, 1, 2048, 2);
	refused_request(fd, 100, 1, 64, 1);
	refused_request(fd, 4096, 1, 32, 128);
	refused_request(fd, 4096, 1, 2044, 2);
	refused_request(fd, 4096, 1, 2048, 3);
	refused_request(fd, 4096, 1, 8192, 1);
	refused_request(fd, 4096, 0, 0, 1);
	refused_request(fd, 0x80000000u, 1, 2048, 0x100000);
	refused_request(fd, 4096, 0xffffffffu, 2048, 2);
	struct tpacket_req q = request(), none = { 0 };
	ERR(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q - 1), EINVAL);
	OK(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q));
	ERR(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q), EBUSY);
	ERR(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V1), EBUSY);
	ERR(set_int(fd, SOL_PACKET, PACKET_RESERVE, 1), EBUSY);
	CHECK(mmap(NULL, SIZE - 4096, both, MAP_SHARED, fd, 0) == MAP_FAILED);
	EQ(errno, EINVAL);
	CHECK(mmap(NULL, SIZE, both, MAP_SHARED, fd, 4096) == MAP_FAILED);
	EQ(errno, EINVAL);
	int lowest = OK(dup(0)); // the descriptor that mmap borrows is gone again
	OK(close(lowest));
	unsigned char *m = mmap(NULL, SIZE, both, MAP_SHARED | MAP_POPULATE, fd, 0);
	CHECK(m != MAP_FAILED);
	EQ(dup(0), lowest);
	OK(munmap(m, SIZE));
	OK(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof none));
	OK(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q));
	int udp = bound(AF_INET, SOCK_DGRAM);
	CHECK(mmap(NULL, SIZE, both, MAP_SHARED, udp, 0) == MAP_FAILED);
	EQ(errno, ENODEV);
}

// Other writable shared mappings are the kernel's.
static void files(const char *name)
{
	(void)name;
	int fd = OK(memfd_create("file", MFD_CLOEXEC));
	OK(ftruncate(fd, 4096));
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	m[1] = 'x';
	char c = 0;
	EQ(pread(fd, &c, 1, 1), 1);
	EQ(c, 'x');
}

static const struct test_case cases[] = {
	{ "packets_v1", packets_v1 },
	{ "packets_v2", packets_v2 },
	{ "several", several },
	{ "waits", waits },
	{ "interrupted", interrupted },
	{ "overflow", overflow },
	{ "long_packet", long_packet },
	{ "child", child },
	{ "refused", refused },
	{ "files", files },
};

TEST_MAIN(cases)
