/*
 * client: what make bench measures, natively and under netbox. Prints one
 * number: nanoseconds, of the whole (down, up) or of one operation (the median
 * for rtt and udp, the mean for the others). stat-cpu counts the time of the
 * processor alone, which other programs' work does not disturb; stat-floor is
 * stat-cpu under a seccomp filter that allows everything.
 *
 *	client down|up HOST PORT BYTES
 *	client rtt|connect|udp HOST PORT COUNT
 *	client stat|stat-cpu|stat-floor|open|fork COUNT
 *
 * The server's first byte of a TCP connection says what it does: 'd' sends the
 * bytes asked for, 'u' swallows them and answers one, 'e' echoes.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char buffer[256 * 1024];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_by(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t now(void)
{
	return now_by(CLOCK_MONOTONIC);
}

static int dial(int type, const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int one = 1, fd = socket(AF_INET, type, 0);

	if (fd < 0)
		fail("socket");
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		fail("inet_pton");
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		fail("connect");
	if (type == SOCK_STREAM && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
		fail("TCP_NODELAY");
	return fd;
}

static void put(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t w = write(fd, at, n);

		if (w <= 0)
			fail("write");
		at += w;
		n -= w;
	}
}

static void get(int fd, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, buffer, n < sizeof buffer ? n : sizeof buffer);

		if (r <= 0)
			fail("read");
		n -= r;
	}
}

static uint64_t down(const char *host, const char *port, uint64_t n)
{
	int fd = dial(SOCK_STREAM, host, port);
	uint64_t start = now();

	put(fd, "d", 1);
	put(fd, &n, sizeof n);
	get(fd, n);
	return now() - start;
}

static uint64_t up(const char *host, const char *port, uint64_t n)
{
	int fd = dial(SOCK_STREAM, host, port);
	uint64_t start = now();

	put(fd, "u", 1);
	put(fd, &n, sizeof n);
	for (uint64_t left = n; left > 0;) {
		size_t part = left < sizeof buffer ? left : sizeof buffer;

		put(fd, buffer, part);
		left -= part;
	}
	get(fd, 1);
	return now() - start;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t round_trips(int fd, uint64_t n)
{
	uint64_t *took = calloc(n, sizeof *took);

	for (uint64_t i = 0; i < n; i++) {
		uint64_t start = now();

		put(fd, "x", 1);
		get(fd, 1);
		took[i] = now() - start;
	}
	qsort(took, n, sizeof *took, ascending);
	return took[n / 2];
}

static uint64_t connections(const char *host, const char *port, uint64_t n)
{
	uint64_t start = now();

	for (uint64_t i = 0; i < n; i++) {
		int fd = dial(SOCK_STREAM, host, port);

		put(fd, "ex", 2);
		get(fd, 1);
		close(fd);
	}
	return (now() - start) / n;
}

static uint64_t stats(clockid_t clock, uint64_t n)
{
	uint64_t start = now_by(clock);
	struct stat s;

	for (uint64_t i = 0; i < n; i++)
		if (stat("/etc/passwd", &s) != 0)
			fail("stat");
	return (now_by(clock) - start) / n;
}

static void allow_all(void)
{
	struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog filter = { 1, &allow };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		fail("seccomp");
}

static uint64_t opens(uint64_t n)
{
	uint64_t start = now();

	for (uint64_t i = 0; i < n; i++) {
		int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail("open");
		close(fd);
	}
	return (now() - start) / n;
}

static uint64_t forks(uint64_t n)
{
	uint64_t start = now();

	for (uint64_t i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			fail("fork");
	}
	return (now() - start) / n;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 2 ? strtoull(argv[argc - 1], NULL, 10) : 0, took;
	const char *what = argv[1];
	int fd;

	if (argc == 3 && !strcmp(what, "stat")) {
		took = stats(CLOCK_MONOTONIC, n);
	} else if (argc == 3 && !strcmp(what, "stat-cpu")) {
		took = stats(CLOCK_PROCESS_CPUTIME_ID, n);
	} else if (argc == 3 && !strcmp(what, "stat-floor")) {
		allow_all();
		took = stats(CLOCK_PROCESS_CPUTIME_ID, n);
	} else if (argc == 3 && !strcmp(what, "open")) {
		took = opens(n);
	} else if (argc == 3 && !strcmp(what, "fork")) {
		took = forks(n);
	} else if (argc == 5 && !strcmp(what, "down")) {
		took = down(argv[2], argv[3], n);
	} else if (argc == 5 && !strcmp(what, "up")) {
		took = up(argv[2], argv[3], n);
	} else if (argc == 5 && !strcmp(what, "connect")) {
		took = connections(argv[2], argv[3], n);
	} else if (argc == 5 && !strcmp(what, "rtt")) {
		fd = dial(SOCK_STREAM, argv[2], argv[3]);
		put(fd, "e", 1);
		took = round_trips(fd, n);
	} else if (argc == 5 && !strcmp(what, "udp")) {
		took = round_trips(dial(SOCK_DGRAM, argv[2], argv[3]), n);
	} else {
		fprintf(stderr, "usage: see the source\n");
		return 2;
	}
	printf("%llu\n", (unsigned long long)took);
	return 0;
}
