// Signals that meet a connection attempt, timers, job control, cancellation
// and death in the middle of blocking calls.
#include "test.h"

static volatile sig_atomic_t handled;
static void on_signal(int signal) { (void)signal; handled++; }

static void handle(int signal, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };
	OK(sigaction(signal, &action, NULL));
}

static int connect_address(int fd, union address a)
{
	return connect(fd, &a.any, address_len(a.any.sa_family));
}

static void *signal_when_blocked(void *argument)
{
	pid_t target = (pid_t)(intptr_t)argument;
	int before = handled;
	wait_blocked(target);
	OK(syscall(SYS_tgkill, getpid(), target, SIGUSR1));
	while (handled == before)
		sleep_ms(1);
	return NULL;
}

// The attempt goes on after EINTR: it is EALREADY, and may succeed.
static void connect_eintr(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = OK(socket(a.any.sa_family, SOCK_STREAM, 0));
	handle(SIGUSR1, 0);
	pthread_t thread = start(signal_when_blocked, (void *)(intptr_t)own_tid());
	ERR(connect_address(fd, a), EINTR);
	join(thread);
	set_nonblock(fd);
	ERR(connect_address(fd, a), EALREADY);
}

static void *restart_then_interrupt(void *argument)
{
	signal_when_blocked(argument);
	signal_when_blocked(argument);
	handle(SIGUSR1, 0);
	return signal_when_blocked(argument);
}

// With SA_RESTART connect goes on waiting, until a signal without it.
static void connect_restart(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = OK(socket(a.any.sa_family, SOCK_STREAM, 0));
	handle(SIGUSR1, SA_RESTART);
	pthread_t thread = start(restart_then_interrupt, (void *)(intptr_t)own_tid());
	ERR(connect_address(fd, a), EINTR);
	EQ(handled, 3);
	join(thread);
}

// SO_SNDTIMEO takes the restart away (signal(7)).
static void connect_restart_with_timeout(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = OK(socket(a.any.sa_family, SOCK_STREAM, 0));
	OK(set_timeout(fd, SO_SNDTIMEO, 30000));
	handle(SIGUSR1, SA_RESTART);
	pthread_t thread = start(signal_when_blocked, (void *)(intptr_t)own_tid());
	ERR(connect_address(fd, a), EINTR);
	EQ(handled, 1);
	join(thread);
}

struct disturbed {
	pid_t reader;
	int fd;
};

static void *ignored_then_data(void *argument)
{
	struct disturbed *d = argument;
	wait_blocked(d->reader);
	OK(syscall(SYS_tgkill, getpid(), d->reader, SIGCHLD));
	wait_blocked(d->reader);
	write_all(d->fd, "x", 1);
	return NULL;
}

static ssize_t by_recvmsg(int fd, void *data, size_t size)
{
	struct iovec part = { data, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	return recvmsg(fd, &message, 0);
}

static ssize_t by_recv(int fd, void *data, size_t size) { return recv(fd, data, size, 0); }

// Under SO_RCVTIMEO any handler ends a call with EINTR, and a signal that is
// ignored does not.
static void ignored_under_timeout(const char *name)
{
	(void)name;
	static ssize_t (*const ways[])(int, void *, size_t) = { read, by_recv, by_recvmsg };
	struct pair p = tcp_pair(AF_INET);
	OK(set_timeout(p.server, SO_RCVTIMEO, 50000));
	for (unsigned i = 0; i < COUNT(ways); i++) {
		struct disturbed d = { own_tid(), p.client };
		pthread_t thread = start(ignored_then_data, &d);
		char c;
		EQ(ways[i](p.server, &c, 1), 1);
		join(thread);
	}
}

static void *ignored_then_awaited(void *argument)
{
	struct disturbed *d = argument;
	wait_blocked(d->reader);
	OK(syscall(SYS_tgkill, getpid(), d->reader, SIGCHLD));
	wait_blocked(d->reader);
	OK(syscall(SYS_tgkill, getpid(), d->reader, SIGUSR1));
	return NULL;
}

static void ignored_sigtimedwait(const char *name)
{
	(void)name;
	sigset_t awaited;
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &awaited, NULL));
	struct disturbed d = { own_tid(), -1 };
	pthread_t thread = start(ignored_then_awaited, &d);
	struct timespec limit = { .tv_sec = 50 };
	EQ(sigtimedwait(&awaited, NULL, &limit), SIGUSR1);
	join(thread);
}

