/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* What the settings want left out, each counted by its filter. agent/kernel/filters.py fills the maps. Nothing of a
 * login session is ever left out, but for the agent's own processes.
 */
#ifndef VEDETTE_FILTER_H
#define VEDETTE_FILTER_H

#include "content.h"
#include "scope.h"

#define UID_RANGES 8
#define FILTERS 32
#define OWN 1 /* filters are numbered from 1: the agent itself, then ranges of uids, then programs */
#define NO_SESSION 0xffffffffU
#define NS_A_TICK 10000000ULL

struct uid_range {
	__u32 first;
	__u32 last;
};

/* programs says whether any is ignored. A first of 0 ends the ranges. told is the reader's own. */
struct filters {
	__u64 active;
	__u64 programs;
	struct uid_range uids[UID_RANGES];
	__u64 told[FILTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct filters);
} filters SEC(".maps");

/* Programs, as they were when the reader looked: one that was changed or replaced since is told. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct content);
	__type(value, __u32);
} ignored SEC(".maps");

/* A process of the agent, with OWN; watch with 0, for what it does are its sensors' triggers, always told. start is in
 * ticks, as its /proc tells it.
 */
struct own {
	__u64 start;
	__u64 pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct own);
	__type(value, __u32);
} owned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FILTERS);
	__type(key, __u32);
	__type(value, __u64);
} filtered SEC(".maps");

static __always_inline void count_filtered(__u32 filter)
{
	__u64 *total = bpf_map_lookup_elem(&filtered, &filter);

	if (total)
		*total += 1;
}

static __always_inline struct filters *filters_active(void)
{
	__u32 zero = 0;
	struct filters *found = bpf_map_lookup_elem(&filters, &zero);

	return found && found->active ? found : 0;
}

static __always_inline __u32 filter_of_uids(struct filters *filters, __u32 uid, __u32 euid)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < UID_RANGES; i++) {
		struct uid_range *range = &filters->uids[i];

		if (!range->first)
			break;
		if (uid >= range->first && uid <= range->last && euid >= range->first && euid <= range->last)
			return OWN + 1 + i;
	}
	return 0;
}

static __always_inline __u32 *owned_as(struct task_struct *leader)
{
	struct own own = {leader->start_boottime / NS_A_TICK, known_pid(leader)};

	return bpf_map_lookup_elem(&owned, &own);
}

/* The filter for what a process does, 0 where it is to be told. */
static __always_inline __u32 filter_of(struct task_struct *task)
{
	struct filters *filters = filters_active();
	struct task_struct *leader = task->group_leader;

	if (!filters)
		return 0;
	struct content content = {};
	__u32 *number = owned_as(leader);

	if (number)
		return *number;
	if (bpf_core_field_exists(task->sessionid) && task->sessionid != NO_SESSION)
		return 0;
	__u32 filter = filter_of_uids(filters, task->cred->uid.val, task->cred->euid.val);

	if (filter || !filters->programs || !task->mm)
		return filter;
	struct file *program = task->mm->exe_file;

	if (!program)
		return 0;
	fill_content(&content, program->f_inode);
	number = bpf_map_lookup_elem(&ignored, &content);
	return number ? *number : 0;
}

#endif
