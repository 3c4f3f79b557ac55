// Sockets shared between processes: fork, exec, descriptor passing, shared
// descriptor tables, daemons.
#include "test.h"
#include <sched.h>
#include <spawn.h>

extern char **environ;

static void fork_shares_connection(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	pid_t pid = test_fork();
	if (pid == 0) {
		write_all(p.client, "from the child", 14);
		_exit(0);
	}
	wait_ok(pid);
	char text[14];
	read_all(p.server, text, 14);
	CHECK(memcmp(text, "from the child", 14) == 0);
	ping_pong(p.client, p.server);
}

// What a child connects, its parent's copy is connected to.
static void fork_child_connects(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 1), fd = OK(socket(AF_INET, SOCK_STREAM, 0)), copy = OK(dup(fd));
	pid_t pid = test_fork();
	if (pid == 0) {
		OK(connect_fd(fd, l));
		_exit(0);
	}
	wait_ok(pid);
	ping_pong(copy, OK(accept(l, NULL, NULL)));
}

// The connection ends when the last copy is closed, not the first.
static void fork_last_close_ends(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int gate[2];
	char c;
	OK(pipe(gate));
	pid_t pid = test_fork();
	if (pid == 0) {
		OK(close(gate[1]));
		EQ(read(gate[0], &c, 1), 0);
		_exit(0);
	}
	OK(close(p.client));
	EQ(poll_one(p.server, POLLIN, 100), 0);
	OK(close(gate[1]));
	EQ(read(p.server, &c, 1), 0);
	wait_ok(pid);
}

static void fork_child_makes_sockets(const char *name)
{
	(void)name;
	int l = listener(AF_INET6, 8);
	pid_t pid = test_fork();
	if (pid == 0) {
		int fd = connect_to(l);
		write_all(fd, "c", 1);
		_exit(0);
	}
	int server = OK(accept(l, NULL, NULL));
	char c;
	read_all(server, &c, 1);
	EQ(read(server, &c, 1), 0);
	wait_ok(pid);
}

// Role of an exec'd copy: argument 2 is a listener, accept on it and echo.
static void role_accept(const char *name)
{
	(void)name;
	int l = atoi(test_argv[2]);
	EQ(get_int(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	echo_connection(OK(accept(l, NULL, NULL)));
}

// Role of an exec'd copy: argument 2 is a connection, echo on it.
static void role_echo(const char *name)
{
	(void)name;
	int fd = atoi(test_argv[2]);
	CHECK(port_of(peer_address(fd)) != 0);
	echo_connection(fd);
}

// Role of an exec'd copy: argument 2 must not be open.
static void role_closed(const char *name)
{
	(void)name;
	ERR(fcntl(atoi(test_argv[2]), F_GETFD), EBADF);
}

static void exec_role(const char *role, int fd)
{
	char number[16];
	snprintf(number, sizeof number, "%d", fd);
	execl("/proc/self/exe", test_argv[0], role, number, (char *)NULL);
	FAIL("exec: %s", strerror(errno));
}

static void exec_keeps_listener(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	pid_t pid = test_fork();
	if (pid == 0)
		exec_role("_accept", l);
	int fd = connect_to(l);
	write_all(fd, "abc", 3);
	char text[3];
	read_all(fd, text, 3);
	OK(close(fd));
	wait_ok(pid);
}

static void exec_keeps_connection(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET6);
	pid_t pid = test_fork();
	if (pid == 0) {
		OK(close(p.client));
		exec_role("_echo", p.server);
	}
	OK(close(p.server));
	write_all(p.client, "abc", 3);
	char text[3];
	read_all(p.client, text, 3);
	OK(close(p.client));
	wait_ok(pid);
}

static void exec_closes_cloexec(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int l = listener(AF_INET, 8), client = connect_to(l);
	int server = OK(accept4(l, NULL, NULL, SOCK_CLOEXEC));
	OK(fcntl(client, F_SETFD, FD_CLOEXEC));
	int fds[] = { fd, server, client };
	for (size_t i = 0; i < COUNT(fds); i++) {
		pid_t pid = test_fork();
		if (pid == 0)
			exec_role("_closed", fds[i]);
		wait_ok(pid);
	}
	ping_pong(client, server);
}

static void vfork_exec(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char number[16];
	snprintf(number, sizeof number, "%d", p.server);
	for (int i = 0; i < 20; i++) {
		pid_t pid = vfork();
		if (pid == 0) {
			execl("/proc/self/exe", test_argv[0], "_closed", "777", (char *)NULL);
			_exit(9);
		}
		wait_ok(OK(pid));
	}
	pid_t pid = vfork();
	if (pid == 0) {
		close(p.client);
		execl("/proc/self/exe", test_argv[0], "_echo", number, (char *)NULL);
		_exit(9);
	}
	OK(close(p.server));
	write_all(p.client, "v", 1);
	char c;
	read_all(p.client, &c, 1);
	OK(close(p.client));
	wait_ok(OK(pid));
}

static void spawn_with_socket_as_stdin(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	posix_spawn_file_actions_t actions;
	OK(posix_spawn_file_actions_init(&actions));
	EQ(posix_spawn_file_actions_adddup2(&actions, p.server, 0), 0);
	EQ(posix_spawn_file_actions_addclose(&actions, p.client), 0);
	EQ(posix_spawn_file_actions_addclose(&actions, p.server), 0);
	char *argv[] = { test_argv[0], "_echo", "0", NULL };
	pid_t pid;
	EQ(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	OK(close(p.server));
	write_all(p.client, "spawned", 7);
	char text[7];
	read_all(p.client, text, 7);
	OK(close(p.client));
	wait_ok(pid);
}

static void *exec_from_thread_body(void *argument)
{
	exec_role("_echo", (int)(intptr_t)argument);
	return NULL;
}

static void *sleep_in_accept(void *argument)
{
	accept((int)(intptr_t)argument, NULL, NULL);
	return NULL;
}

// exec by a thread that is not the leader: its siblings, two of them blocked
// in accept, vanish; the sockets stay.
static void exec_from_thread(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int l = listener(AF_INET, 1);
	pid_t pid = test_fork();
	if (pid == 0) {
		OK(close(p.client));
		start(sleep_in_accept, (void *)(intptr_t)l);
		start(sleep_in_accept, (void *)(intptr_t)l);
		start(exec_from_thread_body, (void *)(intptr_t)p.server);
		for (;;)
			pause();
	}
	OK(close(p.server));
	write_all(p.client, "abc", 3);
	char text[3];
	read_all(p.client, text, 3);
	OK(close(p.client));
	wait_ok(pid);
}

static void send_fd(int through, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] = { 0 }, byte = 'f';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	EQ(sendmsg(through, &m, 0), 1);
}

static int receive_fd(int through)
{
	int fd;
	char control[CMSG_SPACE(sizeof fd)] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	EQ(recvmsg(through, &m, MSG_CMSG_CLOEXEC), 1);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return fd;
}

static void scm_rights_connection(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	uint16_t port = local_port(p.client);
	int through[2];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, through));
	pid_t pid = test_fork();
	if (pid == 0) {
		OK(close(p.server));
		OK(close(p.client));
		int fd = receive_fd(through[1]);
		EQ(port_of(peer_address(fd)), port);
		echo_connection(fd);
		_exit(0);
	}
	send_fd(through[0], p.server);
	OK(close(p.server));
	write_all(p.client, "passed", 6);
	char text[6];
	read_all(p.client, text, 6);
	OK(close(p.client));
	wait_ok(pid);
}

