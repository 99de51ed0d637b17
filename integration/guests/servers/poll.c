// SPDX-License-Identifier: Apache-2.0

// An HTTP server in C for many clients at once: one thread, poll, and sockets
// that do not block. /big is 32 MiB long; every other path is greeted.

#define _GNU_SOURCE // memmem

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_SOCKET = 4, MAX_CLIENTS = 256, BIG = 32 << 20 };

struct client {
	char in[4096]; // what it has sent and was not answered yet
	size_t have;
	char out[512]; // the answer: its head and, unless it is big, its body
	size_t length, sent, big;
};

static struct pollfd fds[1 + MAX_CLIENTS];
static struct client *clients[1 + MAX_CLIENTS];
static int count = 1;
static char filler[64 << 10];

static void drop(int i) {
	close(fds[i].fd);
	free(clients[i]);
	count--;
	fds[i] = fds[count];
	clients[i] = clients[count];
}

static void take(void) {
	int fd = accept(fds[0].fd, NULL, NULL);
	if (fd < 0) return; // it has gone again
	struct client *c = count > MAX_CLIENTS ? NULL : calloc(1, sizeof *c);
	if (c == NULL || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		free(c);
		close(fd);
		return;
	}
	clients[count] = c;
	fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

// answer prepares the answer to the next request, if all of it is there.
static void answer(struct client *c) {
	char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
	if (end == NULL) return;
	char path[256] = "", body[300];
	sscanf(c->in, "%*s %255s", path);
	c->big = strcmp(path, "/big") == 0 ? BIG : 0;
	int n = c->big ? 0 : snprintf(body, sizeof body, "hello from %s\n", path);
	c->length = snprintf(c->out, sizeof c->out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", c->big + n, n, body);
	c->sent = 0;
	c->have -= end + 4 - c->in;
	memmove(c->in, end + 4, c->have);
}

// serve goes on with a client until it would have to wait. 0 means that the
// client has gone.
static int serve(int i) {
	struct client *c = clients[i];
	for (;;) {
		ssize_t n;
		if (c->sent < c->length) {
			n = send(fds[i].fd, c->out + c->sent, c->length - c->sent, 0);
			if (n > 0) c->sent += n;
		} else if (c->big > 0) {
			n = send(fds[i].fd, filler, c->big < sizeof filler ? c->big : sizeof filler, 0);
			if (n > 0) c->big -= n;
		} else {
			answer(c);
			if (c->sent < c->length) continue;
			fds[i].events = POLLIN;
			n = recv(fds[i].fd, c->in + c->have, sizeof c->in - c->have, 0);
			if (n == 0) return 0;
			if (n > 0) c->have += n;
			if (n < 0 && errno == EAGAIN) return 1;
			if (n < 0) return 0;
			continue;
		}
		if (n < 0 && errno != EAGAIN) return 0;
		if (n < 0) {
			fds[i].events = POLLOUT;
			return 1;
		}
	}
}

int main(void) {
	const char *given = getenv("LISTEN_FDS");
	if (given == NULL || atoi(given) < 1) {
		fprintf(stderr, "no sockets\n");
		return 1;
	}
	memset(filler, 'x', sizeof filler);
	fds[0] = (struct pollfd){.fd = FIRST_SOCKET, .events = POLLIN};
	printf("serving on %s\n", getenv("LISTEN_FDNAMES"));
	fflush(stdout);
	while (poll(fds, count, -1) >= 0) {
		for (int i = count - 1; i > 0; i--)
			if (fds[i].revents != 0 && !serve(i)) drop(i);
		if (fds[0].revents != 0) take();
	}
	perror("poll");
	return 1;
}
