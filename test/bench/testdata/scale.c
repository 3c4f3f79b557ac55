/* scale: what one of many costs.
 *
 * many and pairs take a number for the milliseconds. They make so many
 * connections, or pairs of connected sockets in the box, with a byte there and
 * back on each, and keep them. They print what one cost, in nanoseconds, of the
 * first 10, of the next up to 100, and so on; and say "look" when there is one,
 * when all are there, and when all are closed, and wait for a line each time.
 */
#include "client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* look lets who started us see what this state costs. */
static void look(const char *when)
{
	printf("look %s\n", when);
	fflush(stdout);
	if (read(0, buffer, sizeof buffer) <= 0)
		exit(1);
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
	look("one");
	for (size_t next = 10; made < n; next *= 10) {
		size_t before = made;
		uint64_t start = now();

		for (; made < n && made < next; made++)
			make(fds + made * fds_each);
		if (made > before)
			printf("up to %zu: %.0f\n", made, (double)(now() - start) / (made - before));
	}
	look("all");
	uint64_t start = now();
	for (size_t i = 0; i < n * fds_each; i++)
		close(fds[i]);
	printf("close: %.0f\n", (double)(now() - start) / n);
	look("none");
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
