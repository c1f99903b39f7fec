// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Security-relevant acts at the hooks of the Linux security modules. Nothing is ever refused here. */
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
SEC("lsm/bpf")
int BPF_PROG(lsm_any)
{
	return 0;
}

SEC("lsm/task_fix_setuid")
int BPF_PROG(lsm_setuid, struct cred *new, const struct cred *old, int flags)
{
	return tell_credentials(old, new);
}

SEC("lsm/capset")
int BPF_PROG(lsm_capset, struct cred *new, const struct cred *old)
{
	return tell_credentials(old, new);
}

SEC("lsm/ptrace_access_check")
int BPF_PROG(lsm_ptrace, struct task_struct *child, unsigned int mode)
{
	return tell_trace(child, mode);
}

SEC("lsm/bpf_prog")
int BPF_PROG(lsm_program, struct bpf_prog *program)
{
	return tell_program(program);
}

SEC("lsm/sb_mount")
int BPF_PROG(lsm_mount)
{
	return tell_mount();
}

SEC("lsm/sb_umount")
int BPF_PROG(lsm_umount)
{
	return tell_mount();
}

SEC("lsm/move_mount")
int BPF_PROG(lsm_move_mount)
{
	return tell_mount();
}

SEC("lsm/sb_pivotroot")
int BPF_PROG(lsm_pivot_root)
{
	return tell_mount();
}

SEC("lsm/unix_stream_connect")
int BPF_PROG(lsm_unix, struct sock *sock, struct sock *other)
{
	return tell_unix_socket(other);
}
