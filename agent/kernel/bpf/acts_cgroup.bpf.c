// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Connections to listed sockets of the file system, at the root cgroup (Linux 6.7 and later). */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "acts.h"
#include "acts_unix.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ALLOW 1

struct bpf_sock_addr_kern {
	void *uaddr;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *context) __ksym;

/* libbpf before 1.3 does not know this section: agent/kernel/bpf_object.py says what it is. */
SEC("cgroup/connect_unix")
int cgroup_unix(struct bpf_sock_addr *context)
{
	struct bpf_sock_addr_kern *kernel = bpf_cast_to_kern_ctx(context);
	struct sockaddr_un *address = kernel->uaddr;
	struct unix_path path = {};

	bpf_probe_read_kernel_str(path.text, SUN_PATH, &address->sun_path);
	tell_unix(&path);
	return ALLOW;
}
