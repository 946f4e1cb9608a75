"""A caller that speaks docs/wire-format.md itself, and waits however long the answer takes."""

import socket
import struct
import time

from support.eventually import PATIENCE

CALL, REPLY, ERROR, DRAIN = 2, 3, 4, 9
ONE_WAY, NO_SLOT = 4, 65535
DECLARED, EXPIRED, EXHAUSTED, DRAINING = 1, 6, 8, 10  # reasons
CALLS_IN_FLIGHT = 1024

PREAMBLE = b"TINCAN/1 HELLO\r\n"


def in_nanoseconds(seconds):
    """A deadline that is so many seconds away."""
    return time.monotonic_ns() + int(seconds * 1e9)


class WirePeer:
    """Never gives a call up: what the server says is seen, also long after the deadline."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.input = b""
        self.calls = 0
        clock_offset = time.time_ns() - time.monotonic_ns()
        hello = struct.pack("<BBHHBBQBBq", 1, 4, 1, 1, 2, 8, 1 << 20, 6, 8, clock_offset)
        self.socket.sendall(PREAMBLE + self._frame(1, 0, 0, hello))
        self._take(len(PREAMBLE))
        self._read()

    def close(self):
        self.socket.close()

    @staticmethod
    def _frame(kind, flags, number, body):
        return struct.pack("<IBBHQ", len(body), kind, flags, 0, number) + body

    def call(self, method, payload=b"", deadline=None, one_way=False):
        """Sends a call in the next slot; its answer is read later."""
        name = method.encode()
        prologue = struct.pack("<BB", 1, len(name)) + name
        if deadline is not None:
            prologue += struct.pack("<BBq", 3, 8, deadline)
        slot = NO_SLOT if one_way else self.calls % CALLS_IN_FLIGHT
        self.calls += 1
        body = struct.pack("<H", len(prologue)) + prologue + payload
        self.socket.sendall(self._frame(CALL, ONE_WAY if one_way else 0,
                                        self.calls << 16 | slot, body))

    def _take(self, count):
        while len(self.input) < count:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError("the server has closed the connection")
            self.input += piece
        taken, self.input = self.input[:count], self.input[count:]
        return taken

    def _read(self):
        length, kind, _, _, _ = struct.unpack("<IBBHQ", self._take(16))
        return kind, self._take(length)

    def answer(self):
        """The next answer: the reason and text of an ERROR; None and the payload of a REPLY."""
        while True:
            kind, body = self._read()
            if kind == REPLY:
                prologue, = struct.unpack("<H", body[:2])
                return None, body[2 + prologue:]
            if kind == ERROR:
                return struct.unpack("<H", body[:2])[0], body[8:].decode()
