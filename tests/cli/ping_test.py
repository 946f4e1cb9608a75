"""tincan ping: what it prints, that it looks at replies, and that it ends when asked."""

import json
import os
import re
import signal
import socket
import threading
import unittest

import tool
from tool import eventually

STATISTICS = re.compile(
    r"^--- \S+ ping statistics ---\n"
    r"(\d+) calls?, (\d+) repl(?:y|ies), (\d+) failed, in [\d.]+ [num]?s\n"
    r"time min/avg/p50/p99/p99\.9/max = ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) us\n"
    r"\d+ calls a second, CPU [\d.]+ us a call here, [\d.]+ us in the server\n"
    r"transport: (?:socket|a ring of .*)\n\Z", re.MULTILINE)


class Ping(tool.Tool):
    def setUp(self):
        super().setUp()
        self.server = self.serve(self.path, "--echo")

    def ping(self, *arguments):
        return self.run_tool("ping", "./app.sock", *arguments)

    def assert_statistics(self, text, calls, replies):
        found = STATISTICS.search(text)
        self.assertTrue(found, text)
        self.assertEqual([int(count) for count in found.groups()[:3]],
                         [calls, replies, calls - replies])
        least, mean, *others = [float(time) for time in found.groups()[3:]]
        self.assertEqual(sorted([least, *others]), [least, *others])
        self.assertTrue(least <= mean <= others[-1])

    def test_a_line_for_each_reply_and_statistics(self):
        status, out, error = self.ping("-c", "3", "-i", "0")
        self.assertEqual((status, error), (tool.SUCCESS, b""))
        lines = out.decode().splitlines()
        self.assertRegex(lines[0], rf"\APING \./app\.sock \(uid {os.getuid()} .*pid "
                                   rf"{self.server.pid}.*\): 56 bytes a call\Z")
        for number, line in enumerate(lines[1:4], 1):
            self.assertRegex(line, rf"\A56 bytes from \./app\.sock: seq={number} time=[\d.]+ \w+\Z")
        self.assert_statistics(out.decode(), 3, 3)

    def test_flood_prints_statistics_only(self):
        status, out, _ = self.ping("-c", "2000", "--flood", "-s", "1KiB")
        self.assertEqual(status, tool.SUCCESS)
        self.assertEqual(len(out.splitlines()), 6)
        self.assert_statistics(out.decode(), 2000, 2000)

    def test_a_flood_goes_over_a_ring_unless_the_socket_is_asked_for(self):
        status, out, _ = self.ping("-c", "20000", "--flood")
        self.assertEqual(status, tool.SUCCESS)
        self.assertRegex(out.decode(), r"(?m)^transport: a ring of 256 KiB each way for \d+ calls, "
                                       r"the socket for the others$")
        status, out, _ = self.ping("-c", "2000", "--flood", "--transport", "socket")
        self.assertEqual(status, tool.SUCCESS)
        self.assertRegex(out.decode(), r"(?m)^transport: socket$")

    def test_a_ring_that_is_insisted_on_carries_the_first_call(self):
        status, out, error = self.ping("-c", "1", "--transport", "ring")
        self.assertEqual((status, error), (tool.SUCCESS, b""))
        self.assertRegex(out.decode(), r"(?m)^transport: a ring of 256 KiB each way$")
        result = json.loads(self.ping("-c", "3", "-i", "0", "--json", "--transport", "ring")[1])
        self.assertEqual(result["transport"], {"ring_bytes": 256 * 1024, "calls_over_ring": 3})

    def test_a_ring_that_is_insisted_on_and_cannot_be_had_is_told(self):
        limits_bind = "setpriv --bounding-set -ipc_lock" if os.getuid() == 0 else ""
        status, out, error = self.shell(
            f'ulimit -l 64; exec {limits_bind} "$1" ping app.sock -c 1 --transport ring')
        self.assertEqual((status, out), (tool.NOT_SENT, b""))
        self.assertRegex(error.decode(), r"\Atincan: not sent: no ring with app\.sock: "
                                         r"cannot lock 520 KiB: .*ulimit -l, now 64 KiB")

    def test_the_environment_decides_over_the_transport(self):
        for said, line in (("ring", "a ring of 256 KiB each way"), ("socket", "socket")):
            status, out, _ = self.run_tool("ping", "./app.sock", "-c", "1",
                                           env={**os.environ, "TINCAN_TRANSPORT": said})
            self.assertEqual(status, tool.SUCCESS)
            self.assertTrue(out.decode().endswith(f"\ntransport: {line}\n"), out)
        status, _, error = self.run_tool("ping", "./app.sock", "-c", "1",
                                         env={**os.environ, "TINCAN_TRANSPORT": "pigeon"})
        self.assertEqual(status, tool.USAGE)
        self.assertIn(b'TINCAN_TRANSPORT is "pigeon"; it can be socket, ring or auto', error)

    def test_a_transport_that_is_none_is_a_usage_error(self):
        status, _, error = self.ping("--transport", "pigeon")
        self.assertEqual(status, tool.USAGE)
        self.assertIn(b"pigeon is no transport; write socket, ring or auto", error)

    def test_sizes(self):
        for size in ("0", "1", "7", "64KiB", "3MiB"):
            status, out, _ = self.ping("-c", "2", "-i", "0.001", "-s", size)
            self.assertEqual(status, tool.SUCCESS, out)

    def test_json(self):
        status, out, error = self.ping("-c", "5", "-i", "1ms", "--json", "-s", "100")
        self.assertEqual((status, error, out.count(b"\n")), (tool.SUCCESS, b"", 1))
        result = json.loads(out)
        self.assertEqual((result["calls"], result["replies"], result["failed"]), (5, 5, 0))
        self.assertEqual(set(result["microseconds"]), {"min", "avg", "p50", "p99", "p99.9", "max"})
        self.assertGreater(result["microseconds"]["min"], 0)
        self.assertGreater(result["calls_per_second"], 0)
        self.assertEqual(result["server"]["pid"], self.server.pid)

    def test_the_interval_is_kept(self):
        result = json.loads(self.ping("-c", "3", "-i", "100ms", "--json")[1])
        self.assertGreaterEqual(result["seconds"], 0.2)

    def test_ctrl_c_prints_the_statistics(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("ping", "./app.sock", "-i", "1h")
            self.line_of(process)
            self.line_of(process)
            status, out, error = self.stop(process, number)
            self.assertEqual((status, error), (tool.SUCCESS, ""))
            self.assert_statistics(out, 1, 1)

    def test_ctrl_c_does_not_wait_for_a_stopped_server(self):
        process = self.start("ping", "./app.sock", "-i", "1ms", "--timeout", "1h")
        for _ in range(3):
            self.line_of(process)
        self.server.send_signal(signal.SIGSTOP)
        self.addCleanup(self.server.send_signal, signal.SIGCONT)
        status, out, _ = self.stop(process, signal.SIGINT)
        self.assertEqual(status, tool.SUCCESS)
        self.assertIn("ping statistics", out)

    def test_a_call_without_reply_is_told_and_counted(self):
        process = self.start("ping", "./app.sock", "-i", "50ms", "--timeout", "50ms", "-c", "30")
        self.line_of(process)
        self.server.kill()
        out, error = process.communicate(timeout=tool.PATIENCE)
        self.assertIn(process.returncode, (tool.NOT_SENT, tool.UNKNOWN))
        self.assertRegex(error.decode(), r"(?m)^tincan: seq=\d+: (not sent|unknown): ")
        self.assertRegex(out.decode(), r"30 calls, \d+ repl(y|ies), [1-9]\d* failed")

    def test_nobody_there(self):
        status, out, error = self.run_tool("ping", "./none.sock")
        self.assertEqual((status, out), (tool.NOT_SENT, b""))
        self.assertIn(b"tincan: not sent: ./none.sock does not exist", error)
        status, out, error = self.run_tool("ping", "./none.sock", "--json")
        self.assertEqual((status, error), (tool.NOT_SENT, b""))
        self.assertEqual(json.loads(out)["cause"], "no server")

    def test_in_a_pipe(self):
        status, out, error = self.shell('"$1" ping app.sock -i 0 | head -1')
        self.assertEqual((status, error, out.count(b"\n")), (0, b"", 1))
        self.assert_ends(self.shell('"$1" ping app.sock -c 2 > /dev/full'), tool.FAILED,
                         b"tincan: cannot write the output: No space left on device\n")

    def test_usage(self):
        for arguments, sentence in (
                *((("-c", wrong), f"--count: {wrong} is not a whole number; write 1 or more")
                  for wrong in ("-1", "0", "x", "1x", "1.5", "", "18446744073709551616")),
                (("-c", "1", "-s", "-1"), "--size: -1 is not a size"),
                (("-c", "1", "-i", "-1"), "--interval: -1 is no number of seconds"),
                (("-s", "1kb"), "--size: 1kb is not a size; write it as 512, 64KiB or 1MiB"),
                (("-s", "1GiB"), "--size: 1GiB is over 64 MiB, the most"),
                (("-i", "soon"), "--interval: soon is no number of seconds")):
            status, out, error = self.ping(*arguments)
            self.assertEqual((status, out), (tool.USAGE, b""), error)
            self.assertTrue(error.decode().startswith(f"tincan: {sentence}"), error)
            self.assertTrue(error.endswith(b"\nTry: tincan ping --help\n"), error)


class Liar(threading.Thread):
    """Stands between a client and the real server, and changes one byte of what comes back."""

    def __init__(self, path, real_path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.real = socket.socket(socket.AF_UNIX)
        self.real.connect(real_path)

    def run(self):
        client, _ = self.listener.accept()
        with self.listener, self.real, client:
            back = threading.Thread(target=self.relay, args=(self.real, client, True), daemon=True)
            back.start()
            self.relay(client, self.real, False)
            back.join()

    @staticmethod
    def relay(source, sink, lie):
        while piece := source.recv(65536):
            sink.sendall(piece.replace(b"\x10\x11\x12", b"\x10\xee\x12") if lie else piece)
        sink.shutdown(socket.SHUT_WR)


class Content(tool.Tool):
    def test_a_reply_that_is_not_what_was_sent_is_noticed(self):
        self.serve(self.path, "--echo")
        liar = Liar(os.path.join(self.folder, "liar.sock"), self.path)
        liar.start()
        status, out, error = self.run_tool("ping", "./liar.sock", "-c", "2", "-i", "0")
        self.assertEqual(status, tool.UNKNOWN, (out, error))
        self.assertIn(b"they differ at byte 17", error)
        self.assertIn(b"2 calls, 0 replies, 2 failed", out)
        self.assertTrue(eventually(lambda: not liar.is_alive()))


if __name__ == "__main__":
    unittest.main()
