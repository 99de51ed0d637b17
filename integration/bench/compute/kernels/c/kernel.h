// SPDX-License-Identifier: Apache-2.0

// A kernel is one file that has these two functions; main.c times it.

#include <stddef.h>
#include <stdint.h>

// setup makes what a round works on.
void setup(void);

// kernel does one round's work and returns a checksum of what came out. Every
// round does the same.
uint32_t kernel(void);

// fill writes the same numbers everywhere.
void fill(void *to, size_t bytes);
