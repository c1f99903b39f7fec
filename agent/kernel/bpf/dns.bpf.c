// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* DNS questions and answers with the process that asked, and the names that TLS clients ask for.
 *
 * Only the asking side is looked at: what a socket sends to a DNS port, and what comes back to that socket.
 * Layouts are decoded by agent/decode/bpf_dns.py.
 */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "emit.h"
#include "filter.h"
#include "owner.h"
#include "packet.h"
#include "rate.h"
#include "scope.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PORTS 4
#define DNS_HEADER 12
#define TCP_PREFIX 2
#define TLS_PREFIX 6
#define QUERY_ROOM 512
#define ANSWER_ROOM 1232
#define HELLO_ROOM 2048
#define RECORDS_A_SECOND 5000 /* a tunnel at a DNS port must cost neither the host nor the reader more */
#define PASS 1

enum { QUERY = 1, ANSWER, HELLO };

/* Zero ends a list; the loader fills both before anything matches. */
struct port_lists {
	__u16 dns[PORTS];
	__u16 tls[PORTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port_lists);
} ports SEC(".maps");

/* A socket that asks. port is where its last packet was addressed to, before any NAT; 0 when that is no DNS port. */
struct asker {
	struct owner owner;
	__u32 port;
	__u32 filter; /* that its owner falls under */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct asker);
} askers SEC(".maps");

struct record {
	__u8 type;
	__u8 protocol;
	__u16 size; /* of the message on the wire; what follows the head may be less */
	__u16 copied;
	__u16 port; /* the server's */
	__u64 mono;
	__u64 cookie;
	struct owner owner;
	__u8 server[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u32 netns;
	__u32 pad;
	__u8 payload[];
};

struct transport {
	__u16 from;
	__u16 to;
	__u32 sequence;
	__u32 acknowledged;
	__u8 words; /* of TCP, four bits */
};

/* Where the payload of a packet begins; ports in host order. */
struct packet {
	__u32 payload;
	__u16 from;
	__u16 to;
	__u8 protocol;
};

static __always_inline bool in_list(const __u16 *list, __u16 port)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < PORTS; i++) {
		if (!list[i])
			return false;
		if (list[i] == port)
			return true;
	}
	return false;
}

/* Headers lie in the linear part. IPv6 extension headers and later fragments are not followed. */
static __always_inline bool read_packet(struct __sk_buff *skb, struct packet *packet)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4 *v4 = data;
	struct ipv6 *v6 = data;
	struct transport *transport;
	__u32 head = sizeof(*v6);
	__u8 protocol;

	if (data + sizeof(*v4) > end)
		return false;
	if (v4->version_length >> 4 == 4) {
		if (v4->fragment & bpf_htons(0x1fff))
			return false;
		protocol = v4->protocol;
		head = (v4->version_length & 0xf) * 4;
	} else {
		if (data + sizeof(*v6) > end)
			return false;
		protocol = v6->protocol;
	}
	if (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP)
		return false;
	transport = data + head;
	if ((void *)transport + 8 > end)
		return false;
	packet->protocol = protocol;
	packet->from = bpf_ntohs(transport->from);
	packet->to = bpf_ntohs(transport->to);
	packet->payload = head + 8;
	if (protocol == IPPROTO_TCP) {
		if ((void *)transport + sizeof(*transport) > end)
			return false;
		packet->payload = head + (transport->words >> 4) * 4;
	}
	return true;
}

