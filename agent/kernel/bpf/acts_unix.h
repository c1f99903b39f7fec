/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* Connections to sockets of the file system whose names are listed, such as docker.sock. */
#ifndef VEDETTE_ACTS_UNIX_H
#define VEDETTE_ACTS_UNIX_H

#define AF_UNIX 1
#define SUN_PATH 108

struct socket_name {
	char text[NAME_BYTES];
};

/* The last components of the listed paths, filled by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct socket_name);
	__type(value, __u32);
} listed SEC(".maps");

struct unix_path {
	char text[SUN_PATH + NAME_BYTES]; /* room behind, so that a name can be copied from any place in it */
};

/* Where the last component of path begins. A global function is verified once, by itself. */
__noinline __u32 last_component(struct unix_path *path)
{
	__u32 at = 0;

	if (!path)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < SUN_PATH; i++) {
		if (!path->text[i])
			break;
		if (path->text[i] == '/')
			at = i + 1;
	}
	return at;
}

/* Tell when the last component of path is a listed name. */
static __always_inline int tell_unix(struct unix_path *path)
{
	struct socket_name name = {};

	if (!path->text[0])
		return 0; /* abstract or unnamed */
	__u32 at = last_component(path);

	barrier_var(at);
	at &= 0x7f;
	if (at >= SUN_PATH)
		return 0;
	bpf_probe_read_kernel_str(name.text, sizeof(name.text), path->text + at);
	if (!bpf_map_lookup_elem(&listed, &name))
		return 0;
	struct act *act = begin(UNIX_SOCKET, 0);

	if (!act)
		return 0;
	bpf_probe_read_kernel_str(act->path, SUN_PATH, path->text);
	finish(act);
	return 0;
}

/* The name the listener was bound to. */
static __always_inline int tell_unix_socket(struct sock *other)
{
	struct unix_sock *listener = (void *)other;
	struct unix_address *address = BPF_CORE_READ(listener, addr);
	struct unix_path path = {};

	if (!address)
		return 0;
	bpf_probe_read_kernel_str(path.text, SUN_PATH, &address->name[0].sun_path);
	return tell_unix(&path);
}

#endif
