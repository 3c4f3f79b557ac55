// epoll on listeners, connecting, connected and datagram sockets.
#include "test.h"
#include <sys/epoll.h>

static int watch(int fd, uint32_t events)
{
	int ep = OK(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event e = { .events = events, .data.fd = fd };
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	return ep;
}

// The events of the one descriptor watched, 0 when none come in time.
static uint32_t next(int ep, int timeout_ms)
{
	struct epoll_event e = { 0 };
	int n = OK(epoll_wait(ep, &e, 1, timeout_ms));
	return n ? e.events : 0;
}

static void level_triggered(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int ep = watch(p.server, EPOLLIN);
	char c;
	EQ(next(ep, 50), 0);
	write_all(p.client, "ab", 2);
	EQ(next(ep, -1), EPOLLIN);
	EQ(next(ep, -1), EPOLLIN);
	read_all(p.server, &c, 1);
	EQ(next(ep, -1), EPOLLIN);
	read_all(p.server, &c, 1);
	EQ(next(ep, 50), 0);
}

static void edge_triggered(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int ep = watch(p.server, EPOLLIN | EPOLLET);
	char c;
	EQ(next(ep, 50), 0);
	write_all(p.client, "a", 1);
	EQ(next(ep, -1), EPOLLIN);
	EQ(next(ep, 50), 0);
	write_all(p.client, "b", 1);
	EQ(next(ep, -1), EPOLLIN);
	EQ(next(ep, 50), 0);
	read_all(p.server, &c, 1);
	EQ(next(ep, 50), 0);
	read_all(p.server, &c, 1);
}

// EPOLLOUT by edge comes once, and again when a full buffer drains.
static void edge_triggered_output(const char *name)
{
	(void)name;
	static char block[65536];
	struct pair p = tcp_pair(AF_INET);
	set_nonblock(p.client);
	int ep = watch(p.client, EPOLLOUT | EPOLLET);
	EQ(next(ep, -1), EPOLLOUT);
	EQ(next(ep, 50), 0);
	size_t sent = 0, got = 0;
	for (int quiet = 0; quiet < 3;) {
		ssize_t n = write(p.client, block, sizeof block);
		if (n == -1 && errno == EAGAIN) {
			quiet = next(ep, 50) ? 0 : quiet + 1;
			continue;
		}
		sent += OK(n);
	}
	while (got < sent) {
		ssize_t n = OK(read(p.server, block, sizeof block));
		CHECK(n > 0);
		got += n;
	}
	EQ(next(ep, 5000), EPOLLOUT);
}

static void one_shot(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int ep = watch(p.server, EPOLLIN | EPOLLONESHOT);
	write_all(p.client, "a", 1);
	EQ(next(ep, -1), EPOLLIN);
	write_all(p.client, "b", 1);
	EQ(next(ep, 50), 0);
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	OK(epoll_ctl(ep, EPOLL_CTL_MOD, p.server, &e));
	EQ(next(ep, -1), EPOLLIN);
}

static void *count_accepts(void *argument)
{
	int *args = argument;
	intptr_t accepted = 0;
	struct epoll_event e;
	for (;;) {
		OK(epoll_wait(args[0], &e, 1, -1));
		int fd = accept(args[1], NULL, NULL);
		if (fd == -1) {
			EQ(errno, EAGAIN);
			continue;
		}
		char c = 0;
		read_all(fd, &c, 1);
		OK(close(fd));
		if (c == 'q')
			return (void *)accepted;
		accepted++;
	}
}

// Four epoll instances watch one listener exclusively; each connection is
// accepted exactly once.
static void exclusive(const char *name)
{
	(void)name;
	enum { WORKERS = 4, CONNECTIONS = 40 };
	int l = listener(AF_INET, 64), args[WORKERS][2];
	pthread_t threads[WORKERS];
	set_nonblock(l);
	for (int i = 0; i < WORKERS; i++) {
		args[i][0] = watch(l, EPOLLIN | EPOLLEXCLUSIVE);
		args[i][1] = l;
		threads[i] = start(count_accepts, args[i]);
	}
	char c;
	for (int i = 0; i < CONNECTIONS + WORKERS; i++) {
		int fd = connect_to(l);
		write_all(fd, i < CONNECTIONS ? "n" : "q", 1);
		EQ(read(fd, &c, 1), 0);
		OK(close(fd));
	}
	intptr_t sum = 0;
	for (int i = 0; i < WORKERS; i++) {
		void *accepted;
		EQ(pthread_join(threads[i], &accepted), 0);
		sum += (intptr_t)accepted;
	}
	EQ(sum, CONNECTIONS);
}

static void listener_events(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), ep = watch(l, EPOLLIN | EPOLLOUT);
	EQ(next(ep, 50), 0);
	int first = connect_to(l), second = connect_to(l);
	EQ(next(ep, -1), EPOLLIN);
	OK(close(OK(accept(l, NULL, NULL))));
	EQ(next(ep, -1), EPOLLIN);
	OK(close(OK(accept(l, NULL, NULL))));
	EQ(next(ep, 50), 0);
	OK(close(first));
	OK(close(second));
}

