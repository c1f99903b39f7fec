/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* Flows as both socket programs tell them, and the table in which short ones are summed until the reader drains
 * it. agent/decode/bpf_connection.py has the layouts.
 */
#ifndef VEDETTE_FLOW_H
#define VEDETTE_FLOW_H

#define SUMS 8192
#define SECOND 1000000000ULL

enum { OPEN = 1, CLOSE, LISTEN, REPORT, SUM, HINT };
enum { UNKNOWN, OUTBOUND, INBOUND };

struct tuple {
	__u8 local[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 netns;
};

struct flow_record {
	__u16 type;
	__u8 direction;
	__u8 protocol;
	__u32 flows; /* how many a SUM holds */
	__u64 mono;
	__u64 cookie;
	__u64 opened; /* 0 when it was open before this program was */
	__u64 out;
	__u64 in;
	__u64 packets_out;
	__u64 packets_in;
	__u64 released; /* sockets of a SUM that are closed */
	struct owner owner;
	struct tuple tuple;
};

/* What flows have in common that are summed. Only entries of the window that is current are written to: the
 * reader begins another, and a second later takes what is left of the one before.
 */
struct sum_key {
	__u64 start;
	__u8 local[16];
	__u8 remote[16];
	__u32 pid;
	__u32 netns;
	__u32 window;
	__u16 port; /* of whoever serves */
	__u8 protocol;
	__u8 direction;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SUMS);
	__type(key, struct sum_key);
	__type(value, struct flow_record);
} sums SEC(".maps");

/* Shared with the reader, who writes all but `moved` and `hint`. */
struct words {
	__u64 window;
	__u64 hint; /* the reader sleeps: tell it once that there is something */
	__u64 moved; /* bytes of all open flows at each look */
	__u64 report_bytes;
	__u64 report_time;
	__u64 seek; /* count flows without an owner, who will then be looked for */
	__u64 sees_release;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct words);
} shared SEC(".maps");

static __always_inline struct words *shared_words(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&shared, &zero);
}

static __always_inline void hint(struct words *words)
{
	__u64 record = HINT;

	if (!words->hint)
		return;
	words->hint = 0;
	emit(&record, sizeof(record));
}

static __always_inline void fill_key(struct sum_key *key, const struct flow_record *record, __u32 window)
{
	__builtin_memcpy(key->local, record->tuple.local, sizeof(key->local));
	__builtin_memcpy(key->remote, record->tuple.remote, sizeof(key->remote));
	key->start = record->owner.start;
	key->pid = record->owner.pid;
	key->netns = record->tuple.netns;
	key->window = window;
	key->port = record->direction == INBOUND ? record->tuple.local_port : record->tuple.remote_port;
	key->protocol = record->protocol;
	key->direction = record->direction;
}

static __always_inline void add_to(struct flow_record *sum, const struct flow_record *record)
{
	__sync_fetch_and_add(&sum->flows, record->flows);
	__sync_fetch_and_add(&sum->out, record->out);
	__sync_fetch_and_add(&sum->in, record->in);
	__sync_fetch_and_add(&sum->packets_out, record->packets_out);
	__sync_fetch_and_add(&sum->packets_in, record->packets_in);
	__sync_fetch_and_add(&sum->released, record->released);
	sum->mono = record->mono;
	/* a port that is not common to all is none */
	if (sum->tuple.local_port != record->tuple.local_port)
		sum->tuple.local_port = 0;
	if (sum->tuple.remote_port != record->tuple.remote_port)
		sum->tuple.remote_port = 0;
}

/* Add a record to the sum of its kind; false when there is no room. */
static __always_inline bool add_sum(struct words *words, struct flow_record *record)
{
	struct sum_key key = {};
	struct flow_record *sum;

	record->type = SUM;
	fill_key(&key, record, words->window);
	sum = bpf_map_lookup_elem(&sums, &key);
	if (!sum) {
		if (!bpf_map_update_elem(&sums, &key, record, BPF_NOEXIST)) {
			hint(words);
			return true;
		}
		sum = bpf_map_lookup_elem(&sums, &key);
		if (!sum)
			return false;
	}
	add_to(sum, record);
	return true;
}

#endif
