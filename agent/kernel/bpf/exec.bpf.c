// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Processes: what was executed, by whom, and how it ended. Layouts are decoded by agent/decode/bpf_process.py. */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "emit.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PF_FORKNOEXEC 0x40
#define SIGNAL_GROUP_EXIT 0x4
#define UNKNOWN_ID 0xffffffffU

#define ANCESTORS 6
#define DEPTH 64
#define NAME 256
#define PATH 1024 /* a component is begun below this, so a path takes at most PATH + NAME */
#define ARGV 4096
#define DATA 8192

enum { EXEC = 1, EXIT = 2 };
enum { EXE_CUT = 1, CWD_CUT = 2, EXE_DELETED = 4, ARGV_LOST = 8 };

struct ancestor {
	__u64 start;
	__u32 pid;
	__u32 pad;
};

/* data: ancestors, then exe and cwd as components leaf first, each ended by NUL, then argv as it lies in memory */
struct exec_record {
	__u16 type;
	__u16 flags;
	__u32 pid;
	__u64 mono;
	__u64 start;
	__u64 parent_start;
	__u64 cgroup;
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 auid;
	__u32 session;
	__u32 argv_length;
	__u16 ancestors;
	__u16 exe_size;
	__u16 cwd_size;
	__u16 argv_size;
	char tty[20];
	char data[DATA];
};

#define EXEC_HEADER __builtin_offsetof(struct exec_record, data)

struct exit_record {
	__u16 type;
	__u16 shared; /* other threads were ending too: the last of them may report the same end again */
	__u32 pid;
	__u64 mono;
	__u64 start;
	__u64 cpu;
	__u32 uid;
	__u32 auid;
	__u32 session;
	__u32 status;
};

struct space {
	struct exec_record record;
	__u32 size; /* of the path being read: kept in memory, the verifier need not follow each of its values */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct space);
} scratch SEC(".maps");

#define CUT 0x10000

/* Write the components of the struct path at address, leaf first, from data + start on; return their size, and
 * CUT when it was too deep or too long to be read whole. A global function is verified once, by itself.
 */
__noinline __u32 walk_path(__u64 address, __u32 start)
{
	__u32 zero = 0;
	struct space *space = bpf_map_lookup_elem(&scratch, &zero);
	struct path *path = (void *)address;

	if (!space)
		return CUT;
	struct dentry *dentry = BPF_CORE_READ(path, dentry);
	struct vfsmount *vfs = BPF_CORE_READ(path, mnt);
	struct mount *mount = (void *)vfs - bpf_core_field_offset(struct mount, mnt);
	__u32 cut = CUT;

	space->size = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < DEPTH; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		struct dentry *root = BPF_CORE_READ(vfs, mnt_root);

		if (dentry == root) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount) {
				cut = 0;
				break;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			vfs = (void *)above + bpf_core_field_offset(struct mount, mnt);
			continue;
		}
		const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
		volatile __u32 *size = &space->size;
		__u32 taken = *size;

		if (taken > PATH)
			break;
		__u32 at = start + taken;

		barrier_var(at);
		at &= 0xfff;
		long n = bpf_probe_read_kernel_str(space->record.data + at, NAME, name);

		if (n <= 0)
			break;
		*size = taken + n;
		if (dentry == parent) { /* a memfd stands alone */
			cut = 0;
			break;
		}
		dentry = parent;
	}
	return (space->size & 0x7ff) | cut;
}

static __always_inline void fill_identity(struct exec_record *record, struct task_struct *task)
{
	const struct cred *cred = task->cred;

	record->uid = cred->uid.val;
	record->gid = cred->gid.val;
	record->euid = cred->euid.val;
	record->auid = UNKNOWN_ID;
	record->session = UNKNOWN_ID;
	if (bpf_core_field_exists(task->loginuid))
		record->auid = task->loginuid.val;
	if (bpf_core_field_exists(task->sessionid))
		record->session = task->sessionid;
	record->tty[0] = 0;
	struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);

	if (tty)
		bpf_probe_read_kernel_str(record->tty, sizeof(record->tty), &tty->name);
}

