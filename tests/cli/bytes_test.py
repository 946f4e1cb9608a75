"""tincan bytes: both directions, half-close, and other people's programs."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import unittest

import tool
from tool import eventually

MANY = bytes(range(256)) * 8192  # 2 MiB: more than any socket or pipe holds


class Bytes(tool.Tool):
    def listen(self, serve):
        """A server as the article writes them; `serve` gets its one connection."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        listener.settimeout(tool.PATIENCE)

        def accept():
            connection, _ = listener.accept()
            connection.settimeout(tool.PATIENCE)
            with listener, connection, contextlib.suppress(BrokenPipeError):
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        self.addCleanup(thread.join, tool.PATIENCE)

    @staticmethod
    def read_all(connection):
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)

    def test_the_end_of_stdin_is_a_half_close(self):
        self.listen(lambda connection: connection.sendall(self.read_all(connection)[::-1]))
        result = self.run_tool("bytes", self.path, stdin=MANY)
        self.assertEqual(result, (tool.SUCCESS, MANY[::-1], b""))

    def test_both_may_write_at_once(self):
        received = []

        def serve(connection):
            connection.sendall(MANY)
            received.append(self.read_all(connection))

        self.listen(serve)
        self.assertEqual(self.run_tool("bytes", self.path, stdin=MANY), (0, MANY, b""))
        self.assertTrue(eventually(lambda: received == [MANY]))

    def test_a_peer_that_leaves_ends_it_though_stdin_is_open(self):
        self.listen(lambda connection: connection.sendall(b"bye"))
        process = self.start("bytes", self.path, stdin=subprocess.PIPE)
        self.assertEqual(process.wait(tool.PATIENCE), tool.SUCCESS)
        self.assertEqual(process.stdout.read(), b"bye")

    @staticmethod
    def wait_unread(connection):
        """Waits until something is there, and leaves it there."""
        select.select([connection], [], [], tool.PATIENCE)

    def assert_left_unread(self, process):
        self.assertEqual(process.wait(tool.PATIENCE), tool.UNKNOWN)
        self.assertEqual(process.stderr.read(),
                         f"tincan: unknown: {self.path}: the peer left before it had read all of "
                         "the 5 bytes it was sent\n".encode())

    def test_a_peer_that_leaves_our_bytes_unread_is_told_of_though_stdin_is_open(self):
        def serve(connection):
            self.wait_unread(connection)
            connection.sendall(b"bye")

        self.listen(serve)
        process = self.start("bytes", self.path, stdin=subprocess.PIPE, bufsize=0)
        process.stdin.write(b"hello")
        self.assert_left_unread(process)
        self.assertEqual(process.stdout.read(), b"bye")

    def test_a_peer_that_has_said_all_and_leaves_our_bytes_unread_is_told_of(self):
        def serve(connection):
            connection.sendall(b"all")
            connection.shutdown(socket.SHUT_WR)
            self.wait_unread(connection)

        self.listen(serve)
        process = self.start("bytes", self.path, stdin=subprocess.PIPE, bufsize=0)
        self.assertEqual(process.stdout.read(3), b"all")
        process.stdin.write(b"hello")
        self.assert_left_unread(process)

    def test_a_peer_that_leaves_our_last_bytes_unread_is_told_of(self):
        self.listen(self.wait_unread)
        process = self.start("bytes", self.path, stdin=subprocess.PIPE)
        process.stdin.write(b"hello")
        process.stdin.close()
        self.assert_left_unread(process)

    def test_a_peer_that_has_said_all_still_hears(self):
        received = []

        def serve(connection):
            connection.sendall(b"all")
            connection.shutdown(socket.SHUT_WR)
            received.append(self.read_all(connection))

        self.listen(serve)
        process = self.start("bytes", self.path, stdin=subprocess.PIPE)
        self.assertEqual(process.stdout.read(3), b"all")
        process.stdin.write(b"still here")
        process.stdin.close()
        self.assertEqual(process.wait(tool.PATIENCE), tool.SUCCESS)
        self.assertTrue(eventually(lambda: received == [b"still here"]))

    def test_listen_talks_with_the_first(self):
        process = self.start("bytes", "--listen", "-v", "--mode", "0660", self.path,
                             stdin=subprocess.PIPE)
        self.assertTrue(eventually(lambda: self.exists("app.sock")))
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o660)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(tool.PATIENCE)
            client.connect(self.path)
            client.sendall(b"ping")
            self.assertEqual(process.stdout.read(4), b"ping")
            self.assertFalse(self.exists("app.sock"))
            process.stdin.write(b"pong")
            process.stdin.close()
            self.assertEqual(self.read_all(client), b"pong")
        self.assertEqual(process.wait(tool.PATIENCE), tool.SUCCESS)
        self.assertIn(b"* sent 4 bytes, received 4 bytes", process.stderr.read())

    def test_two_tools(self):
        listening = self.start("bytes", "--listen", self.path, stdin=subprocess.PIPE)
        self.assertTrue(eventually(lambda: self.exists("app.sock")))
        calling = self.start("bytes", self.path, stdin=subprocess.PIPE)
        answers = {}

        def talk(process, text):
            answers[text] = process.communicate(text, timeout=tool.PATIENCE)

        threads = [threading.Thread(target=talk, args=pair)
                   for pair in ((listening, MANY), (calling, MANY[::-1]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, {MANY: (MANY[::-1], b""), MANY[::-1]: (MANY, b"")})
        self.assertEqual((listening.returncode, calling.returncode), (0, 0))

    def leave_in_the_middle(self):
        """A peer that reads a little, and leaves while we write."""
        self.listen(lambda connection: connection.recv(1000))

    def test_bytes_that_were_sent_may_have_been_read(self):
        self.leave_in_the_middle()
        status, _, error = self.shell('"$1" bytes ./app.sock < /dev/zero')
        self.assertEqual(status, tool.UNKNOWN, error)
        self.assertRegex(error.decode(), r"\Atincan: unknown: ./app.sock: the peer left after "
                                         r"[\d.]+ [KM]iB were sent, which it may have read\n\Z")

    def test_json_tells_how_a_conversation_broke_off(self):
        self.leave_in_the_middle()
        status, _, error = self.shell('"$1" bytes ./app.sock --json < /dev/zero')
        result = json.loads(error)
        self.assertEqual((status, result["exit_code"]), (tool.UNKNOWN, tool.UNKNOWN))
        self.assertEqual((result["outcome"], result["cause"]), ("unknown", "closed"))
        self.assertIn("the peer left", result["message"])
        self.assertGreaterEqual(result["sent_bytes"], 1000)

    def test_json_of_input_that_cannot_be_read(self):
        self.listen(lambda connection: None)
        status, _, error = self.shell('"$1" bytes app.sock --json <&-')
        result = json.loads(error)
        self.assertEqual((status, result["outcome"]), (tool.FAILED, "not sent"))
        self.assertEqual(result["message"], "cannot read stdin: Bad file descriptor")

    def test_nobody_comes(self):
        result = self.run_tool("bytes", "--listen", self.path, "--timeout", "50ms")
        self.assert_ends(result, tool.NOT_SENT, "tincan: ")
        self.assertFalse(self.exists("app.sock"))

    def test_a_signal_while_nobody_comes_leaves_no_file(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("bytes", "--listen", self.path)
            self.assertTrue(eventually(lambda: self.exists("app.sock")))
            self.assertEqual(self.stop(process, number), (-number, "", ""))
            self.assertFalse(self.exists("app.sock"))

    def test_a_signal_ends_a_conversation(self):
        process = self.start("bytes", "--listen", self.path, stdin=subprocess.PIPE)
        self.assertTrue(eventually(lambda: self.exists("app.sock")))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(tool.PATIENCE)
            client.connect(self.path)
            client.sendall(b"ping")
            self.assertEqual(process.stdout.read(4), b"ping")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(tool.PATIENCE), -signal.SIGTERM)

    def test_who_may_not_connect_is_not_the_first(self):
        process = self.start("bytes", "--listen", self.path, "--allow-uid", "54321",
                             "--timeout", "1h")
        self.assertTrue(eventually(lambda: self.exists("app.sock")))
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(tool.PATIENCE)
                client.connect(self.path)
                self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.stop(process)[0], -signal.SIGTERM)

    def test_nobody_there(self):
        self.assert_ends(self.run_tool("bytes", "./none.sock"), tool.NOT_SENT,
                         "tincan: not sent: ./none.sock does not exist")
        status, out, error = self.run_tool("bytes", "./none.sock", "--json")
        self.assertEqual((status, out), (tool.NOT_SENT, b""))
        self.assertEqual(json.loads(error)["cause"], "no server")

    def test_json_stays_away_from_the_bytes(self):
        self.listen(lambda connection: connection.sendall(self.read_all(connection)))
        status, out, error = self.run_tool("bytes", self.path, "--json", stdin=b"hello")
        self.assertEqual((status, out), (tool.SUCCESS, b"hello"))
        result = json.loads(error)
        self.assertEqual((result["sent_bytes"], result["received_bytes"]), (5, 5))
        self.assertEqual(result["peer"]["uid"], os.getuid())

    def test_descriptors(self):
        self.listen(lambda connection: connection.sendall(MANY))
        self.assert_ends(self.shell('"$1" bytes app.sock < /dev/null > /dev/full'), tool.FAILED,
                         b"tincan: cannot write the output: No space left on device\n")
        os.unlink(self.path)
        self.listen(lambda connection: connection.sendall(b"line\n" * 100_000))
        self.assertEqual(self.shell('"$1" bytes app.sock < /dev/null | head -1'),
                         (0, b"line\n", b""))
        os.unlink(self.path)
        self.listen(lambda connection: connection.sendall(b"hello"))
        self.assert_ends(self.shell('"$1" bytes app.sock <&-'), tool.FAILED,
                         b"tincan: cannot read stdin: Bad file descriptor\n")

    def test_options_of_who_listens(self):
        for option, value in (("--mode", "0660"), ("--group", "0"), ("--allow-uid", "0"),
                              ("--allow-gid", "0")):
            self.assert_ends(self.run_tool("bytes", self.path, option, value), tool.USAGE,
                             f"tincan: {option} requires --listen\nTry: tincan bytes --help\n"
                             .encode())
        self.assert_ends(self.run_tool("bytes", self.path, "--listen", "--server-uid", "0"),
                         tool.USAGE, "--listen excludes --server-uid")


if __name__ == "__main__":
    unittest.main()