static void sigalrm_accept(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	handle(SIGALRM, 0);
	struct itimerval t = { .it_value.tv_usec = 100000 };
	OK(setitimer(ITIMER_REAL, &t, NULL));
	ERR(accept(l, NULL, NULL), EINTR);
	EQ(handled, 1);
}

static void sigalrm_udp(const char *name)
{
	(void)name;
	int fd = bound(AF_INET, SOCK_DGRAM);
	union address a;
	socklen_t len = sizeof a;
	char c;
	handle(SIGALRM, 0);
	alarm(1);
	ERR(recvfrom(fd, &c, 1, 0, &a.any, &len), EINTR);
	EQ(handled, 1);
}

static void sigalrm_connect(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	int fd = OK(socket(a.any.sa_family, SOCK_STREAM, 0));
	handle(SIGALRM, 0);
	alarm(1);
	ERR(connect_address(fd, a), EINTR);
	EQ(handled, 1);
}

// ---- stop and continue ----

// Stops the child while it is blocked, and lets it go on.
static void stop_and_continue(pid_t pid)
{
	int status;
	for (int i = 0; i < 3; i++) {
		wait_blocked(pid);
		OK(kill(pid, SIGSTOP));
		EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		OK(kill(pid, SIGCONT));
		EQ(waitpid(pid, &status, WCONTINUED), pid);
		CHECK(WIFCONTINUED(status));
	}
	wait_blocked(pid);
}

static void stop_accept(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	pid_t pid = test_fork();
	if (pid == 0) {
		union address a;
		socklen_t len = sizeof a;
		int fd = OK(accept(l, &a.any, &len));
		EQ(len, sizeof a.in);
		write_all(fd, "k", 1);
		_exit(0);
	}
	stop_and_continue(pid);
	int fd = connect_to(l);
	char c;
	read_all(fd, &c, 1);
	wait_ok(pid);
}

