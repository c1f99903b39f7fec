// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/* TCP connections, their owner and exact bytes. Layouts are decoded by agent/decode/bpf_connection.py. */
#include "vmlinux_min.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "emit.h"
#include "filter.h"
#include "owner.h"
#include "flow.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define IPPROTO_TCP 6
#define SOCK_DONE 1 /* bit of sk_flags, set when the peer's FIN arrives and by nothing else */

enum {
	TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT,
	TCP_CLOSE, TCP_CLOSE_WAIT, TCP_LAST_ACK, TCP_LISTEN, TCP_CLOSING,
};

struct flow {
	__u64 cookie;
	__u64 opened;
	__u64 ended;
	__u64 next; /* bytes at which it reports */
	__u64 reported;
	__u64 reported_at;
	__u64 last; /* bytes at the last look */
	__u64 out;
	__u64 in;
	__u32 segs_out;
	__u32 segs_in;
	struct owner owner;
	struct tuple tuple;
	__u8 direction;
	__u8 established;
	__u8 told;
	__u8 sought;
	__u8 released;
	__u8 filter; /* that its owner falls under */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct flow);
} flows SEC(".maps");

static __always_inline void fill_tuple(struct tuple *tuple, struct sock *sk)
{
	tuple->local_port = sk->__sk_common.skc_num;
	tuple->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	tuple->netns = sk->__sk_common.skc_net.net->ns.inum;
	if (sk->__sk_common.skc_family == AF_INET) {
		map_ipv4(tuple->local, sk->__sk_common.skc_rcv_saddr);
		map_ipv4(tuple->remote, sk->__sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO(&tuple->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&tuple->remote, sk, __sk_common.skc_v6_daddr);
	}
}

/* Payload put on the wire at least once, and payload taken in order: sequence numbers less the SYN of whoever
 * connected and the FINs. snd_nxt stands past our FIN once it was sent, bytes_received past the peer's. Of what
 * was open before, the reader takes off the SYN, which alone can tell the direction.
 */
static __always_inline void count_bytes(struct flow *flow, struct sock *sk, int state)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp)
		return;
	__u32 next = tcp->snd_nxt;
	__u64 out = tcp->bytes_acked + (__u32)(next - tcp->snd_una);
	__u64 in = tcp->bytes_received;
	bool fin_queued = state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
			  state == TCP_LAST_ACK || state == TCP_TIME_WAIT;

	if (fin_queued && next == tcp->write_seq && out)
		out--;
	if (flow->direction == OUTBOUND && out)
		out--;
	if (sk->__sk_common.skc_flags & (1UL << SOCK_DONE) && in)
		in--;
	flow->out = out;
	flow->in = in;
	flow->segs_out = tcp->segs_out;
	flow->segs_in = tcp->segs_in;
}

static __always_inline void fill_record(struct flow_record *record, struct flow *flow, __u16 type, __u64 mono)
{
	record->type = type;
	record->direction = flow->direction;
	record->protocol = IPPROTO_TCP;
	record->flows = 1;
	record->mono = mono;
	record->cookie = flow->cookie;
	record->opened = flow->opened;
	record->out = flow->out;
	record->in = flow->in;
	record->packets_out = flow->segs_out;
	record->packets_in = flow->segs_in;
	record->owner = flow->owner;
	record->tuple = flow->tuple;
}

/* Begin to follow a socket; one that connects again begins anew. */
static __always_inline struct flow *keep(struct sock *sk, __u8 direction)
{
	struct flow *flow = bpf_sk_storage_get(&flows, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!flow) {
		lose(LOSS_NO_MEMORY);
		return 0;
	}
	if (flow->cookie)
		__builtin_memset(flow, 0, sizeof(*flow));
	flow->cookie = bpf_get_socket_cookie(sk);
	flow->direction = direction;
	return flow;
}

/* Take on a connection that was open before this program. */
static __always_inline struct flow *adopted(struct sock *sk)
{
	struct flow *flow = keep(sk, UNKNOWN);

	if (flow) {
		flow->established = flow->told = 1;
		flow->reported_at = bpf_ktime_get_boot_ns();
		fill_tuple(&flow->tuple, sk);
	}
	return flow;
}

