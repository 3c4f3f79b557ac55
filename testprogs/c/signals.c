// A signal with a handler during every call that blocks: EINTR without
// SA_RESTART; with it the calls that signal(7) says are restarted go on to
// their result, the others (poll, select, epoll_wait, and any socket with a
// timeout set) still give EINTR.
#include "test.h"
#include <sys/epoll.h>
#include <sys/select.h>

enum { CONTROL = 256 };

// The sockets of one blocking call: fd is what it blocks on, peer what the
// other thread uses to complete it.
struct scene {
	int fd, peer;
	char byte;
};

static void tcp_scene(struct scene *s)
{
	struct pair p = tcp_pair(AF_INET);
	s->fd = p.server;
	s->peer = p.client;
}

static void timeout_scene(struct scene *s)
{
	tcp_scene(s);
	OK(set_timeout(s->fd, SO_RCVTIMEO, 30000));
}

static void listener_scene(struct scene *s)
{
	s->fd = listener(AF_INET, 8);
	s->peer = OK(socket(AF_INET, SOCK_STREAM, 0));
}

static void listener_timeout_scene(struct scene *s)
{
	listener_scene(s);
	OK(set_timeout(s->fd, SO_RCVTIMEO, 30000));
}

static void udp_scene(struct scene *s)
{
	s->fd = bound(AF_INET, SOCK_DGRAM);
	s->peer = bound(AF_INET, SOCK_DGRAM);
	OK(connect_fd(s->peer, s->fd));
}

// A connection on which nothing more can be written, and stays so.
static void full_scene(struct scene *s)
{
	static char block[4096];
	int l = bound(AF_INET, SOCK_STREAM);
	OK(set_int(l, SOL_SOCKET, SO_RCVBUF, 8192));
	OK(listen(l, 1));
	s->fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	OK(set_int(s->fd, SOL_SOCKET, SO_SNDBUF, 8192));
	OK(connect_fd(s->fd, l));
	s->peer = OK(accept(l, NULL, NULL));
	// Half a second without room: no timer of TCP's makes any more.
	for (int full = 0; full < 25;) {
		size_t len = full ? 1 : sizeof block;
		if (send(s->fd, block, len, MSG_DONTWAIT) != -1) {
			full = 0;
			continue;
		}
		EQ(errno, EAGAIN);
		full++;
		sleep_ms(20);
	}
}

static long do_accept(struct scene *s) { return accept(s->fd, NULL, NULL); }
static long do_accept4(struct scene *s)
{
	union address a;
	socklen_t len = sizeof a;
	return accept4(s->fd, &a.any, &len, SOCK_CLOEXEC);
}
static long do_read(struct scene *s) { return read(s->fd, &s->byte, 1); }
static long do_recv(struct scene *s) { return recv(s->fd, &s->byte, 1, 0); }
static long do_readv(struct scene *s)
{
	struct iovec iov = { &s->byte, 1 };
	return readv(s->fd, &iov, 1);
}
static long do_recvfrom(struct scene *s)
{
	union address a;
	socklen_t len = sizeof a;
	return recvfrom(s->fd, &s->byte, 1, 0, &a.any, &len);
}
static long do_recvmsg(struct scene *s)
{
	char control[CONTROL];
	union address a;
	struct iovec iov = { &s->byte, 1 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof control };
	return recvmsg(s->fd, &m, 0);
}
static long do_recvmmsg(struct scene *s)
{
	struct iovec iov = { &s->byte, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	return recvmmsg(s->fd, &m, 1, 0, NULL);
}
static long do_send(struct scene *s) { return send(s->fd, "x", 1, 0); }
static long do_write(struct scene *s) { return write(s->fd, "x", 1); }
static long do_sendmsg(struct scene *s)
{
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	return sendmsg(s->fd, &m, 0);
}
static long do_poll(struct scene *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	return poll(&p, 1, -1);
}
static long do_select(struct scene *s)
{
	fd_set in;
	FD_ZERO(&in);
	FD_SET(s->fd, &in);
	return select(s->fd + 1, &in, NULL, NULL, NULL);
}
static long do_epoll(struct scene *s)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = OK(epoll_create1(0));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e));
	return epoll_wait(ep, &e, 1, -1);
}

static void by_write(struct scene *s) { write_all(s->peer, "w", 1); }
static void by_connect(struct scene *s) { OK(connect_fd(s->peer, s->fd)); }

static void *drain(void *argument)
{
	char block[4096];
	while (read((int)(intptr_t)argument, block, sizeof block) > 0)
		;
	return NULL;
}

