"""Where a child's descriptors cannot be closed, no program gets them."""

import ctypes
import struct
import unittest

import tool


def forbid_close_range():
    """As a sandbox does that does not know the call: ENOSYS."""
    allow, errno_38, number = 0x7FFF0000, 0x00050000 | 38, 436
    program = b"".join(struct.pack("<HBBI", *line) for line in (
        (0x20, 0, 0, 0),       # the number of the call
        (0x15, 0, 1, number),  # close_range(2), the same everywhere
        (0x06, 0, 0, errno_38),
        (0x06, 0, 0, allow)))
    lines = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(lines))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, mode_filter = 38, 22, 2
    zero = ctypes.c_ulong(0)
    if (libc.prctl(no_new_privileges, ctypes.c_ulong(1), zero, zero, zero) != 0 or
            libc.prctl(seccomp, ctypes.c_ulong(mode_filter), filter_, zero, zero) != 0):
        raise OSError(ctypes.get_errno(), "prctl")


class WithoutCloseRange(tool.Tool):

    def test_a_command_that_would_inherit_descriptors_is_not_run(self):
        self.serve(self.path, "--", "sh", "-c", "touch ran", preexec_fn=forbid_close_range)
        self.assert_ends(self.call("m"), tool.DECLARED,
                         b"tincan: declared: cannot close what sh would inherit: Function not "
                         b"implemented (code 127)\n")
        self.assertFalse(self.exists("ran"))

    def test_a_server_that_would_inherit_descriptors_is_not_started(self):
        result = self.run_tool("call", f"exec:{tool.TINCAN} serve fd:3 --echo", "m", "body",
                               preexec_fn=forbid_close_range)
        self.assert_ends(result, tool.NOT_SENT, "Function not implemented")


if __name__ == "__main__":
    unittest.main()
