// Arguments of the calls that move data, and of ioctl.
#include "args.h"

static const int send_flags[] = { 0, MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_MORE, MSG_EOR, MSG_ERRQUEUE, MSG_CMSG_CLOEXEC };
static const int receive_flags[] = { 0, MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE, MSG_WAITALL, MSG_CMSG_CLOEXEC };

static void args_send(const char *name)
{
	(void)name;
	signal(SIGPIPE, SIG_IGN);
	union address to = loopback(AF_INET, 1);
	for (size_t s = 0; s < COUNT(subjects); s++) {
		const char *text = subjects[s].name;
		for (size_t f = 0; f < COUNT(send_flags); f++) {
			int fd = subjects[s].make();
			TELL_VALUE(syscall(SYS_sendto, fd, "abc", 3, send_flags[f], NULL, 0), "sendto %s 3 %#x NULL 0", text, send_flags[f]);
			drop(fd);
			fd = subjects[s].make();
			TELL_VALUE(syscall(SYS_sendto, fd, "abc", 3, send_flags[f], &to, 16), "sendto %s 3 %#x lo4 16", text, send_flags[f]);
			drop(fd);
		}
		const int lens[] = { -1, 0, 2, 15, 16, 28, 128, 129 };
		for (size_t l = 0; l < COUNT(lens); l++) {
			char room[256] = { 0 };
			memcpy(room, &to, sizeof to.in);
			int fd = subjects[s].make();
			TELL_VALUE(syscall(SYS_sendto, fd, "abc", 3, 0, room, lens[l]), "sendto %s 3 0 lo4 %d", text, lens[l]);
			drop(fd);
		}
		int fd = subjects[s].make();
		TELL_VALUE(syscall(SYS_sendto, fd, "abc", 3, 0, BAD_POINTER, 16), "sendto %s 3 0 bad 16", text);
		TELL_VALUE(syscall(SYS_sendto, fd, BAD_POINTER, 3, 0, NULL, 0), "sendto %s bad 3 0 NULL 0", text);
		drop(fd);
		fd = subjects[s].make();
		TELL_VALUE(syscall(SYS_sendto, fd, BAD_POINTER, 3, 0, &to, 16), "sendto %s bad 3 0 lo4 16", text);
		drop(fd);
		fd = subjects[s].make();
		TELL_VALUE(syscall(SYS_sendto, fd, NULL, 0, 0, &to, 16), "sendto %s NULL 0 0 lo4 16", text);
		drop(fd);
	}
}

static void args_receive(const char *name)
{
	(void)name;
	char room[64];
	union address from;
	for (size_t s = 0; s < COUNT(subjects); s++) {
		const char *text = subjects[s].name;
		for (size_t f = 0; f < COUNT(receive_flags); f++) {
			int fd = subjects[s].make();
			TELL_VALUE(syscall(SYS_recvfrom, fd, room, sizeof room, receive_flags[f], NULL, NULL), "recvfrom %s %#x NULL", text, receive_flags[f]);
			int len = sizeof from;
			TELL_VALUE(syscall(SYS_recvfrom, fd, room, sizeof room, receive_flags[f], &from, &len), "recvfrom %s %#x from", text, receive_flags[f]);
			drop(fd);
		}
		int fd = subjects[s].make(), len = sizeof from;
		TELL_VALUE(syscall(SYS_recvfrom, fd, BAD_POINTER, 4, 0, NULL, NULL), "recvfrom %s bad", text);
		TELL_VALUE(syscall(SYS_recvfrom, fd, BAD_POINTER, 4, 0, &from, &len), "recvfrom %s bad from", text);
		drop(fd);
	}
}

