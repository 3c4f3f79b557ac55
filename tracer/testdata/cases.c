// Test program of package tracer: one case per run, chosen by argv[1]. The
// calls are answered by fakeNet (fakenet_test.go), whose orders are
// setsockopt(fd, ORDER, what, &int, 4). A case ends with exit status 0, or
// with 1 and a line that says what was wrong.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ORDER = 77, TIMEOUT = 1, BYTE = 2, RIGHTS = 3, PUT_AT = 4, HANG_UP = 5, BAD_THEN = 6 };

#define CHECK(cond)                                                              \
	do {                                                                     \
		if (!(cond)) {                                                   \
			printf("line %d: %s (errno %d %s)\n", __LINE__, #cond,   \
			       errno, strerror(errno));                          \
			fflush(stdout);                                          \
			_exit(1);                                                \
		}                                                                \
	} while (0)

static char *self; // absolute; /proc/self/exe is empty once the leader has ended
static volatile sig_atomic_t handled;
static void on_signal(int s) { (void)s; handled++; }

static int sock(void) {
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	return fd;
}
static int order(int fd, int what, int arg) {
	return setsockopt(fd, ORDER, what, &arg, sizeof arg);
}
static int conn(int fd) {
	struct sockaddr_in a = {.sin_family = AF_INET};
	return connect(fd, (void *)&a, sizeof a);
}
static void action(int sig, void (*f)(int), int flags) {
	struct sigaction sa = {.sa_handler = f, .sa_flags = flags};
	CHECK(sigaction(sig, &sa, NULL) == 0);
}
static void alarm_in(int ms, int every) {
	struct itimerval it = {{0, every * 1000}, {0, ms * 1000}};
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
}
static void name_is_right(int fd) {
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	memset(&a, 0xee, sizeof a);
	CHECK(getsockname(fd, (void *)&a, &n) == 0);
	CHECK(n == sizeof a && a.sin_family == AF_INET && a.sin_port == htons(4242));
	CHECK(a.sin_addr.s_addr == htonl(0x0a000264));
}
static int ended(pid_t pid) {
	int st;
	CHECK(waitpid(pid, &st, __WALL) == pid);
	return st;
}

static void basic(void) {
	int fd = sock();
	CHECK(fd == 3);
	CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0);
	name_is_right(fd);
	CHECK(bind(fd, (void *)&fd, 4) == -1 && errno == EADDRINUSE);
	CHECK(listen(fd, 5) == 0);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
	int u = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(u == 4);
	close(u);
	int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(c == 4 && (fcntl(c, F_GETFD) & FD_CLOEXEC));
	CHECK(getsockname(fd, NULL, NULL) == -1 && errno == EFAULT);
	CHECK(getsockname(99, NULL, NULL) == -1 && errno == EBADF);
	CHECK(getsockname(0, NULL, NULL) == -1 && errno == ENOTSOCK);
	CHECK(order(fd, BYTE, 0) == 0);
	char b = 0;
	CHECK(read(fd, &b, 1) == 1 && b == 'x');
	CHECK(shutdown(fd, SHUT_WR) == 1007); // Then's value
	CHECK(getpeername(fd, NULL, NULL) == -1 && errno == EFAULT); // native, other arguments
}

