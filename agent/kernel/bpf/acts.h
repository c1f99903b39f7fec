/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* What all acts_*.bpf.c share: one record, who did it, and a bound on how many a second.
 * agent/decode/bpf_acts.py has the layout of struct act and the meaning of its numbers.
 */
#ifndef VEDETTE_ACTS_H
#define VEDETTE_ACTS_H

#include <bpf/bpf_endian.h>
#include "emit.h"
#include "owner.h"
#include "rate.h"

#define NAME_BYTES 64
#define PATH_BYTES 256
#define A_TICK 10000000ULL
#define ACTS_A_SECOND 256 /* of one sensor, so that its ring holds a second: what is beyond it is counted */

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

/* The agent itself, named by the loader. What it does is not told, but for the acts by which it proves a hook, or
 * has a child prove it: those are told at any rate.
 */
struct agent {
	__u64 start; /* in ticks, as its /proc tells it */
	__u32 pid;
	__u32 proves;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct agent);
} agents SEC(".maps");

static __always_inline bool is_agent(const struct agent *agent, struct task_struct *leader)
{
	return agent->start && BPF_CORE_READ(leader, start_boottime) / A_TICK == agent->start &&
	       scoped_pid(leader) == agent->pid;
}

/* Whether current's act is to be told; it counts for the rate when it is nobody's proof. Global functions are
 * verified once, by themselves: else all that comes before them would multiply what the verifier has to follow.
 */
__noinline int is_told(__u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf(), *leader = BPF_CORE_READ(task, group_leader);
	__u32 zero = 0;
	struct agent *agent = bpf_map_lookup_elem(&agents, &zero);

	if ((task->flags & PF_KTHREAD) || !scoped_pid(leader) || !agent)
		return 0;
	if (is_agent(agent, leader))
		return agent->proves;
	if (agent->proves && is_agent(agent, BPF_CORE_READ(leader, real_parent, group_leader)))
		return 1;
	return within_rate(now, ACTS_A_SECOND);
}

__noinline int name_current(struct owner *owner)
{
	if (owner)
		fill_owner(owner);
	return 0;
}

/* A record of current's act, to be filled and given to finish; NULL when it is not to be told. */
static __always_inline struct act *begin(__u16 type, __u16 call)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct act *act = is_told(now) ? reserve(sizeof(*act)) : 0;

	if (!act)
		return 0;
	__builtin_memset(act, 0, sizeof(*act));
	act->type = type;
	act->call = call;
	act->mono = now;
	name_current(&act->owner);
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
