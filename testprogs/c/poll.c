// poll, ppoll, select and pselect on listeners, connecting and connected
// sockets.
#include "test.h"
#include <sys/select.h>

static void fresh_tcp(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	EQ(poll_one(fd, POLLIN | POLLOUT, 0), POLLOUT | POLLHUP);
}

static void fresh_udp(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	EQ(poll_one(fd, POLLIN | POLLOUT, 0), POLLOUT);
}

static void on_listener(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	EQ(poll_one(l, POLLIN | POLLOUT, 50), 0);
	int fd = connect_to(l);
	EQ(poll_one(l, POLLIN | POLLOUT, 5000), POLLIN);
	OK(close(OK(accept(l, NULL, NULL))));
	EQ(poll_one(l, POLLIN, 50), 0);
	OK(close(fd));
}

static void connecting(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = OK(socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ERR(connect(fd, &a.any, address_len(a.any.sa_family)), EINPROGRESS);
	EQ(poll_one(fd, POLLIN | POLLOUT | POLLRDHUP, 200), 0);
	fd_set in, out;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	struct timeval t = { .tv_usec = 50000 };
	EQ(select(fd + 1, &in, &out, NULL, &t), 0);
}

static void connected(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET6);
	EQ(poll_one(p.client, POLLIN | POLLOUT | POLLPRI, 1000), POLLOUT);
	write_all(p.server, "x", 1);
	EQ(poll_one(p.client, POLLIN, 5000), POLLIN);
	EQ(poll_one(p.client, POLLIN | POLLOUT, 0), POLLIN | POLLOUT);
}

static void refused(const char *name)
{
	(void)name;
	int closed = bound(AF_INET, SOCK_STREAM);
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ERR(connect_fd(fd, closed), EINPROGRESS);
	int events = poll_one(fd, POLLIN | POLLOUT, 5000);
	CHECK(events & POLLHUP);
	CHECK((events & (POLLIN | POLLOUT)) == (POLLIN | POLLOUT));
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
}

static void pollrdhup(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	EQ(poll_one(p.server, POLLRDHUP, 50), 0);
	OK(shutdown(p.client, SHUT_WR));
	EQ(poll_one(p.server, POLLRDHUP, 5000), POLLRDHUP);
	EQ(poll_one(p.server, POLLIN | POLLOUT, 0), POLLIN | POLLOUT);
	char c;
	EQ(read(p.server, &c, 1), 0);
	write_all(p.server, "still", 5);
	char text[5];
	read_all(p.client, text, 5);
}

static void pollhup(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	OK(shutdown(p.client, SHUT_WR));
	EQ(poll_one(p.server, POLLRDHUP, 5000), POLLRDHUP);
	OK(shutdown(p.server, SHUT_WR));
	EQ(poll_one(p.client, POLLRDHUP, 5000) & POLLRDHUP, POLLRDHUP);
	EQ(poll_one(p.server, 0, 5000), POLLHUP);
	EQ(poll_one(p.client, 0, 5000), POLLHUP);
}

static void reset_by_peer(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	struct linger l = { .l_onoff = 1 };
	OK(setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof l));
	OK(close(p.client));
	int events = poll_one(p.server, POLLIN | POLLRDHUP, 5000);
	CHECK(events & POLLIN);
	CHECK(events & POLLRDHUP);
	CHECK(events & POLLHUP);
	EQ(get_int(p.server, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

static void *write_later(void *argument)
{
	struct pair *p = argument;
	sleep_ms(50);
	write_all(p->client, "x", 1);
	return NULL;
}

static void select_wakes(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	pthread_t thread = start(write_later, &p);
	fd_set in;
	FD_ZERO(&in);
	FD_SET(p.server, &in);
	EQ(select(p.server + 1, &in, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(p.server, &in));
	join(thread);
}

static void select_three_sets(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int l = listener(AF_INET, 1), fd = connect_to(l);
	fd_set in, out, except;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(l, &in);
	FD_SET(p.server, &in);
	FD_SET(p.client, &out);
	FD_SET(p.client, &except);
	struct timeval t = { .tv_sec = 5 };
	EQ(poll_one(l, POLLIN, 5000), POLLIN);
	EQ(select(fd + 1, &in, &out, &except, &t), 2);
	CHECK(FD_ISSET(l, &in) && !FD_ISSET(p.server, &in) && FD_ISSET(p.client, &out));
	CHECK(!FD_ISSET(p.client, &except));
}

static volatile sig_atomic_t signals;
static void on_signal(int signal) { (void)signal; signals++; }

// ppoll takes the signal that is blocked elsewhere, exactly while it waits.
static void ppoll_mask(const char *name)
{
	(void)name;
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t block, old;
	OK(sigaction(SIGUSR1, &action, NULL));
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &block, &old));
	struct pair p = tcp_pair(AF_INET);
	OK(kill(getpid(), SIGUSR1));
	char c;
	ERR(recv(p.server, &c, 1, MSG_DONTWAIT), EAGAIN);
	EQ(signals, 0);
	struct pollfd fds = { .fd = p.server, .events = POLLIN };
	ERR(ppoll(&fds, 1, NULL, &old), EINTR);
	EQ(signals, 1);
	struct timespec t = { .tv_nsec = 20000000 };
	EQ(ppoll(&fds, 1, &t, &old), 0);
}

static void pselect_mask(const char *name)
{
	(void)name;
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t block, old;
	OK(sigaction(SIGUSR1, &action, NULL));
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &block, &old));
	int l = listener(AF_INET, 1);
	OK(kill(getpid(), SIGUSR1));
	fd_set in;
	FD_ZERO(&in);
	FD_SET(l, &in);
	ERR(pselect(l + 1, &in, NULL, NULL, NULL, &old), EINTR);
	EQ(signals, 1);
}

static void many_descriptors(const char *name)
{
	(void)name;
	enum { N = 60 };
	int l = listener(AF_INET, N), clients[N];
	struct pollfd fds[N];
	for (int i = 0; i < N; i++) {
		clients[i] = connect_to(l);
		fds[i].fd = OK(accept(l, NULL, NULL));
		fds[i].events = POLLIN;
	}
	EQ(poll(fds, N, 20), 0);
	for (int i = 0; i < N; i += 3)
		write_all(clients[i], "x", 1);
	int ready = 0;
	for (long end = now_ms() + 5000; ready < N / 3 && now_ms() < end;)
		ready = OK(poll(fds, N, 10));
	EQ(ready, N / 3);
	for (int i = 0; i < N; i++)
		EQ(fds[i].revents, i % 3 == 0 ? POLLIN : 0);
}

static const struct test_case cases[] = {
	{ "fresh_tcp", fresh_tcp },
	{ "fresh_udp", fresh_udp },
	{ "listener", on_listener },
	{ "connecting", connecting },
	{ "connected", connected },
	{ "refused", refused },
	{ "pollrdhup", pollrdhup },
	{ "pollhup", pollhup },
	{ "reset_by_peer", reset_by_peer },
	{ "select_wakes", select_wakes },
	{ "select_three_sets", select_three_sets },
	{ "ppoll_mask", ppoll_mask },
	{ "pselect_mask", pselect_mask },
	{ "many_descriptors", many_descriptors },
};

TEST_MAIN(cases)
