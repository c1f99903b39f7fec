"""Open, write and close a file, unlink another and connect a socket, all through an io_uring.

usage: ring_operations.py FILE OTHER PORT
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys

SETUP, ENTER = 425, 426
GET_EVENTS, SINGLE_MAPPING = 1, 1
ENTRIES_AT = 0x10000000
CONNECT, OPENAT, CLOSE, WRITE, UNLINKAT = 16, 18, 19, 23, 36
HERE = -100
SQE, CQE = 64, 16

libc = ctypes.CDLL(None, use_errno=True)


class Uring:
    """A ring of eight entries; one operation at a time."""

    def __init__(self) -> None:
        raw = ctypes.create_string_buffer(120)
        self.fd = libc.syscall(SETUP, 8, raw)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "io_uring_setup")
        values = struct.unpack("=30I", raw.raw)
        assert values[5] & SINGLE_MAPPING
        submissions, self.offsets = values[0], (values[10:20], values[20:30])
        (_, _, _, _, _, _, array, *_), (_, _, _, _, _, cqes, *_) = self.offsets
        size = max(array + submissions * 4, cqes + values[1] * CQE)
        self.ring = mmap.mmap(self.fd, size, mmap.MAP_SHARED, offset=0)
        self.entries = mmap.mmap(self.fd, submissions * SQE, mmap.MAP_SHARED, offset=ENTRIES_AT)

    def word(self, at: int) -> int:
        return int(struct.unpack_from("=I", self.ring, at)[0])

    def do(self, code: int, fd: int, address: int, length: int, *, offset: int = 0, flags: int = 0) -> int:
        """Return the result of one operation.

        Raises:
            OSError: it failed.
        """
        (_, sq_tail, sq_mask, _, _, _, array, *_), (cq_head, _, cq_mask, _, _, cqes, *_) = self.offsets
        tail = self.word(sq_tail)
        index = tail & self.word(sq_mask)
        entry = struct.pack("=BBHiQQIIQ24x", code, 0, 0, fd, offset, address, length, flags, 7)
        self.entries[index * SQE : (index + 1) * SQE] = entry
        struct.pack_into("=I", self.ring, array + 4 * index, index)
        struct.pack_into("=I", self.ring, sq_tail, tail + 1)
        if libc.syscall(ENTER, self.fd, 1, 1, GET_EVENTS, None, 0) != 1:
            raise OSError(ctypes.get_errno(), "io_uring_enter")
        head = self.word(cq_head)
        _, result = struct.unpack_from("=Qi", self.ring, cqes + CQE * (head & self.word(cq_mask)))
        struct.pack_into("=I", self.ring, cq_head, head + 1)
        if result < 0:
            raise OSError(-result, f"operation {code}: {os.strerror(-result)}")
        return int(result)


def main() -> int:
    path = ctypes.create_string_buffer(os.fsencode(sys.argv[1]))
    text = ctypes.create_string_buffer(b"through a ring")
    ring = Uring()
    opened = ring.do(OPENAT, HERE, ctypes.addressof(path), 0o644, flags=os.O_CREAT | os.O_WRONLY)
    ring.do(WRITE, opened, ctypes.addressof(text), 14)
    ring.do(CLOSE, opened, 0, 0)
    print("written", flush=True)
    sys.stdin.readline()
    other = ctypes.create_string_buffer(os.fsencode(sys.argv[2]))
    ring.do(UNLINKAT, HERE, ctypes.addressof(other), 0)
    port = int(sys.argv[3])
    to = ctypes.create_string_buffer(
        struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, b"\x7f\0\0\1")
    )
    with socket.socket() as client:
        ring.do(CONNECT, client.fileno(), ctypes.addressof(to), 0, offset=16)
        print("connected", flush=True)
        sys.stdin.readline()
    return 0


if __name__ == "__main__":
    sys.exit(main())
