/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* The system call current is in, from the registers it entered the kernel with: no hook on system calls needed. */
#ifndef VEDETTE_ACTS_CALL_H
#define VEDETTE_ACTS_CALL_H

#define TS_COMPAT 2
#define CLONE_NEWTIME 0x80U
#define CLONE_NEWNS 0x20000U
#define CLONE_NEWCGROUP 0x2000000U
#define CLONE_NEWUTS 0x4000000U
#define CLONE_NEWIPC 0x8000000U
#define CLONE_NEWUSER 0x10000000U
#define CLONE_NEWPID 0x20000000U
#define CLONE_NEWNET 0x40000000U
#define NAMESPACES                                                                                       \
	(CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |    \
	 CLONE_NEWPID | CLONE_NEWNET)
#define NSFS_MAGIC 0x6e736673
#define OPEN_FILES 65536

enum call_number {
	CALL_CONNECT = 42,
	CALL_PTRACE = 101,
	CALL_PIVOT_ROOT = 155,
	CALL_MOUNT = 165,
	CALL_UMOUNT = 166,
	CALL_INIT_MODULE = 175,
	CALL_DELETE_MODULE = 176,
	CALL_UNSHARE = 272,
	CALL_SETNS = 308,
	CALL_READ_MEMORY = 310,
	CALL_WRITE_MEMORY = 311,
	CALL_FINIT_MODULE = 313,
	CALL_BPF = 321,
	CALL_MOVE_MOUNT = 429,
	CALL_PIDFD_GETFD = 438,
};

enum { PTRACE_ATTACH = 16, PTRACE_SEIZE = 0x4206 };
enum { BPF_PROG_LOAD = 5 };

struct call {
	__u32 number;
	__u32 pad;
	unsigned long arguments[4];
};

/* The x86-64 number of a 32-bit program's call; 0 for those that do not matter here. */
static __always_inline __u32 native(__u32 number)
{
	switch (number) {
	case 21: return CALL_MOUNT;
	case 26: return CALL_PTRACE;
	case 22: case 52: return CALL_UMOUNT;
	case 128: return CALL_INIT_MODULE;
	case 129: return CALL_DELETE_MODULE;
	case 217: return CALL_PIVOT_ROOT;
	case 310: return CALL_UNSHARE;
	case 346: return CALL_SETNS;
	case 347: return CALL_READ_MEMORY;
	case 348: return CALL_WRITE_MEMORY;
	case 350: return CALL_FINIT_MODULE;
	case 357: return CALL_BPF;
	case 429: return CALL_MOVE_MOUNT;
	case 438: return CALL_PIDFD_GETFD;
	}
	return 0;
}

/* The registers are typed: the verifier reads them without a call. */
static __always_inline __u32 call_number(struct task_struct *task, struct pt_regs *regs)
{
	__u32 number = regs->orig_ax;

	return task->thread_info.status & TS_COMPAT ? native(number) : number;
}

static __always_inline __u32 current_call(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return call_number(task, (void *)bpf_task_pt_regs(task));
}

static __always_inline void read_call(struct call *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);

	call->number = call_number(task, regs);
	if (task->thread_info.status & TS_COMPAT) {
		call->arguments[0] = (__u32)regs->bx;
		call->arguments[1] = (__u32)regs->cx;
		call->arguments[2] = (__u32)regs->dx;
		call->arguments[3] = (__u32)regs->si;
		return;
	}
	call->arguments[0] = regs->di;
	call->arguments[1] = regs->si;
	call->arguments[2] = regs->dx;
	call->arguments[3] = regs->r10;
}

/* The inode of the namespace behind one of current's descriptors; 0 when it is no namespace (a pidfd). */
static __always_inline __u64 namespace_behind(unsigned long descriptor)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = 0;

	if (descriptor >= OPEN_FILES || descriptor >= BPF_CORE_READ(table, max_fds))
		return 0;
	if (bpf_probe_read_kernel(&file, sizeof(file), files + descriptor) || !file)
		return 0;
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	return BPF_CORE_READ(inode, i_sb, s_magic) == NSFS_MAGIC ? BPF_CORE_READ(inode, i_ino) : 0;
}

static __always_inline int tell_trace_call(struct call *call)
{
	bool trace = call->number == CALL_PTRACE;
	__u32 request = call->arguments[0];

	if (trace && request != PTRACE_ATTACH && request != PTRACE_SEIZE)
		return 0;
	struct act *act = begin(PTRACE, call->number);

	if (!act)
		return 0;
	act->how = trace ? request : 0;
	if (call->number != CALL_PIDFD_GETFD)
		act->target_pid = call->arguments[trace];
	finish(act);
	return 0;
}

static __always_inline int tell_mount_call(struct call *call)
{
	struct act *act = begin(MOUNT, call->number);
	unsigned long path = call->arguments[0];

	if (!act)
		return 0;
	if (call->number == CALL_MOUNT) {
		path = call->arguments[1];
		act->numbers[0] = call->arguments[3];
		bpf_probe_read_user_str(act->name, NAME_BYTES, (void *)call->arguments[2]);
	} else if (call->number == CALL_MOVE_MOUNT) {
		path = call->arguments[3];
	}
	bpf_probe_read_user_str(act->path, PATH_BYTES, (void *)path);
	finish(act);
	return 0;
}

static __always_inline int tell_namespace_call(struct call *call)
{
	bool enters = call->number == CALL_SETNS;
	__u32 flags = call->arguments[enters] & NAMESPACES;

	if (!enters && !flags)
		return 0;
	struct act *act = begin(NAMESPACE, call->number);

	if (!act)
		return 0;
	act->how = flags;
	if (enters)
		act->numbers[0] = namespace_behind(call->arguments[0]);
	finish(act);
	return 0;
}

static __always_inline int tell_program_call(struct call *call)
{
	struct act *act;

	if ((__u32)call->arguments[0] != BPF_PROG_LOAD || !(act = begin(PROGRAM, call->number)))
		return 0;
	char *attributes = (void *)call->arguments[1];
	__u32 type = 0;

	bpf_probe_read_user(&type, sizeof(type), attributes);
	bpf_probe_read_user_str(act->name, 16, attributes + 48); /* prog_type and prog_name of union bpf_attr */
	act->how = type;
	finish(act);
	return 0;
}

static __always_inline int tell_module_call(struct call *call)
{
	struct act *act = begin(MODULE, call->number);

	if (!act)
		return 0;
	if (call->number == CALL_DELETE_MODULE)
		bpf_probe_read_user_str(act->name, NAME_BYTES, (void *)call->arguments[0]);
	finish(act);
	return 0;
}

/* Tell a call that is allowed to do what it asks for. */
static __always_inline int tell_call(struct call *call)
{
	switch (call->number) {
	case CALL_PTRACE:
	case CALL_READ_MEMORY:
	case CALL_WRITE_MEMORY:
	case CALL_PIDFD_GETFD:
		return tell_trace_call(call);
	case CALL_MOUNT:
	case CALL_UMOUNT:
	case CALL_MOVE_MOUNT:
	case CALL_PIVOT_ROOT:
		return tell_mount_call(call);
	case CALL_SETNS:
	case CALL_UNSHARE:
		return tell_namespace_call(call);
	case CALL_BPF:
		return tell_program_call(call);
	case CALL_INIT_MODULE:
	case CALL_FINIT_MODULE:
	case CALL_DELETE_MODULE:
		return tell_module_call(call);
	}
	return 0;
}

#endif
