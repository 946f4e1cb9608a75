"""The source tree as the checks see it: which files there are, and code without its comments."""

import os
import re

CODE = (".cc", ".h")
TEXT = CODE + (".py", ".cmake", ".txt", ".md", ".json", ".map", ".in", ".bash", ".sh", ".1")
SKIPPED = {".git", "build", "corpus", "__pycache__"}


def files(root, folders=("",), endings=TEXT):
    """Paths relative to `root`, sorted. Scripts have no ending and count as text."""
    found = []
    for folder in folders:
        for place, names, leaves in os.walk(os.path.join(root, folder)):
            names[:] = [name for name in names if name not in SKIPPED]
            for leaf in leaves:
                path = os.path.relpath(os.path.join(place, leaf), root)
                is_script = path.startswith("scripts/") and endings is TEXT
                if leaf.endswith(endings) or is_script:
                    found.append(path)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


_NOT_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | R"(\w*)\(.*?\)\1" | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n]){1,6}'""",
    re.DOTALL | re.VERBOSE,
)


def code(text):
    """`text` of C++ with comments and literals blanked out; line numbers stay as they are."""
    return _NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def run(checks, root, warnings=()):
    """Prints what `checks` find below `root`; the exit status says whether that was anything."""
    for check in warnings:
        for finding in check(root):
            print(f"warning: {finding}")
    count = 0
    for check in checks:
        for finding in check(root):
            print(finding)
            count += 1
    print(f"{count} findings" if count else "clean")
    return 1 if count else 0
