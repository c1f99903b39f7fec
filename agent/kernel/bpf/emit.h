/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* The way out: one ring, one word that says whether the reader sleeps, and counters of what was lost. */
#ifndef VEDETTE_EMIT_H
#define VEDETTE_EMIT_H

#define WAKE_BYTES (512 << 10)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20); /* the loader sets the real size */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} armed SEC(".maps");

enum loss { LOSS_RING_FULL, LOSS_NO_MEMORY, LOSSES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

static __always_inline void lose(__u32 cause)
{
	__u64 *count = bpf_map_lookup_elem(&losses, &cause);

	if (count)
		*count += 1;
}

/* Wake the reader when it said it sleeps, or when the ring fills past WAKE_BYTES; else its timer finds the data. */
static __always_inline void emit(void *record, __u32 size)
{
	__u32 zero = 0;
	__u64 flags = BPF_RB_NO_WAKEUP;
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	__u64 *sleeps = bpf_map_lookup_elem(&armed, &zero);

	if (sleeps && *sleeps) {
		*sleeps = 0;
		flags = BPF_RB_FORCE_WAKEUP;
	} else if (waiting < WAKE_BYTES && waiting + size >= WAKE_BYTES) {
		flags = BPF_RB_FORCE_WAKEUP;
	}
	if (bpf_ringbuf_output(&ring, record, size, flags))
		lose(LOSS_RING_FULL);
}

#endif
