// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* Kernel modules, loaded and removed, at their own tracepoints: a kernel without modules has none. */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "acts.h"
#include "acts_call.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A module that is asked for shows that its tracepoints are seen, and is told no further. */
enum { LOADED = 1, REMOVED, ASKED };

static __always_inline int tell_module(__u32 how, const void *name)
{
	struct act *act = begin(MODULE, 0);

	if (!act)
		return 0;
	act->how = how;
	bpf_probe_read_kernel_str(act->name, NAME_BYTES, name);
	finish(act);
	return 0;
}

SEC("tp_btf/module_load")
int BPF_PROG(module_loaded, struct module *module)
{
	return tell_module(LOADED, &module->name);
}

SEC("tp_btf/module_free")
int BPF_PROG(module_removed, struct module *module)
{
	return tell_module(REMOVED, &module->name);
}

SEC("tp_btf/module_request")
int BPF_PROG(module_asked, char *name)
{
	return tell_module(ASKED, name);
}