static void scm_rights_listener(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), through[2];
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, through));
	pid_t pid = test_fork();
	if (pid == 0) {
		OK(close(l));
		int passed = receive_fd(through[1]);
		echo_connection(OK(accept(passed, NULL, NULL)));
		_exit(0);
	}
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	union address a = local_address(l);
	send_fd(through[0], l);
	OK(close(l));
	OK(connect(fd, &a.any, sizeof a.in));
	write_all(fd, "passed", 6);
	char text[6];
	read_all(fd, text, 6);
	OK(close(fd));
	wait_ok(pid);
}

static int shared_fd = -1;
static struct pair shared_pair;

static int sharer(void *argument)
{
	(void)argument;
	shared_fd = socket(AF_INET, SOCK_STREAM, 0);
	return close(shared_pair.server);
}

// clone(CLONE_FILES) without CLONE_THREAD: two processes, one table.
static void clone_files(const char *name)
{
	(void)name;
	static char stack[65536] __attribute__((aligned(16)));
	shared_pair = tcp_pair(AF_INET);
	int l = listener(AF_INET, 8);
	wait_ok(OK(clone(sharer, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, NULL)));
	char c;
	EQ(read(shared_pair.client, &c, 1), 0);
	CHECK(shared_fd >= 0);
	OK(connect_fd(shared_fd, l));
	ping_pong(shared_fd, OK(accept(l, NULL, NULL)));
}

static const struct test_case cases[] = {
	{ "fork_shares_connection", fork_shares_connection },
	{ "fork_child_connects", fork_child_connects },
	{ "fork_last_close_ends", fork_last_close_ends },
	{ "fork_child_makes_sockets", fork_child_makes_sockets },
	{ "exec_keeps_listener", exec_keeps_listener },
	{ "exec_keeps_connection", exec_keeps_connection },
	{ "exec_closes_cloexec", exec_closes_cloexec },
	{ "vfork_exec", vfork_exec },
	{ "posix_spawn", spawn_with_socket_as_stdin },
	{ "exec_from_thread", exec_from_thread },
	{ "scm_rights_connection", scm_rights_connection },
	{ "scm_rights_listener", scm_rights_listener },
	{ "clone_files", clone_files },
	{ "_accept", role_accept },
	{ "_echo", role_echo },
	{ "_closed", role_closed },
};

TEST_MAIN(cases)
