// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Processes: what was executed, by whom, and how it ended. Layouts are decoded by agent/decode/bpf_process.py. */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "content.h"
#include "emit.h"
#include "filter.h"
#include "scope.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PF_FORKNOEXEC 0x40
#define SIGNAL_GROUP_EXIT 0x4
#define UNKNOWN_ID 0xffffffffU

#define ANCESTORS 6
#define DEPTH 64
#define NAME 256
#define CONTAINER_ID 64
#define PATH 1024 /* a component is begun below this, so a path takes at most PATH + NAME */
#define ARGV 4096
#define ENVIRONMENT 4096 /* bytes of it that are looked through */
#define VARIABLE 512
#define VARIABLES 1024 /* a variable is begun below this */
#define WANTED 16
#define DATA 8192

enum { EXEC = 1, EXIT = 2 };
enum { EXE_CUT = 1, CWD_CUT = 2, EXE_DELETED = 4, ARGV_LOST = 8, ELEVATED = 16, CGROUP_V1 = 32 };

struct ancestor {
	__u64 start;
	__u32 pid;
	__u32 pad;
};

/* data: ancestors, then exe and cwd as components leaf first, each ended by NUL, then from argv_at (an offset in
 * the record) on argv as it lies in memory, then the wanted variables of the environment, each ended by NUL.
 * From flags up to argv_at all is equal among what a parent executes from one program and folder: the decoder
 * reads that once.
 */
struct exec_record {
	__u16 type;
	__u16 argv_at;
	__u32 pid;
	__u64 mono;
	__u64 start;
	__u32 argv_length;
	__u16 environment_size;
	__u16 flags;
	__u64 parent_start;
	__u64 cgroup;
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 auid;
	__u32 session;
	__u64 capabilities;
	struct content content;
	__u16 ancestors;
	__u16 exe_size;
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
	char environment[8 + ENVIRONMENT + 8]; /* after a NUL, so that each variable follows one */
	__u32 size; /* of what is being read: kept in memory, the verifier need not follow each of its values */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct space);
} scratch SEC(".maps");

/* The variables to take, by up to four bytes of their names: set by the reader. A mask of 0 ends the list. */
struct wanted {
	__u32 mask;
	__u32 name;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct wanted[WANTED]);
} environment SEC(".maps");

#define CUT 0x10000

/* The first fields of a dentry in the order in which every kernel has them, to be read by one call. */
struct step {
	struct dentry *parent;
	__u64 hash;
	const unsigned char *name;
};

static __always_inline void read_step(struct step *step, struct dentry *dentry)
{
	__u64 at = bpf_core_field_offset(struct dentry, d_parent);

	if (bpf_core_field_offset(struct dentry, d_name.name) == at + __builtin_offsetof(struct step, name)) {
		bpf_probe_read_kernel(step, sizeof(*step), (void *)dentry + at);
		return;
	}
	step->parent = BPF_CORE_READ(dentry, d_parent);
	step->name = BPF_CORE_READ(dentry, d_name.name);
}

/* A struct path; its fields were always these. Read by a call they are numbers, which a global function takes. */
struct place {
	__u64 mnt;
	__u64 dentry;
};

/* Write the components of a place, leaf first, from data + start on; return their size, and CUT when it was too
 * deep or too long to be read whole. A global function is verified once, by itself.
 */
__noinline __u32 walk_path(__u64 mnt, __u64 leaf, __u32 start)
{
	__u32 zero = 0;
	struct space *space = bpf_map_lookup_elem(&scratch, &zero);
	struct dentry *dentry = (void *)leaf;
	struct vfsmount *vfs = (void *)mnt;

	if (!space)
		return CUT;
	struct mount *mount = (void *)vfs - bpf_core_field_offset(struct mount, mnt);
	struct dentry *root = BPF_CORE_READ(vfs, mnt_root);
	__u32 cut = CUT;

	space->size = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < DEPTH; i++) {
		if (dentry == root) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount) {
				cut = 0;
				break;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			root = BPF_CORE_READ(above, mnt.mnt_root);
			continue;
		}
		struct step step = {};

		read_step(&step, dentry);
		volatile __u32 *size = &space->size;
		__u32 taken = *size;

		if (taken > PATH)
			break;
		__u32 at = start + taken;

		barrier_var(at);
		at &= 0xfff;
		long n = bpf_probe_read_kernel_str(space->record.data + at, NAME, step.name);

		if (n <= 0)
			break;
		*size = taken + n;
		if (dentry == step.parent) { /* a memfd stands alone */
			cut = 0;
			break;
		}
		dentry = step.parent;
	}
	return (space->size & 0x7ff) | cut;
}

