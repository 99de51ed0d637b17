// SPDX-License-Identifier: Apache-2.0

// The product of two matrices of 384 by 384 numbers of 64 bits. The order of the
// loops is the one that lets a compiler use vectors without changing a result.

#include <string.h>

#include "kernel.h"

enum { n = 384 };

static double a[n][n], b[n][n], c[n][n];

void setup(void) {
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			a[i][j] = i - j, b[i][j] = i + 2 * j;
}

uint32_t kernel(void) {
	memset(c, 0, sizeof c);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < n; k++)
			for (int j = 0; j < n; j++)
				c[i][j] += a[i][k] * b[k][j];
	uint32_t sum = 0;
	for (int i = 0; i < n; i++)
		sum = sum * 31 + (uint32_t)(int64_t)c[i][n - 1 - i];
	return sum;
}
