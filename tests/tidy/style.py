"""Rules of style that a machine can hold: sizes, names, and words that promise something."""

import os
import re
import sys

import tree

COLUMNS_MAX = 100
FILE_LINES_MAX = 500
FILE_LINES_WARN = 350
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_WARN = 45
EXAMPLE_LINES_MAX = 59
PUBLIC_HEADERS_MAX = 12

# Words that say nothing about what a thing is.
EMPTY_WORDS = {"manager", "helper", "helpers", "util", "utils", "data", "info", "impl", "misc"}
PROMISES = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK")) + r")\b")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")

# Where a test may sleep, and why that does not make it slow or unsteady.
SLEEPS = {
    "tests/support/eventually.h": "the pause between two looks, in the one loop that polls",
    "tests/support/eventually.py": "the same for tests in Python",
}


def lines_are_tidy(root):
    for path in tree.files(root):
        text = tree.read(root, path)
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > COLUMNS_MAX and not path.endswith((".md", ".1")):
                yield f"{path}:{number}: {len(line)} columns, more than {COLUMNS_MAX}"
            if line != line.rstrip():
                yield f"{path}:{number}: space at the end of the line"
            if "\t" in line and not path.endswith(".1"):
                yield f"{path}:{number}: a tab"
            if PROMISES.search(line):
                yield f"{path}:{number}: a promise for later; do it, or open an issue"
        if text and not text.endswith("\n"):
            yield f"{path}: no newline at the end"


def _file_lengths(root):
    for path in tree.files(root, endings=tree.CODE + (".py",)):
        yield path, tree.read(root, path).count("\n")


def files_are_short(root):
    for path, lines in _file_lengths(root):
        if lines > FILE_LINES_MAX:
            yield f"{path}: {lines} lines, more than {FILE_LINES_MAX}: is it one subject?"


def files_grow_long(root):
    for path, lines in _file_lengths(root):
        if FILE_LINES_WARN < lines <= FILE_LINES_MAX:
            yield f"{path}: {lines} lines"


def functions(text):
    """(first line, lines, signature) of each function that is formatted as clang-format does it.

    A body is indented, so a brace alone at the left closes what the nearest line at the left
    opened. What is indented further, such as a member defined in its class, is not seen.
    """
    start = None
    for number, line in enumerate(tree.code(text).split("\n"), 1):
        if line.rstrip() == "}" and start is not None:
            yield start[0], number - start[0] + 1, start[1]
            start = None
        elif re.match(r"[A-Za-z_\[]", line):
            is_function = "(" in line and not re.match(r"(namespace|class|struct|enum)\b", line)
            start = (number, line.strip()) if is_function else None


def _function_lengths(root):
    for path in tree.files(root, ("include", "src", "cli", "examples", "bench"), tree.CODE):
        for line, count, signature in functions(tree.read(root, path)):
            yield path, line, count, signature


def functions_are_short(root):
    for path, line, count, signature in _function_lengths(root):
        if count > FUNCTION_LINES_MAX:
            yield f"{path}:{line}: {count} lines, more than {FUNCTION_LINES_MAX}: {signature}"


def functions_grow_long(root):
    for path, line, count, signature in _function_lengths(root):
        if FUNCTION_LINES_WARN < count <= FUNCTION_LINES_MAX:
            yield f"{path}:{line}: {count} lines: {signature}"


def names_say_something(root):
    for path in tree.files(root, endings=tree.CODE):
        stem = os.path.splitext(os.path.basename(path))[0]
        for word in EMPTY_WORDS.intersection(stem.split("_")):
            yield f'{path}: "{word}" in the name says nothing about what it is'
        for number, line in enumerate(tree.code(tree.read(root, path)).split("\n"), 1):
            if line.startswith("#"):
                continue
            # Members are named where they are declared, and std's are not ours to name.
            for name in re.findall(r"(?<![.>:\w])[A-Za-z_]\w*", line):
                words = re.findall(r"[A-Z]?[a-z]+", name) if name != name.upper() else []
                for word in EMPTY_WORDS.intersection(word.lower() for word in words):
                    yield f'{path}:{number}: "{word}" in {name} says nothing about what it is'


def errno_stays_in_os(root):
    for path in tree.files(root, ("include", "src"), tree.CODE):
        if path.startswith("src/os/"):
            continue
        for number, line in enumerate(tree.code(tree.read(root, path)).split("\n"), 1):
            if re.search(r"\berrno\b", line):
                yield f"{path}:{number}: errno is read in src/os, and passed on as os::Errno"


def tests_do_not_sleep(root):
    for path in tree.files(root, ("tests",), (".cc", ".h", ".py")):
        if path in SLEEPS or path.startswith("tests/tidy/"):
            continue
        text = tree.read(root, path)
        text = tree.code(text) if path.endswith(tree.CODE) else text
        for number, line in enumerate(text.split("\n"), 1):
            if SLEEP.search(line):
                yield f"{path}:{number}: a test waits for the thing itself, with a deadline"


def tests_are_switched_on(root):
    for path in tree.files(root, ("tests",), tree.CODE):
        for number, line in enumerate(tree.code(tree.read(root, path)).split("\n"), 1):
            if "DISABLED_" in line:
                yield f"{path}:{number}: a test that is switched off tests nothing"
            if re.search(r"GTEST_SKIP\(\)(?!\s*<<)", line):
                yield f"{path}:{number}: a test that is skipped says why"


def examples_are_short(root):
    for path in tree.files(root, ("examples",), tree.CODE):
        lines = tree.read(root, path).count("\n")
        if lines > EXAMPLE_LINES_MAX:
            yield f"{path}: {lines} lines, more than {EXAMPLE_LINES_MAX}"


def public_headers_are_few(root):
    headers = tree.files(root, ("include",), tree.CODE)
    if len(headers) > PUBLIC_HEADERS_MAX:
        yield f"include: {len(headers)} headers, more than {PUBLIC_HEADERS_MAX}"


def limits_can_be_set(root):
    """All but the kernel's and the protocol's, which stand first, are defaults of options."""
    limits = tree.read(root, "include/tincan/limits.h")
    options = tree.read(root, "include/tincan/options.h")
    ours = limits[limits.index("// Per connection"):]
    for name in re.findall(r"^inline constexpr \S+ (\w+) =", ours, flags=re.MULTILINE):
        if not re.search(rf"= limits::{name};", options):
            yield f"include/tincan/limits.h: {name} is the default of no option in options.h"


def links_lead_somewhere(root):
    for path in tree.files(root, endings=(".md",)):
        text = re.sub(r"^```.*?^```", "", tree.read(root, path), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            place = os.path.join(root, os.path.dirname(path), target)
            if "://" not in target and not os.path.exists(place):
                yield f"{path}: links to {target}, which is not there"


CHECKS = [
    lines_are_tidy,
    files_are_short,
    functions_are_short,
    names_say_something,
    errno_stays_in_os,
    tests_do_not_sleep,
    tests_are_switched_on,
    examples_are_short,
    public_headers_are_few,
    limits_can_be_set,
    links_lead_somewhere,
]

if __name__ == "__main__":
    sys.exit(tree.run(CHECKS, sys.argv[1], warnings=[files_grow_long, functions_grow_long]))
