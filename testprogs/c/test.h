// Shared by every C test program: checks, the time limit, and the loopback
// servers that the cases talk to.
//
// A program holds several cases and is called with the name of one. A case
// prints nothing when it passes, or one line saying why it failed (exit 1) or
// why it cannot run here (exit 77). With no argument the program lists its
// cases, so that the runner's table can be checked against it. Names which
// begin with '_' are helper roles a case gives to an exec'd copy of itself.
#ifndef TEST_H
#define TEST_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	// A case that has not ended by then hangs. Cases take under 5 s on an
	// idle machine; the rest is room for a supervisor on a busy one.
	LIMIT_SECONDS = 60,
	SKIP = 77,
};

static void __attribute__((noreturn, format(printf, 3, 4))) UNUSED
fail(const char *file, int line, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	dprintf(1, "%s:%d: %s\n", file, line, text);
	_exit(1);
}

#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)

// The condition holds.
#define CHECK(condition) do {                                                \
	if (!(condition))                                                    \
		FAIL("not true: %s (errno %d)", #condition, errno);          \
} while (0)

// The call does not return -1; its value.
#define OK(call) ({                                                          \
	__typeof__(call) ok_ = (call);                                       \
	if (ok_ == (__typeof__(call))-1)                                     \
		FAIL("%s: %s", #call, strerror(errno));                      \
	ok_;                                                                 \
})

// The call gives this integer.
#define EQ(call, want) do {                                                  \
	long got_ = (long)(call), want_ = (long)(want);                      \
	if (got_ != want_)                                                   \
		FAIL("%s is %ld, want %ld (errno %d %s)", #call, got_,       \
		     want_, errno, strerror(errno));                         \
} while (0)

// The call returns -1 with this errno.
#define ERR(call, want) do {                                                 \
	errno = 0;                                                           \
	long got_ = (long)(call);                                            \
	if (got_ != -1)                                                      \
		FAIL("%s is %ld, want %s", #call, got_, #want);              \
	if (errno != (want))                                                 \
		FAIL("%s: %s, want %s", #call, strerror(errno), #want);      \
} while (0)

static void UNUSED skip(const char *reason)
{
	dprintf(1, "skip: %s\n", reason);
	_exit(SKIP);
}

// ---- cases ----

struct test_case {
	const char *name;
	void (*run)(const char *name);
};

static void limit_reached(int signal)
{
	(void)signal;
	static const char text[] = "hangs: the case's own time limit ran out\n";
	if (write(1, text, sizeof text - 1) < 0)
		_exit(2);
	_exit(1);
}

// The limit uses a POSIX timer and a real-time signal of its own, so that
// SIGALRM and setitimer stay free for the cases.
static void UNUSED set_limit(unsigned seconds)
{
	static timer_t timer;
	static bool armed;
	int signal = SIGRTMAX - 3;
	struct sigaction action = { .sa_handler = limit_reached };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal };
	struct itimerspec time = { .it_value.tv_sec = seconds };
	OK(sigaction(signal, &action, NULL));
	if (!armed)
		OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	armed = true;
	OK(timer_settime(timer, 0, &time, NULL));
}

static char **test_argv;

static int UNUSED test_main(int argc, char **argv, const struct test_case *cases, size_t n)
{
	test_argv = argv;
	if (argc < 2) {
		for (size_t i = 0; i < n; i++)
			if (cases[i].name[0] != '_')
				puts(cases[i].name);
		return 0;
	}
	set_limit(LIMIT_SECONDS);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		cases[i].run(argv[1]);
		return 0;
	}
	FAIL("no case %s", argv[1]);
}

// Makes main() from a table of cases.
#define TEST_MAIN(table)                                                     \
	int main(int argc, char **argv)                                      \
	{                                                                    \
		return test_main(argc, argv, table, COUNT(table));           \
	}

// ---- processes, threads, time ----

// A child that does not outlive the case and has its own time limit.
static pid_t UNUSED test_fork(void)
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LIMIT_SECONDS);
	}
	return pid;
}

static void UNUSED wait_ok(pid_t pid)
{
	int status;
	EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("child ended with wait status %#x", status);
}

static pid_t UNUSED own_tid(void) { return (pid_t)syscall(SYS_gettid); }

static pthread_t UNUSED start(void *(*run)(void *), void *argument)
{
	pthread_t thread;
	EQ(pthread_create(&thread, NULL, run, argument), 0);
	return thread;
}

static void UNUSED join(pthread_t thread) { EQ(pthread_join(thread, NULL), 0); }

static void UNUSED sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}