// Every register but the result survives each form of verdict.
#ifdef __x86_64__
static inline __attribute__((always_inline)) long keep6(long nr, long a, long b, long c, long d, long e, long f, int *same) {
	register long r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
	long ret, di = a, si = b, dx = c;
	asm volatile("syscall" : "=a"(ret), "+D"(di), "+S"(si), "+d"(dx), "+r"(r10), "+r"(r8), "+r"(r9)
		     : "0"(nr) : "rcx", "r11", "memory");
	*same = di == a && si == b && dx == c && r10 == d && r8 == e && r9 == f;
	return ret;
}
static void registers(void) {
	int same, fd = keep6(SYS_socket, AF_INET, SOCK_STREAM, 0, 11, 12, 13, &same);
	CHECK(fd >= 0 && same);
	struct sockaddr_in a = {.sin_family = AF_INET};
	char b;
	order(fd, BYTE, 20);
	CHECK(keep6(SYS_connect, fd, (long)&a, sizeof a, 11, 12, 13, &same) == 0 && same);
	CHECK(read(fd, &b, 1) == 1);
	order(fd, RIGHTS, 20);
	CHECK(keep6(SYS_accept, fd, 0, 0, 11, 12, 13, &same) > fd && same);
	CHECK(keep6(SYS_shutdown, fd, SHUT_RD, 77, 11, 12, 13, &same) == 1007 && same);
	CHECK(keep6(SYS_listen, fd, 1, 77, 11, 12, 13, &same) == 0 && same);
}
// So does memory below the red zone, where arguments of injected calls lie.
static void below_stack(void) {
	struct sockaddr_in a = {.sin_family = AF_INET};
	int same, fd = sock(), arg = 0;
	volatile unsigned char *p;
	asm volatile("lea -1152(%%rsp), %0" : "=r"(p));
	for (int i = 0; i < 1024; i++) p[i] = (unsigned char)(i * 7);
	keep6(SYS_setsockopt, fd, ORDER, BYTE, (long)&arg, 4, 0, &same);
	keep6(SYS_connect, fd, (long)&a, sizeof a, 0, 0, 0, &same);
	keep6(SYS_setsockopt, fd, ORDER, RIGHTS, (long)&arg, 4, 0, &same);
	keep6(SYS_accept, fd, 0, 0, 0, 0, 0, &same);
	keep6(SYS_close_range, 3, ~0U, 0, 0, 0, 0, &same);
	keep6(SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0, &same);
	int wrong = 0;
	for (int i = 0; i < 1024; i++) wrong += p[i] != (unsigned char)(i * 7);
	CHECK(wrong == 0);
	name_is_right(3);
}
#else
static void below_stack(void) {}
static void registers(void) {}
#endif

