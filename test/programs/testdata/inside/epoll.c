/*
 * epoll FOLDER NAME PORT...: an edge-triggered echo server of one thread, and
 * in two child processes CONNECTIONS clients each, all connected at once, which
 * send and check a few kilobytes of their own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS = 1000, CHILDREN = 2, ROUNDS = 1, SIZE = 3000, EVENTS = 256 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address(const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static void watch(int epoll, int fd, unsigned events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		fail("epoll_ctl");
}

/* What was read and not yet written back: at most one buffer a connection. */
struct pending {
	int length, done;
	char data[2 * SIZE];
};

static struct pending *pending[1 << 16];

/* Echoes until the socket gives or takes no more; 0 at its end. */
static int echo(int fd)
{
	struct pending *p = pending[fd];

	for (;;) {
		ssize_t n;

		while (p->done < p->length) {
			n = write(fd, p->data + p->done, p->length - p->done);
			if (n < 0)
				return errno == EAGAIN;
			p->done += n;
		}
		n = read(fd, p->data, sizeof p->data);
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return 0;
		p->length = n;
		p->done = 0;
	}
}

/* accept everything that waits: there is one edge for all of it. */
static int take(int epoll, int listener)
{
	int taken = 0, fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		pending[fd] = calloc(1, sizeof *pending[fd]);
		watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
		taken++;
	}
	if (errno != EAGAIN)
		fail("accept4");
	return taken;
}

static void serve(int listener)
{
	int epoll = epoll_create1(0), accepted = 0, open = 0, most = 0;
	struct epoll_event events[EVENTS];

	watch(epoll, listener, EPOLLIN | EPOLLET);
	while (accepted < CHILDREN * CONNECTIONS || open > 0) {
		int n = epoll_wait(epoll, events, EVENTS, 60000);

		if (n <= 0)
			fail("epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd, taken;

			if (fd == listener) {
				taken = take(epoll, listener);
				accepted += taken;
				open += taken;
				most = open > most ? open : most;
			} else if (!echo(fd)) {
				free(pending[fd]);
				close(fd);
				open--;
			}
		}
	}
	printf("served %d, %d at once\n", accepted, most);
}

static void fill(char *p, int seed)
{
	for (int i = 0; i < SIZE; i++)
		p[i] = seed + i * 7;
}

static void exchange(int fd, int seed)
{
	char sent[SIZE], got[SIZE];
	ssize_t n;

	fill(sent, seed);
	if (write(fd, sent, SIZE) != SIZE)
		fail("write");
	for (int have = 0; have < SIZE; have += n) {
		n = read(fd, got + have, SIZE - have);
		if (n <= 0)
			fail("read");
	}
	if (memcmp(sent, got, SIZE) != 0) {
		fprintf(stderr, "the echo differs\n");
		exit(1);
	}
}

/* start and go: a byte of each child says that it has connected all, and one
 * of the parent lets it end. */
static void client(const char *port, int number, int ready, int go)
{
	static int fds[CONNECTIONS];
	struct sockaddr_in to = address(port);
	char c = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&to, sizeof to) != 0)
			fail("connect");
	}
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < CONNECTIONS; i++)
			exchange(fds[i], number + round + i);
	if (write(ready, &c, 1) != 1 || read(go, &c, 1) != 1)
		fail("pipe");
	exit(0);
}

/* Lets the children end once all have connected. */
static void conduct(int ready, int go)
{
	char c[CHILDREN] = { 0 };

	for (int i = 0; i < CHILDREN; i++)
		if (read(ready, c, 1) != 1)
			fail("a child");
	if (write(go, c, CHILDREN) != CHILDREN)
		fail("pipe");
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = address(argv[3]);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1, status, bad = 0;
	int ready[2], go[2];
	struct rlimit limit;

	(void)argc;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < CHILDREN * CONNECTIONS + 100)
		fail("too few descriptors are allowed");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0)
		fail("listen");
	if (pipe(ready) != 0 || pipe(go) != 0)
		fail("pipe");
	for (int i = 0; i <= CHILDREN; i++)
		if (fork() == 0) {
			close(listener);
			if (i == CHILDREN)
				conduct(ready[0], go[1]);
			client(argv[3], i, ready[1], go[0]);
		}
	serve(listener);
	while (wait(&status) > 0)
		bad |= status;
	printf("children %d\n", bad);
	return 0;
}
