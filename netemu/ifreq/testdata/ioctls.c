/* Makes ioctls as an unprivileged process and prints what comes back.
 *
 * Each line of standard input is: family type request bytes; request and bytes
 * in hex. The bytes are the argument. If their last eight are 0xfe, these are
 * replaced by the address of a buffer of 4096 bytes 0x55 (ifc_buf).
 * Printed is: errno, the argument after the call, and as many bytes of the
 * buffer as the first word of the argument says, all in hex. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned char buffer[4096];

static void print(const unsigned char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
}

static size_t parse(const char *digits, unsigned char *out, size_t room)
{
	size_t n = 0;
	unsigned int v;

	while (n < room && sscanf(digits + 2 * n, "%2x", &v) == 1)
		out[n++] = v;
	return n;
}

int main(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	unsigned char arg[256];
	char digits[600];
	int family, type;
	unsigned int request;

	if (syscall(SYS_capset, &header, none) != 0) {
		perror("capset");
		return 1;
	}
	while (scanf("%d %d %x %599s", &family, &type, &request, digits) == 4) {
		uint64_t address = (uintptr_t)buffer;
		size_t n;
		int fd = socket(family, type, 0);
		int result;
		int32_t filled = 0;

		if (fd < 0) {
			perror("socket");
			return 1;
		}
		memset(arg, 0, sizeof(arg));
		n = parse(digits, arg, sizeof(arg));
		memset(buffer, 0x55, sizeof(buffer));
		if (n >= 16 && memcmp(arg + n - 8, "\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe", 8) == 0)
			memcpy(arg + n - 8, &address, 8);
		errno = 0;
		result = ioctl(fd, (unsigned long)request, arg);
		printf("%d ", result < 0 ? errno : 0);
		if (n >= 16 && memcmp(arg + n - 8, &address, 8) == 0) {
			memset(arg + n - 8, 0xfe, 8);
			memcpy(&filled, arg, 4);
		}
		print(arg, n);
		printf(" =");
		if (filled > 0 && filled <= (int)sizeof(buffer))
			print(buffer, filled);
		printf("\n");
		close(fd);
	}
	return 0;
}