static void listener_edge(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), ep = watch(l, EPOLLIN | EPOLLET);
	int first = connect_to(l);
	EQ(next(ep, -1), EPOLLIN);
	EQ(next(ep, 50), 0);
	int second = connect_to(l);
	EQ(next(ep, -1), EPOLLIN);
	OK(close(OK(accept(l, NULL, NULL))));
	OK(close(OK(accept(l, NULL, NULL))));
	OK(close(first));
	OK(close(second));
}

// The usual client of an event loop: watch by edge, connect, wait for EPOLLOUT.
static void connect_edge(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	int ep = watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	uint32_t idle = next(ep, 0);
	CHECK(idle == 0 || idle == (EPOLLOUT | EPOLLHUP));
	if (connect_fd(fd, l) == -1)
		EQ(errno, EINPROGRESS);
	EQ(next(ep, 5000), EPOLLOUT);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	ping_pong(OK(accept(l, NULL, NULL)), fd);
}

static void connect_refused_edge(const char *name)
{
	(void)name;
	int closed = bound(AF_INET, SOCK_STREAM);
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	if (connect_fd(fd, closed) == -1 && errno == ECONNREFUSED)
		return;
	EQ(errno, EINPROGRESS);
	int ep = watch(fd, EPOLLIN | EPOLLOUT | EPOLLET);
	uint32_t events = next(ep, 5000);
	CHECK((events & (EPOLLERR | EPOLLHUP)) != 0);
	CHECK((events & (EPOLLIN | EPOLLOUT)) == (EPOLLIN | EPOLLOUT));
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

static void peer_half_closes(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int ep = watch(p.server, EPOLLIN | EPOLLRDHUP);
	OK(shutdown(p.client, SHUT_WR));
	EQ(next(ep, 5000), EPOLLIN | EPOLLRDHUP);
	OK(shutdown(p.server, SHUT_WR));
	for (long end = now_ms() + 5000; !(next(ep, 1000) & EPOLLHUP);)
		CHECK(now_ms() < end);
	EQ(next(ep, 1000), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

// A registration belongs to the open file, not to the number: it stays when
// the number is closed while a duplicate is open.
static void registration_across_dup(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int ep = watch(p.server, EPOLLIN), copy = OK(dup(p.server));
	struct epoll_event e = { .events = EPOLLIN, .data.fd = copy };
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, copy, &e));
	ERR(epoll_ctl(ep, EPOLL_CTL_ADD, copy, &e), EEXIST);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, copy, &e));
	OK(close(p.server));
	write_all(p.client, "x", 1);
	EQ(next(ep, 5000), EPOLLIN);
	OK(close(copy));
	EQ(next(ep, 50), 0);
}

