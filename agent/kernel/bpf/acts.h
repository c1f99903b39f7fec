/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* What all acts_*.bpf.c share: one record, who did it, and a bound on how many a second.
 * agent/decode/bpf_acts.py has the layout of struct act and the meaning of its numbers.
 */
#ifndef VEDETTE_ACTS_H
#define VEDETTE_ACTS_H

#include <bpf/bpf_endian.h>
#include "emit.h"
#include "owner.h"

#define NAME_BYTES 64
#define PATH_BYTES 256
#define A_SECOND 1000000000ULL
#define ACTS_A_SECOND 256 /* and CPU: who does more is told by the count of what was left out */

enum act_type { CREDENTIALS = 1, PTRACE, MODULE, PROGRAM, MOUNT, NAMESPACE, URING, UNIX_SOCKET };

struct act {
	__u16 type;
	__u16 call; /* the system call (x86-64) it happened in, 0 when that is not known */
	__u32 how;
	__u64 mono;
	struct owner owner;
	__u64 numbers[4];
	__u64 target_start;
	__u32 target_pid;
	__u32 target_uid;
	char name[NAME_BYTES];
	char path[PATH_BYTES];
};

struct window {
	__u64 begun;
	__u64 used;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct window);
} windows SEC(".maps");

/* How many were left out because there were too many in their second. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} limited SEC(".maps");

static __always_inline bool within_rate(__u64 now)
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
	if (window->used <= ACTS_A_SECOND)
		return true;
	__u64 *count = bpf_map_lookup_elem(&limited, &zero);

	if (count)
		*count += 1;
	return false;
}

/* A record of current's act, to be filled and given to finish; NULL when it is not to be told. */
static __always_inline struct act *begin(__u16 type, __u16 call)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct task_struct *task = bpf_get_current_task_btf();

	if ((task->flags & PF_KTHREAD) || !scoped_pid(task->group_leader) || !within_rate(now))
		return 0;
	struct act *act = reserve(sizeof(*act));

	if (!act)
		return 0;
	__builtin_memset(act, 0, sizeof(*act));
	act->type = type;
	act->call = call;
	act->mono = now;
	fill_owner(&act->owner);
	return act;
}

static __always_inline void finish(struct act *act)
{
	submit(act, sizeof(*act));
}

/* The process something was done to. */
static __always_inline void fill_target(struct act *act, struct task_struct *task)
{
	act->target_pid = scoped_pid(BPF_CORE_READ(task, group_leader));
	act->target_start = BPF_CORE_READ(task, group_leader, start_boottime);
	act->target_uid = BPF_CORE_READ(task, cred, uid.val);
}

#endif
