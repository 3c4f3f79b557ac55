/*
 * echo-client HOST PORT: sends 100000 bytes to an echo server, half-closes,
 * and checks what comes back. Built statically against musl, whose resolver
 * and system calls differ from glibc's.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 100000 };

static char sent[SIZE], got[SIZE];

static int dial(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	int error = getaddrinfo(host, port, &hints, &list);

	if (error) {
		fprintf(stderr, "%s: %s\n", host, gai_strerror(error));
		return -1;
	}
	for (a = list; a; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);

		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return fd;
		perror("connect");
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

int main(int argc, char **argv)
{
	size_t n = 0;
	ssize_t r;
	int fd;

	if (argc != 3)
		return 2;
	fd = dial(argv[1], argv[2]);
	if (fd < 0)
		return 1;
	for (int i = 0; i < SIZE; i++)
		sent[i] = i * 31 + i / 256;
	if (write(fd, sent, SIZE) != SIZE || shutdown(fd, SHUT_WR) != 0) {
		perror("write");
		return 1;
	}
	while (n < SIZE && (r = read(fd, got + n, SIZE - n)) > 0)
		n += r;
	if (read(fd, sent, 1) != 0 && n == SIZE) {
		fprintf(stderr, "no end of file after the echo\n");
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		if (got[i] != (char)(i * 31 + i / 256)) {
			fprintf(stderr, "byte %zu differs\n", i);
			return 1;
		}
	printf("echoed %zu bytes\n", n);
	return n != SIZE;
}
