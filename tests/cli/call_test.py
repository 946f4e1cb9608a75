"""tincan call: the reply, every exit code, and what it says when something is wrong."""

import json
import os
import pty
import re
import shlex
import socket
import subprocess
import unittest

import tool
from tool import TINCAN, eventually


class Replies(tool.Tool):
    def setUp(self):
        super().setUp()
        self.serve(self.path, "--echo")

    def test_a_reply_is_printed_exactly(self):
        for body in ("", "hello", "{}", "[1,2]", "%%", "a\nb", "d\xf6se"):
            self.assertEqual(self.call("m", body), (tool.SUCCESS, body.encode(), b""))

    def test_a_body_that_looks_like_an_option_stands_after_two_dashes(self):
        self.assertEqual(self.call("m", "--", "--json"), (tool.SUCCESS, b"--json", b""))
        self.assertEqual(self.call("m", "--json")[0], tool.SUCCESS)
        self.assertEqual(self.call("m", "--", "-", stdin=b"stdin"), (tool.SUCCESS, b"-", b""))
        self.assertEqual(self.call("m", "-", "--", stdin=b"stdin"), (tool.SUCCESS, b"stdin", b""))

    def test_stdin_is_sent_byte_for_byte(self):
        body = bytes(range(256)) * 20_000
        self.assertEqual(self.call("m", "-", stdin=body), (tool.SUCCESS, body, b""))

    def test_without_a_body_nothing_is_sent(self):
        self.assertEqual(self.call("m", stdin=b"not read"), (tool.SUCCESS, b"", b""))

    def test_json(self):
        status, out, error = self.call("m", "hello", "--json")
        self.assertEqual((status, error), (tool.SUCCESS, b""))
        self.assertEqual(out.count(b"\n"), 1)
        result = json.loads(out)
        self.assertEqual((result["outcome"], result["reply"]), ("reply", "hello"))
        self.assertEqual((result["reply_bytes"], result["server"]["uid"]), (5, os.getuid()))

    def test_json_carries_bytes_that_are_no_text(self):
        for body, expected in ((b"\xff", "/w=="), (b"\xff\x00", "/wA="), (b"\xff\x00\x01", "/wAB")):
            _, out, _ = self.call("m", "-", "--json", stdin=body)
            self.assertEqual(json.loads(out)["reply_base64"], expected)
            self.assertNotIn("reply", json.loads(out))

    def test_verbose_tells_the_story_on_stderr(self):
        status, out, error = self.call("m", "hello", "-v", "--timeout", "2s")
        self.assertEqual((status, out), (tool.SUCCESS, b"hello"))
        story = error.decode()
        for line in (r"^\* connected to .*app\.sock in ", r"^\* server: uid \d+.*pid \d+",
                     r"^\* transport: Unix stream socket$",
                     r"^> m: 5 bytes, deadline in (2\.00 s|1\d+\.\d\d ms|1\.\d\d s)$",
                     r"^< 5 bytes in [\d.]+ [num]?s$"):
            self.assertRegex(story, re.compile(line, re.MULTILINE))

    def test_a_terminal_is_not_steered(self):
        controller, terminal = pty.openpty()
        self.addCleanup(os.close, controller)
        process = self.start("call", self.path, "m", "-", stdout=terminal, stdin=subprocess.PIPE)
        os.close(terminal)
        process.communicate("\x1b[31mr\xf6t\x9b\x07\tx\x7f".encode() + b"\xff", tool.PATIENCE)
        self.assertEqual(os.read(controller, 1000).decode(),
                         r"\x1b[31m" + "r\xf6t" + r"\xc2\x9b\x07" + "\tx" + r"\x7f\xff")

    def test_whoever_reads_only_the_first_line_hears_no_noise(self):
        with open(os.path.join(self.folder, "body"), "wb") as file:
            file.write(b"line\n" * 1_000_000)
        script = '"$1" call app.sock m - < body | head -1'
        self.assertEqual(self.shell(script), (0, b"line\n", b""))


class Descriptors(tool.Tool):
    def setUp(self):
        super().setUp()
        self.serve(self.path, "--echo")

    def test_output_that_cannot_be_written_is_a_failure(self):
        for options in ("", "--json"):
            result = self.shell(f'"$1" call app.sock m hello {options} > /dev/full')
            self.assert_ends(result, tool.FAILED,
                             b"tincan: cannot write the output: No space left on device\n")
        result = self.shell('"$1" call --help > /dev/full')
        self.assertEqual(result[0], tool.FAILED)

    def test_a_closed_stdout_is_a_failure_and_gets_nothing_else(self):
        for closed in (">&-", "<&- >&-"):
            self.assert_ends(self.shell(f'"$1" call app.sock m hello {closed}'), tool.FAILED,
                             b"tincan: cannot write the output: Bad file descriptor\n")
        self.assertEqual(self.shell('"$1" call app.sock m hello >&- 2>&-')[0], tool.FAILED)

    def test_a_closed_stdin_matters_only_when_it_is_read(self):
        self.assertEqual(self.shell('"$1" call app.sock m hello <&-'), (0, b"hello", b""))
        self.assert_ends(self.shell('"$1" call app.sock m - <&-'), tool.FAILED,
                         b"tincan: cannot read the body from stdin: Bad file descriptor\n")
        status, out, error = self.shell('"$1" call app.sock m - --json <&-')
        self.assertEqual((status, error), (tool.FAILED, b""))
        result = json.loads(out)
        self.assertEqual((result["outcome"], result["message"]),
                         ("not sent", "cannot read the body from stdin: Bad file descriptor"))

    def test_a_closed_stderr_gets_into_nobodys_way(self):
        self.assertEqual(self.shell('"$1" call app.sock m hello -v 2>&-'), (0, b"hello", b""))
        self.assertEqual(self.shell('"$1" call none.sock m 2>&-'), (tool.NOT_SENT, b"", b""))


