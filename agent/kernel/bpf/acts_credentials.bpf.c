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

#define PROCESSES 16384
#define CLONE_THREAD 0x10000

/* Processes that began without all power: the others have nothing to gain. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROCESSES);
	__type(key, __u32);
	__type(value, struct powers);
} given SEC(".maps");

static __always_inline void compare(struct task_struct *task)
{
	__u32 pid = task->tgid;
	struct powers *before = bpf_map_lookup_elem(&given, &pid);
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
	__u32 pid = task->tgid;

	read_powers(&powers, task->cred);
	if (powers.euid == ROOT)
		bpf_map_delete_elem(&given, &pid);
	else
		bpf_map_update_elem(&given, &pid, &powers, BPF_ANY);
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(forked, struct task_struct *child, __u64 clone_flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 parent = task->tgid, pid = child->tgid;

	compare(task);
	struct powers *before = bpf_map_lookup_elem(&given, &parent);

	if (before && !(clone_flags & CLONE_THREAD)) {
		struct powers copy = *before;

		bpf_map_update_elem(&given, &pid, &copy, BPF_ANY);
	}
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(ended, struct task_struct *task)
{
	__u32 pid = task->tgid;

	compare(task);
	if (task->pid == task->tgid)
		bpf_map_delete_elem(&given, &pid);
	return 0;
}

/* By acts_capable.bpf.c, at a check of a capability that is no act of its own. */
SEC("handed/cap_capable")
int BPF_PROG(used)
{
	compare(bpf_get_current_task_btf());
	return 0;
}
