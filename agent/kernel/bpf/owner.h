/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* Who stands behind a socket, and addresses of both families in one form. agent/decode/bpf_owner.py
 * has the layout of struct owner.
 */
#ifndef VEDETTE_OWNER_H
#define VEDETTE_OWNER_H

#include "scope.h"

#define PF_KTHREAD 0x00200000
#define PF_FORKNOEXEC 0x40
#define UNKNOWN_ID 0xffffffffU
#define FORKS 6

/* exec_*: the process itself, or the ancestor it was forked from that last executed something */
struct owner {
	__u64 start;
	__u64 exec_start;
	__u32 pid;
	__u32 exec_pid;
	__u32 uid;
	__u32 auid;
	__u32 session;
	__u32 pad;
};

/* Name a task. A kernel thread closes for others and is no owner. Its ancestors are read by calls: most owners need
 * none, and for each typed pointer the verifier searches all types of the kernel, a millisecond each.
 */
static __always_inline void fill_owner_of(struct owner *owner, struct task_struct *task)
{
	if (task->flags & PF_KTHREAD)
		return;
	struct task_struct *leader = task->group_leader;

	owner->pid = known_pid(leader);
	owner->start = leader->start_boottime;
	owner->uid = task->cred->uid.val;
	owner->auid = UNKNOWN_ID;
	owner->session = UNKNOWN_ID;
	if (bpf_core_field_exists(task->loginuid))
		owner->auid = task->loginuid.val;
	if (bpf_core_field_exists(task->sessionid))
		owner->session = task->sessionid;
	owner->exec_pid = owner->pid;
	owner->exec_start = owner->start;
	if (!(leader->flags & PF_FORKNOEXEC))
		return;
#pragma clang loop unroll(full)
	for (int i = 0; i < FORKS; i++) {
		leader = BPF_CORE_READ(leader, real_parent, group_leader);
		if (!(BPF_CORE_READ(leader, flags) & PF_FORKNOEXEC))
			break;
	}
	owner->exec_pid = scoped_pid(leader);
	owner->exec_start = BPF_CORE_READ(leader, start_boottime);
}

static __always_inline void fill_owner(struct owner *owner)
{
	fill_owner_of(owner, bpf_get_current_task_btf());
}

static __always_inline void map_ipv4(__u8 *to, __be32 address)
{
	__u32 *words = (void *)to;

	words[0] = words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

#endif