class Failures(tool.Tool):
    def assert_fails(self, status, pattern, *arguments):
        """The sentence and the status, and the same as JSON."""
        result = self.run_tool(*arguments)
        self.assert_ends(result, status, rf"\Atincan: {pattern}\n\Z")
        self.assertEqual(result[1], b"")
        json_status, out, error = self.run_tool(*arguments, "--json")
        self.assertEqual((json_status, error), (status, b""))
        failure = json.loads(out)
        self.assertEqual(failure["exit_code"], status)
        self.assertRegex(failure["message"], rf"\A{pattern}\Z")
        return failure

    def test_declared(self):
        self.serve_shell("echo first >&2; echo second >&2; exit 3")
        failure = self.assert_fails(tool.DECLARED, "declared: first\nsecond \\(code 3\\)",
                                    "call", self.path, "m")
        self.assertEqual((failure["outcome"], failure["code"]), ("declared", 3))
        self.assertEqual(failure["detail"], "first\nsecond")

    def test_not_sent_nobody_there(self):
        failure = self.assert_fails(tool.NOT_SENT, "not sent: ./none.sock does not exist; .*",
                                    "call", "./none.sock", "m")
        self.assertEqual((failure["outcome"], failure["cause"]), ("not sent", "no server"))

    def test_not_sent_not_a_tincan_server(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(os.path.join(self.folder, "udsocket"))
        listener.listen(8)
        self.assert_fails(
            tool.NOT_SENT,
            "not sent: ./udsocket accepted us but sent no HELLO in 1 s; not a tincan server\\? "
            "For raw bytes: tincan bytes ./udsocket", "call", "./udsocket", "m")

    def test_the_way_to_talk_raw_can_be_pasted_into_a_shell(self):
        address = "exec:false it's not"
        status, _, error = self.run_tool("call", address, "m")
        self.assertEqual(status, tool.NOT_SENT)
        advice = error.decode().rpartition("For raw bytes: ")[2]
        self.assertEqual(shlex.split(advice), ["tincan", "bytes", address])

    def test_not_sent_too_large(self):
        self.serve(self.path, "--echo")
        status, _, error = self.shell('head -c 67108865 /dev/zero | "$1" call ./app.sock m -')
        self.assert_ends((status, _, error), tool.NOT_SENT,
                         b"tincan: not sent: ./app.sock: a payload of 67108865 bytes; the server "
                         b"takes 67108864; send less at once\n")

    def test_a_path_that_is_no_socket(self):
        os.mkdir(os.path.join(self.folder, "folder"))
        os.symlink("loop", os.path.join(self.folder, "loop"))
        with open(os.path.join(self.folder, "file"), "w", encoding="utf-8"):
            pass
        for name, what in (("folder", " is a directory, not a socket"),
                           ("file", " is a regular file, not a socket"),
                           ("loop", ": Too many levels of symbolic links"),
                           ("file/x", ": Not a directory")):
            failure = self.assert_fails(tool.FAILED, f"./{name}{what}; check the path",
                                        "call", f"./{name}", "m")
            self.assertEqual(failure["cause"], "path")

    def test_not_sent_no_such_method(self):
        self.serve(self.path, "--echo", "--method", "job.run", "--method", "job.status")
        self.assert_fails(tool.NOT_SENT,
                          "no method job.stauts \\(methods: job.run, job.status\\)",
                          "call", self.path, "job.stauts")

    def test_unknown_the_server_died(self):
        for options in ([], ["--json"]):
            self.serve_shell("kill -9 $PPID; read line")
            result = self.call("m", *options)
            self.assertEqual(result[0], tool.UNKNOWN, result)
        self.assertEqual(json.loads(result[1])["outcome"], "unknown")

    def test_unknown_too_late(self):
        self.serve_shell("exec sleep 60")
        self.assert_fails(tool.UNKNOWN, "unknown: .*; the server may have run the call",
                          "call", self.path, "m", "--timeout", "200ms")

    def test_refused(self):
        self.serve(self.path, "--echo", "--allow-uid", "54321", "--mode", "0666")
        failure = self.assert_fails(
            tool.REFUSED, f"refused: uid {os.getuid()} .*matches no rule; allowed: uid 54321",
            "call", self.path, "m")
        self.assertEqual(failure["cause"], "refused")

    def test_whom_the_server_must_run_as(self):
        self.serve(self.path, "--echo")
        own, other = str(os.getuid()), "54321"
        for command in (("call", self.path, "tincan.ping"), ("ping", self.path, "-c", "1"),
                        ("bytes", self.path)):
            status, _, error = self.run_tool(*command, "--server-uid", other)
            self.assertEqual(status, tool.REFUSED, error)
            self.assertRegex(error.decode(), rf"runs as uid {own}.*, not as uid {other}")
            status, _, error = self.run_tool(*command, "--server-uid", own)
            self.assertEqual(status, tool.SUCCESS, error)

    def test_an_error_cannot_steer_the_terminal(self):
        self.serve_shell(r"printf '\033[2Jgone' >&2; exit 1")
        self.assert_ends(self.call("m"), tool.DECLARED,
                         b"tincan: declared: \\x1b[2Jgone (code 1)\n")


class Usage(tool.Tool):
    def assert_usage(self, sentence, *arguments, command="call"):
        status, out, error = self.run_tool(command, *arguments)
        self.assertEqual((status, out), (tool.USAGE, b""), error)
        self.assertEqual(error.decode(), f"tincan: {sentence}\nTry: tincan {command} --help\n")

    def test_what_is_wrong_is_said(self):
        self.assert_usage("PATH is required")
        self.assert_usage("METHOD is required", "x")
        self.assert_usage("The following argument was not expected: c", "x", "m", "b", "c")
        self.assert_usage("The following argument was not expected: --bogus", "x", "m", "--bogus")
        for wrong in ("2", "ms", "-2s", "2 s", "2S", "1e3s", "9999999h", "nan"):
            self.assert_usage(
                f"--timeout: {wrong} is not a duration; write it as 200ms, 2s or 1m",
                "x", "m", f"--timeout={wrong}")

        for command, words in (("call", ("x", "m")), ("ping", ("x",)), ("bytes", ("x",))):
            self.assert_usage("--timeout: 0s leaves no time; write it as 200ms, 2s or 1m",
                              *words, "--timeout", "0s", command=command)
        self.assert_usage("--server-uid: there is no user no-such", "x", "m",
                          "--server-uid", "no-such")

    def test_json_says_what_is_wrong_too(self):
        for command, words, sentence in (
                ("call", ("x", "m", "--timeout", "soon"), "--timeout: soon is not a duration"),
                ("ping", ("x", "-c", "0"), "--count: 0 is not a whole number"),
                ("serve", ("x",), "what should answer?"),
                ("serve", ("bogus:x", "--echo"), "bogus:x"),
                ("bytes", (), "PATH is required"),
                ("cal", (), "no command cal")):
            status, out, error = self.run_tool(command, *words, "--json")
            stream, other = (error, out) if command == "bytes" else (out, error)
            self.assertEqual((status, other), (tool.USAGE, b""), command)
            result = json.loads(stream)
            self.assertIn(sentence, result["message"])
            self.assertEqual((result["cause"], result["exit_code"]), ("usage", tool.USAGE))
            self.assertNotIn("outcome", result)
        self.assertEqual(self.run_tool("call", "none", "m", "--bogus", "--", "--json")[1], b"")

    def test_an_address_of_an_unknown_scheme(self):
        result = self.run_tool("call", "bogus:x", "m")
        self.assert_ends(result, tool.USAGE, "bogus:x.* has an unknown scheme")

    def test_commands(self):
        self.assert_ends(self.run_tool(), tool.USAGE,
                         b"tincan: a command is missing "
                         b"(commands: serve, call, ping, bytes, bench)\n"
                         b"Try: tincan --help\n")
        self.assert_ends(self.run_tool("cal"), tool.USAGE,
                         b"tincan: no command cal (commands: serve, call, ping, bytes, bench)\n"
                         b"Try: tincan --help\n")

    def test_version_and_help(self):
        for command in ((), *((name,) for name in tool.COMMANDS)):
            status, out, error = self.run_tool(*command, "--version")
            self.assertEqual((status, error), (tool.SUCCESS, b""))
            self.assertRegex(out.decode(), r"\Atincan \d+\.\d+\.\d+\n\Z")
            status, out, error = self.run_tool(*command, "--help")
            self.assertEqual((status, error), (tool.SUCCESS, b""))
            self.assertIn(b"Exit codes:", out)


class Programs(tool.Tool):
    def test_a_child_may_be_the_server(self):
        for address in ("fd:3", "systemd:"):
            result = self.run_tool("call", f"exec:{TINCAN} serve {address} --echo", "m", "hello")
            self.assertEqual(result, (tool.SUCCESS, b"hello", b""))

    def test_a_child_is_an_inherited_peer(self):
        result = self.run_tool("call", f"exec:{TINCAN} serve fd:3 --echo", "m", "-v")
        self.assertRegex(result[2].decode(), r"(?m)^\* server: an inherited peer, pid \d+$")

    def test_a_child_that_ends_leaves_nothing(self):
        self.assertEqual(self.run_tool("call", "exec:/bin/true", "m")[0], tool.NOT_SENT)
        self.assertTrue(eventually(lambda: os.listdir(self.folder) == []))


if __name__ == "__main__":
    unittest.main()