static long UNUSED now_ms(void)
{
	struct timespec t;
	OK(clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char thread_state(pid_t tid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 'X';
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 'X';
	text[n] = 0;
	char *paren = strrchr(text, ')');
	return paren && paren[1] ? paren[2] : 'X';
}

// Waits until the thread sleeps in the kernel, and goes on sleeping: ten
// looks in a row, 2 ms apart, so that a short sleep on a lock is not taken
// for the blocking call.
static void UNUSED wait_blocked(pid_t tid)
{
	for (int asleep = 0; asleep < 10; sleep_ms(2)) {
		char state = thread_state(tid);
		CHECK(state != 'X');
		asleep = state == 'S' ? asleep + 1 : 0;
	}
}

// ---- loopback sockets ----

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage room;
};

static socklen_t address_len(int family)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static union address UNUSED loopback(int family, uint16_t port)
{
	union address a = { .any.sa_family = family };
	if (family == AF_INET) {
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a.in.sin_port = htons(port);
	} else {
		a.in6.sin6_addr = in6addr_loopback;
		a.in6.sin6_port = htons(port);
	}
	return a;
}

static union address UNUSED local_address(int fd)
{
	union address a = { 0 };
	socklen_t len = sizeof a;
	OK(getsockname(fd, &a.any, &len));
	return a;
}

static union address UNUSED peer_address(int fd)
{
	union address a = { 0 };
	socklen_t len = sizeof a;
	OK(getpeername(fd, &a.any, &len));
	return a;
}

static uint16_t UNUSED port_of(union address a)
{
	return ntohs(a.any.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
}

static uint16_t UNUSED local_port(int fd) { return port_of(local_address(fd)); }

// A socket of that type bound to loopback and a free port.
static int UNUSED bound(int family, int type)
{
	int fd = OK(socket(family, type, 0));
	union address a = loopback(family, 0);
	OK(bind(fd, &a.any, address_len(family)));
	return fd;
}

static int UNUSED listener(int family, int backlog)
{
	int fd = bound(family, SOCK_STREAM);
	OK(listen(fd, backlog));
	return fd;
}

// connect(2) of fd to the address that server is bound to.
static int UNUSED connect_fd(int fd, int server)
{
	union address a = local_address(server);
	return connect(fd, &a.any, address_len(a.any.sa_family));
}

static int UNUSED connect_to(int server)
{
	union address a = local_address(server);
	int fd = OK(socket(a.any.sa_family, SOCK_STREAM, 0));
	OK(connect(fd, &a.any, address_len(a.any.sa_family)));
	return fd;
}

struct pair { int client, server; };

static struct pair UNUSED tcp_pair(int family)
{
	int l = listener(family, 1);
	struct pair p = { .client = connect_to(l) };
	p.server = OK(accept(l, NULL, NULL));
	OK(close(l));
	return p;
}

// The address in an environment variable that the runner sets, for cases that
// need a remote host. Skips the case where there is none.
static union address UNUSED remote(const char *variable, uint16_t port)
{
	const char *text = getenv(variable);
	union address a = { 0 };
	if (!text || !*text)
		skip("no remote hosts in this world");
	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
		return a;
	}
	EQ(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
	a.in6.sin6_family = AF_INET6;
	a.in6.sin6_port = htons(port);
	return a;
}

// ---- bytes ----

static void UNUSED write_all(int fd, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		OK(n);
		p += n;
		len -= n;
	}
}

// Fills the buffer, waiting also on a non-blocking descriptor; end of file
// before that is a failure.
static void UNUSED read_all(int fd, void *data, size_t len)
{
	for (char *p = data; len > 0;) {
		ssize_t n = read(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			struct pollfd waiting = { .fd = fd, .events = POLLIN };
			poll(&waiting, 1, -1);
			continue;
		}
		OK(n);
		if (n == 0)
			FAIL("end of file with %zu bytes to come", len);
		p += n;
		len -= n;
	}
}

// One byte there and one back: the connection carries data both ways.
static void UNUSED ping_pong(int a, int b)
{
	char c = 0;
	write_all(a, "x", 1);
	read_all(b, &c, 1);
	EQ(c, 'x');
	write_all(b, "y", 1);
	read_all(a, &c, 1);
	EQ(c, 'y');
}

// The revents that come within the time, 0 for none.
static int UNUSED poll_one(int fd, int events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;
	do
		n = poll(&p, 1, timeout_ms);
	while (n == -1 && errno == EINTR);
	OK(n);
	return n ? p.revents : 0;
}

// Polls until fd is writable. A connection that fails shows POLLHUP first under
// netbox, and POLLOUT a moment later (docs/limits.md).
static void UNUSED until_writable(int fd)
{
	int revents = 0;
	for (long end = now_ms() + 5000; !(revents & POLLOUT) && now_ms() < end;)
		revents = poll_one(fd, POLLOUT, 5000);
	CHECK(revents & POLLOUT);
}

static int UNUSED get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;
	OK(getsockopt(fd, level, name, &value, &len));
	return value;
}

static int UNUSED set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

static int UNUSED set_timeout(int fd, int name, long ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };
	return setsockopt(fd, SOL_SOCKET, name, &t, sizeof t);
}

static void UNUSED set_nonblock(int fd)
{
	OK(fcntl(fd, F_SETFL, OK(fcntl(fd, F_GETFL)) | O_NONBLOCK));
}

// ---- echo server ----

// Echoes one connection until its end; owns and closes the descriptor.
static void UNUSED echo_connection(int fd)
{
	char buffer[65536];
	ssize_t n;
	for (;;) {
		n = read(fd, buffer, sizeof buffer);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		write_all(fd, buffer, n);
	}
	close(fd);
}

static void *echo_thread(void *argument)
{
	echo_connection((int)(intptr_t)argument);
	return NULL;
}

static void *echo_accept_loop(void *argument)
{
	int l = (int)(intptr_t)argument;
	for (;;) {
		int fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
		if (fd == -1 && errno == EINTR)
			continue;
		if (fd == -1)
			return NULL;
		pthread_t thread;
		EQ(pthread_create(&thread, NULL, echo_thread, (void *)(intptr_t)fd), 0);
		pthread_detach(thread);
	}
}

// An echo server on a thread of its own for as long as the process lives.
// The listening descriptor.
static int UNUSED echo_server(int family)
{
	int l = listener(family, 128);
	pthread_detach(start(echo_accept_loop, (void *)(intptr_t)l));
	return l;
}

#endif
