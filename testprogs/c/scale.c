// Many threads, many connections, daemons.
#include "test.h"

// Threads that connect at the same moment.
static pthread_barrier_t barrier;

static void *connect_and_echo(void *argument)
{
	char c = 0;
	pthread_barrier_wait(&barrier);
	int fd = connect_to((int)(intptr_t)argument);
	write_all(fd, "t", 1);
	read_all(fd, &c, 1);
	EQ(c, 't');
	OK(close(fd));
	return NULL;
}

static void threads_64_connect(const char *name)
{
	(void)name;
	enum { THREADS = 64 };
	pthread_t threads[THREADS];
	int l = echo_server(AF_INET);
	EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(connect_and_echo, (void *)(intptr_t)l);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
}

static int open_descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void sequential(int family, int connections)
{
	int l = listener(family, 16), before = open_descriptors();
	for (int i = 0; i < connections; i++) {
		int c = connect_to(l), s = OK(accept(l, NULL, NULL));
		char byte;
		write_all(c, "x", 1);
		read_all(s, &byte, 1);
		// The server closes first, so that the ports in TIME_WAIT
		// are the listener's one.
		OK(close(s));
		EQ(read(c, &byte, 1), 0);
		OK(close(c));
	}
	EQ(open_descriptors(), before);
}

static void sequential_10000(const char *name) { (void)name; sequential(AF_INET, 10000); }
static void sequential_1000_v6(const char *name) { (void)name; sequential(AF_INET6, 1000); }

static void concurrent_2000(const char *name)
{
	(void)name;
	enum { N = 2000 };
	static int clients[N], servers[N];
	struct rlimit limit;
	OK(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < 2 * N + 100)
		skip("RLIMIT_NOFILE's hard limit is too low");
	limit.rlim_cur = 2 * N + 100;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	int l = listener(AF_INET, 128);
	for (int i = 0; i < N; i++) {
		clients[i] = connect_to(l);
		servers[i] = OK(accept(l, NULL, NULL));
	}
	for (int i = 0; i < N; i++)
		write_all(clients[i], &i, sizeof i);
	for (int i = N - 1; i >= 0; i--) {
		int got = -1;
		read_all(servers[i], &got, sizeof got);
		EQ(got, i);
	}
	for (int i = 0; i < N; i++) {
		char c;
		OK(close(clients[i]));
		EQ(read(servers[i], &c, 1), 0);
		OK(close(servers[i]));
	}
}

// Sockets that are made and closed, and never used.
static void unused_sockets(const char *name)
{
	(void)name;
	int before = open_descriptors();
	for (int i = 0; i < 1000; i++) {
		int fds[] = {
			OK(socket(AF_INET, SOCK_STREAM, 0)), OK(socket(AF_INET6, SOCK_STREAM, 0)),
			OK(socket(AF_INET, SOCK_DGRAM, 0)), OK(socket(AF_INET6, SOCK_DGRAM, 0)),
		};
		for (size_t j = 0; j < COUNT(fds); j++)
			OK(close(fds[j]));
	}
	EQ(open_descriptors(), before);
}

static void *make_traffic(void *argument)
{
	int l = (int)(intptr_t)argument;
	for (int i = 0; i < 40; i++) {
		int fd = connect_to(l);
		for (int j = 0; j < 20; j++) {
			char out[64], in[64];
			memset(out, i + j, sizeof out);
			write_all(fd, out, sizeof out);
			read_all(fd, in, sizeof in);
			EQ(memcmp(in, out, sizeof in), 0);
		}
		OK(close(fd));
	}
	return NULL;
}

static void threads_traffic(const char *name)
{
	(void)name;
	pthread_t threads[16];
	int l = echo_server(AF_INET6);
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = start(make_traffic, (void *)(intptr_t)l);
	for (size_t i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

static void *close_while_read(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char c;
	EQ(read(fd, &c, 1), 0);
	return NULL;
}

// One thread reads, another shuts the socket down: the reader wakes.
static void shutdown_wakes_reader(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	pthread_t thread = start(close_while_read, (void *)(intptr_t)p.client);
	sleep_ms(50);
	OK(shutdown(p.client, SHUT_RDWR));
	join(thread);
}

static void *blocked_accept(void *argument)
{
	ERR(accept((int)(intptr_t)argument, NULL, NULL), EINVAL);
	return NULL;
}

// shutdown of a listener wakes accept with EINVAL and stops listening.
static void shutdown_wakes_accept(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	union address a = local_address(l);
	pthread_t thread = start(blocked_accept, (void *)(intptr_t)l);
	sleep_ms(50);
	OK(shutdown(l, SHUT_RDWR));
	join(thread);
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	ERR(connect(fd, &a.any, sizeof a.in), ECONNREFUSED);
}

static void become_daemon(int keep)
{
	if (fork() != 0)
		_exit(0);
	setsid();
	if (fork() != 0)
		_exit(0);
	OK(dup2(keep, 3));
	OK(syscall(SYS_close_range, 4, ~0U, 0));
	alarm(LIMIT_SECONDS);
	echo_connection(OK(accept(3, NULL, NULL)));
	_exit(0);
}

// A daemon: forked twice, its own session, every descriptor above the
// listener closed. It serves after its parents are gone.
static void daemonise(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	pid_t pid = OK(fork());
	if (pid == 0)
		become_daemon(l);
	wait_ok(pid);
	int fd = connect_to(l);
	OK(close(l));
	write_all(fd, "daemon", 6);
	char text[6], c;
	read_all(fd, text, 6);
	OK(shutdown(fd, SHUT_WR));
	EQ(read(fd, &c, 1), 0);
}

static const struct test_case cases[] = {
	{ "threads_64_connect", threads_64_connect },
	{ "sequential_10000", sequential_10000 },
	{ "sequential_1000_v6", sequential_1000_v6 },
	{ "concurrent_2000", concurrent_2000 },
	{ "unused_sockets", unused_sockets },
	{ "threads_traffic", threads_traffic },
	{ "shutdown_wakes_reader", shutdown_wakes_reader },
	{ "shutdown_wakes_accept", shutdown_wakes_accept },
	{ "daemonise", daemonise },
};

TEST_MAIN(cases)