/* Read the namespace of a socket by a copy of its pointer: arithmetic on the pointer itself is refused. */
static __always_inline __u32 netns_of(struct bpf_sock *socket)
{
	struct bpf_sock *copy = socket;
	struct sock *sk = 0;

	bpf_probe_read_kernel(&sk, sizeof(sk), &copy);
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline bool in_scope(struct bpf_sock *socket)
{
	return !scope.net || netns_of(socket) == scope.net;
}

static __always_inline void fill_server(struct __sk_buff *skb, struct record *record, bool outbound)
{
	__u8 version = 0;
	__be32 address = 0;

	bpf_skb_load_bytes(skb, 0, &version, 1);
	if (version >> 4 == 4) {
		bpf_skb_load_bytes(skb, outbound ? __builtin_offsetof(struct ipv4, to) :
				   __builtin_offsetof(struct ipv4, from), &address, sizeof(address));
		map_ipv4(record->server, address);
	} else {
		bpf_skb_load_bytes(skb, outbound ? __builtin_offsetof(struct ipv6, to) :
				   __builtin_offsetof(struct ipv6, from), record->server, sizeof(record->server));
	}
}

/* Copy a message into the ring. room is a constant, so that a small message takes little of it. */
static __always_inline void copy(struct __sk_buff *skb, struct packet *packet, struct asker *asker, __u8 type,
				 __u32 size, __u32 copied, const __u32 room)
{
	struct bpf_sock *sk = skb->sk;
	struct record *record = reserve(sizeof(*record) + room);
	__u64 wanted = copied;

	if (!record)
		return;
	__builtin_memset(record, 0, sizeof(*record));
	record->type = type;
	record->protocol = packet->protocol;
	record->size = size > 0xffff ? 0xffff : size;
	record->copied = copied;
	record->port = type == ANSWER ? packet->from : packet->to;
	record->mono = bpf_ktime_get_boot_ns();
	record->cookie = bpf_get_socket_cookie(skb);
	if (asker)
		record->owner = asker->owner;
	fill_server(skb, record, type != ANSWER);
	if (sk)
		record->netns = netns_of(sk);
	/* For the verifier, which forgets the bounds of what was spilled; that of 6.1 learns nothing from `!= 0`. */
	barrier_var(wanted);
	if (wanted > room)
		wanted = room;
	if (wanted < DNS_HEADER)
		wanted = DNS_HEADER;
	if (bpf_skb_load_bytes(skb, packet->payload, record->payload, wanted))
		record->copied = 0;
	submit(record, sizeof(*record) + room);
}

static __noinline int tell(struct __sk_buff *skb, struct packet *packet, struct asker *asker, __u8 type,
			   __u32 most)
{
	__u32 size = skb->len - packet->payload;
	__u32 copied = size > most ? most : size;

	if (copied < DNS_HEADER || !within_rate(bpf_ktime_get_boot_ns(), RECORDS_A_SECOND))
		return 0;
	if (copied <= 128)
		copy(skb, packet, asker, type, size, copied, 128);
	else if (copied <= QUERY_ROOM)
		copy(skb, packet, asker, type, size, copied, QUERY_ROOM);
	else if (copied <= ANSWER_ROOM)
		copy(skb, packet, asker, type, size, copied, ANSWER_ROOM);
	else if (copied <= HELLO_ROOM)
		copy(skb, packet, asker, type, size, copied, HELLO_ROOM);
	return 0;
}

/* Whether a TCP segment begins with a DNS message of one question (RFC 1035, 4.2.2), not with the rest of one. */
static __always_inline bool begins_message(struct __sk_buff *skb, struct packet *packet)
{
	__u16 words[4];

	return !bpf_skb_load_bytes(skb, packet->payload, words, sizeof(words)) &&
	       words[3] == bpf_htons(1) && bpf_ntohs(words[0]) >= DNS_HEADER;
}

/* Whether a segment begins with a TLS handshake record that holds a ClientHello (RFC 8446, 4 and 5.1). */
static __always_inline bool begins_hello(struct __sk_buff *skb, struct packet *packet)
{
	__u8 bytes[TLS_PREFIX];

	return !bpf_skb_load_bytes(skb, packet->payload, bytes, sizeof(bytes)) &&
	       bytes[0] == 22 && bytes[1] == 3 && bytes[5] == 1;
}

static __always_inline void own_by_current(struct asker *asker)
{
	struct task_struct *task = bpf_get_current_task_btf();

	fill_owner_of(&asker->owner, task);
	asker->filter = filter_of(task);
}

static __always_inline void tell_question(struct __sk_buff *skb, struct packet *packet, struct asker *asker)
{
	if (asker->filter)
		count_filtered(asker->filter);
	else
		tell(skb, packet, asker, QUERY, QUERY_ROOM);
}

static __always_inline void asked_by_tcp(struct __sk_buff *skb, struct packet *packet, struct bpf_sock *sk)
{
	struct asker *asker = bpf_sk_storage_get(&askers, sk, 0, 0);

	if (asker && begins_message(skb, packet))
		tell_question(skb, packet, asker);
}

/* Who sends by UDP is current: the packet leaves in its system call. */
static __always_inline void asked_by_udp(struct __sk_buff *skb, struct packet *packet, struct bpf_sock *sk,
					 bool dns_port)
{
	struct asker *asker = bpf_sk_storage_get(&askers, sk, 0, dns_port ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);

	if (!asker) {
		if (dns_port)
			lose(LOSS_NO_MEMORY);
		return;
	}
	if (!dns_port && !asker->port) /* NAT may have rewritten the port, as for a resolver of docker */
		return;
	own_by_current(asker);
	tell_question(skb, packet, asker);
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct port_lists *lists = bpf_map_lookup_elem(&ports, &zero);
	struct packet packet = {};
	struct bpf_sock *sk = skb->sk;

	if (!lists || !sk || !read_packet(skb, &packet))
		return PASS;
	bool tcp = packet.protocol == IPPROTO_TCP;
	bool dns_port = in_list(lists->dns, packet.to);

	if (tcp && (packet.payload >= skb->len || (!dns_port && !in_list(lists->tls, packet.to))))
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk || !in_scope(sk))
		return PASS;
	if (!tcp)
		asked_by_udp(skb, &packet, sk, dns_port);
	else if (dns_port)
		asked_by_tcp(skb, &packet, sk);
	else if (begins_hello(skb, &packet))
		tell(skb, &packet, 0, HELLO, HELLO_ROOM);
	return PASS;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct port_lists *lists = bpf_map_lookup_elem(&ports, &zero);
	struct packet packet = {};
	struct bpf_sock *sk = skb->sk;
	struct asker *asker;

	if (!lists || !sk || !read_packet(skb, &packet) || !in_list(lists->dns, packet.from))
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk || packet.payload >= skb->len)
		return PASS;
	asker = bpf_sk_storage_get(&askers, sk, 0, 0); /* who never asked gets no answer */
	if (asker && !asker->filter && (packet.protocol == IPPROTO_UDP || begins_message(skb, &packet)))
		tell(skb, &packet, asker, ANSWER, ANSWER_ROOM);
	return PASS;
}

/* Note where a socket addresses what it sends. TCP sends later, in whatever context: its owner is who connects. */
static __always_inline int addressed(struct bpf_sock_addr *ctx)
{
	__u32 zero = 0;
	struct port_lists *lists = bpf_map_lookup_elem(&ports, &zero);
	__u16 port = bpf_ntohs((__u16)ctx->user_port);
	struct bpf_sock *sk = ctx->sk;
	bool dns_port = lists && in_list(lists->dns, port);
	struct asker *asker;

	if (!sk || !in_scope(sk))
		return PASS;
	asker = bpf_sk_storage_get(&askers, sk, 0, dns_port ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	if (asker) {
		asker->port = dns_port ? port : 0;
		own_by_current(asker);
	} else if (dns_port) {
		lose(LOSS_NO_MEMORY);
	}
	return PASS;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	return addressed(ctx);
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	return addressed(ctx);
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	return addressed(ctx);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	return addressed(ctx);
}