static void wait_eintr(void) {
	action(SIGALRM, on_signal, 0);
	int fd = sock();
	alarm_in(30, 0);
	CHECK(conn(fd) == -1 && errno == EINTR && handled == 1);
}
static void wait_restart(void) {
	action(SIGALRM, on_signal, SA_RESTART);
	int fd = sock();
	order(fd, BYTE, 120);
	alarm_in(20, 20);
	CHECK(conn(fd) == 0 && handled >= 1);
}
static void wait_timeout(void) {
	int fd = sock();
	order(fd, TIMEOUT, 50);
	CHECK(conn(fd) == -1 && errno == ETIMEDOUT);
	action(SIGALRM, on_signal, SA_RESTART);
	order(fd, TIMEOUT, 5000);
	alarm_in(30, 0);
	CHECK(conn(fd) == -1 && errno == EINTR && handled == 1);
}
// Signals that are ignored do not interrupt, and do not prolong the timeout.
static void wait_ignored(void) {
	action(SIGALRM, SIG_IGN, 0);
	int fd = sock();
	order(fd, TIMEOUT, 200);
	alarm_in(20, 20);
	struct timespec a, b;
	for (int i = 0; i < 2; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		CHECK(conn(fd) == -1 && errno == ETIMEDOUT);
		clock_gettime(CLOCK_MONOTONIC, &b);
		long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
		CHECK(ms >= 195 && ms < 1500);
	}
	alarm_in(0, 0);
	action(SIGCHLD, SIG_DFL, 0);
	struct timeval tv = {0, 150000};
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	if (fork() == 0) usleep(30000), _exit(0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
}
static void accept_eintr(void) {
	action(SIGALRM, on_signal, 0);
	int fd = sock();
	alarm_in(30, 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINTR && handled == 1);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
}
static void accept_restart(void) {
	action(SIGALRM, on_signal, SA_RESTART);
	int fd = sock();
	order(fd, RIGHTS, 120);
	alarm_in(20, 20);
	int c = accept(fd, NULL, NULL);
	CHECK(c == fd + 1 && handled >= 1);
	name_is_right(c);
}
// Receive under a gate, answered with Wait, answered with Receive.
static void gated(void) {
	int fd = sock();
	order(fd, RIGHTS, 60);
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	CHECK(c == fd + 1 && (fcntl(c, F_GETFD) & FD_CLOEXEC));
	action(SIGALRM, on_signal, 0);
	alarm_in(30, 0);
	CHECK(accept4(fd, NULL, NULL, SOCK_CLOEXEC) == -1 && errno == EINTR && handled == 1);
	sigset_t now;
	CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && !sigismember(&now, SIGALRM) && !sigismember(&now, SIGTERM));
	action(SIGALRM, on_signal, SA_RESTART);
	order(fd, RIGHTS, 100);
	alarm_in(10, 10);
	CHECK(accept4(fd, NULL, NULL, SOCK_CLOEXEC) == c + 1);
}
static void *gate_thread(void *p) {
	for (int i = 0; i < 20; i++) {
		int c = accept4(*(int *)p, NULL, NULL, SOCK_CLOEXEC);
		CHECK(c >= 0);
		close(c);
	}
	return NULL;
}
static void gate_crowd(void) {
	int fd = sock();
	pthread_t th[16];
	for (int i = 0; i < 16; i++) CHECK(pthread_create(&th[i], NULL, gate_thread, &fd) == 0);
	for (int i = 0; i < 320; i++)
		while (order(fd, RIGHTS, 0) < 0) CHECK(errno == EAGAIN); // the queue is full
	for (int i = 0; i < 16; i++) pthread_join(th[i], NULL);
}
// Processes that are killed while they may hold the gate or be parked at it.
static void gate_killed(void) {
	int fd = sock();
	for (int round = 0; round < 20; round++) {
		pid_t kids[6];
		for (int i = 0; i < 6; i++)
			if ((kids[i] = fork()) == 0)
				for (;;) close(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
		for (int i = 0; i < 10; i++) order(fd, RIGHTS, 0);
		for (int i = 0; i < 6; i++) kill(kids[i], SIGKILL);
		for (int i = 0; i < 6; i++) CHECK(WTERMSIG(ended(kids[i])) == SIGKILL);
	}
	int other = sock();
	order(other, RIGHTS, 10);
	CHECK(accept4(other, NULL, NULL, SOCK_CLOEXEC) >= 0);
}
static void accept_fault(void) {
	int fd = sock(), before, after;
	order(fd, BAD_THEN, 1);
	order(fd, RIGHTS, 10);
	before = dup(0), close(before);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EFAULT);
	after = dup(0);
	CHECK(before == after); // the descriptor that came was closed
}
static int siblings_fd;
static void *sibling_waits(void *p) { (void)p; conn(siblings_fd); return NULL; }
static void stop_cont(void) {
	int fd = siblings_fd = sock();
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		pthread_t th;
		pthread_create(&th, NULL, sibling_waits, NULL);
		CHECK(conn(fd) == 0);
		_exit(42);
	}
	int st;
	for (int i = 0; i < 5; i++) {
		usleep(20000);
		kill(pid, SIGSTOP);
		CHECK(waitpid(pid, &st, WUNTRACED) == pid && WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
		char path[64], line[512];
		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		kill(pid, SIGCONT);
		CHECK(waitpid(pid, &st, WCONTINUED) == pid && WIFCONTINUED(st));
		(void)line;
	}
	order(fd, BYTE, 0);
	order(fd, BYTE, 0);
	st = ended(pid);
	CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 42);
}
static void stop_self(void) { // the main process is stopped and continued by its child
	pid_t me = getpid();
	int fd = sock();
	if (fork() == 0) {
		usleep(50000);
		kill(me, SIGCONT);
		_exit(0);
	}
	raise(SIGSTOP);
	name_is_right(fd);
	wait(NULL);
}
static void nested(int s) { (void)s; name_is_right(3); close(sock()); handled++; }
static void handler_calls(void) { // trapped calls inside a handler that interrupts one
	int fd = sock();
	CHECK(fd == 3);
	action(SIGALRM, nested, SA_RESTART);
	order(fd, BYTE, 100);
	alarm_in(10, 10);
	CHECK(conn(fd) == 0 && handled >= 1);
}
static sigjmp_buf out;
static void jump(int s) { (void)s; siglongjmp(out, 1); }
static void long_jump(void) {
	int fd = sock();
	action(SIGALRM, jump, SA_RESTART);
	if (sigsetjmp(out, 1) == 0) {
		alarm_in(30, 0);
		conn(fd);
		CHECK(!"not reached");
	}
	name_is_right(fd);
	action(SIGALRM, SIG_IGN, 0);
	order(fd, BYTE, 0);
	CHECK(conn(fd) == 0);
}
static void alt_stack(void) {
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
	CHECK(sigaltstack(&ss, NULL) == 0);
	int fd = sock();
	action(SIGALRM, nested, SA_RESTART | SA_ONSTACK);
	order(fd, BYTE, 60);
	alarm_in(10, 10);
	CHECK(conn(fd) == 0 && handled >= 1);
}
static void on_storm(int s) { // makes trapped calls, which must not be taken for a step of the other
	int keep = errno;
	(void)s;
	CHECK(getsockname(-1, NULL, NULL) == -1 && errno == EBADF);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
	errno = keep;
	handled++;
}
// A timer at every call: installs, waits, chains and remakes under fire. It
// leaves three times as long as its handler takes, on whatever machine: on one
// that emulates its processor, 300 us would be handled without an end.
static void storm(void) {
	struct timespec a, z;
	action(SIGALRM, on_storm, SA_RESTART);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 50; i++) raise(SIGALRM); // with its delivery
	clock_gettime(CLOCK_MONOTONIC, &z);
	long us = 300 + 4 * ((z.tv_sec - a.tv_sec) * 1000000 + (z.tv_nsec - a.tv_nsec) / 1000) / handled;
	handled = 0;
	sigset_t block, now;
	char b;
	sigemptyset(&block);
	sigaddset(&block, SIGUSR2);
	sigprocmask(SIG_BLOCK, &block, NULL);
	struct itimerval it = {{0, us}, {0, us}};
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
	for (int i = 0; i < 400; i++) {
		if (i % 7 == 0) syscall(SYS_close_range, 3, ~0U, 0);
		int fd = sock();
		CHECK(fd == 3);
		sigprocmask(SIG_SETMASK, NULL, &now);
		CHECK(sigismember(&now, SIGUSR2) && !sigismember(&now, SIGALRM) && !sigismember(&now, SIGINT));
		order(fd, BYTE, 0);
		CHECK(conn(fd) == 0 && read(fd, &b, 1) == 1);
		order(fd, RIGHTS, i % 3);
		int c = i % 2 ? accept(fd, NULL, NULL) : accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		CHECK(c == 4);
		close(c);
		close(fd);
		sigprocmask(SIG_SETMASK, NULL, &now);
		CHECK(sigismember(&now, SIGUSR2) && !sigismember(&now, SIGALRM) && !sigismember(&now, SIGINT));
	}
	CHECK(handled > 5);
}

