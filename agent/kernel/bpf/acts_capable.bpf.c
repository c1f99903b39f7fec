// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* System calls that only who has a capability may make, at the kernel's check of it (Linux 6.14 and later).
 * It says that the call was allowed, not yet that it succeeded.
 *
 * Every growth of a process's memory is such a check, so one program stands at the hook. It hands on what a
 * sensor wants to the program of that sensor.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "acts.h"
#include "acts_call.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define CAP_SYS_MODULE 16
#define CAP_SYS_PTRACE 19
#define CAP_SYS_ADMIN 21
#define CAP_BPF 39
#define ACT_TYPES 16
#define ATTRIBUTES 8 /* words of union bpf_attr up to the end of prog_name */
#define ONE_CALL 100000000ULL

/* The program of each enum act_type, put there by agent/kernel/bpf_handing.py. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, ACT_TYPES);
	__type(key, __u32);
	__type(value, __u32);
} tellers SEC(".maps");

/* What a call is that a capability was asked for; 0 when it is no act. */
static __always_inline __u32 act_of(int capability, __u32 number)
{
	switch (number) {
	case CALL_PTRACE:
	case CALL_READ_MEMORY:
	case CALL_WRITE_MEMORY:
	case CALL_PIDFD_GETFD:
		return capability == CAP_SYS_PTRACE ? PTRACE : 0;
	case CALL_INIT_MODULE:
	case CALL_FINIT_MODULE:
	case CALL_DELETE_MODULE:
		return capability == CAP_SYS_MODULE ? MODULE : 0;
	case CALL_BPF:
		return capability == CAP_BPF ? PROGRAM : 0;
	case CALL_MOUNT:
	case CALL_UMOUNT:
	case CALL_MOVE_MOUNT:
	case CALL_PIVOT_ROOT:
		return capability == CAP_SYS_ADMIN ? MOUNT : 0;
	case CALL_SETNS:
	case CALL_UNSHARE:
		return capability == CAP_SYS_ADMIN ? NAMESPACE : 0;
	}
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(on_check, const struct cred *cred, void *target, void *space, int capability, int refused)
{
	__u32 type = refused ? 0 : act_of(capability, current_call());

	if (type)
		bpf_tail_call(ctx, &tellers, type);
	if (!refused && capability != CAP_SYS_ADMIN) /* that one is asked for at every growth of memory */
		bpf_tail_call(ctx, &tellers, CREDENTIALS);
	return 0;
}

struct checked {
	struct call call;
	__u64 attributes[ATTRIBUTES];
	__u64 at;
};

/* The call of each thread that was last checked. A call may be checked often: that loads a program, at each
 * helper the program calls.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct checked);
} last SEC(".maps");

static __always_inline bool is_same(const struct checked *one, const struct checked *other)
{
	const __u64 *words = (const void *)one, *others = (const void *)other;

#pragma clang loop unroll(full)
	for (int i = 0; i < __builtin_offsetof(struct checked, at) / sizeof(*words); i++)
		if (words[i] != others[i])
			return false;
	return other->at - one->at < ONE_CALL;
}

/* Read the call, and whether it is not the one that was just checked. */
static __always_inline bool is_new(struct call *call)
{
	struct checked now = { .at = bpf_ktime_get_boot_ns() }, *before;

	read_call(&now.call);
	if (now.call.number == CALL_BPF)
		bpf_probe_read_user(now.attributes, sizeof(now.attributes), (void *)now.call.arguments[1]);
	*call = now.call;
	before = bpf_task_storage_get(&last, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!before)
		return true;
	bool same = is_same(before, &now);

	*before = now;
	return !same;
}

SEC("handed/cap_capable")
int BPF_PROG(capable_ptrace)
{
	struct call call = {};

	if (!is_new(&call))
		return 0;
	/* PTRACE_ATTACH is told by its signal */
	return call.number == CALL_PTRACE && call.arguments[0] == PTRACE_ATTACH ? 0 : tell_trace_call(&call);
}

SEC("handed/cap_capable")
int BPF_PROG(capable_module)
{
	struct call call = {};

	return is_new(&call) ? tell_module_call(&call) : 0;
}

SEC("handed/cap_capable")
int BPF_PROG(capable_program)
{
	struct call call = {};

	return is_new(&call) ? tell_program_call(&call) : 0;
}

SEC("handed/cap_capable")
int BPF_PROG(capable_mount)
{
	struct call call = {};

	return is_new(&call) ? tell_mount_call(&call) : 0;
}

SEC("handed/cap_capable")
int BPF_PROG(capable_namespace)
{
	struct call call = {};

	return is_new(&call) ? tell_namespace_call(&call) : 0;
}
