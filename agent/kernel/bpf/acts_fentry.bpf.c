// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Security-relevant acts at the entry of the kernel's own functions, through trampolines. */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "acts.h"
#include "acts_call.h"
#include "acts_kernel.h"
#include "acts_unix.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* By this agent/kernel/refusals.py finds out whether any such program can be attached. */
SEC("fentry/commit_creds")
int BPF_PROG(entry_any)
{
	return 0;
}

SEC("fentry/commit_creds")
int BPF_PROG(entry_credentials, struct cred *new)
{
	return tell_credentials(own_credentials(), new);
}

SEC("fentry/commit_creds")
int BPF_PROG(entry_user_namespace, struct cred *new)
{
	return tell_user_namespace(own_credentials(), new);
}

SEC("fentry/switch_task_namespaces")
int BPF_PROG(entry_namespaces, struct task_struct *task, struct nsproxy *new)
{
	return tell_switch(BPF_CORE_READ(task, nsproxy), new);
}

SEC("fentry/security_ptrace_access_check")
int BPF_PROG(entry_ptrace, struct task_struct *child, unsigned int mode)
{
	return tell_trace(child, mode);
}

SEC("fentry/security_bpf_prog")
int BPF_PROG(entry_program, struct bpf_prog *program)
{
	return tell_program(program);
}

SEC("fentry/security_sb_mount")
int BPF_PROG(entry_mount)
{
	return tell_mount();
}

SEC("fentry/security_sb_umount")
int BPF_PROG(entry_umount)
{
	return tell_mount();
}

SEC("fentry/security_move_mount")
int BPF_PROG(entry_move_mount)
{
	return tell_mount();
}

SEC("fentry/security_sb_pivotroot")
int BPF_PROG(entry_pivot_root)
{
	return tell_mount();
}

SEC("fentry/security_unix_stream_connect")
int BPF_PROG(entry_unix, struct sock *sock, struct sock *other)
{
	return tell_unix_socket(other);
}