/* The parent, and its ancestors as long as each was only forked: those no exec record of their own names. */
static __always_inline __u32 fill_parents(struct exec_record *record, struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent, group_leader);
	struct ancestor *ancestors = (void *)record->data;
	__u32 count = 0;

	record->ppid = BPF_CORE_READ(parent, tgid);
	record->parent_start = BPF_CORE_READ(parent, start_boottime);
#pragma clang loop unroll(full)
	for (int i = 0; i < ANCESTORS; i++) {
		if (!(BPF_CORE_READ(parent, flags) & PF_FORKNOEXEC))
			break;
		parent = BPF_CORE_READ(parent, real_parent, group_leader);
		ancestors[i].pid = BPF_CORE_READ(parent, tgid);
		ancestors[i].start = BPF_CORE_READ(parent, start_boottime);
		ancestors[i].pad = 0;
		count = i + 1;
		if (ancestors[i].pid <= 1)
			break;
	}
	record->ancestors = count;
	return count * sizeof(struct ancestor);
}

static __always_inline __u32 fill_paths(struct exec_record *record, struct task_struct *task,
					struct linux_binprm *bprm, __u32 at)
{
	struct file *file = BPF_CORE_READ(bprm, file);
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	__u32 exe = walk_path((__u64)&file->f_path, at);
	__u32 cwd = walk_path((__u64)&fs->pwd, at + (exe & 0x7ff));

	record->exe_size = exe & 0x7ff;
	record->cwd_size = cwd & 0x7ff;
	if (exe & CUT)
		record->flags |= EXE_CUT;
	if (cwd & CUT)
		record->flags |= CWD_CUT;
	if (!BPF_CORE_READ(file, f_path.dentry, d_inode, i_nlink))
		record->flags |= EXE_DELETED;
	return at + record->exe_size + record->cwd_size;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	__u32 zero = 0;
	struct space *space = bpf_map_lookup_elem(&scratch, &zero);

	if (!space)
		return 0;
	struct exec_record *record = &space->record;

	record->type = EXEC;
	record->flags = 0;
	record->mono = bpf_ktime_get_boot_ns();
	record->pid = task->tgid;
	record->start = task->start_boottime;
	record->cgroup = bpf_get_current_cgroup_id();
	fill_identity(record, task);
	__u32 at = fill_paths(record, task, bprm, fill_parents(record, task));

	unsigned long from = BPF_CORE_READ(task, mm, arg_start);
	__u64 length = BPF_CORE_READ(task, mm, arg_end) - from;
	__u64 take = length < ARGV ? length : ARGV;

	record->argv_length = length;
	barrier_var(at);
	at &= 0xfff;
	barrier_var(take);
	take &= 0x1fff;
	if (take > ARGV)
		take = ARGV;
	if (bpf_probe_read_user(record->data + at, take, (void *)from)) {
		take = 0;
		record->flags |= ARGV_LOST;
	}
	record->argv_size = take;
	__u32 size = EXEC_HEADER + at + take;

	barrier_var(size);
	size &= 0x3fff;
	if (size > sizeof(*record))
		return 0;
	emit(record, size);
	return 0;
}

/* A process ends with its last thread: `live` counts threads that have not yet begun to exit. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;

	if (signal->live.counter)
		return 0;
	struct task_struct *leader = task->group_leader;
	struct exit_record record = {
		.type = EXIT,
		.shared = signal->nr_threads > 1,
		.pid = task->tgid,
		.mono = bpf_ktime_get_boot_ns(),
		.start = leader->start_boottime,
		.cpu = signal->sum_sched_runtime + task->se.sum_exec_runtime,
		.uid = task->cred->uid.val,
		.auid = UNKNOWN_ID,
		.session = UNKNOWN_ID,
		.status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code,
	};

	if (task->pid != task->tgid)
		record.cpu += leader->se.sum_exec_runtime;
	if (bpf_core_field_exists(task->loginuid))
		record.auid = task->loginuid.val;
	if (bpf_core_field_exists(task->sessionid))
		record.session = task->sessionid;
	emit(&record, sizeof(record));
	return 0;
}
