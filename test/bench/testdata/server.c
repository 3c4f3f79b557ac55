/* server: the other end of traffic.c, in the client's own box. */
#include "client.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void converse(int fd)
{
	char verb;
	ssize_t n;

	get(fd, 1);
	verb = buffer[0];
	while (verb == 'd')
		if (write(fd, buffer, sizeof buffer) <= 0)
			return;
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		if (verb == 'e')
			put(fd, buffer, n);
	if (verb == 'u')
		put(fd, "x", 1);
}

/* listen_inside listens on 127.0.0.1 and makes that the host and port to dial. */
int listen_inside(int backlog)
{
	static char number[6];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) != 0 || listen(l, backlog) != 0)
		fail("listen");
	if (getsockname(l, (struct sockaddr *)&a, &size) != 0)
		fail("getsockname");
	host = "127.0.0.1";
	snprintf(number, sizeof number, "%u", ntohs(a.sin_port));
	port = number;
	return l;
}

/* serve_inside starts a process that serves one connection of 127.0.0.1. */
void serve_inside(void)
{
	int l = listen_inside(8);

	switch (fork()) {
	case -1:
		fail("fork");
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		/* The measuring process closes or dies; that is no failure. */
		converse(accept(l, NULL, NULL));
		_exit(0);
	}
	close(l);
}
