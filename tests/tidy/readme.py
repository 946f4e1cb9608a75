"""Compiles every ```cpp block of the documents that users copy from.

A block with a main is a program. Any other is a piece of one: it may count on tincan.h, on a
`server` and a `client`, and on the literals of std::chrono.
"""

import os
import re
import subprocess
import sys

import tree

DOCUMENTS = ("README.md", os.path.join("docs", "from-the-article.md"))
PROGRAMS_MIN = 2  # README: one of each side

PIECE = """#include "tincan/tincan.h"
using namespace std::chrono_literals;
void piece([[maybe_unused]] tincan::Server& server, [[maybe_unused]] tincan::Client& client) {{
{block}
}}
"""


def blocks(text):
    """(line, code) of each block."""
    for found in re.finditer(r"^```cpp\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, found.start()) + 2, found.group(1)


def is_program(block):
    return re.search(r"^int main\(", block, re.MULTILINE) is not None


def errors(compiler, root, block):
    """What the compiler says about `block`; nothing when it is content."""
    source = block if is_program(block) else PIECE.format(block=block)
    command = compiler + ["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                          "-I", os.path.join(root, "include"), "-x", "c++", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def check(root, compiler):
    for document in DOCUMENTS:
        if not os.path.exists(os.path.join(root, document)):
            continue
        found = list(blocks(tree.read(root, document)))
        for line, block in found:
            said = errors(compiler, root, block)
            if said:
                yield f"{document}:{line}: does not compile:\n{said}"
        programs = sum(is_program(block) for _, block in found)
        if document == "README.md" and programs < PROGRAMS_MIN:
            yield f"{document}: {programs} programs in ```cpp, fewer than {PROGRAMS_MIN}"


if __name__ == "__main__":
    sys.exit(tree.run([lambda root: check(root, sys.argv[2:])], sys.argv[1]))
