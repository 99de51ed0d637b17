// SPDX-License-Identifier: Apache-2.0

// The smallest web server: one client after the other. As Wasm its socket is
// the descriptor 4; natively, and by WasmEdge's extension, it listens on the port that
// its argument names.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#if defined WASMEDGE
#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) extern int name
IMPORT(sock_open)(int family, int type, int *fd);
IMPORT(sock_bind)(int fd, void *address, int port);
IMPORT(sock_listen)(int fd, int backlog);

static int listener(int argc, char **argv) {
	uint8_t any[4] = {0};
	struct {
		uint8_t *bytes;
		uint32_t length;
	} address = {any, sizeof any};
	int fd;
	if (sock_open(1, 2, &fd) != 0 || sock_bind(fd, &address, argc > 1 ? atoi(argv[1]) : 0) != 0 || sock_listen(fd, 128) != 0) {
		fprintf(stderr, "cannot listen\n");
		exit(1);
	}
	return fd;
}
#elif defined __wasi__
static int listener(int argc, char **argv) {
	(void)argc, (void)argv;
	return 4;
}
#else
#include <netinet/in.h>
#include <signal.h>
#include <unistd.h>

static int listener(int argc, char **argv) {
	signal(SIGTERM, _exit); // the first process of a container would ignore it
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(argc > 1 ? atoi(argv[1]) : 0)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 128) != 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}
#endif

int main(int argc, char **argv) {
	const char answer[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nhello\n";
	char line[4096];
	int client, fd = listener(argc, argv);
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		FILE *request = fdopen(client, "r");
		while (fgets(line, sizeof line, request) && strcmp(line, "\r\n") != 0) {}
		send(client, answer, strlen(answer), 0);
		fclose(request);
	}
	perror("accept");
	return 1;
}