static void forks(void) {
	int fd = sock();
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			name_is_right(fd);
			int mine = sock();
			name_is_right(mine);
			_exit(mine == fd + 1 ? 9 : 1);
		}
		CHECK(WEXITSTATUS(ended(pid)) == 9);
	}
	for (int i = 0; i < 20; i++) {
		pid_t pid = vfork();
		if (pid == 0) {
			execl(self, self, "basic_after_exec", NULL);
			_exit(1);
		}
		CHECK(WEXITSTATUS(ended(pid)) == 9);
	}
	struct clone_args ca = {.exit_signal = SIGCHLD};
	pid_t pid = syscall(SYS_clone3, &ca, sizeof ca);
	if (pid == 0) _exit(socket(AF_INET, SOCK_STREAM, 0) == 4 ? 9 : 1);
	if (pid > 0) CHECK(WEXITSTATUS(ended(pid)) == 9);
	pid = syscall(SYS_clone, 0, 0, 0, 0, 0); // no exit signal
	if (pid == 0) _exit(socket(AF_INET, SOCK_STREAM, 0) == 4 ? 9 : 1);
	CHECK(WEXITSTATUS(ended(pid)) == 9);
	char *argv[] = {"true", NULL};
	CHECK(posix_spawnp(&pid, "true", NULL, NULL, argv, argv + 1) == 0);
	CHECK(ended(pid) == 0);
}
static void basic_after_exec(void) {
	int fd = sock();
	name_is_right(fd);
	_exit(9);
}
static void *execs(void *p) {
	(void)p;
	execl(self, self, "basic_after_exec", NULL);
	return NULL;
}
static void *waits(void *p) { conn(*(int *)p); return NULL; }
static void *execs_waiting(void *p) {
	(void)p;
	usleep(30000);
	return execs(NULL);
}
static void exec_thread(void) { // with the leader and a sibling in the middle of a call
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			int fd = sock();
			pthread_t a, b;
			pthread_create(&a, NULL, waits, &fd);
			pthread_create(&b, NULL, i % 2 ? execs : execs_waiting, NULL);
			conn(fd);
			_exit(1);
		}
		CHECK(WEXITSTATUS(ended(pid)) == 9);
	}
}
static void *exec_after_leader(void *p) {
	(void)p;
	usleep(20000);
	return execs(NULL);
}
static void leader_gone(void) { // the leader ends first, then a thread executes
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t a;
		pthread_create(&a, NULL, exec_after_leader, NULL);
		pthread_exit(NULL);
	}
	CHECK(WEXITSTATUS(ended(pid)) == 9);
}
static void group_exit(void) { // exit_group while others wait
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			int fd = sock();
			pthread_t th[8];
			for (int k = 0; k < 8; k++) pthread_create(&th[k], NULL, k % 2 ? waits : gate_thread, &fd);
			usleep(5000 * (i % 3));
			_exit(9);
		}
		CHECK(WEXITSTATUS(ended(pid)) == 9);
	}
}
static void killed(void) {
	int fd = sock();
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;) {
				if (i % 4 == 0) syscall(SYS_close_range, 3, ~0U, 0);
				int s = socket(AF_INET, SOCK_STREAM, 0);
				order(s, BYTE, 0);
				conn(s);
				close(s);
			}
		usleep(i * 300);
		kill(pid, SIGKILL);
		int st = ended(pid);
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
		close(sock()); // the socket is not held up by the dead
	}
	(void)fd;
}
static void *many(void *p) {
	for (int i = 0; i < 30; i++) {
		int fd = sock();
		name_is_right(fd);
		order(fd, BYTE, 0);
		CHECK(conn(fd) == 0);
		close(fd);
	}
	return p;
}
static void threads(void) {
	pthread_t th[64];
	for (int i = 0; i < 64; i++) CHECK(pthread_create(&th[i], NULL, many, NULL) == 0);
	for (int i = 0; i < 64; i++) pthread_join(th[i], NULL);
	CHECK(sock() == 3);
}
static void small_stacks(void) {
	pthread_attr_t at;
	pthread_attr_init(&at);
	pthread_attr_setstacksize(&at, 16384);
	pthread_t th[8];
	for (int i = 0; i < 8; i++) CHECK(pthread_create(&th[i], &at, many, NULL) == 0);
	for (int i = 0; i < 8; i++) pthread_join(th[i], NULL);
}

