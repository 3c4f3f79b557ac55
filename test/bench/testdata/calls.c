/* calls: what is no network at all, and may cost something all the same.
 *
 * stat-cpu counts the time of the processor alone, which other programs' work
 * does not disturb; stat-floor is stat-cpu under a seccomp filter that allows
 * everything, the least that a program under a filter can cost.
 */
#include "client.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void count_cpu(void)
{
	measure_by = CLOCK_PROCESS_CPUTIME_ID;
}

void allow_all(void)
{
	struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog filter = { 1, &allow };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		fail("seccomp");
	count_cpu();
}

void call_stat(void)
{
	struct stat s;

	if (stat("/etc/passwd", &s) != 0)
		fail("stat");
}

void call_open(void)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("open");
	close(fd);
}

static void end(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		fail("a child");
}

void call_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	end(pid);
}

void call_exec(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)0);
		_exit(127);
	}
	end(pid);
}
