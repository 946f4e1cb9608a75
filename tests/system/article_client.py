"""The article's client, and the same as C programs and busy kernels make it look."""

import socket
import sys

ROUNDS = 100


def pieces(style):
    """What each send carries, over all rounds and the end."""
    if style == "plain":  # as in the article
        return [b"ping"] * ROUNDS + [b"end"]
    if style == "nul":  # C programs that send sizeof("ping") bytes
        return [b"ping\0"] * ROUNDS + [b"end\0"]
    if style == "split":  # every byte on its own
        return [bytes([byte]) for byte in b"ping" * ROUNDS + b"end"]
    if style == "joined":  # several messages in one piece, cut in the middle of one
        stream = b"ping" * ROUNDS + b"end"
        return [stream[i : i + 10] for i in range(0, len(stream), 10)]
    raise SystemExit(f"unknown style {style}")


def run(path, style):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    sock.settimeout(20)
    received = b""
    if style == "plain":
        for _ in range(ROUNDS):
            sock.sendall(b"ping")
            data = sock.recv(16)
            print(f"Client: Received {data.decode()}")
            received += data
        sock.sendall(b"end")
    else:
        for piece in pieces(style):
            sock.sendall(piece)
    while data := sock.recv(4096):
        received += data
    sock.close()
    return received == b"pong" * ROUNDS


if __name__ == "__main__":
    sys.exit(0 if run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "plain") else 1)