static void remake(void) {
	CHECK(sock() == 3);
	CHECK(syscall(SYS_close_range, 3, ~0U, 0) == 0);
	CHECK(sock() == 3);
	for (int fd = 100; fd < 1024; fd++) dup2(0, fd); // replaced, not closed
	CHECK(sock() == 4);
	for (int fd = 100; fd < 1024; fd++) close(fd);
	CHECK(sock() == 5);
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			syscall(SYS_close_range, 3, ~0U, 0);
			CHECK(sock() == 3);
			execl(self, self, "basic_after_exec", NULL);
		}
		CHECK(WEXITSTATUS(ended(pid)) == 9);
	}
	CHECK(sock() == 6);
}
static void emfile(void) {
	struct rlimit rl = {64, 64};
	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	while (dup(0) >= 0) {}
	CHECK(errno == EMFILE);
	CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EMFILE);
	close(40);
	CHECK(sock() == 40);
	close(40);
	syscall(SYS_close_range, 30, ~0U, 0); // and with the control socket to be made
	CHECK(sock() == 30);
	while (dup(0) >= 0) {}
	CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EMFILE);
	order(30, RIGHTS, 0);
	CHECK(accept(30, NULL, NULL) == -1 && errno == EMFILE);
}
static void put_at(void) {
	int fd = sock();
	dup2(0, 20);
	CHECK(order(fd, PUT_AT, 20) == 20);
	name_is_right(20);
	CHECK(fcntl(20, F_GETFD) & FD_CLOEXEC);
	CHECK(dup(0) == 4);
	CHECK(order(fd, PUT_AT, 100000) == -1 && errno == EBADF);
	CHECK(dup(0) == 5);
}
#ifdef __x86_64__
// What a tracer in the box makes of a call is the emulation's as the call itself is,
// and the filter stays.
static void tracer_smuggles(void) {
	pid_t pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		int fd = syscall(SYS_getppid, AF_INET, SOCK_STREAM, 0);
		name_is_right(fd);
		_exit(9);
	}
	int st, done = 0;
	CHECK(waitpid(pid, &st, 0) == pid && WIFSTOPPED(st));
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP) == -1 && errno == EPERM);
	for (;;) {
		struct user_regs_struct r;
		CHECK(ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0 && waitpid(pid, &st, 0) == pid);
		if (!WIFSTOPPED(st)) break;
		CHECK(ptrace(PTRACE_GETREGS, pid, 0, &r) == 0);
		if (r.orig_rax != SYS_getppid || done++) continue;
		r.orig_rax = SYS_socket;
		CHECK(ptrace(PTRACE_SETREGS, pid, 0, &r) == 0);
	}
	CHECK(done && WIFEXITED(st) && WEXITSTATUS(st) == 9);
}
#else
static void tracer_smuggles(void) {}
#endif
static void refused(void) {
	char here = 'a', there = 0;
	struct iovec l = {&there, 1}, r = {&here, 1};
	CHECK(process_vm_readv(getpid(), &l, 1, &r, 1, 0) == 1 && there == 'a');
	CHECK(process_vm_readv(getppid(), &l, 1, &r, 1, 0) == -1 && errno == EPERM);
	CHECK(process_vm_writev(getppid(), &l, 1, &r, 1, 0) == -1 && errno == EPERM);
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/mem", getppid());
	CHECK(getuid() == 0 || open(path, O_RDWR) == -1);
	pid_t pid = fork();
	if (pid == 0) for (;;) pause();
	CHECK(process_vm_readv(pid, &l, 1, &r, 1, 0) == 1);
	const char *engine = getenv("NETBOX_TEST_ENGINE");
	int debuggable = engine != NULL && strcmp(engine, "debuggable") == 0;
	if (debuggable) {
		CHECK(ptrace(PTRACE_ATTACH, pid, 0, 0) == 0 && waitpid(pid, NULL, 0) == pid);
		tracer_smuggles();
	} else
		CHECK(ptrace(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM);
	kill(pid, SIGKILL);
	ended(pid);
	CHECK(ptrace(PTRACE_ATTACH, getppid(), 0, 0) == -1 && errno == EPERM);
	CHECK(ptrace(PTRACE_SEIZE, getppid(), 0, 0) == -1 && errno == EPERM);
	pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0); // no tracer where one is needed, no network
	if (pid == 0) _exit(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == ENOSYS ? 9 : 1);
	CHECK(WEXITSTATUS(ended(pid)) == (debuggable ? 1 : 9));
	pid = fork();
	if (pid == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 50 : errno);
	CHECK(WEXITSTATUS(ended(pid)) == (debuggable ? 50 : EPERM));
	CHECK(syscall(438, 0, 0, 0) == -1 && errno == EPERM); // pidfd_getfd
	CHECK(syscall(425, 8, NULL) == -1 && errno == ENOSYS); // io_uring_setup
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 1);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	int pdeath = -1;
	CHECK(prctl(PR_GET_PDEATHSIG, &pdeath) == 0 && pdeath == 0);
	int n;
	CHECK(ioctl(0, 0x8912, &n) == -1 && errno == EPFNOSUPPORT); // SIOCGIFCONF, by the handler
