/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* A bound on what an object tells in a second: what is beyond it is counted. */
#ifndef VEDETTE_RATE_H
#define VEDETTE_RATE_H

#include "emit.h"

#define A_SECOND 1000000000ULL

struct window {
	__u64 begun;
	__u64 used;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct window);
} windows SEC(".maps");

/* Two CPUs may count as one: the bound need not be exact. */
static __always_inline bool within_rate(__u64 now, __u64 most)
{
	__u32 zero = 0;
	struct window *window = bpf_map_lookup_elem(&windows, &zero);

	if (!window)
		return false;
	if (now - window->begun >= A_SECOND) {
		window->begun = now;
		window->used = 0;
	}
	window->used += 1;
	if (window->used <= most)
		return true;
	lose(LOSS_RATE_LIMITED);
	return false;
}

#endif
