// SPDX-License-Identifier: Apache-2.0

// Prints, for each round, its nanoseconds and its checksum. The number of rounds is
// the second argument: the first is the kernel's name, which a program with several
// kernels needs.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernel.h"

static uint64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void fill(void *to, size_t bytes) {
	uint64_t x = 0x9e3779b97f4a7c15u;
	for (unsigned char *p = to; bytes > 0; bytes--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		*p++ = (unsigned char)x;
	}
}

int main(int argc, char **argv) {
	if (argc != 3) {
		fprintf(stderr, "usage: %s KERNEL ROUNDS\n", argv[0]);
		return 2;
	}
	setup();
	for (int rounds = atoi(argv[2]); rounds > 0; rounds--) {
		uint64_t began = now();
		uint32_t sum = kernel();
		uint64_t ended = now();
		printf("%" PRIu64 " %08" PRIx32 "\n", ended - began, sum);
	}
	return 0;
}
