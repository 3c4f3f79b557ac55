// chaos SEED SECONDS: threads make random system calls on shared sockets while
// others close and exchange the descriptors, change the memory that the calls
// read, send signals, and fork. Whatever the calls answer is right: what counts
// is that the supervisor lives through it. Ends with a line "calls N".
#include "fuzz.h"

enum {
	CALLERS = 6,
	SOCKETS = 32,
	CHILDREN = 3,     // alive at once
	CHILD_CALLS = 40, // that each makes
};

static int sockets[SOCKETS];
static pid_t callers[CALLERS];
static struct memory shared;
static atomic_long calls;
static uint64_t seed;

static void seed_thread(uint64_t number)
{
	random_state = seed * 1000003 + number;
	random_next();
}

static int any_socket(void) { return __atomic_load_n(&PICK(sockets), __ATOMIC_RELAXED); }

static int new_socket(void)
{
	static const int kinds[][3] = {
		{ AF_INET, SOCK_STREAM, 0 }, { AF_INET6, SOCK_STREAM, 0 }, { AF_INET, SOCK_DGRAM, 0 }, { AF_INET6, SOCK_DGRAM, 0 },
		{ AF_INET, SOCK_RAW, IPPROTO_UDP }, { AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 }, { AF_INET, SOCK_DGRAM, IPPROTO_ICMP },
		{ AF_NETLINK, SOCK_RAW, NETLINK_ROUTE }, { AF_NETLINK, SOCK_RAW, 4 },
	};
	const int *k = PICK(kinds);
	int fd = socket(k[0], k[1] | (one_in(3) ? 0 : SOCK_NONBLOCK), k[2]);
	union address a = loopback(k[0] == AF_INET6 ? AF_INET6 : AF_INET, (uint16_t)(7000 + below(4)));
	if (fd >= 0 && k[0] != AF_NETLINK && one_in(2)) {
		bind(fd, &a.any, address_len(a.any.sa_family));
		if (one_in(2))
			listen(fd, 8);
	}
	return fd;
}

static void one_call(void)
{
	static const int families[] = { AF_INET, AF_INET6, AF_NETLINK };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW };
	struct call c;
	struct target t = { .fd = any_socket(), .kind = "", .family = PICK(families), .type = PICK(types),
		.own = (uint16_t)(7000 + below(4)), .peer = (uint16_t)(7000 + below(4)) };
	generate(&c, &t, &shared);
	bool may_block = one_in(4); // the signals end what blocks
	if (may_block)
		for (int i = 2; i <= 3; i++)
			c.args[i] &= ~(long)MSG_DONTWAIT;
	long result = syscall(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5]);
	atomic_fetch_add(&calls, 1);
	if (result > 2 && (c.number == SYS_socket || c.number == SYS_accept || c.number == SYS_accept4))
		close((int)result);
}

static void *caller(void *number)
{
	__atomic_store_n(&callers[(long)number], own_tid(), __ATOMIC_RELAXED);
	seed_thread((uint64_t)(long)number);
	for (;;)
		one_call();
	return NULL;
}

// Changes what the calls' pointers point to, while the calls are under way.
static void *scribbler(void *unused)
{
	(void)unused;
	seed_thread(100);
	for (;;) {
		uint64_t *at = (uint64_t *)(void *)(shared.arena + below(ARENA / 8) * 8);
		__atomic_store_n(at, one_in(2) ? random_next() : below(256), __ATOMIC_RELAXED);
		if (one_in(1000))
			sleep_ms(1);
	}
	return NULL;
}

// Closes sockets under the calls, and puts others in their place.
static void *closer(void *unused)
{
	(void)unused;
	seed_thread(101);
	for (;;) {
		int *slot = &PICK(sockets), fd = new_socket();
		if (fd < 0) {
			sleep_ms(1);
			continue;
		}
		int old = __atomic_exchange_n(slot, fd, __ATOMIC_RELAXED);
		if (one_in(4))
			dup2(any_socket(), old);
		else
			close(old);
		sleep_ms(below(5));
	}
	return NULL;
}

static void ignored(int signal) { (void)signal; }

static void *signaller(void *unused)
{
	(void)unused;
	seed_thread(102);
	for (;;) {
		pid_t tid = __atomic_load_n(&PICK(callers), __ATOMIC_RELAXED);
		if (tid)
			syscall(SYS_tgkill, getpid(), tid, one_in(2) ? SIGUSR1 : SIGUSR2);
		sleep_ms(2);
	}
	return NULL;
}

// Children that share the sockets, make some calls, and end: by themselves, or
// killed in the middle.
static void *forker(void *unused)
{
	(void)unused;
	seed_thread(103);
	for (uint64_t number = 200;; number++) {
		pid_t children[CHILDREN];
		for (int i = 0; i < CHILDREN; i++) {
			children[i] = fork();
			if (children[i] == 0) {
				seed_thread(number * CHILDREN + (uint64_t)i);
				alarm(2);
				for (int j = 0; j < CHILD_CALLS; j++)
					one_call();
				_exit(0);
			}
		}
		sleep_ms(below(50));
		for (int i = 0; i < CHILDREN; i++) {
			if (children[i] < 0)
				continue;
			if (one_in(3))
				kill(children[i], SIGKILL);
			waitpid(children[i], NULL, 0);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		FAIL("usage: chaos SEED SECONDS");
	seed = strtoull(argv[1], NULL, 10);
	struct sigaction action = { .sa_handler = ignored };
	OK(sigaction(SIGUSR1, &action, NULL));
	action.sa_flags = SA_RESTART;
	OK(sigaction(SIGUSR2, &action, NULL));
	OK(sigaction(SIGPIPE, &action, NULL));
	OK(sigaction(SIGIO, &action, NULL));
	OK(sigaction(SIGURG, &action, NULL));
	shared = new_memory();
	seed_thread(99);
	for (int i = 0; i < SOCKETS; i++)
		sockets[i] = OK(new_socket());
	for (long i = 0; i < CALLERS; i++)
		start(caller, (void *)i);
	start(scribbler, NULL);
	start(closer, NULL);
	start(signaller, NULL);
	start(forker, NULL);
	for (long end = now_ms() + 1000 * atol(argv[2]); now_ms() < end;)
		sleep_ms(50);
	printf("calls %ld\n", atomic_load(&calls));
	fflush(stdout);
	_exit(0);
}
