// A server and its client, a thread each, for debuggers to look at.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void *client(void *to) {
	usleep(300000); // the server waits by then
	int s = socket(AF_INET, SOCK_STREAM, 0);
	int failed = connect(s, to, sizeof(struct sockaddr_in));
	write(s, "x", 1);
	close(s);
	return failed ? to : NULL;
}

static int serve(int listener) {
	char byte = 0;
	int s = accept(listener, NULL, NULL);
	return read(s, &byte, 1) == 1 && byte == 'x';
}

int main(void) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t thread;
	void *failed;
	bind(l, (struct sockaddr *)&a, len);
	listen(l, 1);
	getsockname(l, (struct sockaddr *)&a, &len);
	pthread_create(&thread, NULL, client, &a);
	int served = serve(l);
	pthread_join(thread, &failed);
	puts(served && !failed ? "served" : "not served");
	return 0;
}
