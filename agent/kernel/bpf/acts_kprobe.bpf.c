// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Security-relevant acts at the entry of the kernel's own functions, through kprobes. */
#define __VMLINUX_H__ /* bpf_tracing.h: registers have the names they have in the kernel */
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
SEC("kprobe/commit_creds")
int BPF_KPROBE(probe_any)
{
	return 0;
}

SEC("kprobe/commit_creds")
int BPF_KPROBE(probe_credentials, struct cred *new)
{
	return tell_credentials(own_credentials(), new);
}

SEC("kprobe/commit_creds")
int BPF_KPROBE(probe_user_namespace, struct cred *new)
{
	return tell_user_namespace(own_credentials(), new);
}

SEC("kprobe/switch_task_namespaces")
int BPF_KPROBE(probe_namespaces, struct task_struct *task, struct nsproxy *new)
{
	return tell_switch(BPF_CORE_READ(task, nsproxy), new);
}

SEC("kprobe/security_ptrace_access_check")
int BPF_KPROBE(probe_ptrace, struct task_struct *child, unsigned int mode)
{
	return tell_trace(child, mode);
}

SEC("kprobe/security_bpf_prog")
int BPF_KPROBE(probe_program, struct bpf_prog *program)
{
	return tell_program(program);
}

SEC("kprobe/security_sb_mount")
int BPF_KPROBE(probe_mount)
{
	return tell_mount();
}

SEC("kprobe/security_sb_umount")
int BPF_KPROBE(probe_umount)
{
	return tell_mount();
}

SEC("kprobe/security_move_mount")
int BPF_KPROBE(probe_move_mount)
{
	return tell_mount();
}

SEC("kprobe/security_sb_pivotroot")
int BPF_KPROBE(probe_pivot_root)
{
	return tell_mount();
}

SEC("kprobe/security_unix_stream_connect")
int BPF_KPROBE(probe_unix, struct sock *sock, struct sock *other)
{
	return tell_unix_socket(other);
}
