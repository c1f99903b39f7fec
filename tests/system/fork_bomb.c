/* A fork bomb that is bounded by construction: at most FORKS processes in all, at most ALIVE at a time.
 *
 * fork_bomb FORKS ALIVE UID   becomes that user; each process forks two more where it may, lives for a moment, and half
 *                             of them execute /bin/true. It ends when its standard input does, and prints how many
 *                             processes it forked and how many executed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE_US 20000

static struct {
	atomic_int forked;
	atomic_int alive;
	atomic_int executed;
	atomic_bool over;
} *shared;

static int most, most_alive;

static bool take(void)
{
	if (shared->over)
		return false;
	if (atomic_fetch_add(&shared->alive, 1) < most_alive) {
		if (atomic_fetch_add(&shared->forked, 1) < most)
			return true;
		atomic_fetch_sub(&shared->forked, 1);
		shared->over = true;
	}
	atomic_fetch_sub(&shared->alive, 1);
	return false;
}

static void spread(void)
{
	char *arguments[] = {"/bin/true", "bomb", NULL};

	for (int child = 0; child < 2 && take(); child++) {
		pid_t pid = fork();

		if (pid < 0) {
			atomic_fetch_sub(&shared->forked, 1);
			atomic_fetch_sub(&shared->alive, 1);
			return;
		}
		if (pid > 0)
			continue;
		spread();
		usleep(LIFE_US);
		if (getpid() % 2) {
			atomic_fetch_add(&shared->executed, 1);
			execv(arguments[0], arguments);
			atomic_fetch_sub(&shared->executed, 1);
		}
		_exit(0);
	}
}

static bool told_to_end(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) != 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit;

	if (argc != 4)
		errx(2, "usage: fork_bomb FORKS ALIVE UID");
	most = atoi(argv[1]);
	most_alive = atoi(argv[2]);
	limit.rlim_cur = limit.rlim_max = most_alive + 10;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || setrlimit(RLIMIT_NPROC, &limit) || setgid(atoi(argv[3])) || setuid(atoi(argv[3])))
		err(1, "cannot bound itself");
	/* Whose parent has ended becomes a child of this process, which alone counts the living down. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		err(1, "cannot adopt");
	setsid();
	while (!shared->over) {
		if (told_to_end())
			shared->over = true;
		spread();
		while (waitpid(-1, NULL, WNOHANG) > 0)
			atomic_fetch_sub(&shared->alive, 1);
		usleep(1000);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	printf("%d %d\n", shared->forked, shared->executed);
	return 0;
}
