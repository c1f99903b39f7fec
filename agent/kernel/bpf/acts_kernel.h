/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* Acts as the kernel's own structures show them, for LSM hooks, function entries and probes alike. */
#ifndef VEDETTE_ACTS_KERNEL_H
#define VEDETTE_ACTS_KERNEL_H

#define CAP_SETUID (1ULL << 7)
#define PTRACE_MODE_ATTACH 2
#define PF_EXITING 4
#define ROOT 0

struct powers {
	__u64 permitted;
	__u64 space; /* address of the user namespace they are good in */
	__u32 euid;
};

static __always_inline void read_powers(struct powers *powers, const struct cred *cred)
{
	bpf_core_read(&powers->permitted, sizeof(powers->permitted), &cred->cap_permitted);
	powers->space = (__u64)BPF_CORE_READ(cred, user_ns);
	powers->euid = BPF_CORE_READ(cred, euid.val);
}

/* A raise: powers that were not there before. Another user namespace has its own, and is told as entered. */
static __always_inline bool is_raise(const struct powers *before, const struct powers *after)
{
	if (before->space != after->space)
		return false;
	if (after->permitted & ~before->permitted)
		return true;
	return after->euid == ROOT && before->euid != ROOT && !(before->permitted & CAP_SETUID);
}

static __always_inline int tell_raise(const struct powers *before, const struct powers *after)
{
	struct act *act = is_raise(before, after) ? begin(CREDENTIALS, current_call()) : 0;

	if (!act)
		return 0;
	act->numbers[0] = before->euid;
	act->numbers[1] = after->euid;
	act->numbers[2] = before->permitted;
	act->numbers[3] = after->permitted;
	finish(act);
	return 0;
}

static __always_inline const struct cred *own_credentials(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return BPF_CORE_READ(task, cred);
}

static __always_inline int tell_credentials(const struct cred *old, const struct cred *new)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct powers before = {}, after = {};

	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_execve))
		return 0;
	read_powers(&before, old);
	read_powers(&after, new);
	return tell_raise(&before, &after);
}

static __always_inline int tell_trace(struct task_struct *target, __u32 mode)
{
	struct call call = {};
	struct act *act;

	read_call(&call);
	if (!(mode & PTRACE_MODE_ATTACH) || !(act = begin(PTRACE, call.number)))
		return 0;
	act->how = call.number == CALL_PTRACE ? call.arguments[0] : 0;
	fill_target(act, target);
	finish(act);
	return 0;
}

/* A loaded program gets its first descriptor in the call that loaded it. */
static __always_inline int tell_program(struct bpf_prog *program)
{
	struct call call = {};
	struct act *act;

	read_call(&call);
	if (call.number != CALL_BPF || (__u32)call.arguments[0] != BPF_PROG_LOAD)
		return 0;
	act = begin(PROGRAM, call.number);
	if (!act)
		return 0;
	act->how = BPF_CORE_READ(program, type);
	act->numbers[0] = BPF_CORE_READ(program, aux, id);
	bpf_probe_read_kernel_str(act->name, 16, BPF_CORE_READ(program, aux, name));
	finish(act);
	return 0;
}

/* The hook says that it may happen; what and where are as the caller named them. */
static __always_inline int tell_mount(void)
{
	struct call call = {};

	read_call(&call);
	return tell_mount_call(&call);
}

static __always_inline int tell_switch(struct nsproxy *old, struct nsproxy *new)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 changed = 0;

	if (!new || (BPF_CORE_READ(task, flags) & PF_EXITING))
		return 0;
	if (BPF_CORE_READ(old, mnt_ns) != BPF_CORE_READ(new, mnt_ns))
		changed |= CLONE_NEWNS;
	if (BPF_CORE_READ(old, uts_ns) != BPF_CORE_READ(new, uts_ns))
		changed |= CLONE_NEWUTS;
	if (BPF_CORE_READ(old, ipc_ns) != BPF_CORE_READ(new, ipc_ns))
		changed |= CLONE_NEWIPC;
	if (BPF_CORE_READ(old, net_ns) != BPF_CORE_READ(new, net_ns))
		changed |= CLONE_NEWNET;
	if (BPF_CORE_READ(old, cgroup_ns) != BPF_CORE_READ(new, cgroup_ns))
		changed |= CLONE_NEWCGROUP;
	if (BPF_CORE_READ(old, pid_ns_for_children) != BPF_CORE_READ(new, pid_ns_for_children))
		changed |= CLONE_NEWPID;
	struct act *act = changed ? begin(NAMESPACE, current_call()) : 0;

	if (!act)
		return 0;
	act->how = changed;
	if (changed == CLONE_NEWNS)
		act->numbers[0] = BPF_CORE_READ(new, mnt_ns, ns.inum);
	else if (changed == CLONE_NEWNET)
		act->numbers[0] = BPF_CORE_READ(new, net_ns, ns.inum);
	else if (changed == CLONE_NEWPID)
		act->numbers[0] = BPF_CORE_READ(new, pid_ns_for_children, ns.inum);
	finish(act);
	return 0;
}

/* A user namespace is no part of nsproxy: it comes with new credentials. */
static __always_inline int tell_user_namespace(const struct cred *old, const struct cred *new)
{
	struct act *act;

	if (BPF_CORE_READ(old, user_ns) == BPF_CORE_READ(new, user_ns))
		return 0;
	act = begin(NAMESPACE, current_call());
	if (!act)
		return 0;
	act->how = CLONE_NEWUSER;
	act->numbers[0] = BPF_CORE_READ(new, user_ns, ns.inum);
	finish(act);
	return 0;
}

#endif
