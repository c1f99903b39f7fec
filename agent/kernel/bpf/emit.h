/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* The way out: one ring, one word that says whether the reader sleeps, and counters of what was lost. */
#ifndef VEDETTE_EMIT_H
#define VEDETTE_EMIT_H

#define WAKE_BYTES (512 << 10)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20); /* the loader sets the real size */
} ring SEC(".maps");

/* The first word says whether the reader sleeps; the other is the reader's own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} armed SEC(".maps");

/* PRODUCED is no loss: it counts what was written into the ring. */
enum loss { LOSS_RING_FULL, LOSS_NO_MEMORY, PRODUCED, LOSS_RATE_LIMITED, LOSSES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

static __always_inline void count(__u32 cause)
{
	__u64 *total = bpf_map_lookup_elem(&losses, &cause);

	if (total)
		*total += 1;
}

static __always_inline void lose(__u32 cause)
{
	count(cause);
}

/* Wake the reader when it said it sleeps, or when the ring fills past WAKE_BYTES; else its timer finds the data. */
static __always_inline __u64 wake_flags(__u32 size)
{
	__u32 zero = 0;
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	__u64 *sleeps = bpf_map_lookup_elem(&armed, &zero);

	if (sleeps && *sleeps) {
		*sleeps = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	return waiting < WAKE_BYTES && waiting + size >= WAKE_BYTES ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void emit(void *record, __u32 size)
{
	count(bpf_ringbuf_output(&ring, record, size, wake_flags(size)) ? LOSS_RING_FULL : PRODUCED);
}

/* For what is told later where there is no room now: nothing is lost. */
static __always_inline bool offer(void *record, __u32 size)
{
	if (bpf_ringbuf_output(&ring, record, size, wake_flags(size)))
		return false;
	count(PRODUCED);
	return true;
}

/* For what is too large for the stack: room in the ring itself, to be given to submit. size is a constant. */
static __always_inline void *reserve(__u32 size)
{
	void *record = bpf_ringbuf_reserve(&ring, size, 0);

	if (!record)
		lose(LOSS_RING_FULL);
	return record;
}

static __always_inline void submit(void *record, __u32 size)
{
	bpf_ringbuf_submit(record, wake_flags(size));
	count(PRODUCED);
}

#endif
