"""The article's server, for one client; with `split` its answers arrive byte by byte."""

import os
import socket
import sys


def run(path, style):
    try:
        os.unlink(path)
    except OSError:
        pass
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen(1)
    print("listening", flush=True)
    connection, _ = server.accept()
    answers = 0
    while True:
        data = connection.recv(16).decode()
        if data != "ping":
            break
        if style == "split":
            for byte in b"pong":
                connection.sendall(bytes([byte]))
        elif style == "nul":
            connection.sendall(b"pong\0")
        elif style == "wrong":
            connection.sendall(b"pang")
        else:
            connection.sendall(b"pong")
        answers += 1
    connection.close()
    os.unlink(path)
    return data == "end" and answers == 100


if __name__ == "__main__":
    sys.exit(0 if run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "plain") else 1)