/* Copy the variable that begins at `from` of the environment to data + start. */
__noinline int take_variable(__u32 from, __u32 start)
{
	__u32 zero = 0;
	struct space *space = bpf_map_lookup_elem(&scratch, &zero);

	if (!space)
		return 0;
	volatile __u32 *size = &space->size;
	__u32 taken = *size;

	if (taken > VARIABLES)
		return 0;
	__u32 at = start + taken;

	barrier_var(at);
	at &= 0x1fff;
	if (at > DATA - VARIABLE)
		return 0;
	long n = bpf_probe_read_kernel_str(space->record.data + at, VARIABLE, space->environment + (from & 0xfff));

	if (n > 0)
		*size = taken + n;
	return 0;
}

#define ONES 0x0101010101010101ULL
#define TOPS (ONES << 7)

/* The top bits of the bytes of a word that are zero: of the others seven bits carry into the eighth or it is set. */
static __always_inline __u64 zero_bytes(__u64 word)
{
	return ~(((word & ~TOPS) + ~TOPS) | word) & TOPS;
}

/* The number of the lowest byte of whose top bit is set: the factor's byte of that number comes to the top. */
static __always_inline __u32 first_byte(__u64 tops)
{
	return ((tops & -tops) >> 7) * 0x0001020304050607ULL >> 56;
}

/* Take what is wanted of that which follows each NUL among eight bytes of the environment. */
__noinline int take_variables(__u32 at, __u32 start)
{
	__u32 zero = 0;
	struct space *space = bpf_map_lookup_elem(&scratch, &zero);
	struct wanted *wanted = bpf_map_lookup_elem(&environment, &zero);

	if (!space || !wanted)
		return 0;
	at &= 0xff8;
	__u64 zeros = zero_bytes(*(__u64 *)(space->environment + at));

#pragma clang loop unroll(disable)
	for (int i = 0; i < 8 && zeros; i++) {
		__u32 from = (at + first_byte(zeros) + 1) & 0xfff;
		__u32 name = *(__u32 *)(space->environment + from);

		zeros &= zeros - 1;
#pragma clang loop unroll(disable)
		for (int n = 0; n < WANTED && wanted[n].mask; n++) {
			if ((name & wanted[n].mask) == wanted[n].name) {
				take_variable(from, start);
				break;
			}
		}
	}
	return 0;
}

/* Write the wanted variables of the environment in user memory at `from` to data + start; return their size.
 * Words without a zero byte are passed over, two at a time: that is cheaper than a look at each byte.
 */
__noinline __u32 pick_variables(__u64 from, __u32 length, __u32 start)
{
	__u32 zero = 0;
	struct space *space = bpf_map_lookup_elem(&scratch, &zero);
	struct wanted *wanted = bpf_map_lookup_elem(&environment, &zero);

	if (!space || !wanted || !wanted->mask)
		return 0;
	barrier_var(length);
	length &= 0x1fff;
	if (length > ENVIRONMENT)
		length = ENVIRONMENT;
	*(__u64 *)space->environment = 0;
	space->size = 0;
	if (bpf_probe_read_user(space->environment + 8, length, (void *)from))
		return 0;
	/* What an earlier process left behind it must not be taken for this one's. */
	__builtin_memset(space->environment + 8 + length, 0, 8);
#pragma clang loop unroll(disable)
	for (__u32 at = 0; at < ENVIRONMENT; at += 16) {
		__u64 first = zero_bytes(*(__u64 *)(space->environment + at));
		__u64 second = zero_bytes(*(__u64 *)(space->environment + at + 8));

		if (at > length)
			break;
		if (!(first | second))
			continue;
		if (first)
			take_variables(at, start);
		if (second)
			take_variables(at + 8, start);
	}
	return space->size & 0x7ff;
}

static __always_inline void fill_identity(struct exec_record *record, struct task_struct *task)
{
	const struct cred *cred = task->cred;

	record->uid = cred->uid.val;
	record->gid = cred->gid.val;
	record->euid = cred->euid.val;
	bpf_core_read(&record->capabilities, sizeof(record->capabilities), &cred->cap_effective);
	record->auid = UNKNOWN_ID;
	record->session = UNKNOWN_ID;
	if (bpf_core_field_exists(task->loginuid))
		record->auid = task->loginuid.val;
	if (bpf_core_field_exists(task->sessionid))
		record->session = task->sessionid;
	__builtin_memset(record->tty, 0, sizeof(record->tty));
	struct tty_struct *tty = task->signal->tty;

	if (tty)
		bpf_probe_read_kernel_str(record->tty, sizeof(record->tty), &tty->name);
}