static void by_reading(struct scene *s)
{
	pthread_detach(start(drain, (void *)(intptr_t)s->peer));
}

struct call {
	const char *name;
	void (*prepare)(struct scene *);
	long (*run)(struct scene *);
	void (*complete)(struct scene *);
	bool restarts;
};

static const struct call calls[] = {
	{ "accept", listener_scene, do_accept, by_connect, true },
	{ "accept4", listener_scene, do_accept4, by_connect, true },
	{ "accept_timeout", listener_timeout_scene, do_accept, by_connect, false },
	{ "read", tcp_scene, do_read, by_write, true },
	{ "readv", tcp_scene, do_readv, by_write, true },
	{ "recv", tcp_scene, do_recv, by_write, true },
	{ "recv_timeout", timeout_scene, do_recv, by_write, false },
	{ "recvfrom", tcp_scene, do_recvfrom, by_write, true },
	{ "recvfrom_timeout", timeout_scene, do_recvfrom, by_write, false },
	{ "recvmsg", tcp_scene, do_recvmsg, by_write, true },
	{ "recvmmsg", tcp_scene, do_recvmmsg, by_write, true },
	{ "send", full_scene, do_send, by_reading, true },
	{ "write", full_scene, do_write, by_reading, true },
	{ "sendmsg", full_scene, do_sendmsg, by_reading, true },
	{ "poll", tcp_scene, do_poll, by_write, false },
	{ "select", tcp_scene, do_select, by_write, false },
	{ "epoll_wait", tcp_scene, do_epoll, by_write, false },
	{ "udp_read", udp_scene, do_read, by_write, true },
	{ "udp_recv", udp_scene, do_recv, by_write, true },
	{ "udp_recvfrom", udp_scene, do_recvfrom, by_write, true },
	{ "udp_recvmsg", udp_scene, do_recvmsg, by_write, true },
	{ "udp_recvmmsg", udp_scene, do_recvmmsg, by_write, true },
	{ "udp_poll", udp_scene, do_poll, by_write, false },
};

static volatile sig_atomic_t handled;
static void on_signal(int signal) { (void)signal; handled++; }

struct sender {
	pid_t target;
	struct scene *scene;
	const struct call *call;
	bool restart;
};

// Signals the main thread twice while it is blocked. If the call is to go on
// after a signal, completes it at last.
static void *send_signals(void *argument)
{
	struct sender *s = argument;
	bool goes_on = s->restart && s->call->restarts;
	for (int i = 0; i < (goes_on ? 2 : 1); i++) {
		int before = handled;
		wait_blocked(s->target);
		OK(syscall(SYS_tgkill, getpid(), s->target, SIGUSR1));
		while (handled == before)
			sleep_ms(1);
	}
	if (goes_on) {
		wait_blocked(s->target);
		s->call->complete(s->scene);
	}
	return NULL;
}

static void interrupt(const struct call *call, bool restart)
{
	struct scene scene;
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0 };
	OK(sigaction(SIGUSR1, &action, NULL));
	call->prepare(&scene);
	struct sender sender = { own_tid(), &scene, call, restart };
	pthread_t thread = start(send_signals, &sender);
	if (restart && call->restarts) {
		OK(call->run(&scene));
		EQ(handled, 2);
	} else {
		ERR(call->run(&scene), EINTR);
		EQ(handled, 1);
	}
	join(thread);
}

// After EINTR the socket works as before: nothing was lost.
static void interrupt_then_complete(const struct call *call)
{
	struct scene scene;
	struct sigaction action = { .sa_handler = on_signal };
	OK(sigaction(SIGUSR1, &action, NULL));
	call->prepare(&scene);
	struct sender sender = { own_tid(), &scene, call, false };
	pthread_t thread = start(send_signals, &sender);
	ERR(call->run(&scene), EINTR);
	join(thread);
	call->complete(&scene);
	OK(call->run(&scene));
}

int main(int argc, char **argv)
{
	static const char *const modes[] = { "eintr_", "restart_", "complete_" };
	for (size_t m = 0; m < COUNT(modes); m++)
		for (size_t i = 0; i < COUNT(calls); i++) {
			char name[64];
			snprintf(name, sizeof name, "%s%s", modes[m], calls[i].name);
			if (argc < 2) {
				puts(name);
				continue;
			}
			if (strcmp(name, argv[1]) != 0)
				continue;
			set_limit(LIMIT_SECONDS);
			if (m == 2)
				interrupt_then_complete(&calls[i]);
			else
				interrupt(&calls[i], m == 1);
			return 0;
		}
	return argc < 2 ? 0 : test_main(argc, argv, NULL, 0);
}
