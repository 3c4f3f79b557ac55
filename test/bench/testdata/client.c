/*
 * client: what make bench measures, natively, under netbox and its peers.
 *
 *	client WHAT MILLISECONDS [HOST PORT]
 *
 * It does WHAT over and over for so long and prints one number: nanoseconds of
 * one operation (the mean, or the median for round trips), operations a second,
 * or bytes a second. So a slow network does not make the bench slow.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char buffer[256 * 1024];
const char *host, *port;
bool relayed;
uint64_t budget, amount;
clockid_t measure_by = CLOCK_MONOTONIC;

void fail(const char *what)
{
	perror(what);
	exit(1);
}

uint64_t now(void)
{
	struct timespec t;

	clock_gettime(measure_by, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Of fast calls, so many are made between two looks at the clock. */
enum { BATCH = 256, MAX_ROUND_TRIPS = 1 << 20 };

static double mean(void (*operation)(void), int batch)
{
	uint64_t start = now(), took, n = 0;

	do {
		for (int i = 0; i < batch; i++)
			operation();
		n += batch;
		took = now() - start;
	} while (took < budget);
	return (double)took / n;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

double median_of(void (*before)(void), void (*operation)(void), void (*after)(void))
{
	static uint64_t took[MAX_ROUND_TRIPS];
	uint64_t start = now(), last = start, n = 0;

	while (n < MAX_ROUND_TRIPS && last - start < budget) {
		if (before)
			before();
		uint64_t begun = before || after ? now() : last;
		operation();
		last = now();
		took[n++] = last - begun;
		if (after)
			after();
	}
	qsort(took, n, sizeof *took, ascending);
	return took[n / 2];
}

double median(void (*operation)(void))
{
	return median_of(NULL, operation, NULL);
}

/* Either all does the whole, or operation is repeated, after begin. */
static const struct {
	const char *what;
	double (*all)(void);
	void (*begin)(void);
	void (*operation)(void);
	enum { MEAN, FAST, MEDIAN, RATE } as;
} verbs[] = {
	{ .what = "down", .all = down },
	{ .what = "up", .all = up },
	{ .what = "down4", .all = down4 },
	{ .what = "up4", .all = up4 },
	{ .what = "rtt", .begin = begin_tcp, .operation = round_trip, .as = MEDIAN },
	{ .what = "connect", .operation = connection, .as = RATE },
	{ .what = "udp", .begin = begin_udp, .operation = round_trip, .as = MEDIAN },
	{ .what = "udp-to", .begin = begin_unconnected, .operation = unconnected_round_trip, .as = MEDIAN },
	{ .what = "query", .operation = query, .as = RATE },
	{ .what = "idle", .begin = begin_tcp, .operation = idle },
	{ .what = "many", .begin = many },
	{ .what = "pairs", .begin = pairs },
	{ .what = "crowd", .begin = crowd },
	{ .what = "crowd-inside", .begin = inside_crowd },
	{ .what = "tasks", .begin = tasks },
	{ .what = "forkers", .begin = forkers },
	{ .what = "trapped", .begin = trapped },
	{ .what = "stat", .operation = call_stat, .as = FAST },
	{ .what = "stat-cpu", .begin = count_cpu, .operation = call_stat, .as = FAST },
	{ .what = "stat-floor", .begin = allow_all, .operation = call_stat, .as = FAST },
	{ .what = "open", .operation = call_open },
	{ .what = "fork", .operation = call_fork },
	{ .what = "exec", .operation = call_exec },
};

static double measure(int i)
{
	if (verbs[i].all)
		return verbs[i].all();
	if (verbs[i].begin)
		verbs[i].begin();
	switch (verbs[i].as) {
	case MEDIAN:
		return median(verbs[i].operation);
	case RATE:
		return 1e9 / mean(verbs[i].operation, 1);
	default:
		return mean(verbs[i].operation, verbs[i].as == FAST ? BATCH : 1);
	}
}

int main(int argc, char **argv)
{
	relayed = getenv("RELAYED");
	if (argc == 3 || argc == 5) {
		const char *what = argv[1];

		amount = strtoull(argv[2], NULL, 10);
		budget = amount * 1000000;
		if (argc == 5) {
			host = argv[3];
			port = argv[4];
		} else if (!strncmp(what, "inside-", 7)) {
			what += 7;
			serve_inside();
		}
		for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
			if (!strcmp(what, verbs[i].what)) {
				printf("%.3f\n", measure(i));
				return 0;
			}
		}
	}
	fprintf(stderr, "usage: see the source\n");
	return 2;
}
