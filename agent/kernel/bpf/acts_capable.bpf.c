// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* System calls that only who has a capability may make, at the kernel's check of it (Linux 6.14 and later).
 * It says that the call was allowed, not yet that it succeeded.
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

SEC("tp_btf/cap_capable")
int BPF_PROG(capable_ptrace, const struct cred *cred, void *target, void *space, int capability, int refused)
{
	struct call call = {};

	if (refused || capability != CAP_SYS_PTRACE)
		return 0;
	read_call(&call);
	switch (call.number) {
	case CALL_PTRACE:
		if (call.arguments[0] == PTRACE_ATTACH)
			return 0; /* its signal tells more */
	case CALL_READ_MEMORY:
	case CALL_WRITE_MEMORY:
	case CALL_PIDFD_GETFD:
		return tell_trace_call(&call);
	}
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(capable_module, const struct cred *cred, void *target, void *space, int capability, int refused)
{
	struct call call = {};

	if (refused || capability != CAP_SYS_MODULE)
		return 0;
	read_call(&call);
	switch (call.number) {
	case CALL_INIT_MODULE:
	case CALL_FINIT_MODULE:
	case CALL_DELETE_MODULE:
		return tell_module_call(&call);
	}
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(capable_program, const struct cred *cred, void *target, void *space, int capability, int refused)
{
	struct call call = {};

	if (refused || capability != CAP_BPF)
		return 0;
	read_call(&call);
	return call.number == CALL_BPF ? tell_program_call(&call) : 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(capable_mount, const struct cred *cred, void *target, void *space, int capability, int refused)
{
	struct call call = {};

	if (refused || capability != CAP_SYS_ADMIN)
		return 0;
	read_call(&call);
	switch (call.number) {
	case CALL_MOUNT:
	case CALL_UMOUNT:
	case CALL_MOVE_MOUNT:
	case CALL_PIVOT_ROOT:
		return tell_mount_call(&call);
	}
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(capable_namespace, const struct cred *cred, void *target, void *space, int capability, int refused)
{
	struct call call = {};

	if (refused || capability != CAP_SYS_ADMIN)
		return 0;
	read_call(&call);
	if (call.number != CALL_SETNS && call.number != CALL_UNSHARE)
		return 0;
	return tell_namespace_call(&call);
}
