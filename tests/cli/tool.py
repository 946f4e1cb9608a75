"""What the tests of the tool share: the program, temporary folders, and servers that end."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = os.environ["TINCAN_SOURCE_DIR"]
TINCAN = os.path.join(os.environ["TINCAN_BINARY_DIR"], "tincan")
COMMANDS = ("serve", "call", "ping", "bytes", "bench")

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from support.eventually import PATIENCE, eventually  # noqa: E402,F401

# What ran the tests may have started them in the background of a shell, where Ctrl-C is ignored,
# and so would be by the tool.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The exit codes; the one table is in cli/exit_code.cc.
SUCCESS, DECLARED, USAGE, NOT_SENT, UNKNOWN, REFUSED, FAILED = range(7)


def gone(pid):
    """True when there is no such process, or it has ended and nobody has looked yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it was there when the file was opened
        return True


class Tool(unittest.TestCase):
    """Each test has a folder of its own, `self.folder`, in which the tool is run."""

    patience = PATIENCE  # seconds that one run of the tool may take

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tincan-cli-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "app.sock")

    def start(self, *arguments, command=None, **options):
        """Starts the tool; whatever happens to the test, it is killed and reaped."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                   "stdin": subprocess.DEVNULL, "cwd": self.folder, **options}
        process = subprocess.Popen(command or [TINCAN, *arguments], **options)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        process.kill()
        process.wait(PATIENCE)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def run_tool(self, *arguments, stdin=b"", **options):
        """Runs the tool to its end: status, stdout and stderr, as bytes."""
        process = self.start(*arguments, stdin=subprocess.PIPE, **options)
        out, error = process.communicate(stdin, timeout=self.patience)
        return process.returncode, out, error

    def shell(self, script, *words):
        """Runs a line of bash in which $1 is the tool."""
        process = self.start(command=["bash", "-c", script, "bash", TINCAN, *words])
        out, error = process.communicate(timeout=PATIENCE)
        return process.returncode, out, error

    def serve(self, *arguments, **options):
        """Starts `tincan serve` and waits for its line, which becomes `process.line`."""
        process = self.start("serve", *arguments, **options)
        process.line = self.line_of(process)
        return process

    def serve_shell(self, script, *options, **process_options):
        """Serves self.path with a shell script, whose $1 is the test's folder."""
        return self.serve(self.path, *options, "--", "sh", "-c", script, "sh", self.folder,
                          **process_options)

    def line_of(self, process, deadline=PATIENCE):
        """The next line of the process's stdout. Unbuffered, so that select sees what is left."""
        end = time.monotonic() + deadline
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
            self.assertTrue(ready, f"no line from {process.args} within {deadline} s: {line!r}")
            byte = os.read(process.stdout.fileno(), 1)
            self.assertTrue(byte, f"{process.args} ended without a line")
            line += byte
        return line.decode()

    def stop(self, process, number=signal.SIGTERM):
        """Ends a server in order: status, the rest of its stdout, and its stderr."""
        process.send_signal(number)
        out, error = process.communicate(timeout=PATIENCE)
        return process.returncode, out.decode(), error.decode()

    def call(self, method, *arguments, **options):
        return self.run_tool("call", self.path, method, *arguments, **options)

    def assert_ends(self, result, status, error=b""):
        """`error` is stderr, exactly when it is bytes, and as a pattern when it is text."""
        self.assertEqual(result[0], status, result)
        if isinstance(error, bytes):
            self.assertEqual(result[2], error)
        else:
            self.assertRegex(result[2].decode(), error)

    def text_of(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def exists(self, name):
        return os.path.exists(os.path.join(self.folder, name))


def long_options(command):
    """The options that `tincan COMMAND --help` names."""
    done = subprocess.run([TINCAN, *([command] if command else []), "--help"], check=True,
                          capture_output=True, text=True, timeout=PATIENCE)
    options = done.stdout.split("Exit codes:")[0]
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", options))
