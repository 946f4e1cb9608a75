"""tincan serve: the commands that answer, how many, and how they end."""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import threading
import unittest

import tool
from tool import TINCAN, eventually


class Commands(tool.Tool):
    def test_stdin_becomes_stdout(self):
        self.serve(self.path, "--", "tr", "a-z", "A-Z")
        self.assertEqual(self.call("m", "hello"), (0, b"HELLO", b""))
        self.assertEqual(self.call("other"), (0, b"", b""))

    def test_large_payloads(self):
        self.serve_shell("cat; cat </dev/stdin >/dev/null; cat /dev/null")
        body = bytes(range(256)) * 40_000
        self.assertEqual(self.call("m", "-", stdin=body), (0, body, b""))

    def test_a_command_need_not_read(self):
        self.serve(self.path, "--", "echo", "{}", "--json", "-v", "", "[1,2]")
        self.assertEqual(self.call("m", "-", stdin=bytes(1_000_000)),
                         (0, b"{} --json -v  [1,2]\n", b""))

    def test_the_environment(self):
        environment = dict(os.environ, TINCAN_UID="old", NOTIFY_SOCKET="/none", LISTEN_FDS="3",
                           OTHER="kept")
        self.serve(self.path, "--", "env", env=environment)
        caller = self.start("call", self.path, "job.run")
        out, _ = caller.communicate(timeout=tool.PATIENCE)
        variables = dict(line.split("=", 1) for line in out.decode().splitlines())
        self.assertEqual({name: variables.get(name) for name in
                          ("TINCAN_METHOD", "TINCAN_UID", "TINCAN_GID", "TINCAN_PID", "OTHER",
                           "NOTIFY_SOCKET", "LISTEN_FDS")},
                         {"TINCAN_METHOD": "job.run", "TINCAN_UID": str(os.getuid()),
                          "TINCAN_GID": str(os.getgid()), "TINCAN_PID": str(caller.pid),
                          "OTHER": "kept", "NOTIFY_SOCKET": None, "LISTEN_FDS": None})

    # In the next two each program looks at itself. A shell would not do: it holds pipes, and blocks
    # signals, for as long as it is starting what looks at it.

    def test_a_command_has_no_descriptors_but_the_first_three(self):
        given = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, given)
        given_high = fcntl.fcntl(given, fcntl.F_DUPFD, 700)
        self.addCleanup(os.close, given_high)
        server = self.serve(self.path, "--", "ls", "/proc/self/fd", pass_fds=(given, given_high))
        held = os.listdir(f"/proc/{server.pid}/fd")
        self.assertIn(str(given), held)
        self.assertIn(str(given_high), held)
        with_the_one_for_reading_the_folder = b"0\n1\n2\n3\n"
        self.assertEqual(self.call("m"), (0, with_the_one_for_reading_the_folder, b""))

    def test_a_command_has_no_signal_blocked_or_ignored(self):
        self.serve(self.path, "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
        self.assertRegex(self.call("m")[1], rb"\ASigBlk:\t0+\nSigIgn:\t0+\n\Z")

    def test_a_failure_is_a_declared_error(self):
        self.serve_shell('case "$TINCAN_METHOD" in quiet) exit 7 ;; killed) kill -9 $$ ;; '
                         '*) echo partial; echo "no such job" >&2; exit 3 ;; esac')
        self.assert_ends(self.call("m"), tool.DECLARED, b"tincan: declared: no such job (code 3)\n")
        self.assert_ends(self.call("quiet"), tool.DECLARED,
                         b"tincan: declared: sh exited with status 7 (code 7)\n")
        self.assert_ends(self.call("killed"), tool.DECLARED,
                         b"tincan: declared: sh was killed by signal 9 (Killed) (code 137)\n")

    def test_of_a_long_complaint_the_end_arrives(self):
        self.serve_shell("seq 100000 >&2; echo the end >&2; exit 1")
        status, _, error = self.call("m")
        self.assertEqual(status, tool.DECLARED)
        self.assertTrue(error.endswith(b"100000\nthe end (code 1)\n"), error[-100:])
        self.assertLess(len(error), 70_000)

    def test_a_warning_of_a_success_is_for_the_operator(self):
        server = self.serve_shell("echo careful >&2; echo fine")
        self.assertEqual(self.call("m"), (0, b"fine\n", b""))
        self.assertEqual(self.stop(server)[2], "careful\n")

    def test_a_log_that_nobody_reads_stops_nothing(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(writing, True)
        self.serve_shell("echo careful >&2; echo fine", stderr=writing)
        os.close(writing)
        for _ in range(3):
            self.assertEqual(self.call("m"), (0, b"fine\n", b""))
        while set(os.read(reading, 65536)) == {ord("x")} and select.select([reading], [], [], 0)[0]:
            pass
        self.assertEqual(self.call("m"), (0, b"fine\n", b""))
        expected = b"tincan: 3 messages lost, for nobody read them\ncareful\n"
        said = b""
        while len(said) < len(expected):
            self.assertTrue(select.select([reading], [], [], tool.PATIENCE)[0], said)
            said += os.read(reading, 65536)
        self.assertEqual(said, expected)

    def test_a_reply_over_the_limit_is_an_error(self):
        self.serve_shell("exec head -c 70000000 /dev/zero")
        self.assert_ends(self.call("m", "--timeout", "15s"), tool.DECLARED,
                         b"tincan: declared: the reply of sh is over 64 MiB\n")

    def test_what_a_command_leaves_behind_is_not_waited_for(self):
        self.serve_shell("sleep 30 & echo $!")
        status, out, _ = self.call("m")
        self.assertEqual(status, 0)
        os.kill(int(out), signal.SIGKILL)


class Many(tool.Tool):
    SCRIPT = 'touch "$1/started.$(cat)"; while [ ! -e "$1/go" ]; do sleep 0.02; done; echo done'

    def started(self):
        return len([name for name in os.listdir(self.folder) if name.startswith("started.")])

    def callers(self, count):
        return [self.start("call", self.path, "m", str(number), "--timeout", "20s")
                for number in range(count)]

    def test_so_many_at_once_and_no_more(self):
        server = self.serve_shell(self.SCRIPT, "--max-running", "3")
        callers = self.callers(7)
        self.assertTrue(eventually(lambda: self.started() == 3))
        waits = subprocess.run([TINCAN, "call", self.path, "tincan.stats"], capture_output=True,
                               timeout=tool.PATIENCE, check=True).stdout
        self.assertIn(b"calls ", waits)
        self.assertEqual(self.started(), 3)
        open(os.path.join(self.folder, "go"), "w", encoding="utf-8").close()
        for caller in callers:
            self.assertEqual(caller.communicate(timeout=tool.PATIENCE), (b"done\n", b""))
        self.assertEqual(self.started(), 7)
        self.assertIn("8 calls, 8 replies", self.stop(server)[1])  # with the statistics

    def test_who_waits_and_gives_up_is_not_run(self):
        self.serve_shell(self.SCRIPT, "--max-running", "1")
        first = self.callers(1)[0]
        self.assertTrue(eventually(lambda: self.started() == 1))
        # The verdict may be late on a busy machine; that it was not run is true all the same.
        self.assertIn(self.call("m", "late", "--timeout", "200ms")[0],
                      (tool.NOT_SENT, tool.UNKNOWN))
        open(os.path.join(self.folder, "go"), "w", encoding="utf-8").close()
        self.assertEqual(first.communicate(timeout=tool.PATIENCE)[0], b"done\n")
        self.assertEqual(self.call("m", "next")[1], b"done\n")
        self.assertFalse(self.exists("started.late"))

    def test_a_hundred_callers(self):
        server = self.serve(self.path, "--max-running", "8", "--", "cat")
        wrong = []

        def call_some(worker):
            for number in range(5):
                body = f"{worker}.{number}"
                result = subprocess.run(
                    [TINCAN, "call", self.path, "m", body, "--timeout", "20s"],
                    capture_output=True, timeout=2 * tool.PATIENCE, check=False)
                if result.stdout != body.encode():
                    wrong.append(result)

        threads = [threading.Thread(target=call_some, args=(worker,)) for worker in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertIn("100 replies", self.stop(server)[1])


class Endings(tool.Tool):
    # A command with a child of its own; both pids are known, and neither ends by itself.
    SCRIPT = 'sleep 60 & echo $$ $! > "$1/new"; mv "$1/new" "$1/pids"; wait'

    def pids(self):
        self.assertTrue(eventually(lambda: self.exists("pids")))
        return [int(pid) for pid in self.text_of("pids").split()]

    def assert_ended(self):
        pids = self.pids()
        self.assertTrue(eventually(lambda: all(tool.gone(pid) for pid in pids)), pids)

    def test_a_caller_that_gives_up_ends_the_command_and_its_children(self):
        server = self.serve_shell(self.SCRIPT)
        self.assertEqual(self.call("m", "--timeout", "300ms")[0], tool.UNKNOWN)
        self.assert_ended()
        self.assertIn("1 call, 0 replies", self.stop(server)[1])

    def test_a_caller_that_dies_ends_the_command_and_its_children(self):
        self.serve_shell(self.SCRIPT)
        caller = self.start("call", self.path, "m", "--timeout", "1m")
        self.pids()
        caller.kill()
        self.assert_ended()

    def test_a_command_that_ignores_sigterm_is_killed(self):
        self.serve_shell("trap '' TERM; " + self.SCRIPT + "; wait")
        self.assertEqual(self.call("m", "--timeout", "300ms")[0], tool.UNKNOWN)
        self.assert_ended()

    def test_calls_under_way_are_answered_before_the_end(self):
        server = self.serve_shell(Many.SCRIPT)
        caller = self.start("call", self.path, "m", "1", "--timeout", "20s")
        self.assertTrue(eventually(lambda: self.exists("started.1")))
        server.send_signal(signal.SIGTERM)
        self.assertTrue(eventually(lambda: not self.exists("app.sock")))
        open(os.path.join(self.folder, "go"), "w", encoding="utf-8").close()
        self.assertEqual(caller.communicate(timeout=tool.PATIENCE), (b"done\n", b""))
        self.assertEqual(server.wait(tool.PATIENCE), 0)

    def test_a_drain_ends_in_time(self):
        server = self.serve_shell(self.SCRIPT, "--drain", "100ms")
        caller = self.start("call", self.path, "m", "--timeout", "1m")
        self.pids()
        self.assertEqual(self.stop(server)[0], 0)
        self.assert_ended()
        caller.communicate(timeout=tool.PATIENCE)
        self.assertEqual(caller.returncode, tool.UNKNOWN)

    def test_a_second_signal_ends_the_drain(self):
        server = self.serve_shell(self.SCRIPT, "--drain", "1h")
        self.start("call", self.path, "m", "--timeout", "1h")
        self.pids()
        server.send_signal(signal.SIGTERM)
        self.assertTrue(eventually(lambda: not self.exists("app.sock")))
        self.assertEqual(self.stop(server)[0], 0)
        self.assert_ended()

    def test_a_killed_server_takes_its_command_along(self):
        server = self.serve_shell("echo $$ > new; mv new pids; exec sleep 60")
        self.start("call", self.path, "m", "--timeout", "1h")
        self.pids()
        server.kill()
        self.assert_ended()


if __name__ == "__main__":
    unittest.main()