/* Current holds the flow. */
static __always_inline void own_by_current(struct flow *flow)
{
	struct task_struct *task = bpf_get_current_task_btf();

	fill_owner_of(&flow->owner, task);
	flow->filter = filter_of(task);
}

/* Current is who closes. It is the owner where none is known yet; and where an accepted connection was handed to
 * a process of a login session, as by sshd, that one is.
 */
static __always_inline void settle_owner(struct flow *flow)
{
	struct owner closer = {};

	if (flow->owner.pid && (flow->direction == OUTBOUND || flow->owner.session != UNKNOWN_ID))
		return;
	fill_owner(&closer);
	if (closer.pid && (!flow->owner.pid || closer.session != UNKNOWN_ID)) {
		flow->owner = closer;
		flow->filter = filter_of(bpf_get_current_task_btf());
	}
}

/* A flow that lived under a second and carried little is summed with its like; others are told at once. */
static __always_inline void tell_end(struct flow *flow, __u64 mono)
{
	struct words *words = shared_words();
	struct flow_record record = {};

	flow->established = 0;
	if (flow->filter && !flow->told) {
		count_filtered(flow->filter);
		return;
	}
	fill_record(&record, flow, CLOSE, mono);
	if (words && !flow->told && mono - flow->opened < SECOND && flow->out + flow->in < words->report_bytes &&
	    add_sum(words, &record))
		return;
	record.type = CLOSE;
	emit(&record, sizeof(record));
}

static __always_inline void listening(struct sock *sk)
{
	struct flow_record record = {.type = LISTEN, .protocol = IPPROTO_TCP, .mono = bpf_ktime_get_boot_ns()};

	record.owner.uid = record.owner.auid = record.owner.session = UNKNOWN_ID;
	fill_owner(&record.owner);
	fill_tuple(&record.tuple, sk);
	record.cookie = bpf_get_socket_cookie(sk);
	emit(&record, sizeof(record));
}

static __always_inline void established(struct sock *sk, struct flow *flow)
{
	struct words *words = shared_words();

	if (!flow)
		flow = keep(sk, INBOUND);
	if (!flow || flow->established || !words)
		return;
	flow->established = 1;
	flow->opened = flow->reported_at = bpf_ktime_get_boot_ns();
	fill_tuple(&flow->tuple, sk);
	hint(words);
}

/* A socket that a process still holds, as after a reset, waits for its release: who closes it is the owner. */
static __always_inline bool waits_for_release(struct sock *sk, struct flow *flow)
{
	struct words *words = shared_words();

	if (flow->released || !words || !words->sees_release || !sk->sk_socket)
		return false;
	return !flow->owner.pid || (flow->direction != OUTBOUND && flow->owner.session == UNKNOWN_ID);
}

static __always_inline void closed(struct sock *sk, struct flow *flow, int from)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (!flow->established || flow->ended)
		return;
	count_bytes(flow, sk, from);
	if (waits_for_release(sk, flow))
		flow->ended = now;
	else
		tell_end(flow, now);
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
			own_by_current(flow);
		return 0;
	}
	struct flow *flow = bpf_sk_storage_get(&flows, sk, 0, 0);

	if (to == TCP_ESTABLISHED) {
		established(sk, flow);
		return 0;
	}
	if (!flow && from == TCP_ESTABLISHED)
		flow = adopted(sk);
	if (!flow)
		return 0;
	/* These two come from close and shutdown alone. A close by RST or in softirq has some other process as
	 * current, and names nobody.
	 */
	if (!flow->released && (to == TCP_FIN_WAIT1 || to == TCP_LAST_ACK))
		settle_owner(flow);
	if (to == TCP_CLOSE)
		closed(sk, flow, from);
	return 0;
}

/* accept(2) with room for an address asks for the peer's name, as do servers of each connection: current is who
 * holds it.
 */
static __always_inline int held(struct bpf_sock_addr *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bpf_sock *sk = ctx->sk;
	struct flow *flow;

	if (!sk)
		return 1;
	flow = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (flow && flow->direction != OUTBOUND &&
	    (flow->owner.start != task->group_leader->start_boottime || flow->owner.session == UNKNOWN_ID))
		own_by_current(flow);
	return 1;
}

