/*
 * relay: what carrying a connection costs, whoever does it. A process between an
 * AF_UNIX pair and the server's socket, as a supervisor is, and nothing more: no
 * traps, no policy, no stack. It bounds what netbox can reach by relaying.
 */
#include "client.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void watch(int set, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) != 0)
		fail("epoll_ctl");
}

/* carry hands the client's end on, and ends with the server's. */
static void carry(int client, int server)
{
	struct epoll_event events[2];
	int n, set = epoll_create1(0);

	if (set < 0)
		fail("epoll_create1");
	watch(set, client);
	watch(set, server);
	while ((n = epoll_wait(set, events, 2, -1)) > 0 || errno == EINTR) {
		for (int i = 0; i < n; i++) {
			int from = events[i].data.fd;
			ssize_t got = read(from, buffer, sizeof buffer);

			if (got > 0) {
				put(from == client ? server : client, buffer, got);
				continue;
			}
			if (from == server || shutdown(server, SHUT_WR) != 0)
				return;
			epoll_ctl(set, EPOLL_CTL_DEL, client, NULL);
		}
	}
}

/* relay returns the end of a pair whose other one leads to s by a process. */
int relay(int s, int type)
{
	int pair[2];

	if (socketpair(AF_UNIX, type, 0, pair) != 0)
		fail("socketpair");
	switch (fork()) {
	case -1:
		fail("fork");
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		close(pair[0]);
		carry(pair[1], s);
		_exit(0);
	}
	close(pair[1]);
	close(s);
	return pair[0];
}