// With a datagram waiting the pointers are used.
static void args_receive_datagram(const char *name)
{
	(void)name;
	const int lens[] = { -1, 0, 1, 16, 128 };
	char room[64];
	int b = bound(AF_INET, SOCK_DGRAM), a = bound(AF_INET, SOCK_DGRAM), len;
	OK(connect_fd(b, a));
	set_nonblock(a);
	for (size_t l = 0; l < COUNT(lens); l++) {
		OK(send(b, "abc", 3, 0));
		EQ(poll_one(a, POLLIN, 5000), POLLIN);
		len = lens[l];
		long result = syscall(SYS_recvfrom, a, room, sizeof room, 0, room, &len);
		told_length(result, len, "recvfrom datagram length %d", lens[l]);
		recv(a, room, sizeof room, MSG_DONTWAIT);
	}
	void *const pointers[][3] = {
		{ BAD_POINTER, NULL, NULL }, { room, BAD_POINTER, &len }, { room, room, BAD_POINTER }, { room, room, NULL }, { room, NULL, &len },
	};
	for (size_t i = 0; i < COUNT(pointers); i++) {
		OK(send(b, "abc", 3, 0));
		EQ(poll_one(a, POLLIN, 5000), POLLIN);
		len = 16;
		TELL_VALUE(syscall(SYS_recvfrom, a, pointers[i][0], 4, 0, pointers[i][1], pointers[i][2]), "recvfrom datagram pointers %zu", i);
		TELL_VALUE(recv(a, room, sizeof room, MSG_DONTWAIT), "recv after it");
	}
}

static void args_messages(const char *name)
{
	(void)name;
	signal(SIGPIPE, SIG_IGN);
	char room[64] = "abc";
	union address to = loopback(AF_INET, 1);
	struct iovec good = { room, 3 }, bad = { BAD_POINTER, 3 }, huge = { room, (size_t)-1 };
	const struct { const char *name; struct msghdr m; } rows[] = {
		{ "plain", { .msg_iov = &good, .msg_iovlen = 1 } },
		{ "no-iov", { 0 } },
		{ "iov-null", { .msg_iovlen = 1 } },
		{ "iov-bad", { .msg_iov = (struct iovec *)BAD_POINTER, .msg_iovlen = 1 } },
		{ "base-bad", { .msg_iov = &bad, .msg_iovlen = 1 } },
		{ "length-huge", { .msg_iov = &huge, .msg_iovlen = 1 } },
		{ "count-huge", { .msg_iov = &good, .msg_iovlen = 1025 } },
		{ "name", { .msg_name = &to, .msg_namelen = 16, .msg_iov = &good, .msg_iovlen = 1 } },
		{ "name-bad", { .msg_name = BAD_POINTER, .msg_namelen = 16, .msg_iov = &good, .msg_iovlen = 1 } },
		{ "name-short", { .msg_name = &to, .msg_namelen = 4, .msg_iov = &good, .msg_iovlen = 1 } },
		{ "name-negative", { .msg_name = &to, .msg_namelen = (socklen_t)-1, .msg_iov = &good, .msg_iovlen = 1 } },
		{ "control-bad", { .msg_iov = &good, .msg_iovlen = 1, .msg_control = BAD_POINTER, .msg_controllen = 32 } },
		{ "control-short", { .msg_iov = &good, .msg_iovlen = 1, .msg_control = room, .msg_controllen = 4 } },
		{ "control-huge", { .msg_iov = &good, .msg_iovlen = 1, .msg_control = room, .msg_controllen = 0x80000000 } },
	};
	for (size_t s = 0; s < COUNT(subjects); s++) {
		for (size_t r = 0; r < COUNT(rows); r++) {
			struct msghdr m = rows[r].m;
			int fd = subjects[s].make();
			TELL_VALUE(syscall(SYS_sendmsg, fd, &m, 0), "sendmsg %s %s", subjects[s].name, rows[r].name);
			drop(fd);
			fd = subjects[s].make();
			m = rows[r].m;
			TELL_VALUE(syscall(SYS_recvmsg, fd, &m, MSG_DONTWAIT), "recvmsg %s %s", subjects[s].name, rows[r].name);
			drop(fd);
		}
		int fd = subjects[s].make();
		TELL_VALUE(syscall(SYS_sendmsg, fd, NULL, 0), "sendmsg %s NULL", subjects[s].name);
		TELL_VALUE(syscall(SYS_recvmsg, fd, BAD_POINTER, MSG_DONTWAIT), "recvmsg %s bad", subjects[s].name);
		TELL_VALUE(syscall(SYS_sendmmsg, fd, NULL, 1, 0), "sendmmsg %s NULL 1", subjects[s].name);
		TELL_VALUE(syscall(SYS_sendmmsg, fd, NULL, 0, 0), "sendmmsg %s NULL 0", subjects[s].name);
		TELL_VALUE(syscall(SYS_recvmmsg, fd, NULL, 1, MSG_DONTWAIT, NULL), "recvmmsg %s NULL 1", subjects[s].name);
		TELL_VALUE(syscall(SYS_recvmmsg, fd, BAD_POINTER, 1, MSG_DONTWAIT, BAD_POINTER), "recvmmsg %s bad bad", subjects[s].name);
		struct timespec wrong = { 0, 2000000000 };
		TELL_VALUE(syscall(SYS_recvmmsg, fd, NULL, 1, MSG_DONTWAIT, &wrong), "recvmmsg %s timeout wrong", subjects[s].name);
		drop(fd);
	}
}

