// The calls that move bytes on TCP, with their flags, vectors and timeouts.
#include "test.h"
#include <sys/mman.h>
#include <sys/sendfile.h>

static void msg_peek(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char text[8];
	write_all(p.client, "abcd", 4);
	EQ(recv(p.server, text, 2, MSG_PEEK), 2);
	EQ(poll_one(p.server, POLLIN, 1000), POLLIN);
	EQ(recv(p.server, text, 4, MSG_PEEK | MSG_WAITALL), 4);
	EQ(memcmp(text, "abcd", 4), 0);
	struct iovec iov = { text, sizeof text };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	EQ(recvmsg(p.server, &m, MSG_PEEK), 4);
	EQ(read(p.server, text, sizeof text), 4);
	ERR(recv(p.server, text, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
}

// Urgent data is at its place in the stream for who wants it there.
static void urgent_inline(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char text[8];
	struct iovec iov = { "ef", 2 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	OK(set_int(p.server, SOL_SOCKET, SO_OOBINLINE, 1));
	EQ(send(p.client, "ab", 2, 0), 2);
	EQ(send(p.client, "cd", 2, MSG_OOB), 2);
	EQ(sendmsg(p.client, &m, MSG_OOB), 2);
	read_all(p.server, text, 6);
	EQ(memcmp(text, "abcdef", 6), 0);
}

static void *write_in_pieces(void *argument)
{
	for (int i = 0; i < 10; i++) {
		write_all((int)(intptr_t)argument, "0123456789", 10);
		sleep_ms(5);
	}
	return NULL;
}

static void msg_waitall(const char *name)
{
	(void)name;
	for (int i = 0; i < 3; i++) {
		struct pair p = tcp_pair(AF_INET);
		char text[100];
		struct iovec iov = { text, sizeof text };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		union address a;
		socklen_t len = sizeof a;
		pthread_t thread = start(write_in_pieces, (void *)(intptr_t)p.client);
		if (i == 0)
			EQ(recv(p.server, text, sizeof text, MSG_WAITALL), sizeof text);
		else if (i == 1)
			EQ(recvmsg(p.server, &m, MSG_WAITALL), sizeof text);
		else
			EQ(recvfrom(p.server, text, sizeof text, MSG_WAITALL, &a.any, &len), sizeof text);
		join(thread);
	}
}

// End of file ends a MSG_WAITALL early.
static void msg_waitall_end(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char text[100];
	write_all(p.client, "abc", 3);
	OK(shutdown(p.client, SHUT_WR));
	EQ(recv(p.server, text, sizeof text, MSG_WAITALL), 3);
	EQ(recv(p.server, text, sizeof text, MSG_WAITALL), 0);
}

static void msg_dontwait(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr mm = { .msg_hdr = m };
	union address a;
	socklen_t len = sizeof a;
	ERR(recv(p.server, &c, 1, MSG_DONTWAIT), EAGAIN);
	ERR(recvfrom(p.server, &c, 1, MSG_DONTWAIT, &a.any, &len), EAGAIN);
	ERR(recvmsg(p.server, &m, MSG_DONTWAIT), EAGAIN);
	ERR(recvmmsg(p.server, &mm, 1, MSG_DONTWAIT, NULL), EAGAIN);
	EQ(fcntl(p.server, F_GETFL), O_RDWR);
}

// On TCP MSG_TRUNC discards the bytes instead of copying them (tcp(7)).
static void msg_trunc(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char text[8] = "........";
	write_all(p.client, "abcdefgh", 8);
	EQ(poll_one(p.server, POLLIN, 1000), POLLIN);
	EQ(recv(p.server, text, 4, MSG_TRUNC), 4);
	EQ(memcmp(text, "........", 8), 0);
	EQ(read(p.server, text, 8), 4);
	EQ(memcmp(text, "efgh", 4), 0);
}

static void vectors(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char a[3], b[4], c[5];
	struct iovec out[] = { { "one", 3 }, { NULL, 0 }, { "four", 4 }, { "fives", 5 } };
	struct iovec in[] = { { a, 3 }, { b, 4 }, { c, 5 } };
	EQ(writev(p.client, out, 4), 12);
	EQ(poll_one(p.server, POLLIN, 1000), POLLIN);
	EQ(readv(p.server, in, 3), 12);
	CHECK(!memcmp(a, "one", 3) && !memcmp(b, "four", 4) && !memcmp(c, "fives", 5));
}

static void many_vectors(const char *name)
{
	(void)name;
	enum { N = 1024 };
	static struct iovec out[N + 1], in[N];
	static unsigned char data[N], back[N];
	struct pair p = tcp_pair(AF_INET);
	for (int i = 0; i < N; i++) {
		data[i] = (unsigned char)(i ^ i >> 8);
		out[i] = (struct iovec){ &data[i], 1 };
		in[i] = (struct iovec){ &back[i], 1 };
	}
	struct msghdr send = { .msg_iov = out, .msg_iovlen = N };
	struct msghdr receive = { .msg_iov = in, .msg_iovlen = N };
	EQ(sendmsg(p.client, &send, 0), N);
	EQ(recvmsg(p.server, &receive, MSG_WAITALL), N);
	EQ(memcmp(data, back, N), 0);
	EQ(receive.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
	send.msg_iovlen = N + 1;
	ERR(sendmsg(p.client, &send, 0), EMSGSIZE);
	receive.msg_iovlen = N + 1;
	ERR(recvmsg(p.server, &receive, 0), EMSGSIZE);
}

static int temporary(const char *data, size_t len)
{
	int fd = OK((int)syscall(SYS_memfd_create, "data", 0));
	write_all(fd, data, len);
	OK(lseek(fd, 0, SEEK_SET));
	return fd;
}

static void send_file(const char *name)
{
	(void)name;
	enum { LEN = 300000 };
	static char data[LEN], back[LEN];
	for (int i = 0; i < LEN; i++)
		data[i] = (char)(i % 251);
	struct pair p = tcp_pair(AF_INET);
	int file = temporary(data, LEN);
	pid_t pid = test_fork();
	if (pid == 0) {
		for (size_t left = LEN; left > 0;)
			left -= OK(sendfile(p.client, file, NULL, left));
		_exit(0);
	}
	read_all(p.server, back, LEN);
	EQ(memcmp(data, back, LEN), 0);
	wait_ok(pid);
}

static void splice_through_pipe(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET), q = tcp_pair(AF_INET);
	int pipe_fds[2];
	char text[10];
	OK(pipe(pipe_fds));
	write_all(p.client, "0123456789", 10);
	EQ(poll_one(p.server, POLLIN, 1000), POLLIN);
	for (int moved = 0; moved < 10;)
		moved += OK(splice(p.server, NULL, pipe_fds[1], NULL, 100, SPLICE_F_MOVE));
	for (int moved = 0; moved < 10;)
		moved += OK(splice(pipe_fds[0], NULL, q.client, NULL, 100, 0));
	read_all(q.server, text, 10);
	EQ(memcmp(text, "0123456789", 10), 0);
	OK(shutdown(p.client, SHUT_WR));
	EQ(splice(p.server, NULL, pipe_fds[1], NULL, 100, 0), 0);
}

// An address given to sendto on a connected TCP socket is ignored.
static void sendto_with_address(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	union address a = loopback(AF_INET, 9);
	char text[3];
	EQ(sendto(p.client, "abc", 3, 0, &a.any, sizeof a.in), 3);
	struct iovec iov = { "def", 3 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof a.in, .msg_iov = &iov, .msg_iovlen = 1 };
	EQ(sendmsg(p.client, &m, 0), 3);
	read_all(p.server, text, 3);
	EQ(memcmp(text, "abc", 3), 0);
	read_all(p.server, text, 3);
	EQ(memcmp(text, "def", 3), 0);
	int fresh = OK(socket(AF_INET, SOCK_STREAM, 0));
	ERR(sendto(fresh, "x", 1, MSG_NOSIGNAL, &a.any, sizeof a.in), EPIPE);
}

// recvfrom tells no address on TCP: the length comes back as 0.
static void recvfrom_address(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	union address a;
	socklen_t len = sizeof a;
	char c;
	memset(&a, 0xee, sizeof a);
	write_all(p.client, "xy", 2);
	EQ(recvfrom(p.server, &c, 1, 0, &a.any, &len), 1);
	EQ(len, 0);
	EQ(a.any.sa_family, 0xeeee);
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &iov, .msg_iovlen = 1 };
	EQ(recvmsg(p.server, &m, 0), 1);
	EQ(m.msg_namelen, 0);
	EQ(m.msg_controllen, 0);
}

static void mmsg_on_stream(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	struct iovec out[] = { { "abc", 3 }, { "defgh", 5 } };
	struct mmsghdr send[] = {
		{ .msg_hdr = { .msg_iov = &out[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &out[1], .msg_iovlen = 1 } },
	};
	EQ(sendmmsg(p.client, send, 2, 0), 2);
	EQ(send[0].msg_len, 3);
	EQ(send[1].msg_len, 5);
	char text[8];
	read_all(p.server, text, 8);
	EQ(memcmp(text, "abcdefgh", 8), 0);
	EQ(sendmmsg(p.client, send, 0, 0), 0);
}

// A name and a control message that TCP ignores.
struct ignored {
	union address to;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

static struct msghdr with_ignored(struct ignored *i, struct iovec *iov)
{
	struct msghdr m = { .msg_name = &i->to, .msg_namelen = sizeof i->to.in, .msg_iov = iov, .msg_iovlen = 1,
		.msg_control = i->control, .msg_controllen = sizeof i->control };
	i->to = loopback(AF_INET, 9);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){ .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL, .cmsg_len = CMSG_LEN(sizeof(int)) };
	return m;
}

struct shared_send {
	int fd;
	const struct msghdr *m;
};

enum { SHARED_SENDS = 300 };

static void *send_shared(void *argument)
{
	struct shared_send *s = argument;
	for (int i = 0; i < SHARED_SENDS; i++)
		EQ(sendmsg(s->fd, s->m, 0), 1);
	return NULL;
}

// sendmsg(2) leaves its msghdr alone: it may be read-only, and shared.
static void header_untouched(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	struct ignored ignored;
	struct iovec iov = { "x", 1 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct msghdr *m = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(m != MAP_FAILED);
	*m = with_ignored(&ignored, &iov);
	OK(mprotect(m, page, PROT_READ));
	char text[2 * SHARED_SENDS];
	EQ(sendmsg(p.client, m, 0), 1);
	read_all(p.server, text, 1);

	struct msghdr writable = *m;
	struct shared_send s = { p.client, &writable };
	pthread_t threads[2] = { start(send_shared, &s), start(send_shared, &s) };
	join(threads[0]);
	join(threads[1]);
	read_all(p.server, text, sizeof text);
	EQ(writable.msg_namelen, sizeof ignored.to.in);
	EQ(writable.msg_controllen, sizeof ignored.control);
}

// sendmmsg(2) ignores the same in any of its messages, and stops before a bad one.
static void mmsg_ignored(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	struct ignored ignored;
	struct iovec out[] = { { "a", 1 }, { "bc", 2 }, { "def", 3 }, { "ghij", 4 }, { "klmno", 5 }, { (void *)8, 1 } };
	enum { N = COUNT(out) };
	struct mmsghdr send[N] = { 0 };
	for (int i = 0; i < N; i++) {
		send[i].msg_hdr = (struct msghdr){ .msg_iov = &out[i], .msg_iovlen = 1 };
		if (i == 1 || i == 2 || i == 4)
			send[i].msg_hdr = with_ignored(&ignored, &out[i]);
	}
	char text[15];
	EQ(sendmmsg(p.client, send, N - 1, 0), N - 1);
	read_all(p.server, text, 15);
	EQ(memcmp(text, "abcdefghijklmno", 15), 0);
	for (int i = 0; i < N - 1; i++) {
		EQ(send[i].msg_len, (unsigned)i + 1);
		EQ(send[i].msg_hdr.msg_namelen, i == 1 || i == 2 || i == 4 ? sizeof ignored.to.in : 0);
	}
	EQ(sendmmsg(p.client, send, N, 0), N - 1);
	read_all(p.server, text, 15);
	send[1].msg_hdr.msg_iov = (void *)8;
	EQ(sendmmsg(p.client, send, N, 0), 1);
	ERR(sendmmsg(p.client, send + 1, 1, 0), EFAULT);
	read_all(p.server, text, 1);
}

// Behind a message that is sent in part, no other is.
static void mmsg_in_part(const char *name)
{
	(void)name;
	enum { HUGE = 64 << 20 };
	struct pair p = tcp_pair(AF_INET);
	struct ignored ignored;
	char *huge = calloc(1, HUGE);
	struct iovec out[] = { { "abc", 3 }, { huge, HUGE }, { "def", 3 } };
	struct mmsghdr send[3] = { 0 };
	for (int i = 0; i < 3; i++)
		send[i].msg_hdr = with_ignored(&ignored, &out[i]);
	EQ(sendmmsg(p.client, send, 3, MSG_DONTWAIT), 2);
	EQ(send[0].msg_len, 3);
	CHECK(send[1].msg_len > 0 && send[1].msg_len < HUGE);
	EQ(send[2].msg_len, 0);
	free(huge);
}

static void receive_timeout(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	OK(set_timeout(p.server, SO_RCVTIMEO, 120));
	long begin = now_ms();
	ERR(read(p.server, &c, 1), EAGAIN);
	ERR(recv(p.server, &c, 1, 0), EAGAIN);
	ERR(recvmsg(p.server, &m, 0), EAGAIN);
	long took = now_ms() - begin;
	CHECK(took >= 350 && took < 8000);
	struct timeval t;
	socklen_t len = sizeof t;
	OK(getsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, &t, &len));
	EQ(t.tv_sec, 0);
	CHECK(t.tv_usec >= 120000 && t.tv_usec < 130000);
	OK(set_timeout(p.server, SO_RCVTIMEO, 20000));
	write_all(p.client, "x", 1);
	EQ(recv(p.server, &c, 1, 0), 1);
}

static void send_timeout(const char *name)
{
	(void)name;
	static char block[1 << 20];
	struct pair p = tcp_pair(AF_INET);
	OK(set_timeout(p.client, SO_SNDTIMEO, 150));
	long begin = now_ms();
	ssize_t n;
	do
		n = send(p.client, block, sizeof block, 0);
	while (n > 0 && now_ms() - begin < 20000);
	CHECK(n == -1 && errno == EAGAIN);
}

static void zero_lengths(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	EQ(send(p.client, "", 0, 0), 0);
	EQ(write(p.client, "", 0), 0);
	EQ(poll_one(p.server, POLLIN, 50), 0);
	ERR(recv(p.server, &c, 0, MSG_DONTWAIT), EAGAIN);
	write_all(p.client, "x", 1);
	EQ(poll_one(p.server, POLLIN, 1000), POLLIN);
	EQ(read(p.server, &c, 0), 0);
	EQ(read(p.server, &c, 1), 1);
}

static void not_seekable(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	ERR(lseek(p.client, 0, SEEK_CUR), ESPIPE);
	ERR(pread(p.client, &c, 1, 0), ESPIPE);
	ERR(fsync(p.client), EINVAL);
	ERR(ftruncate(p.client, 0), EINVAL);
	CHECK(!isatty(p.client));
}

static const struct test_case cases[] = {
	{ "msg_peek", msg_peek },
	{ "urgent_inline", urgent_inline },
	{ "msg_waitall", msg_waitall },
	{ "msg_waitall_end", msg_waitall_end },
	{ "msg_dontwait", msg_dontwait },
	{ "msg_trunc", msg_trunc },
	{ "vectors", vectors },
	{ "many_vectors", many_vectors },
	{ "sendfile", send_file },
	{ "splice", splice_through_pipe },
	{ "sendto_with_address", sendto_with_address },
	{ "recvfrom_address", recvfrom_address },
	{ "mmsg", mmsg_on_stream },
	{ "header_untouched", header_untouched },
	{ "mmsg_ignored", mmsg_ignored },
	{ "mmsg_in_part", mmsg_in_part },
	{ "receive_timeout", receive_timeout },
	{ "send_timeout", send_timeout },
	{ "zero_lengths", zero_lengths },
	{ "not_seekable", not_seekable },
};

TEST_MAIN(cases)
