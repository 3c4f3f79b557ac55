/*
 * Connections makes COUNT TCP connections in a row to an echo server. Every other one
 * is closed at once, with a reset; the rest send two bytes, read one, and are closed:
 * with a reset, too, for the byte left unread.
 *
 *	connections HOST PORT COUNT
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct linger none = { .l_onoff = 1 };
	char c;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &a.sin_addr) != 1) {
		fprintf(stderr, "usage: connections HOST PORT COUNT\n");
		return 2;
	}
	a.sin_port = htons(atoi(argv[2]));
	for (int n = atoi(argv[3]); n > 0; n--) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			fail("socket");
		if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
			fail("connect");
		if (n % 2 == 0) {
			if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) != 0)
				fail("SO_LINGER");
			close(fd);
			continue;
		}
		if (write(fd, "ex", 2) != 2)
			fail("write");
		if (read(fd, &c, 1) != 1)
			fail("read");
		close(fd);
	}
	return 0;
}
