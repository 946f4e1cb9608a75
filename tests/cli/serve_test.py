"""tincan serve: its lines, its places, and its beginning and end."""

import fcntl
import json
import os
import pwd
import signal
import socket
import stat
import unittest

import tool
from tool import TINCAN, eventually


class Lines(tool.Tool):
    def test_ready_and_drained(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve("./app.sock", "--echo", "--mode", "0660")
            owner = pwd.getpwuid(os.getuid()).pw_name
            self.assertRegex(server.line, rf"\Aserving \./app\.sock, mode 0660, owner {owner}:\S+, "
                                          rf"pid {server.pid}\n\Z")
            self.assertEqual(self.call("m", "hello")[1], b"hello")
            self.assertEqual(self.stop(server, number),
                             (tool.SUCCESS,
                              "drained ./app.sock: 1 connection, 1 call, 1 reply, "
                              "0 errors, 0 cancelled, 0 refused\n", ""))
            self.assertFalse(self.exists("app.sock"))

    def test_the_last_line_counts_what_went_wrong(self):
        server = self.serve(self.path, "--echo")
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(tool.PATIENCE)
            peer.connect(self.path)
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
            while peer.recv(4096):
                pass
        self.assertRegex(self.stop(server)[1], r"\Adrained .*: 1 connection, .*, 1 breach\n\Z")

    def test_the_last_line_counts_what_a_second_signal_ended(self):
        server = self.serve_shell('touch "$1/started"; exec sleep 60')
        self.start("call", self.path, "m", "--timeout", "1h")
        self.assertTrue(eventually(lambda: self.exists("started")))
        server.send_signal(signal.SIGTERM)
        self.assertTrue(eventually(lambda: not self.exists("app.sock")))
        self.assertRegex(self.stop(server)[1], r"1 call, 0 replies, .*, 1 unfinished\n\Z")

    def test_json(self):
        server = self.serve("./app.sock", "--echo", "--json")
        ready = json.loads(server.line)
        self.assertEqual((ready["event"], ready["address"], ready["mode"], ready["pid"]),
                         ("ready", "./app.sock", "0600", server.pid))
        self.call("m", "hello")
        status, out, _ = self.stop(server)
        drained = json.loads(out)
        self.assertEqual((status, drained["event"], drained["calls"]), (0, "drained", 1))

    def test_a_name_cannot_steer_the_terminal_nor_make_a_line(self):
        for name, shown in (("a\x1b[31m.sock", r"a\x1b[31m.sock"), ("a\nb.sock", r"a\x0ab.sock"),
                            ("a\u202eb.sock", r"a\xe2\x80\xaeb.sock"),
                            ("a\u2028b.sock", r"a\xe2\x80\xa8b.sock"), ("dös.sock", "dös.sock")):
            server = self.serve(f"./{name}", "--echo")
            self.assertTrue(server.line.startswith(f"serving ./{shown}, mode 0600"), server.line)
            _, out, error = self.run_tool("ping", f"./{name}", "-c", "1")
            lines = out.decode().splitlines()
            self.assertEqual((len(lines), error), (7, b""))
            for line in lines[:3]:
                self.assertIn(f"./{shown}", line)
            self.assertIn(f"connecting to ./{shown}\n", self.run_tool(
                "call", f"./{name}", "tincan.ping", "-v")[2].decode())
            self.assertTrue(self.stop(server)[1].startswith(f"drained ./{shown}: "))
            self.assert_ends(self.run_tool("call", f"./{name}", "m"), tool.NOT_SENT,
                             f"tincan: not sent: ./{shown} does not exist; start the server, or "
                             "check the path\n".encode())

    def test_the_manager_is_told(self):
        for name in (os.path.join(self.folder, "notify"), f"\0tincan-cli-{os.getpid()}"):
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(manager.close)
            manager.settimeout(tool.PATIENCE)
            manager.bind(name)
            environment = dict(os.environ, NOTIFY_SOCKET=name.replace("\0", "@"))
            server = self.serve(self.path, "--echo", env=environment)
            self.assertEqual(manager.recv(100), b"READY=1")
            server.send_signal(signal.SIGTERM)
            self.assertEqual(manager.recv(100), b"STOPPING=1")
            self.assertEqual(server.wait(tool.PATIENCE), 0)

    def test_a_line_that_cannot_be_written_is_a_failure(self):
        result = self.shell('"$1" serve app.sock --echo > /dev/full')
        self.assert_ends(result, tool.FAILED,
                         b"tincan: cannot write the output: No space left on device\n")
        self.assertFalse(self.exists("app.sock"))

    def test_a_reader_of_lines_may_leave(self):
        server = self.serve(self.path, "--echo")
        server.stdout.close()
        self.assertEqual(self.call("m", "hello")[1], b"hello")

    def test_stdin_and_stderr_may_be_closed(self):
        server = self.start(command=["bash", "-c", 'exec "$1" serve app.sock -- cat <&- 2>&-',
                                     "bash", TINCAN])
        self.line_of(server)
        self.assertEqual(self.call("m", "hello"), (0, b"hello", b""))


class Places(tool.Tool):
    def test_a_held_path_names_its_holder(self):
        server = self.serve(self.path, "--echo")
        for options, stream in (([], 2), (["--json"], 1)):
            result = self.run_tool("serve", self.path, "--echo", *options)
            self.assertEqual(result[0], tool.FAILED)
            self.assertIn(f"{self.path} is held by pid {server.pid} ({os.path.realpath(TINCAN)})",
                          result[stream].decode())
        self.assertNotIn("outcome", json.loads(result[1]))

    def test_take_over(self):
        old = self.serve(self.path, "--echo", "--take-over")
        new = self.serve(self.path, "--take-over", "--", "echo", "new")
        self.assertEqual(old.communicate(timeout=tool.PATIENCE)[1], b"")
        self.assertEqual(old.returncode, 0)
        self.assertEqual(self.call("m"), (0, b"new\n", b""))
        self.assertEqual(self.stop(new)[0], 0)

    def test_a_take_over_that_fails_leaves_the_old_server(self):
        old = self.serve(self.path, "--echo", "--take-over", "--mode", "0600")
        take_over = '"$1" serve app.sock --take-over --mode 0666 '
        failed = self.shell(take_over + "-- echo new > /dev/full")
        self.assert_ends(failed, tool.FAILED,
                         b"tincan: cannot write the output: No space left on device\n")
        self.assertTrue(eventually(lambda: stat.S_IMODE(os.stat(self.path).st_mode) == 0o600))
        self.assertEqual(self.call("m", "old"), (0, b"old", b""))
        # It is as willing as before.
        new = self.serve(self.path, "--take-over", "--", "echo", "new")
        self.assertEqual(old.wait(tool.PATIENCE), 0)
        self.assertEqual(self.call("m"), (0, b"new\n", b""))
        self.assertEqual(self.stop(new)[0], 0)
        self.assertFalse(self.exists("app.sock"))

    @unittest.skipIf(os.getuid() != 0, "needs root, to become a user who may not")
    def test_a_take_over_that_may_not_set_its_group_leaves_the_old_server(self):
        nobody = {"user": 65531, "group": 65531, "extra_groups": []}
        os.chown(self.folder, 65531, 65531)
        old = self.serve(self.path, "--echo", "--take-over", "--mode", "0660", **nobody)
        refused = self.run_tool("serve", self.path, "--echo", "--take-over", "--group", "root",
                                **nobody)
        self.assert_ends(refused, tool.REFUSED, "may not give it to group root")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o660)
        self.assertEqual(self.call("m", "old", **nobody), (0, b"old", b""))
        self.assertEqual(self.stop(old)[0], 0)

    def serve_inherited(self, address, *sockets, names=""):
        """Serves `address` with these as descriptors 3 and up, as systemd would hand them over."""
        script = ('LISTEN_PID=$$ LISTEN_FDS=$3 LISTEN_FDNAMES=$4 exec "$1" serve "$2" --echo')

        def place():
            for number, each in enumerate(copies, 3):
                os.dup2(each, number)

        # Out of the way of the numbers that they are to have.
        copies = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD_CLOEXEC, 50) for each in sockets]
        server = self.start(command=["bash", "-c", script, "bash", TINCAN, address,
                                     str(len(sockets)), names],
                            pass_fds=range(3, 3 + len(sockets)), preexec_fn=place)
        for copy in copies:
            os.close(copy)
        return server

    def test_an_inherited_listener(self):
        for address in ("fd:3", "systemd:"):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path)
            os.chmod(self.path, 0o640)
            listener.listen()
            server = self.serve_inherited(address, listener)
            self.assertRegex(self.line_of(server),
                             rf"\Aserving {address} at {self.path}, mode 0640, owner \w+:\w+, "
                             rf"pid {server.pid}\n\Z")
            listener.close()
            self.assertEqual(self.call("m", "hello"), (0, b"hello", b""))
            self.assertEqual(self.stop(server)[0], 0)
            os.unlink(self.path)  # it belongs to the giver, and stays

    def test_of_several_inherited_sockets_the_name_tells(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            ours, theirs = socket.socketpair()
            with ours:
                server = self.serve_inherited("systemd:conn", listener, theirs, names="main:conn")
                theirs.close()
            # A connection is served without lines, and its end is the server's.
            self.assertEqual(server.communicate(timeout=tool.PATIENCE)[0], b"")
            self.assertEqual(server.returncode, 0)
            ours, theirs = socket.socketpair()
            with ours, theirs:
                server = self.serve_inherited("systemd:main", theirs, listener, names="conn:main")
                self.assertTrue(self.line_of(server).startswith("serving systemd:main at /"))
                self.assertEqual(self.call("m", "hello"), (0, b"hello", b""))

    def test_an_abstract_name_needs_a_rule(self):
        name = f"unix-abstract:tincan-cli-{os.getpid()}"
        for command in (("serve", name, "--echo"), ("bytes", name, "--listen")):
            self.assert_ends(self.run_tool(*command), tool.USAGE,
                             f"tincan: {name} has no file permissions; say who may connect: "
                             "--allow-uid USER or --allow-gid GROUP\n"
                             f"Try: tincan {command[0]} --help\n".encode())
        self.serve(name, "--echo", "--allow-uid", str(os.getuid()))
        self.assertEqual(self.run_tool("call", name, "m", "hello"), (0, b"hello", b""))

    def test_users_and_groups_have_names(self):
        user = pwd.getpwuid(os.getuid()).pw_name
        self.serve(self.path, "--echo", "--allow-uid", user, "--allow-gid", "daemon")
        self.assertEqual(self.call("m", "hello"), (0, b"hello", b""))

    def test_where_no_file_can_be_made(self):
        self.assert_ends(self.run_tool("serve", "/proc/x.sock", "--echo"), tool.FAILED,
                         b"tincan: /proc/x.sock: no file can be made in the directory /proc; "
                         b"use another directory\n")

    def test_a_foreign_file_is_left_alone(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("precious")
        self.assert_ends(self.run_tool("serve", self.path, "--echo"), tool.FAILED, "app.sock")
        self.assertEqual(self.text_of("app.sock"), "precious")


class Usage(tool.Tool):
    def assert_usage(self, sentence, *arguments):
        status, out, error = self.run_tool("serve", *arguments)
        self.assertEqual((status, out), (tool.USAGE, b""), error)
        self.assertEqual(error.decode(), f"tincan: {sentence}\nTry: tincan serve --help\n")
        self.assertEqual(os.listdir(self.folder), [])

    def test_what_is_wrong_is_said(self):
        answer = "what should answer? Give either --echo or -- COMMAND ARG..."
        self.assert_usage("PATH is required", "--echo")
        self.assert_usage(answer, "x.sock")
        self.assert_usage(answer, "x.sock", "--")
        self.assert_usage(answer, "x.sock", "--echo", "--", "cat")
        for program in ("no-such", "./no-such", "/tmp", "/etc/passwd", ""):
            self.assert_usage(f"{program} is no program that can be run; check the name and its "
                              "permissions", "x.sock", "--", program)
        for mode in ("888", "rw", "01777"):
            self.assert_usage(f"--mode: {mode} is not an octal mode such as 0660",
                              "x.sock", "--echo", f"--mode={mode}")
        for number in ("-1", "0", "4097", "x", "4294967297"):
            self.assert_usage(f"--max-running: {number} is not a whole number; write 1 to 4096",
                              "x.sock", "--echo", "--max-running", number)
        self.assert_usage("--allow-uid: there is no user no-such", "x.sock", "--echo",
                          "--allow-uid", "no-such")
        self.assert_usage("--group: there is no group no-such", "x.sock", "--echo",
                          "--group", "no-such")
        self.assert_usage("--method: tincan.x: names that begin with tincan. are reserved",
                          "x.sock", "--echo", "--method", "tincan.x")
        self.assert_usage("--method: a name has 1 to 255 bytes", "x.sock", "--echo",
                          "--method", "m" * 256)


if __name__ == "__main__":
    unittest.main()
