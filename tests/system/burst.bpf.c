// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Many records in a short time, for a test: each run submits one of two templates to the ring that it shares with
 * exec.bpf.c, by the same way out, as a process of its own.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include "emit.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ROOM 1024

/* What an exec and an exit begin with: see exec.bpf.c. */
struct head {
	__u16 type;
	__u16 flags;
	__u32 pid;
	__u64 mono;
	__u64 start;
};

struct template {
	__u64 size;
	struct head head;
	char rest[ROOM];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct template);
} templates SEC(".maps");

/* How many records there were. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} made SEC(".maps");

SEC("tc")
int submit_one(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *number = bpf_map_lookup_elem(&made, &zero);

	if (!number)
		return 0;
	__u32 which = *number & 1;
	struct template *template = bpf_map_lookup_elem(&templates, &which);

	if (!template)
		return 0;
	__u64 size = template->size;

	barrier_var(size);
	if (size > ROOM)
		return 0;
	template->head.pid = template->head.start = (1 << 23) + *number / 2;
	template->head.mono = bpf_ktime_get_boot_ns();
	emit(&template->head, size);
	*number += 1;
	return 0;
}
