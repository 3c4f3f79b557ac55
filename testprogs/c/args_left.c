// What calls on TCP sockets that have failed leave behind: the calls fuzzer (test/fuzz)
// has found each of these differing once.
#include "args.h"

// What ends a recvmmsg(2) of a stream behind its first message is kept.
static void kept(int i)
{
	struct pair p = tcp_pair(AF_INET);
	char room[8];
	struct iovec v = { room, sizeof room };
	union address from;
	struct cmsghdr wrong = { .cmsg_len = CMSG_LEN(0), .cmsg_level = SOL_SOCKET, .cmsg_type = 999 };
	struct msghdr plain = message_to(&v, NULL), named = plain, controlled = plain;
	struct mmsghdr m[2] = { { .msg_hdr = plain }, { .msg_hdr = plain } };
	named.msg_name = &from;
	named.msg_namelen = sizeof from;
	controlled.msg_control = &wrong;
	controlled.msg_controllen = sizeof wrong;
	m[1].msg_hdr.msg_iovlen = 2000;
	set_nonblock(p.client);
	EQ(send(p.server, "1234567890", i & 1 ? 10 : 3, 0), i & 1 ? 10 : 3);
	sleep_ms(50);
	if (i & 2)
		OK(shutdown(p.client, SHUT_WR));
	TELL_VALUE(recvmmsg(p.client, m, 2, 0, NULL), "recvmmsg");
	int error = -1;
	socklen_t len = sizeof error;
	switch (i / 4) {
	case 0: TELL_VALUE(recvmsg(p.client, &plain, 0), "recvmsg"); break;
	case 1: TELL_VALUE(recvmsg(p.client, &named, 0), "recvmsg with a name"); break;
	case 2: TELL_VALUE(sendmsg(p.client, &plain, MSG_NOSIGNAL), "sendmsg"); break;
	case 3: TELL_VALUE(sendmsg(p.client, &controlled, MSG_NOSIGNAL), "sendmsg with a wrong control message"); break;
	case 4:
		OK(getsockopt(p.client, SOL_SOCKET, SO_ERROR, &error, &len));
		printf("SO_ERROR %s\n", errno_name(error));
		break;
	}
	m[1].msg_hdr.msg_iovlen = 1;
	TELL_VALUE(recvmmsg(p.client, m, 2, 0, NULL), "recvmmsg again");
	OK(close(p.client));
	OK(close(p.server));
}

static void left_kept(const char *name)
{
	(void)name;
	for (int i = 0; i < 20; i++)
		kept(i);
}

// What bind(2) and shutdown(2) leave of a connect(2) that has failed, and of a listener
// that is shut.
static void failed(int i)
{
	union address closed = address_at("127.0.0.1", 1), any = address_at("127.0.0.1", 0), unspec = { .any.sa_family = AF_UNSPEC };
	char room[4];
	struct iovec v = { room, sizeof room };
	union address from;
	struct msghdr m = message_to(&v, NULL), named = message_to(&v, NULL);
	named.msg_name = &from;
	named.msg_namelen = sizeof from;
	int fd = i & 8 ? listener(AF_INET, 4) : make_tcp();
	printf("%s%s%s%s\n", i & 8 ? "listener" : "failed", i & 1 ? ", told" : "", i & 2 ? ", shut" : "", i & 4 ? ", bound" : "");
	if (i & 8) {
		set_nonblock(fd);
		OK(shutdown(fd, SHUT_RDWR));
	} else {
		ERR(connect(fd, &closed.any, sizeof closed.in), EINPROGRESS);
		CHECK(poll_one(fd, POLLOUT, 5000) & POLLERR);
	}
	if (i & 1)
		TELL_VALUE(recvmsg(fd, &m, 0), "recvmsg");
	if (i & 2)
		TELL(shutdown(fd, SHUT_RDWR), "shutdown");
	if (i & 4)
		TELL(bind(fd, &any.any, sizeof any.in), "bind");
	TELL_VALUE(recvmsg(fd, &named, 0), "recvmsg with a name");
	TELL_VALUE(recvmsg(fd, &m, 0), "recvmsg again");
	TELL(listen(fd, 1), "listen");
	TELL(connect(fd, &closed.any, sizeof closed.in), "connect");
	TELL(connect(fd, &unspec.any, sizeof unspec.any), "connect to AF_UNSPEC");
	TELL_VALUE(recvmsg(fd, &m, 0), "recvmsg");
	OK(close(fd));
}