#ifdef __x86_64__
	CHECK(syscall(0x40000000 | 39) == -1 && errno == ENOSYS); // x32 getpid
	long ret;
	asm volatile("int $0x80" : "=a"(ret) : "0"(20L) : "memory"); // i386 getpid
	CHECK(ret == -ENOSYS);
#endif
}
// A filter of the program's own that asks for a tracer: there is none for it.
static void own_filter(void) {
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 5),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {sizeof f / sizeof *f, f};
	int fd = sock();
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0);
	CHECK(syscall(SYS_getppid) == -1 && errno == ENOSYS);
	CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EXDEV);
	name_is_right(fd);
}
static void loop(void) {
	for (int i = 0; i < 1000; i++) {
		int fd = sock();
		name_is_right(fd);
		close(fd);
	}
}
static void hangs(void) { // descendants of all kinds, for the test that kills netbox
	int fd = sock();
	if (fork() == 0) conn(fd);
	if (fork() == 0) {
		setsid();
		for (;;) pause();
	}
	if (fork() == 0) raise(SIGSTOP);
	if (fork() == 0)
		for (;;) close(sock());
	pthread_t th;
	pthread_create(&th, NULL, gate_thread, &fd);
	printf("up\n");
	fflush(stdout);
	for (;;) pause();
}
static void leaves(void) { // the main process ends, its children would not
	int fd = sock();
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			if (i % 2) setsid();
			conn(fd);
			pause();
		}
	_exit(5);
}
static void signalled(void) { kill(getpid(), SIGSEGV); }
static void on_term(int s) { (void)s; _exit(77); }
static void terminated(void) {
	action(SIGTERM, on_term, 0);
	printf("up\n");
	fflush(stdout);
	for (;;) pause();
}
static void on_cont(int s) { (void)s; (void)!write(1, "continued\n", 10); }
static void on_int(int s) { (void)s; _exit(33); }
static void job(void) { // a program under a shell's job control
	action(SIGCONT, on_cont, SA_RESTART);
	action(SIGINT, on_int, SA_RESTART);
	int fd = sock();
	(void)!write(1, "ready\n", 6);
	conn(fd);
}

