// What UDP tells of datagrams that nobody takes, or that have no destination.
#include "test.h"
#include <sys/epoll.h>

// A port unreachable comes back as ECONNREFUSED, once, on a connected socket.
static void refused(const char *name)
{
	(void)name;
	int closed = bound(AF_INET, SOCK_DGRAM), fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	union address from;
	socklen_t len = sizeof from;
	char c;
	OK(connect_fd(fd, closed));
	OK(close(closed));
	EQ(send(fd, "x", 1, 0), 1);
	CHECK(poll_one(fd, POLLIN, 5000) & POLLERR);
	ERR(recvfrom(fd, &c, 1, MSG_DONTWAIT, &from.any, &len), ECONNREFUSED);
	ERR(recvfrom(fd, &c, 1, MSG_DONTWAIT, &from.any, &len), EAGAIN);
	EQ(send(fd, "x", 1, 0), 1);
	CHECK(poll_one(fd, 0, 5000) & POLLERR);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
}

// A socket connected to a port that is closed.
static int connected_to_closed(void)
{
	int closed = bound(AF_INET, SOCK_DGRAM), fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(connect_fd(fd, closed));
	OK(close(closed));
	return fd;
}

static void refused_wakes_reader(const char *name)
{
	(void)name;
	int fd = connected_to_closed();
	pid_t pid = test_fork();
	if (pid == 0) {
		union address from;
		socklen_t len = sizeof from;
		char c;
		ERR(recvfrom(fd, &c, 1, 0, &from.any, &len), ECONNREFUSED);
		_exit(0);
	}
	wait_blocked(pid);
	EQ(send(fd, "x", 1, 0), 1);
	wait_ok(pid);
}

// read, recv and send tell it as well.
static void refused_told_plainly(const char *name)
{
	(void)name;
	int fd = connected_to_closed();
	char c;
	EQ(send(fd, "x", 1, 0), 1);
	CHECK(poll_one(fd, POLLIN, 5000) & POLLERR);
	ERR(recv(fd, &c, 1, 0), ECONNREFUSED);
	EQ(send(fd, "x", 1, 0), 1);
	CHECK(poll_one(fd, POLLIN, 5000) & POLLERR);
	ERR(read(fd, &c, 1), ECONNREFUSED);
	EQ(send(fd, "x", 1, 0), 1);
	CHECK(poll_one(fd, 0, 5000) & POLLERR);
	ERR(send(fd, "x", 1, 0), ECONNREFUSED);
}

// However close together, a refusal is told as that or not at all.
static void refused_in_bursts(const char *name)
{
	(void)name;
	int fd = connected_to_closed(), told = 0;
	for (int i = 0; i < 3000; i++) {
		ssize_t n = i % 2 ? send(fd, "x", 1, 0) : write(fd, "x", 1);
		if (n == -1)
			EQ(errno, ECONNREFUSED);
		told += n == -1;
	}
	CHECK(told > 0);
}

static void *wait_in_epoll(void *unused)
{
	struct epoll_event event;
	int instance = OK(epoll_create1(0));
	EQ(epoll_wait(instance, &event, 1, 400), 0);
	OK(close(instance));
	return unused;
}

static void *wait_in_receive(void *unused)
{
	int fd = bound(AF_INET, SOCK_DGRAM);
	struct timeval limit = { 0, 400000 };
	char c;
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
	ERR(recv(fd, &c, 1, 0), EAGAIN);
	return unused;
}

static void *wait_in_sleep(void *unused)
{
	struct timespec limit = { 0, 400000000 };
	OK(nanosleep(&limit, NULL));
	return unused;
}

// The other threads of the process do not notice.
static void refused_disturbs_nobody(const char *name)
{
	(void)name;
	void *(*const waits[])(void *) = { wait_in_epoll, wait_in_receive, wait_in_sleep };
	int fd = connected_to_closed();
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		pthread_t thread = start(waits[i], NULL);
		char c;
		usleep(100000);
		EQ(send(fd, "x", 1, 0), 1);
		ERR(recv(fd, &c, 1, 0), ECONNREFUSED);
		join(thread);
	}
}

static void refused_by_remote(const char *name)
{
	(void)name;
	union address a = remote("NBT_REFUSED", 9);
	int fd = OK(socket(a.any.sa_family, SOCK_DGRAM, 0));
	char c;
	OK(connect(fd, &a.any, address_len(a.any.sa_family)));
	EQ(send(fd, "x", 1, 0), 1);
	CHECK(poll_one(fd, POLLIN, 5000) & POLLERR);
	ERR(recv(fd, &c, 1, MSG_DONTWAIT), ECONNREFUSED);
}

// Without connect the error is not told.
static void refused_unconnected(const char *name)
{
	(void)name;
	int closed = bound(AF_INET, SOCK_DGRAM), fd = bound(AF_INET, SOCK_DGRAM);
	union address a = local_address(closed);
	char c;
	OK(close(closed));
	EQ(sendto(fd, "x", 1, 0, &a.any, sizeof a.in), 1);
	EQ(poll_one(fd, POLLIN, 100), 0);
	ERR(recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
}

static void unconnected_send(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	ERR(send(fd, "x", 1, 0), EDESTADDRREQ);
	ERR(write(fd, "x", 1), EDESTADDRREQ);
}

static const struct test_case cases[] = {
	{ "refused", refused },
	{ "refused_wakes_reader", refused_wakes_reader },
	{ "refused_told_plainly", refused_told_plainly },
	{ "refused_in_bursts", refused_in_bursts },
	{ "refused_disturbs_nobody", refused_disturbs_nobody },
	{ "refused_by_remote", refused_by_remote },
	{ "refused_unconnected", refused_unconnected },
	{ "unconnected_send", unconnected_send },
};

TEST_MAIN(cases)