static void left_failed(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4), fd = make_tcp();
	ERR(connect_fd(fd, l), EINPROGRESS);
	EQ(poll_one(fd, POLLOUT, 5000), POLLOUT);
	OK(shutdown(fd, SHUT_RD));
	TELL(connect_fd(fd, l), "connect after EINPROGRESS and shutdown");
	for (int i = 0; i < 16; i++)
		failed(i);
}

// A socket that is disconnected keeps the error of before, and recvmmsg(2) tells it
// before it looks at MSG_OOB.
static void left_disconnected(const char *name)
{
	(void)name;
	union address closed = address_at("127.0.0.1", 1), unspec = { .any.sa_family = AF_UNSPEC };
	char room[4];
	struct iovec v = { room, sizeof room };
	struct mmsghdr many = { .msg_hdr = message_to(&v, NULL) };
	for (int i = 0; i < 3; i++) {
		int fd = make_tcp();
		ERR(connect(fd, &closed.any, sizeof closed.in), EINPROGRESS);
		CHECK(poll_one(fd, POLLOUT, 5000) & POLLERR);
		if (i == 0)
			OK(connect(fd, &unspec.any, sizeof unspec.any));
		if (i == 2)
			TELL_VALUE(recvmsg(fd, &many.msg_hdr, MSG_OOB), "recvmsg of urgent data");
		TELL_VALUE(i == 0 ? recvmsg(fd, &many.msg_hdr, 0) : recvmmsg(fd, &many, 1, MSG_OOB, NULL), "receive");
		TELL_VALUE(recvmsg(fd, &many.msg_hdr, 0), "receive again");
		OK(close(fd));
	}
}

// A FIN has come to the other end when shutdown(2) returns.
static void left_shut(const char *name)
{
	(void)name;
	enum { ROUNDS = 40 };
	for (int i = 0; i < ROUNDS; i++) {
		struct pair p = tcp_pair(i & 1 ? AF_INET6 : AF_INET);
		char room[4];
		union address a;
		socklen_t len = sizeof a;
		set_nonblock(p.client);
		set_nonblock(p.server);
		EQ(send(p.client, "1234", 4, 0), 4);
		OK(shutdown(p.client, SHUT_WR));
		TELL_VALUE(recv(p.server, room, 4, 0), "bytes");
		TELL_VALUE(recv(p.server, room, 4, 0), "their end");
		OK(shutdown(p.server, i & 2 ? SHUT_WR : SHUT_RDWR));
		TELL_VALUE(recv(p.client, room, 4, 0), "the other end");
		TELL(getpeername(p.client, &a.any, &len), "getpeername of the first");
		TELL(getpeername(p.server, &a.any, &len), "getpeername of the second");
		TELL(shutdown(p.server, SHUT_WR), "shutdown again");
		OK(close(p.client));
		OK(close(p.server));
	}
}

// A shut listener keeps the port that getsockname(2) tells when connect(2) finds no
// way, and may be bound anew.
static void left_unrouted(const char *name)
{
	(void)name;
	union address group = address_at("224.0.0.251", 9), any = address_at("127.0.0.1", 0);
	for (int bind_anew = 0; bind_anew < 2; bind_anew++) {
		int fd = listener(AF_INET, 4);
		uint16_t port = local_port(fd);
		set_nonblock(fd);
		OK(shutdown(fd, SHUT_RDWR));
		TELL(connect(fd, &group.any, sizeof group.in), "connect to a group");
		printf("port %s\n", local_port(fd) == port ? "kept" : "lost");
		if (bind_anew)
			TELL(bind(fd, &any.any, sizeof any.in), "bind");
		OK(close(fd));
	}
}

static const struct test_case cases[] = {
	{ "kept", left_kept },
	{ "failed", left_failed },
	{ "disconnected", left_disconnected },
	{ "shut", left_shut },
	{ "unrouted", left_unrouted },
};

TEST_MAIN(cases)
