#!/usr/bin/env -S python3 -IS
"""A peer that says what cannot be, for peer_test.cc: how, is its name."""

import pathlib
import signal
import socket
import struct
import sys

control = socket.socket(fileno=3)


def say(operations=0, wall=0, least=0, most=0, buckets=(), claimed=None, error_bytes=0):
    count = len(buckets) if claimed is None else claimed
    said = struct.pack("=QqQQQQ", operations, wall, least, most, count, error_bytes)
    control.sendall(said + b"".join(struct.pack("=QQ", *bucket) for bucket in buckets))


say()
lie = pathlib.Path(sys.argv[0]).name
if sys.argv[1] == "server":
    if lie == "talks":
        say()
    signal.pause()
operations, _, _ = struct.unpack("=QQd", control.recv(24, socket.MSG_WAITALL))
good = {"operations": operations, "wall": 1000, "least": 5, "most": 5,
        "buckets": [(5, operations)]}
lies = {
    "nothing": {},
    "operations": {"operations": operations + 1},
    "wall": {"wall": -1},
    "times": {"buckets": [(5, 1)]},
    "backwards": {"least": 6},
    "far": {"most": 2**63},
    "buckets": {"claimed": 2**40},
    "words": {"error_bytes": 2**40},
    "more": {"claimed": 2},
}
if lie == "half":
    control.sendall(b"half")
else:
    say(**(good | lies[lie]))
signal.pause()