/* The parent, and its ancestors as long as each was only forked: those no exec record of their own names. */
static __always_inline __u32 fill_parents(struct exec_record *record, struct task_struct *task)
{
	struct task_struct *parent = task->real_parent->group_leader;
	struct ancestor *ancestors = (void *)record->data;
	__u32 count = 0;

	record->ppid = known_pid(parent);
	record->parent_start = parent->start_boottime;
#pragma clang loop unroll(full)
	for (int i = 0; i < ANCESTORS; i++) {
		if (!(parent->flags & PF_FORKNOEXEC))
			break;
		parent = parent->real_parent->group_leader;
		ancestors[i].pid = known_pid(parent);
		ancestors[i].start = parent->start_boottime;
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
	struct file *file = bprm->file;
	struct fs_struct *fs = task->fs;
	struct inode *inode = file->f_inode;
	struct place program = {}, folder = {};

	bpf_probe_read_kernel(&program, sizeof(program), &file->f_path);
	bpf_probe_read_kernel(&folder, sizeof(folder), &fs->pwd);
	__u32 exe = walk_path(program.mnt, program.dentry, at);
	__u32 cwd = walk_path(folder.mnt, folder.dentry, at + (exe & 0x7ff));

	record->exe_size = exe & 0x7ff;
	record->argv_at = EXEC_HEADER + at + (exe & 0x7ff) + (cwd & 0x7ff);
	if (exe & CUT)
		record->flags |= EXE_CUT;
	if (cwd & CUT)
		record->flags |= CWD_CUT;
	if (!inode->i_nlink)
		record->flags |= EXE_DELETED;
	if (BPF_CORE_READ_BITFIELD(bprm, secureexec))
		record->flags |= ELEVATED;
	fill_content(&record->content, inode);
	return record->argv_at - EXEC_HEADER;
}

static __always_inline __u32 fill_argv(struct exec_record *record, struct task_struct *task, __u32 at)
{
	unsigned long from = task->mm->arg_start;
	__u64 length = task->mm->arg_end - from;
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
	return take;
}

static __always_inline __u32 fill_environment(struct exec_record *record, struct task_struct *task, __u32 at)
{
	unsigned long from = task->mm->env_start;
	__u64 length = task->mm->env_end - from;

	record->environment_size = pick_variables(from, length > ENVIRONMENT ? ENVIRONMENT : length, at) & 0x7ff;
	return record->environment_size;
}

/* Where containers are made with cgroup v1, v2 has them at its root or in their daemon's service: then the pids
 * controller's cgroup is told, which every runtime makes. A container's cgroup is known by the length of its name.
 */
static __always_inline void fill_cgroup(struct exec_record *record, struct task_struct *task)
{
	char name[CONTAINER_ID + 2];

	record->cgroup = bpf_get_current_cgroup_id();
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return;
	struct css_set *set = task->cgroups;
	__u64 at = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id) * sizeof(void *);
	struct cgroup_subsys_state **states = (void *)set + bpf_core_field_offset(set->subsys) + at;
	struct cgroup *own = (*states)->cgroup;

	if (!own->root->hierarchy_id || !own->level)
		return;
	if (set->dfl_cgrp->level && bpf_probe_read_kernel_str(name, sizeof(name), own->kn->name) <= CONTAINER_ID)
		return;
	record->cgroup = own->kn->id;
	record->flags |= CGROUP_V1;
}

/* The filter by which a process's exec was left out: then so is its end. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} left_out SEC(".maps");

/* Leave out an exec that a filter is for. Never one with new rights, of a file that is gone, or whose environment
 * has a variable that is kept: LD_PRELOAD makes any program another. Nor what the agent starts: it may be a trigger.
 */
static __always_inline bool leave_out(struct exec_record *record, struct task_struct *task)
{
	__u32 filter = 0;

	if (!filters_active())
		return false;
	if (!(record->flags & (ELEVATED | EXE_DELETED)) && !record->environment_size &&
	    !owned_as(task->real_parent->group_leader))
		filter = filter_of(task);
	__u32 *mark = bpf_task_storage_get(&left_out, task, 0, filter ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);

	if (mark)
		*mark = filter;
	if (filter && mark)
		count_filtered(filter);
	return filter && mark;
}

/* An end is left out as its exec was; that of a process that only forked, as its exec would have been. */
static __always_inline bool leave_out_end(struct task_struct *task, struct task_struct *leader)
{
	__u32 filter = 0;

	if (!filters_active())
		return false;
	if (leader->flags & PF_FORKNOEXEC) {
		filter = filter_of(task);
	} else {
		__u32 *mark = bpf_task_storage_get(&left_out, leader, 0, 0);

		if (mark)
			filter = *mark;
	}
	if (filter)
		count_filtered(filter);
	return filter;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	__u32 zero = 0;
	struct space *space = bpf_map_lookup_elem(&scratch, &zero);

	if (!space)
		return 0;
	struct exec_record *record = &space->record;
	__u32 pid = known_pid(task);

	if (!pid)
		return 0;
	record->type = EXEC;
	record->flags = 0;
	record->mono = bpf_ktime_get_boot_ns();
	record->pid = pid;
	record->start = task->start_boottime;
	fill_cgroup(record, task);
	fill_identity(record, task);
	__u32 at = fill_paths(record, task, bprm, fill_parents(record, task));

	at += fill_argv(record, task, at);
	at += fill_environment(record, task, at);
	if (leave_out(record, task))
		return 0;
	__u32 size = EXEC_HEADER + at;

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
	__u32 pid = known_pid(leader);

	if (!pid || leave_out_end(task, leader))
		return 0;
	struct exit_record record = {
		.type = EXIT,
		.shared = signal->nr_threads > 1,
		.pid = pid,
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
