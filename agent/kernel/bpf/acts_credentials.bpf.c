// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Powers that a process got otherwise than by its exec, found where no function entry can be hooked: what each
 * exec gave is kept, and compared when the process forks, executes, ends or makes use of a capability.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "acts.h"
#include "acts_call.h"
#include "acts_kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define CLONE_THREAD 0x10000

/* Of processes that began without all power: the others have nothing to gain. It lies with the task of the first
 * thread, so that to look for it costs next to nothing where it is not: five times an exec.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct powers);
} given SEC(".maps");

static __always_inline void compare(struct task_struct *task)
{
	struct powers *before = bpf_task_storage_get(&given, task->group_leader, 0, 0);
	struct powers after = {};

	if (!before)
		return;
	read_powers(&after, task->cred);
	if (!is_raise(before, &after))
		return;
	tell_raise(before, &after);
	*before = after;
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(before_exec, struct task_struct *task)
{
	compare(task);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(after_exec, struct task_struct *task)
{
	struct powers powers = {};

	if (task->cred->euid.val == ROOT) {
		bpf_task_storage_delete(&given, task->group_leader);
		return 0;
	}
	read_powers(&powers, task->cred);
	struct powers *kept = bpf_task_storage_get(&given, task->group_leader, &powers, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (kept)
		*kept = powers;
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(forked, struct task_struct *child, __u64 clone_flags)
{
	struct task_struct *task = bpf_get_current_task_btf();

	compare(task);
	struct powers *before = bpf_task_storage_get(&given, task->group_leader, 0, 0);

	if (before && !(clone_flags & CLONE_THREAD))
		bpf_task_storage_get(&given, child, before, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(ended, struct task_struct *task)
{
	compare(task);
	return 0;
}

/* By acts_capable.bpf.c, at a check of a capability that is no act of its own. */
SEC("handed/cap_capable")
int BPF_PROG(used)
{
	compare(bpf_get_current_task_btf());
	return 0;
}
