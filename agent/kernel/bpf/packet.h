/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* The network headers of a packet as it is on the wire (RFC 791, 3.1; RFC 8200, 3). */
#ifndef VEDETTE_PACKET_H
#define VEDETTE_PACKET_H

#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58
#define IPPROTO_RAW 255

struct ipv4 {
	__u8 version_length;
	__u8 tos;
	__u16 total;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u32 from;
	__u32 to;
};

struct ipv6 {
	__u8 version_class;
	__u8 rest[3];
	__u16 payload;
	__u8 protocol;
	__u8 hops;
	__u8 from[16];
	__u8 to[16];
};

#endif
