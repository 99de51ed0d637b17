// SPDX-License-Identifier: Apache-2.0

// The process that holds a container pod's namespaces for containerd: it waits
// for SIGINT or SIGTERM, and collects what its children leave.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
	(void)signal;
	_exit(0);
}

static void collect(int signal) {
	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0) {}
}

int main(void) {
	sigaction(SIGINT, &(struct sigaction){.sa_handler = end}, NULL);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
	sigaction(SIGCHLD, &(struct sigaction){.sa_handler = collect, .sa_flags = SA_NOCLDSTOP}, NULL);
	for (;;) pause();
}
