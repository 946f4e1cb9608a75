#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: fuzz/corpus/decoder, session and ring.

    fuzz/seeds.py

The frames are built from docs/wire-format.md, not by our encoder, so that both cannot be wrong
together. What a fuzzer has found stands beside the seeds under the name that libFuzzer gave it.
"""

import os
import struct

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
MORE, CONTINUED, ONE_WAY, BATCH = 1, 2, 4, 8
(HELLO, CALL, REPLY, ERROR, CANCEL, PUSH, SUBSCRIBE, CREDIT, DRAIN, PING, PONG, UPGRADE, REVOKE,
 HANDOVER, RELEASE) = range(1, 16)


def frame(kind, call_id=0, body=b"", flags=0, descriptors=0):
    return struct.pack("<IBBHQ", len(body), kind, flags, descriptors, call_id) + body


def call_id(slot, sequence):
    return sequence << 16 | slot


def field(tag, value):
    return bytes([tag, len(value)]) + value


def prologue(*fields):
    body = b"".join(fields)
    return struct.pack("<H", len(body)) + body


def error(reason, text=b"", code=0):
    return struct.pack("<HHi", reason, 0, code) + text


def hello(lowest=1, highest=1):
    return (field(1, struct.pack("<HH", lowest, highest)) + field(2, struct.pack("<Q", 1 << 20))
            + field(3, struct.pack("<I", 8)) + field(4, struct.pack("<I", 4))
            + field(5, struct.pack("<Q", 0)) + field(6, struct.pack("<q", 0)))


METHOD = field(1, b"1")
DEADLINE = field(3, struct.pack("<q", 2**63 - 1))
LOAN = field(8, struct.pack("<QQ", 1, 1000))
FULL = prologue(METHOD, field(2, b"\x01\x00"), DEADLINE, field(4, b"\0\0\0\0"), field(5, b""),
                field(6, bytes(25)), field(7, struct.pack("<Q", 5)))

DECODER = {
    "hello": frame(HELLO, 0, hello()),
    "hello_body": hello(),
    "hello_unknown_field": hello() + field(99, b"later"),
    "hello_versions": hello(2, 1),
    "call": frame(CALL, call_id(0, 1), prologue(METHOD, DEADLINE) + b"world"),
    "call_full": frame(CALL, call_id(0, 1), FULL + b"hello"),
    "call_one_way": frame(CALL, call_id(0xFFFF, 1), prologue(METHOD), ONE_WAY),
    "call_descriptors": frame(CALL, call_id(0, 1), prologue(METHOD), 0, 253),
    "fragments": frame(CALL, call_id(0, 1), FULL + b"he", MORE)
    + frame(CALL, call_id(0, 1), b"llo", CONTINUED),
    "prologue_body": FULL + b"payload",
    "handover": frame(HANDOVER, 1, field(1, b"\2") + field(2, struct.pack("<Q", 4096)), 0, 1),
    "call_of_loan": frame(CALL, call_id(0, 1), prologue(METHOD, LOAN)),
    "prologue_long": struct.pack("<H", 4097) + bytes(4097),
    "prologue_cut": prologue(METHOD)[:-1],
    "reply": frame(REPLY, call_id(0, 1), prologue() + b"hello world"),
    "error": frame(ERROR, call_id(0, 1), error(1, b"not today", 7)),
    "error_body": error(12, "…".encode()),
    "error_unknown": frame(ERROR, 0, error(999)),
    "cancel": frame(CANCEL, call_id(0, 1)),
    "drain": frame(DRAIN, 3),
    "length": struct.pack("<IBBHQ", 0xFFFFFFFF, CALL, 0, 0, 1),
    "every_kind": b"".join(frame(kind, kind) for kind in range(1, 16)),
}


# Operations of session_fuzz.cc: the side, the operation, its arguments.
def op(side, operation, *arguments):
    return bytes([side, operation, *arguments])


def start(side, shape, size):
    return op(side, 3, shape) + struct.pack("<H", size)


def some(side, count):
    return op(side, 0) + struct.pack("<H", count)


def everything(side):
    return op(side, 2)


def answer(side, which, shape):
    return op(side, 5, which, shape)


def say(side, raw):
    return op(side, 11, len(raw)) + raw


def lie(side, kind, body=b"", flags=0, descriptors=0, slot=0, sequence=1, arrive=0, zero=0):
    header = bytes([kind, flags, descriptors, slot & 0xFF, sequence, zero, len(body)])
    return op(side, 12, arrive) + header + body


GREETED, STRANGERS, HOUR_APART = b"\0\1", b"\0\0", b"\1\1"
CALLED = GREETED + start(0, 0, 10) + everything(0)
LARGE = GREETED + start(0, 7, 40000)
# One side has asked whether it may hand memory over, and may.
ASKED = GREETED + op(0, 15) + everything(0) + everything(1)
SHARED = field(1, b"\2") + field(2, struct.pack("<Q", 4096))

SESSION = {
    "call": CALLED + answer(1, 0, 0) + everything(1),
    "call_both_ways": GREETED + start(0, 0, 5) + start(1, 0, 6) + everything(0) + everything(1)
    + answer(0, 0, 0) + answer(1, 0, 0) + everything(0) + everything(1),
    "error": CALLED + answer(1, 0, 3) + everything(1),
    "one_way": GREETED + start(0, 8, 100) + everything(0) + answer(1, 0, 2),
    "batches": GREETED + start(0, 14, 100) * 2 + everything(0) + start(0, 14, 50000) + some(0, 900)
    + start(0, 14, 0) + everything(0) * 3,
    "expired": GREETED + op(1, 9, 200) + start(0, 16, 1) + everything(0) + everything(1),
    "hour_apart": HOUR_APART + start(0, 16, 1) + start(1, 16, 1) + everything(0) + everything(1),
    "descriptors": GREETED + start(0, 64, 3) + everything(0) + answer(1, 0, 0) + everything(1),
    "large": LARGE + everything(0) * 5 + answer(1, 0, 0) + everything(1) * 3,
    "large_and_small": LARGE + some(0, 60000) + start(0, 0, 1) + everything(0) * 5,
    "large_one_ways": GREETED + start(0, 15, 30000) * 6 + everything(0) * 20,
    "slots": GREETED + start(0, 0, 1) * 6 + everything(0) + answer(1, 3, 0) + everything(1)
    + everything(0),
    "give_up_queued": GREETED + start(0, 0, 1) * 6 + op(0, 6, 5) + everything(0),
    "give_up_partly": LARGE + some(0, 9) + op(0, 6, 0) + everything(0) + everything(1),
    "give_up_whole": GREETED + start(0, 0, 9) + op(0, 6, 0) + everything(0) + everything(1),
    "give_up_written": CALLED + op(0, 6, 0) + everything(0) + answer(1, 0, 0) + everything(1),
    "abandon": CALLED + op(0, 7, 0) + everything(0) + answer(1, 0, 0) + everything(1),
    "abandon_reply_clash": GREETED + start(1, 7, 40000) + everything(1) * 5 + answer(0, 0, 0)
    + start(0, 7, 40000) + some(0, 9) + op(0, 6, 0) + everything(0) * 9,
    "drain": CALLED + start(0, 0, 1) + op(1, 8) + everything(1) + everything(0) + answer(1, 0, 0)
    + everything(1),
    "drain_one_ways": GREETED + start(0, 15, 20000) + some(0, 60000) + start(0, 8, 1)
    + everything(0) + op(1, 8) + everything(1),
    "cut": GREETED + start(0, 0, 50) * 3 + some(0, 100) + op(0, 13),
    "goodbye": CALLED + op(1, 10) + everything(1),
    "pieces": GREETED + start(0, 0, 9) + some(0, 1) * 40,
    "loan": ASKED + start(0, 6 | 1 << 3, 0) + everything(0) + answer(1, 0, 0) + everything(1),
    "loan_asks": GREETED + start(0, 6, 900) + everything(0) + everything(1) + everything(0),
    "loan_again": ASKED + (start(0, 6 | 1 << 3, 0) + everything(0) + answer(1, 0, 0)
                           + everything(1)) * 3 + op(0, 14, 1) + everything(0),
    "loan_once": ASKED + start(0, 6 | 3 << 3, 0) + everything(0) + answer(1, 0, 0) + everything(1),
    "loan_immutable": ASKED + start(0, 6, 9000) * 5 + everything(0) * 9 + answer(1, 0, 0) * 3
    + everything(1) + everything(0) * 9,
    "loan_reply": GREETED + op(0, 15) + op(1, 15) + everything(0) + everything(1) + everything(0)
    + start(0, 0, 9) + everything(0) + answer(1, 0, 6 | 1 << 3) + everything(1) + everything(1),
    "loan_expired": ASKED + op(1, 9, 200) + start(0, 6 | 16, 1) + everything(0) * 2 + everything(1),
    "loan_given_up": ASKED + start(0, 6 | 1 << 3, 0) + op(0, 6, 0) + everything(0) * 2
    + everything(1),
    "loan_drain": ASKED + op(1, 8) + start(0, 6, 9) + everything(0) * 2 + everything(1),
    "loan_taken_back": ASKED + start(0, 6 | 1 << 3, 0) + everything(0) * 2 + op(0, 14, 1)
    + everything(0) + answer(1, 0, 0) + everything(1),
    "liar_loan": GREETED + lie(1, HANDOVER, zero=255) + lie(1, HANDOVER, SHARED, 0, 1, 1, 0, 1)
    + lie(1, CALL, prologue(METHOD, LOAN)) + answer(1, 0, 0) + lie(1, HANDOVER, b"", 0, 0, 1, 0),
    "liar_loan_unasked": GREETED + lie(1, HANDOVER, SHARED, 0, 1, 1, 0, 1),
    "liar_loan_unknown": GREETED + lie(1, HANDOVER, zero=255)
    + lie(1, CALL, prologue(METHOD, LOAN)),
    "liar_loan_release": ASKED + start(0, 6 | 1 << 3, 0) + everything(0) * 2
    + lie(0, RELEASE, b"", 0, 0, 1, 0) * 2,
    "stranger": STRANGERS + say(0, b"GET / HTTP/1.1\r\n"),
    "liar_hello": STRANGERS + say(1, b"TINCAN/1 HELLO\r\n") + lie(1, HELLO, hello())
    + lie(1, HELLO, hello()),
    "liar_before_hello": STRANGERS + say(1, b"TINCAN/1 HELLO\r\n") + lie(1, CALL, FULL),
    "liar_call": GREETED + lie(1, CALL, FULL + b"hello") + answer(1, 0, 0) + lie(1, CALL, FULL),
    "liar_fragments": GREETED + lie(1, CALL, FULL + b"he", MORE) + lie(1, CALL, b"llo", CONTINUED)
    + answer(1, 0, 0),
    "liar_one_way": GREETED + lie(1, CALL, FULL, ONE_WAY, 0, -1),
    "liar_batch": GREETED + lie(1, CALL, prologue(METHOD) + struct.pack("<I", 3) + b"one"
                                + bytes(4), ONE_WAY | BATCH, 0, -1),
    "liar_descriptors": GREETED + lie(1, CALL, FULL, 0, 2, 0, 1, 2),
    "liar_descriptors_short": GREETED + lie(1, CALL, FULL, 0, 2, 0, 1, 1),
    "liar_reply": CALLED + lie(0, REPLY, prologue() + b"x") + lie(0, REPLY, prologue() + b"x"),
    "liar_reply_fragments": CALLED + lie(0, REPLY, FULL + b"he", MORE)
    + lie(0, REPLY, b"llo", CONTINUED),
    "liar_error": CALLED + lie(0, ERROR, error(6)),
    "liar_error_zero": CALLED + lie(0, ERROR, error(5, b"no"), zero=255),
    "liar_cancel": CALLED + lie(1, CANCEL) + lie(1, CANCEL, sequence=9),
    "liar_drain": CALLED + lie(0, DRAIN, zero=255) + lie(0, DRAIN, zero=255),
    "liar_ping": GREETED + lie(0, PING) * 20 + everything(0),
    "liar_abilities": GREETED + lie(0, PUSH, prologue()) + lie(1, UPGRADE),
}


# What one end of a ring does, and what it then finds in the peer's words: see ring_fuzz.cc.
WRITE, READ, PUBLISH, RELEASE, FALL_ASLEEP, WAKE_UP = 0, 2, 4, 5, 6, 7
ANNOUNCE, DESCRIPTOR_SETS, IS_REVOKED, END_REVOKES, PEER_ENDS = 8, 9, 10, 11, 12
SAME, CAPACITY_16 = 0, 4


def more(count):
    return count * 4 + 1


def less(count):
    return count * 4 + 2


def any_value(value, size=8):
    return bytes([3]) + value.to_bytes(size, "little")


def end(*does):
    return bytes([CAPACITY_16]) + b"".join(
        bytes([each]) if isinstance(each, int) else each for each in does)


FILLED = (WRITE, 20, SAME, PUBLISH, SAME)
FED = (READ, 10, more(10), *range(10))
RING = {
    "lap": end(*FILLED, WRITE, 4, more(4), PUBLISH, SAME, *FED, RELEASE, SAME, READ, 9, more(16),
               *range(9), RELEASE, SAME, WRITE, 16, more(12), PUBLISH, more(1)),
    "wakes": end(*FILLED, FALL_ASLEEP, 2, SAME, SAME, WAKE_UP, FALL_ASLEEP, 3, SAME, more(1),
                 SAME, READ, 1, 7, RELEASE, more(10), READ, 1, SAME, RELEASE),
    "revokes": end(*FED, END_REVOKES, more(3), SAME, READ, 9, 1, 2, 3, READ, 9, FALL_ASLEEP, 1,
                   SAME, RELEASE, more(1)),
    "is_revoked": end(*FILLED, IS_REVOKED, more(4), FALL_ASLEEP, 1, SAME, SAME, PUBLISH),
    "sends_again": end(*FILLED, WRITE, 4, more(8), PUBLISH, more(4), PEER_ENDS, 3, PEER_ENDS, 40),
    "descriptors": end(WRITE, 2, ANNOUNCE, WRITE, 2, PUBLISH, SAME, DESCRIPTOR_SETS, more(1)),
    "liar_backwards": end(*FED, READ, 9, less(1), READ, 9, WRITE, 3, PUBLISH, SAME),
    "liar_too_much": end(READ, 20, more(17), READ, 20, WRITE, 30, FALL_ASLEEP, 3),
    "liar_most": end(READ, 255, any_value(2**64 - 1), READ, 255, FALL_ASLEEP, 3),
    "liar_consumed": end(*FILLED, WRITE, 5, more(17), WRITE, 5, READ, 1, FALL_ASLEEP, 2),
    "liar_consumed_backwards": end(*FILLED, WRITE, 5, more(5), PUBLISH, SAME, WRITE, 5, less(1)),
    "liar_twice": end(READ, 9, more(3), any_value(2**63), 1, 2, 3, READ, 9, any_value(2**63)),
}


def main():
    for target, seeds in (("decoder", DECODER), ("session", SESSION), ("ring", RING)):
        folder = os.path.join(ROOT, target)
        os.makedirs(folder, exist_ok=True)
        for name, content in seeds.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)


if __name__ == "__main__":
    main()