SEC("cgroup/getpeername4")
int on_getpeername4(struct bpf_sock_addr *ctx)
{
	return held(ctx);
}

SEC("cgroup/getpeername6")
int on_getpeername6(struct bpf_sock_addr *ctx)
{
	return held(ctx);
}

SEC("cgroup/sock_release")
int on_release(struct bpf_sock *sk)
{
	struct flow *flow = bpf_sk_storage_get(&flows, sk, 0, 0);

	if (!flow)
		return 1;
	flow->released = 1;
	settle_owner(flow);
	if (flow->ended && flow->established)
		tell_end(flow, flow->ended);
	return 1;
}

/* Whether the bytes of an open flow are to be told: at 1, 10, 100 MB…, each minute in which they grew, and when
 * they stopped growing after much.
 */
static __always_inline bool report_due(struct flow *flow, struct words *words, __u64 now)
{
	__u64 total = flow->out + flow->in, last = flow->last;

	flow->last = total;
	words->moved += total;
	if (total == flow->reported)
		return false;
	return total >= (flow->next ?: words->report_bytes) || now - flow->reported_at >= words->report_time ||
	       (total == last && total - flow->reported >= words->report_bytes);
}

static __always_inline void reported(struct flow *flow, struct words *words, __u64 now)
{
	__u64 next = flow->next ?: words->report_bytes;

	flow->reported = flow->out + flow->in;
	flow->reported_at = now;
#pragma clang loop unroll(full)
	for (int i = 0; i < 12; i++) {
		if (flow->reported >= next)
			next *= 10;
	}
	flow->next = next;
}

/* Tell one flow through the ring, where a kill of the reader does not cost it. A flow is marked only when it was
 * told: what found no room is told by a later look.
 */
static __always_inline bool tell(struct flow *flow, __u16 type, __u64 mono)
{
	struct flow_record record = {};

	fill_record(&record, flow, type, mono);
	return offer(&record, sizeof(record));
}

/* Look at every open flow, in all network namespaces; what is written out is a byte for each without an owner. */
SEC("iter/bpf_sk_storage_map")
int report(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct words *words = shared_words();
	struct flow *flow = ctx->value;
	struct sock *sk = ctx->sk;
	__u64 now = bpf_ktime_get_boot_ns();

	if (!sk || !flow || !words || !flow->established)
		return 0;
	if (flow->ended) {
		if (now - flow->ended < SECOND)
			return 0;
		if (flow->filter && !flow->told)
			tell_end(flow, flow->ended);
		else if (tell(flow, CLOSE, flow->ended))
			flow->established = 0;
		return 0;
	}
	if (flow->filter && !flow->told)
		return 0;
	bool young = !flow->told && now - flow->opened < SECOND;

	count_bytes(flow, sk, BPF_CORE_READ(sk, __sk_common.skc_state));
	if (words->seek && !young && !flow->owner.pid && !flow->sought) {
		__u8 unowned = 1;

		bpf_seq_write(ctx->meta->seq, &unowned, sizeof(unowned));
		return 0;
	}
	if (!young && !flow->told && tell(flow, OPEN, flow->opened))
		flow->told = 1;
	if (report_due(flow, words, now) && tell(flow, REPORT, now))
		reported(flow, words, now);
	return 0;
}

/* Name who holds the flows that have no owner: what was open before, and what was accepted without a trace. */
SEC("iter/task_file")
int claim(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct flow *flow;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket || !socket->sk)
		return 0;
	flow = bpf_sk_storage_get(&flows, socket->sk, 0, 0);
	if (!flow)
		return 0;
	flow->sought = 1;
	if (!flow->owner.pid || (flow->direction != OUTBOUND && flow->owner.session == UNKNOWN_ID)) {
		fill_owner_of(&flow->owner, task);
		flow->filter = filter_of(task);
	}
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
	struct flow_record record = {.type = LISTEN, .protocol = IPPROTO_TCP};

	if (state == TCP_LISTEN) {
		fill_tuple(&record.tuple, sk);
		bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	} else if ((state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT) && !bpf_sk_storage_get(&flows, sk, 0, 0)) {
		adopted(sk);
	}
	return 0;
}
