// SPDX-License-Identifier: Apache-2.0

// Quicksort of a million numbers of 32 bits, insertion sort for the short pieces.

#include <string.h>

#include "kernel.h"

enum { count = 1000000, few = 16 };

static uint32_t given[count], numbers[count];

static void swap(uint32_t *a, uint32_t *b) {
	uint32_t t = *a;
	*a = *b;
	*b = t;
}

static void insertion(uint32_t *v, int n) {
	for (int i = 1; i < n; i++) {
		uint32_t x = v[i];
		int j = i;
		for (; j > 0 && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

static void sort(uint32_t *v, int n) {
	while (n > few) {
		int middle = n / 2, last = n - 1;
		if (v[middle] < v[0])
			swap(v + middle, v);
		if (v[last] < v[0])
			swap(v + last, v);
		if (v[last] < v[middle])
			swap(v + last, v + middle);
		uint32_t pivot = v[middle];
		int i = -1, j = n;
		for (;;) {
			while (v[++i] < pivot)
				;
			while (v[--j] > pivot)
				;
			if (i >= j)
				break;
			swap(v + i, v + j);
		}
		sort(v, j + 1);
		v += j + 1, n -= j + 1;
	}
	insertion(v, n);
}

void setup(void) { fill(given, sizeof given); }

uint32_t kernel(void) {
	memcpy(numbers, given, sizeof given);
	sort(numbers, count);
	uint32_t sum = 0;
	for (int i = 0; i < count; i += 997)
		sum = sum * 31 + numbers[i];
	return sum;
}
