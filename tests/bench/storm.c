/* Workloads that are timed with and without a sensor. Each prints the seconds it took.
 *
 * storm exec N       vfork, execve of /bin/true with an argument of its own, wait; N times
 * storm connect N    N short TCP connections over loopback: connect, 64 bytes there and back, close
 * storm file N DIR   N times: create and write, append, rename, unlink a file in DIR
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static int listener;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void execute(int count)
{
	char tag[32];
	char *arguments[] = {"/bin/true", "storm", tag, NULL};

	for (int i = 0; i < count; i++) {
		int status;

		snprintf(tag, sizeof(tag), "%d", i);
		pid_t child = vfork();

		if (child == 0) {
			execve(arguments[0], arguments, environ);
			_exit(127);
		}
		if (waitpid(child, &status, 0) < 0 || status)
			errx(1, "exec %d failed", i);
	}
}

static void *answer(void *unused)
{
	char bytes[64];

	(void)unused;
	for (;;) {
		int peer = accept(listener, NULL, NULL);

		if (peer < 0)
			return NULL;
		if (read(peer, bytes, sizeof(bytes)) > 0 && write(peer, bytes, sizeof(bytes)) < 0)
			warn("answer");
		close(peer);
	}
}

static void connect_often(int count)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger reset = {1, 0}; /* no port stays in TIME_WAIT */
	socklen_t size = sizeof(to);
	char bytes[64] = {0};
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&to, size) || listen(listener, 512) || getsockname(listener, (void *)&to, &size))
		err(1, "listen");
	pthread_create(&thread, NULL, answer, NULL);
	for (int i = 0; i < count; i++) {
		int peer = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(peer, (void *)&to, size))
			err(1, "connect");
		if (write(peer, bytes, sizeof(bytes)) < 0 || read(peer, bytes, sizeof(bytes)) < 0)
			err(1, "talk");
		setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(peer);
	}
}

static void churn(int count, const char *folder)
{
	char name[512], other[512], bytes[256] = {0};

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/new%d", folder, i);
		snprintf(other, sizeof(other), "%s/old%d", folder, i);
		int file = open(name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

		if (file < 0 || write(file, bytes, sizeof(bytes)) < 0)
			err(1, "%s", name);
		close(file);
		file = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (file < 0 || write(file, bytes, 64) < 0)
			err(1, "%s", name);
		close(file);
		if (rename(name, other) || unlink(other))
			err(1, "%s", name);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: storm exec|connect|file COUNT [DIR]");
	int count = atoi(argv[2]);
	double began = now();

	if (!strcmp(argv[1], "exec"))
		execute(count);
	else if (!strcmp(argv[1], "connect"))
		connect_often(count);
	else if (!strcmp(argv[1], "file") && argc > 3)
		churn(count, argv[3]);
	else
		errx(2, "no such workload");
	printf("%.4f\n", now() - began);
	return 0;
}
