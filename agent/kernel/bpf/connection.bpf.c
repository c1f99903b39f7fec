// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* TCP connections, their owner and exact bytes. Layouts are decoded by agent/decode/bpf_connection.py. */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "emit.h"
#include "owner.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define IPPROTO_TCP 6
#define SOCK_DONE 1 /* bit of sk_flags, set when the peer's FIN arrives and by nothing else */

enum {
	TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT,
	TCP_CLOSE, TCP_CLOSE_WAIT, TCP_LAST_ACK, TCP_LISTEN, TCP_CLOSING,
};

enum { OPEN = 1, CLOSE, LISTEN, REPORT };
enum { UNKNOWN, OUTBOUND, INBOUND };

struct tuple {
	__u8 local[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 netns;
};

struct flow {
	__u64 cookie;
	__u64 opened;
	struct owner owner;
	struct tuple tuple;
	__u32 direction;
	__u32 established;
};

struct flow_record {
	__u16 type;
	__u8 direction;
	__u8 state;
	__u32 pad;
	__u64 mono;
	__u64 cookie;
	__u64 opened; /* 0 when it was open before this program was */
	__u64 out;
	__u64 in;
	__u32 segs_out;
	__u32 segs_in;
	struct owner owner;
	struct tuple tuple;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct flow);
} flows SEC(".maps");

static __always_inline void fill_tuple(struct tuple *tuple, struct sock *sk)
{
	tuple->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	tuple->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	tuple->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		map_ipv4(tuple->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		map_ipv4(tuple->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else {
		BPF_CORE_READ_INTO(&tuple->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&tuple->remote, sk, __sk_common.skc_v6_daddr);
	}
}

/* Payload put on the wire at least once, and payload taken in order: sequence numbers less the FINs.
 * snd_nxt stands past our FIN once it was sent, bytes_received past the peer's. An outbound SYN is still in
 * `out`: the reader takes it off, which alone can tell the direction of what was open before.
 */
static __always_inline void fill_bytes(struct flow_record *record, struct sock *sk, int state)
{
	struct tcp_sock *tcp = (void *)sk;
	__u32 next = BPF_CORE_READ(tcp, snd_nxt);
	__u64 out = BPF_CORE_READ(tcp, bytes_acked) + (__u32)(next - BPF_CORE_READ(tcp, snd_una));
	__u64 in = BPF_CORE_READ(tcp, bytes_received);
	bool fin_queued = state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
			  state == TCP_LAST_ACK || state == TCP_TIME_WAIT;

	if (fin_queued && next == BPF_CORE_READ(tcp, write_seq) && out)
		out--;
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) & (1UL << SOCK_DONE) && in)
		in--;
	record->out = out;
	record->in = in;
	record->segs_out = BPF_CORE_READ(tcp, segs_out);
	record->segs_in = BPF_CORE_READ(tcp, segs_in);
}

static __always_inline void fill_record(struct flow_record *record, struct sock *sk, struct flow *flow,
					__u16 type, int state)
{
	record->type = type;
	record->state = state;
	record->direction = flow->direction;
	record->mono = bpf_ktime_get_boot_ns();
	record->cookie = flow->cookie;
	record->opened = flow->opened;
	record->owner = flow->owner;
	record->tuple = flow->tuple;
	fill_bytes(record, sk, state);
}

static __always_inline struct flow *keep(struct sock *sk, __u32 direction)
{
	struct flow *flow = bpf_sk_storage_get(&flows, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!flow) {
		lose(LOSS_NO_MEMORY);
		return 0;
	}
	flow->cookie = bpf_get_socket_cookie(sk);
	flow->direction = direction;
	return flow;
}

static __always_inline void listening(struct sock *sk)
{
	struct flow_record record = {.type = LISTEN, .state = TCP_LISTEN, .mono = bpf_ktime_get_boot_ns()};

	record.owner.uid = record.owner.auid = record.owner.session = UNKNOWN_ID;
	fill_owner(&record.owner);
	fill_tuple(&record.tuple, sk);
	record.cookie = bpf_get_socket_cookie(sk);
	emit(&record, sizeof(record));
}

static __always_inline void established(struct sock *sk, struct flow *flow)
{
	struct flow_record record = {};

	if (!flow)
		flow = keep(sk, INBOUND);
	if (!flow || flow->established)
		return;
	flow->established = 1;
	flow->opened = bpf_ktime_get_boot_ns();
	fill_tuple(&flow->tuple, sk);
	fill_record(&record, sk, flow, OPEN, TCP_ESTABLISHED);
	emit(&record, sizeof(record));
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int from, int to)
{
	if (sk->sk_protocol != IPPROTO_TCP || !socket_in_scope(sk))
		return 0;
	if (to == TCP_LISTEN) {
		listening(sk);
		return 0;
	}
	if (to == TCP_SYN_SENT) {
		struct flow *flow = keep(sk, OUTBOUND);

		if (flow)
			fill_owner(&flow->owner);
		return 0;
	}
	struct flow *flow = bpf_sk_storage_get(&flows, sk, 0, 0);

	if (to == TCP_ESTABLISHED) {
		established(sk, flow);
		return 0;
	}
	if (!flow && from == TCP_ESTABLISHED) { /* open before this program was */
		flow = keep(sk, UNKNOWN);
		if (!flow)
			return 0;
		flow->established = 1;
		fill_tuple(&flow->tuple, sk);
	}
	if (!flow)
		return 0;
	/* These two come from close and shutdown alone, so current is the one who closes. A close by RST or in
	 * softirq has some other process as current, and names nobody.
	 */
	if ((to == TCP_FIN_WAIT1 || to == TCP_LAST_ACK) && !flow->owner.pid)
		fill_owner(&flow->owner);
	if (to != TCP_CLOSE)
		return 0;
	if (flow->established) {
		struct flow_record record = {};

		fill_record(&record, sk, flow, CLOSE, from);
		emit(&record, sizeof(record));
	}
	bpf_sk_storage_delete(&flows, sk);
	return 0;
}

/* Bytes so far of every open flow, in all network namespaces. */
SEC("iter/bpf_sk_storage_map")
int report(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct flow *flow = ctx->value;
	struct flow_record record = {};

	if (!sk || !flow || !flow->established)
		return 0;
	fill_record(&record, sk, flow, REPORT, BPF_CORE_READ(sk, __sk_common.skc_state));
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

/* Connections that were open before this program, and listeners, of the reader's network namespace. */
SEC("iter/tcp")
int adopt(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;

	if (!common)
		return 0;
	struct sock *sk = (void *)bpf_skc_to_tcp_sock(common);

	if (!sk)
		return 0;
	int state = BPF_CORE_READ(common, skc_state);
	struct flow_record record = {.type = LISTEN, .state = state};

	if (state == TCP_LISTEN) {
		fill_tuple(&record.tuple, sk);
		bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	} else if ((state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT) && !bpf_sk_storage_get(&flows, sk, 0, 0)) {
		struct flow *flow = keep(sk, UNKNOWN);

		if (flow) {
			flow->established = 1;
			fill_tuple(&flow->tuple, sk);
		}
	}
	return 0;
}
