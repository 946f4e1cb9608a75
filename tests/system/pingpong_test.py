"""The article's ping-pong: our examples and the article's Python programs, in every pairing."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(os.environ["TINCAN_BINARY_DIR"], "examples")
PATIENCE = 30


def example(name, *arguments):
    return [os.path.join(EXAMPLES, name), *arguments]


def article(name, *arguments):
    return [sys.executable, "-B", os.path.join(HERE, name), *arguments]


def run(command, **options):
    return subprocess.run(command, timeout=PATIENCE, capture_output=True, text=True, **options)


class Server:
    """A server process that is ready when it has said its first line."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        self.said = self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def hear(self, line):
        """Waits until it says `line`, of which a client that has gone need not know."""
        heard = None
        while heard not in (line, ""):
            heard = self.process.stdout.readline()
            self.said += heard

    def end(self, number=signal.SIGTERM):
        """Asks it to end; its exit status and what it said."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, self.said + said


class PingPong(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tincan-test.")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "udsocket")

    def serve(self):
        return Server(example("pingpong_server", self.path))

    def raw(self, *pieces):
        """Sends pieces and returns everything that is answered until the server closes."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(self.path)
            for piece in pieces:
                sock.sendall(piece)
            answer = b""
            while data := sock.recv(4096):
                answer += data
            return answer

    def test_both_are_ours(self):
        with self.serve() as server:
            client = run(example("pingpong_client", self.path))
            self.assertEqual(client.returncode, 0, client.stderr)
            self.assertEqual(client.stdout.count("Client: Received pong\n"), 100)
            server.hear("Server: Connection shutting down\n")
            status, said = server.end()
        self.assertEqual(status, 0)
        self.assertEqual(said.count("Server: Received ping\n"), 100)
        self.assertEqual(said.count("Server: Sent pong\n"), 100)
        self.assertEqual(said.count("Server: Connection shutting down\n"), 1)

    def test_the_articles_clients(self):
        for style in ("plain", "nul", "split", "joined"):
            with self.subTest(style), self.serve():
                client = run(article("article_client.py", self.path, style))
                self.assertEqual(client.returncode, 0, client.stderr)

    def test_the_articles_servers(self):
        for style in ("plain", "nul", "split"):
            with self.subTest(style), Server(article("article_server.py", self.path, style)) as it:
                client = run(example("pingpong_client", self.path))
                self.assertEqual(client.returncode, 0, client.stdout + client.stderr)
                self.assertEqual(it.process.wait(PATIENCE), 0)

    def test_a_wrong_answer_ends_the_client_with_an_error(self):
        with Server(article("article_server.py", self.path, "wrong")):
            client = run(example("pingpong_client", self.path))
        self.assertEqual(client.returncode, 1)
        self.assertIn('Client Error: received invalid message "pang"', client.stdout)

    def test_a_wrong_message_ends_its_connection_and_no_other(self):
        with self.serve() as server, socket.socket(socket.AF_UNIX) as other:
            other.settimeout(PATIENCE)
            other.connect(self.path)
            other.sendall(b"pi")
            for wrong in (b"pong", b"\xff\xfe", b"GET / HTTP/1.1\r\n", b"pin\0g", b"e" * 100000):
                try:
                    self.assertEqual(self.raw(wrong), b"")
                except ConnectionError:  # the server left while we wrote
                    pass
            self.assertEqual(self.raw(b"pingpang"), b"pong")
            other.sendall(b"ngend")
            self.assertEqual(other.recv(16), b"pong")
            _, said = server.end()
        for wrong in ("pong", "??", "GET / HTTP/1.1??", "pin?g", "e" * 16, "pang"):
            self.assertEqual(
                said.count(f'Server Error: received invalid message "{wrong}"\n'), 1, said)

    def test_a_message_that_is_cut_off_is_wrong(self):
        with self.serve() as server:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(self.path)
                client.sendall(b"pingpi")
                self.assertEqual(client.recv(16), b"pong")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(16), b"")
            self.assertEqual(self.raw(b"ping\0end\0"), b"pong")
            _, said = server.end()
        self.assertEqual(said.count("Server Error"), 1, said)
        self.assertIn('Server Error: received invalid message "pi"\n', said)

    def answer_to_the_client(self, answer):
        """Runs our client against a server that answers so and closes; what the client says."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(PATIENCE)
            listener.bind(self.path)
            listener.listen()
            client = subprocess.Popen(example("pingpong_client", self.path),
                                      stdout=subprocess.PIPE, text=True)
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(16)
                connection.sendall(answer)
            said, _ = client.communicate(timeout=PATIENCE)
        self.assertEqual(client.returncode, 1, said)
        return said.splitlines()[-1]

    def test_a_server_that_leaves_or_steers_is_told_in_words(self):
        for answer, said in ((b"", "the server closed the connection"),
                             (b"po", 'received invalid message "po"'),
                             (b"\x1b[2J\xff\n", 'received invalid message "?[2J??"')):
            self.assertEqual(self.answer_to_the_client(answer), f"Client Error: {said}")
            os.unlink(self.path)

    def test_many_clients_at_once(self):
        with self.serve() as server:
            command = article("article_client.py", self.path)
            clients = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(12)]
            self.assertEqual([client.wait(PATIENCE) for client in clients], [0] * 12)
            _, said = server.end()
        self.assertEqual(said.count("Server: Received ping\n"), 1200)

    def test_a_silent_client_keeps_nobody_waiting(self):
        with self.serve(), socket.socket(socket.AF_UNIX) as silent:
            silent.connect(self.path)
            self.assertEqual(run(article("article_client.py", self.path)).returncode, 0)

    def test_the_server_leaves_nothing_but_its_lock(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), self.serve() as server:
                self.assertTrue(os.path.exists(self.path))
                self.assertEqual(server.end(number)[0], 0)
                self.assertEqual(os.listdir(self.folder), [".udsocket.lock"])

    def test_a_second_server_is_told_who_holds_the_path(self):
        with self.serve() as server:
            second = run(example("pingpong_server", self.path))
            self.assertEqual(second.returncode, 1)
            self.assertIn(f"{self.path} is held by pid {server.process.pid} (", second.stderr)

    def test_a_killed_server_is_replaced(self):
        with self.serve() as server:
            server.process.kill()
            server.process.wait(PATIENCE)
            client = run(example("pingpong_client", self.path))
            self.assertEqual(client.returncode, 1)
            self.assertIn("nobody listens there (its server has died)", client.stderr)
            with self.serve():
                self.assertEqual(run(example("pingpong_client", self.path)).returncode, 0)

    def test_the_article_starts_in_the_current_directory(self):
        with Server(example("pingpong_server"), cwd=self.folder):
            client = run(example("pingpong_client"), cwd=self.folder)
            self.assertEqual(client.returncode, 0, client.stderr)


if __name__ == "__main__":
    unittest.main()
