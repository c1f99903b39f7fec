/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* What an agent is to see: the whole host, or its own pid namespace with those nested in it, and its own network
 * namespace. agent/kernel/scope.py writes the value before the object loads; the verifier then drops what a
 * host-wide agent does not need.
 */
#ifndef VEDETTE_SCOPE_H
#define VEDETTE_SCOPE_H

#define PID_LEVELS 33

/* Inode numbers of the namespaces; 0 stands for all. */
struct scope {
	__u32 pid;
	__u32 net;
};

const volatile struct scope scope SEC(".rodata.scope");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pid_namespace___scope {
	struct ns_common ns;
};

struct upid___scope {
	int nr;
	struct pid_namespace___scope *ns;
};

struct pid___scope {
	unsigned int level;
	struct upid___scope numbers[1];
};

struct task_struct___scope {
	struct pid___scope *thread_pid;
};

#pragma clang attribute pop

/* The number of the struct pid at address in the agent's pid namespace; 0 when it is none of that namespace or of
 * one nested in it. A global function is verified once, by itself.
 */
__noinline __u32 number_in_namespace(__u64 address)
{
	struct pid___scope *pid = (void *)address;
	__u32 level = BPF_CORE_READ(pid, level);

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < PID_LEVELS; i++) {
		if (i > level)
			break;
		struct upid___scope *number = (void *)pid +
			bpf_core_field_offset(struct pid___scope, numbers) +
			i * bpf_core_type_size(struct upid___scope);

		if (BPF_CORE_READ(number, ns, ns.inum) == scope.pid)
			return BPF_CORE_READ(number, nr);
	}
	return 0;
}

/* The pid of a thread group, given by its leader, as the agent's /proc shows it; 0 when it is not to be seen. */
static __always_inline __u32 scoped_pid(struct task_struct *leader)
{
	struct task_struct___scope *task = (void *)leader;

	if (!scope.pid)
		return BPF_CORE_READ(leader, tgid);
	return number_in_namespace((__u64)BPF_CORE_READ(task, thread_pid));
}

/* The same of a leader whose type the verifier knows: its fields are read without a call. */
static __always_inline __u32 known_pid(struct task_struct *leader)
{
	return scope.pid ? scoped_pid(leader) : leader->tgid;
}

/* Whether a socket is to be seen: by its own network namespace, whoever runs at the moment. */
static __always_inline bool socket_in_scope(struct sock *sk)
{
	return !scope.net || sk->__sk_common.skc_net.net->ns.inum == scope.net;
}

#endif
