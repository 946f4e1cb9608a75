"""Shows that each check finds what it looks for, in a small tree made for it."""

import os
import subprocess
import tempfile
import unittest

import floors
import kernel
import readme
import registered
import style

ARCHITECTURE = """# Architecture

## Floors

| Floor | Rooms | Includes | Calls the kernel |
|---|---|---|---|
| 3 | `cli` | `include/tincan` | yes |
| 2 | `src/wire` | `src/base` `include/tincan` | no |
| 1 | `src/os` | `src/base` `include/tincan` | yes |
| 0 | `src/base` | `include/tincan` | no |
| 0 | `include/tincan` | | no |

## After
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tincan-tidy-")
        self.root = self.folder.name
        self.write("docs/architecture.md", ARCHITECTURE)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def assert_finds(self, findings, words):
        findings = list(findings)
        self.assertEqual(len(findings), 1, findings)
        self.assertIn(words, findings[0])

    def assert_clean(self, findings):
        self.assertEqual(list(findings), [])


class Floors(Tree):
    def setUp(self):
        super().setUp()
        for path in ("src/wire/frame.h", "src/os/socket.h", "src/base/time.h",
                     "include/tincan/client.h"):
            self.write(path, "#pragma once\n")

    def source(self, path, include):
        self.write(path, f"#include {include}\n")
        return floors.check(self.root)

    def test_down_is_fine(self):
        self.assert_clean(self.source("src/wire/frame.cc", '"base/time.h"'))
        self.assert_clean(self.source("src/wire/frame.cc", '"frame.h"'))
        self.assert_clean(self.source("cli/main.cc", '"tincan/client.h"'))
        self.assert_clean(self.source("src/os/socket.cc", "<sys/socket.h>"))
        self.assert_clean(self.source("src/wire/frame.cc", "<vector>"))

    def test_up_is_found(self):
        self.assert_finds(self.source("src/base/time.cc", '"wire/frame.h"'),
                          "src/wire is not below")

    def test_sideways_is_found(self):
        self.assert_finds(self.source("src/wire/frame.cc", '"os/socket.h"'), "src/os is not below")

    def test_past_the_public_face_is_found(self):
        self.assert_finds(self.source("cli/main.cc", '"base/time.h"'), "src/base is not below")

    def test_a_detour_is_found(self):
        self.assert_finds(self.source("src/wire/x.cc", '"../os/socket.h"'), "src/os is not below")

    def test_the_kernel_is_found(self):
        self.assert_finds(self.source("src/wire/frame.cc", "<sys/socket.h>"), "only src/os knows")
        self.assert_finds(self.source("src/wire/frame.cc", "<cerrno>"), "an errno is")
        self.assert_finds(self.source("src/wire/frame.cc", "<fmt/core.h>"), "only src/os knows")

    def test_a_missing_file_is_found(self):
        self.assert_finds(self.source("src/wire/frame.cc", '"base/gone.h"'), "is not there")

    def test_a_room_outside_the_table_is_found(self):
        self.assert_finds(self.source("src/attic/x.cc", "<vector>"), "lies in no room")

    def test_a_table_that_goes_up_is_found(self):
        upside = ARCHITECTURE.replace("| 0 | `src/base` | `", "| 0 | `src/base` | `src/wire` `")
        self.write("docs/architecture.md", upside)
        self.assert_finds(floors.check(self.root), "src/base includes src/wire: not below it")

    def test_a_missing_table_is_found(self):
        self.write("docs/architecture.md", "# Architecture\n")
        self.assertIn("no table", list(floors.check(self.root))[0])


class Style(Tree):
    def assert_style(self, check, path, text, words):
        self.assert_clean(check(self.root))
        self.write(path, text)
        self.assert_finds(check(self.root), words)

    def test_lines(self):
        for text, words in (("x" * 101 + "\n", "101 columns"), ("x \n", "space at the end"),
                            ("\tx\n", "a tab"), ("x", "no newline"),
                            ("// TO" "DO: x\n", "promise")):
            self.write("src/a.cc", text)
            self.assert_finds(style.lines_are_tidy(self.root), words)

    def test_file_length(self):
        self.assert_style(style.files_are_short, "src/a.cc", "x\n" * 501, "501 lines")

    def test_function_length(self):
        body = "  x();\n" * 69
        self.assert_style(style.functions_are_short, "src/a.cc",
                          f"namespace a {{\n\nvoid f(int a,\n       int b) {{\n{body}}}\n}}\n",
                          "72 lines, more than 70: void f(")

    def test_names(self):
        check = style.names_say_something
        self.write("src/a.cc", "int x = span.data() + std::data(y);  // data\n")
        self.assert_style(check, "src/a.cc", "int socket_data = 0;\n", '"data" in socket_data')
        self.write("src/a.cc", "class SocketManager;\n")
        self.assert_finds(check(self.root), '"manager" in SocketManager')
        self.write("src/a.cc", "")
        self.assert_style(check, "src/string_util.h", "", '"util"')

    def test_errno(self):
        self.write("src/os/a.cc", "int a = errno;\n")
        self.assert_style(style.errno_stays_in_os, "src/wire/a.cc", "int a = errno;\n", "src/os")

    def test_sleep(self):
        self.assert_style(style.tests_do_not_sleep, "tests/unit/a_test.cc",
                          "std::this_thread::sleep_for(1s);\n", "waits for the thing")

    def test_switched_off(self):
        self.write("tests/unit/a_test.cc", 'GTEST_SKIP() << "why";\n')
        self.assert_style(style.tests_are_switched_on, "tests/unit/a_test.cc",
                          "TEST(A, DISABLED_B) {}\n", "switched off")
        self.write("tests/unit/a_test.cc", "GTEST_SKIP();\n")
        self.assert_finds(style.tests_are_switched_on(self.root), "says why")

    def test_examples(self):
        self.assert_style(style.examples_are_short, "examples/a.cc", "x\n" * 60, "60 lines")

    def test_public_headers(self):
        for number in range(12):
            self.write(f"include/tincan/{number}.h", "")
        self.assert_style(style.public_headers_are_few, "include/tincan/12.h", "", "13 headers")

    def test_limits(self):
        self.write("include/tincan/limits.h", "inline constexpr int wire_max = 1;\n"
                   "// Per connection.\ninline constexpr std::uint64_t calls_max = 2;\n")
        self.write("include/tincan/options.h", "std::uint64_t calls_max = limits::calls_max;\n")
        self.assert_style(style.limits_can_be_set, "include/tincan/options.h", "x\n", "calls_max")

    def test_links(self):
        self.write("docs/a.md", "[b](architecture.md#floors) [c](https://example.org)\n")
        self.assert_style(style.links_lead_somewhere, "README.md", "[b](docs/gone.md)\n", "gone.md")


class Kernel(Tree):
    def object(self, folder, text):
        path = os.path.join(self.root, "tincan.dir", folder, "a.o")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run(["g++", "-c", "-x", "c++", "-", "-o", path], input=text, text=True,
                       check=True)
        return kernel.check([path])

    def test_a_system_call(self):
        call = "#include <unistd.h>\nint f() { return close(1); }\n"
        self.assert_clean(self.object("os", call))
        self.assert_finds(self.object("wire", call), "calls close")

    def test_a_system_call_behind_the_standard_library(self):
        self.assert_finds(self.object("wire", "#include <chrono>\nauto f() {\n"
                                      "  return std::chrono::steady_clock::now(); }\n"),
                          "steady_clock::now")

    def test_a_system_call_by_hand(self):
        self.assert_finds(self.object("os", 'void f() { asm("syscall"); }\n'), "without libc")

    def test_the_rest_is_fine(self):
        self.assert_clean(self.object("wire", "#include <string>\n#include <vector>\n"
                                      "std::string f(std::vector<std::string> v) {\n"
                                      "  return v.at(0) + std::to_string(v.size()); }\n"))


class Readme(Tree):
    def check(self, *blocks):
        self.write("include/tincan/tincan.h", "#include <chrono>\n"
                   "namespace tincan { struct Server {}; struct Client { void f() {} }; }\n")
        self.write("README.md", "".join(f"```cpp\n{block}\n```\n" for block in blocks))
        return readme.check(self.root, ["g++"])

    def test_blocks(self):
        program = "int main() {}"
        self.assert_clean(self.check(program, program, "client.f();"))
        self.assert_finds(self.check(program, program, "client.g();"), "README.md:8: does not")
        self.assert_finds(self.check(program), "1 programs")


class Registered(Tree):
    def test_a_forgotten_test(self):
        self.write("tests/unit/a_test.cc", "")
        path = os.path.realpath(os.path.join(self.root, "tests/unit/a_test.cc"))
        self.assert_clean(registered.check(self.root, {path}))
        self.assert_finds(registered.check(self.root, set()), "tests/unit/a_test.cc is not")


if __name__ == "__main__":
    unittest.main()
