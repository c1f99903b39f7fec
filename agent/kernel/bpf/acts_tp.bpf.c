// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Security-relevant acts at tracepoints that kernels since 5.15 have, modules and credentials excepted. */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "acts.h"
#include "acts_call.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SIGCHLD 17
#define SIGSTOP 19
#define PT_PTRACED 1

struct tracing {
	__u64 start;
	__u32 tracee;
	__u32 tracer;
};

/* Tracings that were told: a traced process stops again and again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct tracing);
	__type(value, __u32);
} told SEC(".maps");

SEC("tp_btf/io_uring_create")
int BPF_PROG(on_uring, int descriptor, void *context, __u32 submissions, __u32 completions, __u32 flags)
{
	struct act *act = begin(URING, 0);

	if (!act)
		return 0;
	act->how = flags;
	act->numbers[0] = submissions;
	finish(act);
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(on_newtask, struct task_struct *task, __u64 clone_flags)
{
	__u32 flags = clone_flags & NAMESPACES;
	struct act *act = flags ? begin(NAMESPACE, 0) : 0;

	if (!act)
		return 0;
	act->how = flags;
	fill_target(act, task);
	finish(act);
	return 0;
}

static __always_inline bool was_told(struct task_struct *tracee, __u32 tracer)
{
	struct tracing tracing = {
		.start = BPF_CORE_READ(tracee, group_leader, start_boottime),
		.tracee = BPF_CORE_READ(tracee, tgid),
		.tracer = tracer,
	};
	__u32 one = 1;

	if (bpf_map_lookup_elem(&told, &tracing))
		return true;
	bpf_map_update_elem(&told, &tracing, &one, BPF_ANY);
	return false;
}

/* begin named the process that stopped; who traces it is the one that acts. */
static __always_inline void fill_tracer(struct owner *owner, struct task_struct *tracer)
{
	struct task_struct *leader = BPF_CORE_READ(tracer, group_leader);

	owner->pid = owner->exec_pid = scoped_pid(leader);
	owner->start = owner->exec_start = BPF_CORE_READ(leader, start_boottime);
	owner->uid = BPF_CORE_READ(tracer, cred, uid.val);
	owner->auid = owner->session = UNKNOWN_ID;
	if (bpf_core_field_exists(tracer->loginuid))
		owner->auid = BPF_CORE_READ(tracer, loginuid.val);
	if (bpf_core_field_exists(tracer->sessionid))
		owner->session = BPF_CORE_READ(tracer, sessionid);
}

/* PTRACE_ATTACH stops its target with a signal. Who was seized signals its tracer when it first stops. */
SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int signal, void *info, struct task_struct *to)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct act *act = 0;

	if (signal == SIGSTOP) {
		struct call call = {};

		read_call(&call);
		if (call.number != CALL_PTRACE || call.arguments[0] != PTRACE_ATTACH)
			return 0;
		was_told(to, task->tgid);
		act = begin(PTRACE, CALL_PTRACE);
		if (!act)
			return 0;
		act->how = PTRACE_ATTACH;
		fill_target(act, to);
		finish(act);
	} else if (signal == SIGCHLD && (task->ptrace & PT_PTRACED)) {
		struct task_struct *tracer = BPF_CORE_READ(task, parent);

		if (tracer == BPF_CORE_READ(task, real_parent) || was_told(task, BPF_CORE_READ(tracer, tgid)))
			return 0;
		act = begin(PTRACE, CALL_PTRACE);
		if (!act)
			return 0;
		fill_tracer(&act->owner, tracer);
		fill_target(act, task);
		finish(act);
	}
	return 0;
}