static void stop_recv(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	pid_t pid = test_fork();
	if (pid == 0) {
		char c;
		struct iovec iov = { &c, 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		EQ(recvmsg(p.server, &m, 0), 1);
		_exit(0);
	}
	stop_and_continue(pid);
	write_all(p.client, "x", 1);
	wait_ok(pid);
}

static void stop_udp(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	pid_t pid = test_fork();
	if (pid == 0) {
		union address from;
		socklen_t len = sizeof from;
		char c;
		EQ(recvfrom(a, &c, 1, 0, &from.any, &len), 1);
		EQ(port_of(from), local_port(b));
		_exit(0);
	}
	stop_and_continue(pid);
	union address to = local_address(a);
	EQ(sendto(b, "x", 1, 0, &to.any, sizeof to.in), 1);
	wait_ok(pid);
}

static void stop_connect(const char *name)
{
	(void)name;
	union address a = remote("NBT_BLACKHOLE", 9);
	pid_t pid = test_fork();
	if (pid == 0) {
		connect_address(OK(socket(a.any.sa_family, SOCK_STREAM, 0)), a);
		_exit(1);
	}
	stop_and_continue(pid);
	int status;
	OK(kill(pid, SIGTERM));
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

// ---- cancellation and death ----

static volatile pid_t blocked_tid;

static void *cancelled_accept(void *argument)
{
	blocked_tid = own_tid();
	accept((int)(intptr_t)argument, NULL, NULL);
	return NULL;
}

static void *cancelled_recvfrom(void *argument)
{
	union address a;
	socklen_t len = sizeof a;
	char c;
	blocked_tid = own_tid();
	recvfrom((int)(intptr_t)argument, &c, 1, 0, &a.any, &len);
	return NULL;
}

static void cancel(void *(*run)(void *), int fd)
{
	void *result;
	blocked_tid = 0;
	pthread_t thread = start(run, (void *)(intptr_t)fd);
	while (blocked_tid == 0)
		sleep_ms(1);
	wait_blocked(blocked_tid);
	EQ(pthread_cancel(thread), 0);
	EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
}

static void cancel_accept(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	for (int i = 0; i < 5; i++)
		cancel(cancelled_accept, l);
	int c = connect_to(l);
	ping_pong(c, OK(accept(l, NULL, NULL)));
}

static void cancel_recvfrom(const char *name)
{
	(void)name;
	int fd = bound(AF_INET, SOCK_DGRAM), other = bound(AF_INET, SOCK_DGRAM);
	for (int i = 0; i < 5; i++)
		cancel(cancelled_recvfrom, fd);
	union address to = local_address(fd), from;
	socklen_t len = sizeof from;
	EQ(sendto(other, "z", 1, 0, &to.any, sizeof to.in), 1);
	char c;
	EQ(recvfrom(fd, &c, 1, 0, &from.any, &len), 1);
	EQ(port_of(from), local_port(other));
}

// A group of threads killed while blocked in accept takes no connection along.
static void kill_group_in_accept(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), ready[2];
	OK(pipe(ready));
	pid_t pid = test_fork();
	if (pid == 0) {
		for (int i = 0; i < 8; i++)
			start(cancelled_accept, (void *)(intptr_t)l);
		write_all(ready[1], "r", 1);
		accept(l, NULL, NULL);
		_exit(1);
	}
	char c;
	int status;
	read_all(ready[0], &c, 1);
	wait_blocked(pid);
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	int client = connect_to(l);
	ping_pong(client, OK(accept(l, NULL, NULL)));
}

// ---- a signal every millisecond ----

static void echo_rounds(int fd, bool restart)
{
	static unsigned char out[3000], in[3000];
	for (unsigned i = 0; i < 1500; i++) {
		size_t len = 1 + i * 7 % sizeof out;
		memset(out, (int)i, len);
		write_all(fd, out, len);
		for (size_t got = 0; got < len;) {
			ssize_t n = recv(fd, in + got, len - got, 0);
			if (n == -1 && errno == EINTR && !restart)
				continue;
			CHECK(n > 0);
			got += n;
		}
		EQ(memcmp(in, out, len), 0);
	}
}

static void storm(bool restart)
{
	int l = echo_server(AF_INET), fd = connect_to(l);
	handle(SIGALRM, restart ? SA_RESTART : 0);
	struct itimerval t = { { 0, 1000 }, { 0, 1000 } }, off = { 0 };
	OK(setitimer(ITIMER_REAL, &t, NULL));
	echo_rounds(fd, restart);
	for (int i = 0; i < 50; i++) {
		struct pair p = { .client = OK(socket(AF_INET, SOCK_STREAM, 0)) };
		if (connect_fd(p.client, l) == -1) {
			EQ(errno, EINTR);
			CHECK(poll_one(p.client, POLLOUT, 5000) & POLLOUT);
			EQ(get_int(p.client, SOL_SOCKET, SO_ERROR), 0);
		}
		write_all(p.client, "s", 1);
		char c;
		read_all(p.client, &c, 1);
		OK(close(p.client));
	}
	OK(setitimer(ITIMER_REAL, &off, NULL));
	CHECK(handled > 0);
}

static void storm_eintr(const char *name) { (void)name; storm(false); }
static void storm_restart(const char *name) { (void)name; storm(true); }

// Calls that never wait never fail with EINTR, however often one is made anew.
static void storm_options(const char *name)
{
	(void)name;
	handle(SIGALRM, 0);
	struct itimerval t = { { 0, 200 }, { 0, 200 } }, off = { 0 };
	OK(setitimer(ITIMER_REAL, &t, NULL));
	for (int i = 0; i < 1000; i++) {
		int fd = OK(socket(i % 2 ? AF_UNIX : AF_INET, SOCK_STREAM, 0));
		for (int again = 0; again < 2; again++) {
			EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
			EQ(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
			OK(set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1));
		}
		OK(close(fd));
	}
	OK(setitimer(ITIMER_REAL, &off, NULL));
	CHECK(handled > 0);
}

static const struct test_case cases[] = {
	{ "connect_eintr", connect_eintr },
	{ "connect_restart", connect_restart },
	{ "connect_restart_with_timeout", connect_restart_with_timeout },
	{ "ignored_under_timeout", ignored_under_timeout },
	{ "ignored_sigtimedwait", ignored_sigtimedwait },
	{ "sigalrm_accept", sigalrm_accept },
	{ "sigalrm_udp", sigalrm_udp },
	{ "sigalrm_connect", sigalrm_connect },
	{ "stop_accept", stop_accept },
	{ "stop_recv", stop_recv },
	{ "stop_udp", stop_udp },
	{ "stop_connect", stop_connect },
	{ "cancel_accept", cancel_accept },
	{ "cancel_recvfrom", cancel_recvfrom },
	{ "kill_group_in_accept", kill_group_in_accept },
	{ "storm_eintr", storm_eintr },
	{ "storm_restart", storm_restart },
	{ "storm_options", storm_options },
};

TEST_MAIN(cases)