// What a program is given, for comparison with a native run.
static void show(int argc, char **argv, char **envp) {
	for (int i = 0; i < argc; i++) printf("arg %s\n", argv[i]);
	for (char **e = envp; *e; e++) printf("env %s\n", *e);
	char buf[4096], link[4096];
	printf("cwd %s\n", getcwd(buf, sizeof buf));
	mode_t m = umask(0);
	printf("umask %o\n", m);
	for (int fd = 0; fd < 1024; fd++) {
		snprintf(buf, sizeof buf, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(buf, link, sizeof link);
		if (n >= 0 && fd < 1000) printf("fd %d %.*s %x %x\n", fd, (int)n, link, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
	}
	for (int r = 0; r < RLIM_NLIMITS; r++) {
		struct rlimit rl;
		getrlimit(r, &rl);
		printf("limit %d %lx %lx\n", r, (long)rl.rlim_cur, (long)rl.rlim_max);
	}
	for (int s = 1; s < 65; s++) {
		struct sigaction sa;
		if (syscall(SYS_rt_sigaction, s, NULL, &sa, 8) == 0 && sa.sa_handler != SIG_DFL) printf("signal %d ignored\n", s);
	}
	sigset_t set;
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int s = 1; s < 65; s++)
		if (sigismember(&set, s) == 1) printf("signal %d blocked\n", s);
	sigpending(&set);
	for (int s = 1; s < 65; s++)
		if (sigismember(&set, s) == 1) printf("signal %d pending\n", s);
	printf("session %d group %d\n", getsid(0) == getpid(), getpgrp() == getpid());
	printf("nice %d uid %d\n", getpriority(PRIO_PROCESS, 0), getuid());
}

#define CASE(f) {#f, f}
static struct { const char *name; void (*f)(void); } cases[] = {
	CASE(basic), CASE(registers), CASE(below_stack), CASE(wait_eintr), CASE(wait_restart), CASE(wait_timeout), CASE(wait_ignored),
	CASE(accept_eintr), CASE(accept_restart), CASE(gated), CASE(gate_crowd), CASE(gate_killed),
	CASE(accept_fault), CASE(stop_cont), CASE(stop_self), CASE(handler_calls), CASE(long_jump),
	CASE(alt_stack), CASE(storm), CASE(forks), CASE(basic_after_exec), CASE(exec_thread),
	CASE(leader_gone), CASE(group_exit), CASE(killed), CASE(threads), CASE(small_stacks),
	CASE(remake), CASE(emfile), CASE(put_at), CASE(refused), CASE(own_filter), CASE(loop),
	CASE(hangs), CASE(leaves), CASE(signalled), CASE(terminated), CASE(job),
};

int main(int argc, char **argv, char **envp) {
	self = argv[0];
	if (argc > 1 && strcmp(argv[1], "show") == 0) {
		show(argc, argv, envp);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
		if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].f();
			return 0;
		}
	printf("no such case\n");
	return 2;
}
