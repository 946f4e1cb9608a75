"""tincan serve: what becomes of calls for which no command was started."""

import os
import resource
import signal
import unittest

import tool
import wire_peer
from tool import eventually
from wire_peer import WirePeer, in_nanoseconds


class Waiting(tool.Tool):
    # Leaves a mark, and runs until it may go.
    SCRIPT = 'touch "$1/started.$(cat)"; while [ ! -e "$1/go" ]; do sleep 0.02; done; echo done'

    def serve_one_at_a_time(self, *options):
        """A server whose only command runs."""
        server = self.serve_shell(self.SCRIPT, "--max-running", "1", *options)
        self.first = self.start("call", self.path, "m", "first", "--timeout", "1m")
        self.assertTrue(eventually(lambda: self.exists("started.first")))
        return server

    def peer(self):
        peer = WirePeer(self.path)
        self.addCleanup(peer.close)
        return peer

    def calls_at(self, path):
        """How many calls were handed to handlers there, this one not included."""
        stats = self.run_tool("call", path, "tincan.stats")[1].decode()
        return int(dict(line.split() for line in stats.splitlines())["calls"]) - 1

    def let_go(self):
        open(os.path.join(self.folder, "go"), "w", encoding="utf-8").close()

    def test_who_waits_until_its_deadline_was_not_run_and_is_told_so(self):
        self.serve_one_at_a_time()
        peer = self.peer()
        peer.call("m", b"late", deadline=in_nanoseconds(0.2))
        reason, text = peer.answer()
        self.assertEqual((reason, text), (wire_peer.EXPIRED, "no command was started for it before "
                                          "its deadline: all of --max-running 1 were busy"))
        self.let_go()
        self.assertEqual(self.first.communicate(timeout=tool.PATIENCE)[0], b"done\n")
        peer.call("m", b"next")
        self.assertEqual(peer.answer(), (None, b"done\n"))
        self.assertFalse(self.exists("started.late"))

    def test_who_waits_on_after_its_deadline_learns_what_became_of_its_command(self):
        self.serve(self.path, "--", "sleep", "60")
        peer = self.peer()
        peer.call("m", deadline=in_nanoseconds(0.2))
        self.assertEqual(peer.answer(), (wire_peer.DECLARED, "sleep was ended, for its deadline "
                                         "had passed or its caller had given up"))

    def test_who_finds_too_many_waiting_was_not_run_and_is_told_so(self):
        self.serve_one_at_a_time()
        waiting_max = 4096
        peers = [self.peer() for _ in range(5)]
        for number in range(waiting_max):
            peers[number // 1000].call("m", b"waits")
        self.assertTrue(eventually(lambda: self.calls_at(self.path) >= 1 + waiting_max))
        self.assert_ends(self.call("m", "one too many"), tool.NOT_SENT,
                         b"tincan: not sent: busy: 4096 calls wait for a command; try later\n")
        self.assertFalse(self.exists("started.one too many"))

    def test_one_way_calls_wait_no_longer_than_their_deadline(self):
        self.serve_one_at_a_time()
        peers = [self.peer() for _ in range(5)]
        deadline = in_nanoseconds(2)
        for number in range(4096):
            peers[number // 1000].call("m", b"told", deadline=deadline, one_way=True)

        def is_free():
            status, _, error = self.call("m", "asks", "--timeout", "50ms")
            self.assertIn(status, (tool.NOT_SENT, tool.UNKNOWN))
            return b"busy:" not in error

        self.assertTrue(eventually(lambda: in_nanoseconds(0) > deadline))
        self.assertTrue(eventually(is_free))
        self.let_go()
        self.assertEqual(self.call("m", "next", "--timeout", "20s")[:2], (0, b"done\n"))
        self.assertFalse(self.exists("started.told"))

    def test_a_stop_declines_who_waits_and_answers_who_runs(self):
        server = self.serve_one_at_a_time()
        peer = self.peer()
        peer.call("m", b"late")
        self.assertTrue(eventually(lambda: self.calls_at(self.path) >= 2))
        server.send_signal(signal.SIGTERM)
        self.assertEqual(peer.answer(), (wire_peer.DRAINING,
                                         "the server is stopping; no command was started for it"))
        self.let_go()
        self.assertEqual(self.first.communicate(timeout=tool.PATIENCE)[0], b"done\n")
        self.assertEqual(server.wait(tool.PATIENCE), 0)
        self.assertFalse(self.exists("started.late"))

    def test_a_stop_without_time_to_drain_declines_who_waits(self):
        server = self.serve_one_at_a_time("--drain", "0s")
        waiting = self.start("call", self.path, "m", "late", "--timeout", "20s")
        self.assertTrue(eventually(lambda: self.calls_at(self.path) >= 2))
        server.send_signal(signal.SIGTERM)
        self.first.communicate(timeout=tool.PATIENCE)
        self.assertEqual(self.first.returncode, tool.UNKNOWN)
        waiting.communicate(timeout=tool.PATIENCE)
        self.assertEqual(waiting.returncode, tool.NOT_SENT)

    def test_who_waits_at_a_take_over_is_answered_by_the_successor(self):
        self.serve_one_at_a_time("--take-over")
        waiting = self.start("call", self.path, "m", "waits", "--timeout", "20s")
        self.assertTrue(eventually(lambda: self.calls_at(self.path) >= 2))
        self.serve(self.path, "--take-over", "--echo")
        self.assertEqual(waiting.communicate(timeout=tool.PATIENCE), (b"waits", b""))
        self.assertFalse(self.exists("started.waits"))


class Starting(tool.Tool):
    def test_a_command_that_cannot_be_started_was_not_run(self):
        # Without room in a file there is none for its stdin. (A lack of descriptors would be the
        # more usual one; but a server with UBSan needs some to look at its own memory.)
        server = self.serve(self.path, "--", "cat", restore_signals=False)  # SIGXFSZ stays ignored
        before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, before[1]))
        self.assert_ends(self.call("m", "body"), tool.NOT_SENT,
                         b"tincan: not sent: cannot start cat: File too large\n")
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
        self.assertEqual(self.call("m", "body"), (0, b"body", b""))


if __name__ == "__main__":
    unittest.main()