static void on_signal(int signal) { (void)signal; }

struct disturbed {
	pid_t waiter;
	int pipe;
};

// Signals that are ignored, each way, then one with a handler, then data.
static void *disturb(void *argument)
{
	struct disturbed *d = argument;
	static const int signals[] = { SIGCHLD, SIGURG, SIGWINCH, SIGUSR1, SIGCHLD, SIGUSR2 };
	for (unsigned i = 0; i < COUNT(signals); i++) {
		wait_blocked(d->waiter);
		OK(syscall(SYS_tgkill, getpid(), d->waiter, signals[i]));
	}
	wait_blocked(d->waiter);
	write_all(d->pipe, "x", 1);
	return NULL;
}

// A signal that the process ignores does not end a wait; one with a handler
// does, with EINTR in spite of SA_RESTART (signal(7)).
static void ignored_signals(const char *name)
{
	(void)name;
	struct sigaction handler = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	OK(sigaction(SIGUSR2, &handler, NULL));
	OK(signal(SIGUSR1, SIG_IGN));
	static const int limits[] = { -1, 50000 };
	for (unsigned i = 0; i < COUNT(limits); i++) {
		int ends[2];
		OK(pipe(ends));
		int ep = watch(ends[0], EPOLLIN);
		struct epoll_event e;
		struct disturbed d = { own_tid(), ends[1] };
		pthread_t thread = start(disturb, &d);
		ERR(epoll_wait(ep, &e, 1, limits[i]), EINTR);
		EQ(epoll_wait(ep, &e, 1, limits[i]), 1);
		join(thread);
	}
}

static void *disturb_for_ever(void *argument)
{
	struct disturbed *d = argument;
	for (;;) {
		OK(syscall(SYS_tgkill, getpid(), d->waiter, SIGCHLD));
		sleep_ms(5);
	}
	return NULL;
}

// However many come, a wait with a time limit ends; not before its time, unless
// it says so.
static void ignored_storm(const char *name)
{
	(void)name;
	static struct disturbed d; // the thread outlives the case
	d = (struct disturbed){ own_tid(), -1 };
	start(disturb_for_ever, &d);
	struct epoll_event e;
	int ep = OK(epoll_create1(0));
	long begin = now_ms();
	int n = epoll_wait(ep, &e, 1, 300);
	CHECK(n == 0 ? now_ms() - begin >= 299 : errno == EINTR);
}

static void datagram_edge(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	int ep = watch(a, EPOLLIN | EPOLLET);
	char c;
	EQ(next(ep, 50), 0);
	union address to = local_address(a);
	for (int i = 0; i < 3; i++) {
		EQ(sendto(b, "x", 1, 0, &to.any, sizeof to.in), 1);
		EQ(next(ep, 5000), EPOLLIN);
		EQ(recv(a, &c, 1, 0), 1);
		EQ(next(ep, 20), 0);
	}
}

static void inherited_instance(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int ep = watch(p.server, EPOLLIN);
	pid_t pid = test_fork();
	if (pid == 0) {
		EQ(next(ep, 10000), EPOLLIN);
		_exit(0);
	}
	write_all(p.client, "x", 1);
	wait_ok(pid);
}

static const struct test_case cases[] = {
	{ "level_triggered", level_triggered },
	{ "edge_triggered", edge_triggered },
	{ "edge_triggered_output", edge_triggered_output },
	{ "one_shot", one_shot },
	{ "exclusive", exclusive },
	{ "listener", listener_events },
	{ "listener_edge", listener_edge },
	{ "connect_edge", connect_edge },
	{ "connect_refused_edge", connect_refused_edge },
	{ "peer_half_closes", peer_half_closes },
	{ "registration_across_dup", registration_across_dup },
	{ "datagram_edge", datagram_edge },
	{ "ignored_signals", ignored_signals },
	{ "ignored_storm", ignored_storm },
	{ "inherited_instance", inherited_instance },
};

TEST_MAIN(cases)
