// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* UDP and ICMP with their bytes: every datagram that a process's socket sends or is given is added to a sum of
 * its process and peer. Sockets of the kernel itself are not counted.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "emit.h"
#include "filter.h"
#include "owner.h"
#include "flow.h"
#include "packet.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define AF_INET6 10
#define HEADER 8 /* of UDP as of ICMP */
#define EXTENSIONS 4
#define PASS 1

/* What is kept of a socket: who uses it, and the sum it began with. */
struct source {
	struct owner owner;
	struct sum_key first;
	__u32 netns;
	__u8 direction; /* of its first datagram */
	__u8 counted;
	__u8 filter; /* that its owner falls under */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct source);
} sources SEC(".maps");

struct packet {
	__u8 from[16];
	__u8 to[16];
	__u16 ports[2];
	__u32 payload; /* bytes after the header of UDP or ICMP */
	__u8 protocol;
};

static __always_inline bool is_counted(__u32 protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ||
	       protocol == IPPROTO_RAW;
}

/* Skip the extension headers of IPv6 (RFC 8200, 4): each names the next and its own length in eights. */
static __always_inline __u32 skip_extensions(struct __sk_buff *skb, __u8 *protocol)
{
	__u32 at = sizeof(struct ipv6);
	__u8 head[2];

#pragma clang loop unroll(full)
	for (int i = 0; i < EXTENSIONS; i++) {
		if (*protocol != 0 && *protocol != 43 && *protocol != 60)
			break;
		if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			break;
		*protocol = head[0];
		at += (head[1] + 1) * 8;
	}
	return at;
}

/* The packet has its network header; as a whole, before it is cut into fragments or segments. */
static __always_inline bool read_packet(struct __sk_buff *skb, struct packet *packet)
{
	__u32 at;
	__u8 version;

	if (bpf_skb_load_bytes(skb, 0, &version, sizeof(version)))
		return false;
	if (version >> 4 == 4) {
		struct ipv4 v4;

		if (bpf_skb_load_bytes(skb, 0, &v4, sizeof(v4)))
			return false;
		packet->protocol = v4.protocol;
		map_ipv4(packet->from, v4.from);
		map_ipv4(packet->to, v4.to);
		at = (version & 0xf) * 4;
	} else {
		struct ipv6 v6;

		if (bpf_skb_load_bytes(skb, 0, &v6, sizeof(v6)))
			return false;
		packet->protocol = v6.protocol;
		__builtin_memcpy(packet->from, v6.from, sizeof(v6.from));
		__builtin_memcpy(packet->to, v6.to, sizeof(v6.to));
		at = skip_extensions(skb, &packet->protocol);
	}
	if (packet->protocol == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, at, packet->ports, sizeof(packet->ports)))
			return false;
	} else if (packet->protocol != IPPROTO_ICMP && packet->protocol != IPPROTO_ICMPV6) {
		return false;
	}
	packet->payload = skb->len > at + HEADER ? skb->len - at - HEADER : 0;
	return true;
}

static __always_inline void fill_record(struct flow_record *record, struct source *source,
					struct packet *packet, bool out)
{
	record->direction = source->direction;
	record->protocol = packet->protocol;
	record->owner = source->owner;
	record->tuple.netns = source->netns;
	record->tuple.local_port = bpf_ntohs(packet->ports[out ? 0 : 1]);
	record->tuple.remote_port = bpf_ntohs(packet->ports[out ? 1 : 0]);
	__builtin_memcpy(record->tuple.local, out ? packet->from : packet->to, 16);
	__builtin_memcpy(record->tuple.remote, out ? packet->to : packet->from, 16);
	record->mono = record->opened = bpf_ktime_get_boot_ns();
	record->out = out ? packet->payload : 0;
	record->in = out ? 0 : packet->payload;
	record->packets_out = out;
	record->packets_in = !out;
}

static __always_inline void own_by(struct source *source, struct task_struct *task)
{
	fill_owner_of(&source->owner, task);
	source->filter = filter_of(task);
}

static __always_inline void add_packet(struct __sk_buff *skb, struct source *source, bool out)
{
	struct words *words = shared_words();
	struct flow_record record = {};
	struct packet packet = {};

	if (!words || !read_packet(skb, &packet))
		return;
	if (out) { /* who sends is current: the packet leaves in its system call */
		struct task_struct *task = bpf_get_current_task_btf();

		if (source->owner.start != task->group_leader->start_boottime ||
		    source->owner.session == UNKNOWN_ID)
			own_by(source, task);
	}
	if (source->filter) {
		count_filtered(source->filter);
		return;
	}
	if (!source->direction)
		source->direction = out ? OUTBOUND : INBOUND;
	fill_record(&record, source, &packet, out);
	record.cookie = bpf_get_socket_cookie(skb);
	if (!source->counted) {
		source->counted = 1;
		record.flows = 1;
		fill_key(&source->first, &record, 0);
	}
	if (!add_sum(words, &record))
		lose(LOSS_NO_MEMORY);
}

/* Most packets are of TCP, whose sockets have no source: they cost one look. */
static __always_inline struct source *source_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk ? bpf_sk_storage_get(&sources, sk, 0, 0) : 0;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct source *source = source_of(skb);

	if (source)
		add_packet(skb, source, true);
	return PASS;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	struct source *source = source_of(skb);

	if (source)
		add_packet(skb, source, false);
	return PASS;
}

SEC("cgroup/sock_create")
int on_create(struct bpf_sock *sk)
{
	struct task_struct *task;
	struct source *source;

	if (!is_counted(sk->protocol))
		return PASS;
	task = bpf_get_current_task_btf();
	__u32 netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);

	if (scope.net && netns != scope.net)
		return PASS;
	source = bpf_sk_storage_get(&sources, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!source) {
		lose(LOSS_NO_MEMORY);
		return PASS;
	}
	source->netns = netns;
	own_by(source, task);
	return PASS;
}

/* The last of a socket: its flow is over. */
SEC("cgroup/sock_release")
int on_release(struct bpf_sock *sk)
{
	struct source *source = bpf_sk_storage_get(&sources, sk, 0, 0);
	struct words *words = shared_words();
	struct flow_record *sum, record = {};

	if (!source || !source->counted || !words)
		return PASS;
	struct sum_key key = source->first;

	key.window = words->window;
	sum = bpf_map_lookup_elem(&sums, &key);
	if (sum) {
		__sync_fetch_and_add(&sum->released, 1);
		return PASS;
	}
	record.type = SUM;
	record.direction = key.direction;
	record.protocol = key.protocol;
	record.mono = record.opened = bpf_ktime_get_boot_ns();
	record.released = 1;
	record.owner = source->owner;
	record.owner.pid = key.pid;
	record.owner.start = key.start;
	__builtin_memcpy(record.tuple.local, key.local, sizeof(key.local));
	__builtin_memcpy(record.tuple.remote, key.remote, sizeof(key.remote));
	record.tuple.netns = key.netns;
	if (key.direction == INBOUND)
		record.tuple.local_port = key.port;
	else
		record.tuple.remote_port = key.port;
	if (!bpf_map_update_elem(&sums, &key, &record, BPF_NOEXIST))
		hint(words);
	return PASS; /* no room: it ends when it has been silent */
}

/* Take on the sockets that are open, with whoever holds them. */
SEC("iter/task_file")
int adopt(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct source *source;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (!is_counted(BPF_CORE_READ(sk, sk_protocol)) || !socket_in_scope(sk))
		return 0;
	source = bpf_sk_storage_get(&sources, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!source || source->owner.pid)
		return 0;
	source->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	own_by(source, task);
	return 0;
}
