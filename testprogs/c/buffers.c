// What a peer that does not read takes in buffers that were made small.
#include "test.h"

// What netbox keeps beside the buffers asked for: the surrogate's of
// net.core.wmem_default.
enum { SMALL = 4096, MOST = 256 << 10 };

// Sends until nothing goes for a while, and returns how much went.
static size_t send_all(int fd)
{
	static char block[1 << 20];
	size_t sent = 0;
	while (sent < sizeof block) {
		ssize_t n = send(fd, block, sizeof block - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0) {
			EQ(errno, EAGAIN);
			if (poll_one(fd, POLLOUT, 300) == 0)
				break;
			continue;
		}
		sent += (size_t)n;
	}
	return sent;
}

static void small(const char *name)
{
	(void)name;
	for (int late = 0; late < 2; late++) {
		int l = listener(AF_INET, 4);
		if (!late)
			OK(set_int(l, SOL_SOCKET, SO_RCVBUF, SMALL));
		int client = connect_to(l);
		OK(set_int(client, SOL_SOCKET, SO_SNDBUF, SMALL));
		int server = OK(accept(l, NULL, NULL));
		if (late)
			OK(set_int(server, SOL_SOCKET, SO_RCVBUF, SMALL));
		size_t sent = send_all(client);
		if (sent > MOST)
			FAIL("%zu bytes went to who does not read", sent);
		char room[1000];
		EQ(recv(server, room, sizeof room, MSG_WAITALL), sizeof room);
		OK(close(server)); // with bytes unread
		CHECK(poll_one(client, POLLIN, 10000) & (POLLERR | POLLHUP));
		ERR(recv(client, room, 1, 0), ECONNRESET);
		OK(close(client));
		OK(close(l));
	}
}

static const struct test_case cases[] = {
	{ "small", small },
};

TEST_MAIN(cases)
