// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Acts at the entry of system calls: they slow every call of the host a little, so only when configured. They say
 * that something was tried.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "acts.h"
#include "acts_call.h"
#include "acts_unix.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct entry;

#define ENTRY(name)                                                                                      \
	SEC("tp/syscalls/sys_enter_" #name)                                                              \
	int call_##name(struct entry *entry)                                                             \
	{                                                                                                \
		struct call call = {};                                                                   \
                                                                                                         \
		read_call(&call);                                                                        \
		return tell_call(&call);                                                                 \
	}

ENTRY(ptrace)
ENTRY(process_vm_readv)
ENTRY(process_vm_writev)
ENTRY(pidfd_getfd)
ENTRY(mount)
ENTRY(umount)
ENTRY(move_mount)
ENTRY(pivot_root)
ENTRY(setns)
ENTRY(unshare)
ENTRY(bpf)
ENTRY(init_module)
ENTRY(finit_module)
ENTRY(delete_module)

SEC("tp/syscalls/sys_enter_connect")
int call_connect(struct entry *entry)
{
	struct unix_path path = {};
	unsigned short family = 0;
	struct call call = {};

	read_call(&call);
	bpf_probe_read_user(&family, sizeof(family), (void *)call.arguments[1]);
	if (family != AF_UNIX)
		return 0;
	bpf_probe_read_user_str(path.text, SUN_PATH, (void *)(call.arguments[1] + sizeof(family)));
	return tell_unix(&path);
}