static void args_read_write(const char *name)
{
	(void)name;
	signal(SIGPIPE, SIG_IGN);
	char room[8];
	for (size_t s = 0; s < COUNT(subjects); s++) {
		const char *text = subjects[s].name;
		if (subjects[s].make == make_pipe)
			continue;
		int fd = subjects[s].make(), n = 0;
		TELL_VALUE(syscall(SYS_write, fd, "abc", 3), "write %s", text);
		TELL_VALUE(syscall(SYS_write, fd, BAD_POINTER, 3), "write %s bad", text);
		TELL_VALUE(syscall(SYS_write, fd, NULL, 0), "write %s NULL 0", text);
		drop(fd);
		fd = subjects[s].make();
		TELL_VALUE(syscall(SYS_read, fd, room, 3), "read %s", text);
		TELL_VALUE(syscall(SYS_readv, fd, NULL, 1), "readv %s NULL 1", text);
		TELL_VALUE(syscall(SYS_writev, fd, NULL, 0), "writev %s NULL 0", text);
		TELL_VALUE(syscall(SYS_readv, fd, NULL, -1), "readv %s NULL -1", text);
		TELL_VALUE(syscall(SYS_lseek, fd, 0, SEEK_SET), "lseek %s", text);
		TELL(syscall(SYS_ioctl, fd, FIONREAD, &n), "ioctl %s FIONREAD", text);
		TELL(syscall(SYS_ioctl, fd, FIONREAD, NULL), "ioctl %s FIONREAD NULL", text);
		TELL(syscall(SYS_ioctl, fd, FIONBIO, NULL), "ioctl %s FIONBIO NULL", text);
		TELL(syscall(SYS_ioctl, fd, 0x5401 /* TCGETS */, room), "ioctl %s TCGETS", text);
		TELL(syscall(SYS_ioctl, fd, 0x8927 /* SIOCGIFHWADDR */, NULL), "ioctl %s SIOCGIFHWADDR NULL", text);
		TELL(syscall(SYS_ioctl, fd, 0x8913 /* SIOCGIFFLAGS */, BAD_POINTER), "ioctl %s SIOCGIFFLAGS bad", text);
		TELL(syscall(SYS_ioctl, fd, 0x12345678, NULL), "ioctl %s unknown", text);
		drop(fd);
	}
}

static const struct test_case cases[] = {
	{ "send", args_send },
	{ "receive", args_receive },
	{ "receive_datagram", args_receive_datagram },
	{ "messages", args_messages },
	{ "read_write", args_read_write },
};

TEST_MAIN(cases)
