/* scale: what one of many costs.
 *
 * many and pairs take a number for the milliseconds. They make so many
 * connections, or pairs of connected sockets in the box, with a byte there and
 * back on each, and keep them. They print what one cost, in nanoseconds, of the
 * first 10, of the next up to 100, and so on.
 *
 * crowd and crowd-inside keep a hundred streams busy for the milliseconds, and
 * print the bytes a second of all.
 *
 * Where it is worth to look at the supervisor they say so, and wait for an empty line.
 *
 * tasks prints what a trapped call costs while so many threads exist; forkers has
 * 200 processes fork, and prints what one fork costs all of them.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* look lets who started us see what holding so many sockets costs. */
void look(const char *when, size_t sockets)
{
	printf("look %s %zu\n", when, sockets);
	fflush(stdout);
	if (read(0, buffer, 1) != 1)
		fail("waiting for a line");
}

/* room raises the limit of descriptors to what n need. */
static void room(size_t n)
{
	enum { OTHERS = 100 };
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		fail("getrlimit");
	if (r.rlim_cur < n + OTHERS) {
		r.rlim_cur = n + OTHERS;
		if (r.rlim_max < r.rlim_cur)
			r.rlim_max = r.rlim_cur;
		if (setrlimit(RLIMIT_NOFILE, &r) != 0)
			fail("setrlimit");
	}
}

static void keep(int (*make)(int *fds), int fds_each)
{
	size_t n = amount, made = 0;
	int *fds = malloc(n * fds_each * sizeof *fds);

	room(n * fds_each);
	made += make(fds);
	look("one", fds_each);
	for (size_t next = 10; made < n; next *= 10) {
		size_t before = made;
		uint64_t start = now();

		for (; made < n && made < next; made++)
			make(fds + made * fds_each);
		if (made > before)
			printf("up to %zu: %.0f\n", made, (double)(now() - start) / (made - before));
	}
	look("all", n * fds_each);
	exit(0);
}

static int connect_one(int *fds)
{
	*fds = dial(SOCK_STREAM);
	put(*fds, "ex", 2);
	get(*fds, 1);
	return 1;
}

static int listening = -1;

static int connect_pair(int *fds)
{
	fds[0] = dial(SOCK_STREAM);
	fds[1] = accept(listening, NULL, NULL);
	if (fds[1] < 0)
		fail("accept");
	put(fds[0], "x", 1);
	get(fds[1], 1);
	put(fds[1], "x", 1);
	get(fds[0], 1);
	return 1;
}

void many(void)
{
	keep(connect_one, 1);
}

void pairs(void)
{
	listening = listen_inside(128);
	keep(connect_pair, 2);
}

enum { CROWD = 100 };

/* move moves what fd takes or gives at once. */
static size_t move(struct pollfd *p)
{
	ssize_t n = 0;

	if (p->revents & POLLIN)
		n = read(p->fd, buffer, sizeof buffer);
	else if (p->revents & POLLOUT)
		n = write(p->fd, buffer, sizeof buffer);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 || (p->revents && n == 0))
		fail("a stream");
	return p->events == POLLIN ? n : 0;
}

static void keep_busy(struct pollfd *fds, int n)
{
	uint64_t start, moved = 0;

	for (int i = 0; i < n; i++)
		if (fcntl(fds[i].fd, F_SETFL, O_NONBLOCK) != 0)
			fail("O_NONBLOCK");
	for (start = now(); now() - start < budget;) {
		if (poll(fds, n, 1000) < 0)
			fail("poll");
		for (int i = 0; i < n; i++)
			moved += move(fds + i);
	}
	printf("crowd: %.0f\n", moved * 1e9 / (now() - start));
	look("busy", n);
	exit(0);
}

/* crowd has half of its streams come from the server and sends to it on the
 * others, whose bytes it does not count: some are in queues. */
void crowd(void)
{
	struct pollfd fds[CROWD];

	for (int i = 0; i < CROWD; i++) {
		fds[i] = (struct pollfd){ dial(SOCK_STREAM), i % 2 ? POLLOUT : POLLIN, 0 };
		put(fds[i].fd, i % 2 ? "u" : "d", 1);
	}
	keep_busy(fds, CROWD);
}

void inside_crowd(void)
{
	struct pollfd fds[2 * CROWD];

	listening = listen_inside(8);
	for (int i = 0; i < CROWD; i++) {
		int ends[2];

		connect_pair(ends);
		fds[2 * i] = (struct pollfd){ ends[0], POLLOUT, 0 };
		fds[2 * i + 1] = (struct pollfd){ ends[1], POLLIN, 0 };
	}
	keep_busy(fds, 2 * CROWD);
}

static void *sleep_on(void *unused)
{
	for (;;)
		pause();
	return unused;
}

void tasks(void)
{
	enum { MOST = 1000 };
	pthread_attr_t small;
	pthread_t thread;
	int n = 1;

	begin_trapped();
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 * 1024);
	for (int next = 1; next <= MOST; next *= 10) {
		for (; n < next; n++)
			if (pthread_create(&thread, &small, sleep_on, NULL) != 0)
				fail("pthread_create");
		printf("%d tasks: %.0f\n", n, median(get_name));
	}
	exit(0);
}

void forkers(void)
{
	enum { FORKERS = 200 };
	uint64_t *forks = mmap(NULL, FORKERS * sizeof *forks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t sum = 0, start = now();

	if (forks == MAP_FAILED)
		fail("mmap");
	for (int i = 0; i < FORKERS; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		while (pid == 0) {
			call_fork();
			forks[i]++;
			if (now() - start >= budget)
				_exit(0);
		}
	}
	for (int i = 0; i < FORKERS; i++)
		wait(NULL);
	for (int i = 0; i < FORKERS; i++)
		sum += forks[i];
	printf("forkers: %.0f\n", (double)(now() - start) / sum);
	exit(0);
}
