"""Every file called *_test.* is built or run: a test that is not registered tests nothing."""

import glob
import json
import os
import re
import subprocess
import sys


def built(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        sources = {entry["file"] for entry in json.load(file)}
    for unity in [path for path in sources if "/Unity/" in path]:  # several files in one
        with open(unity, encoding="utf-8") as file:
            sources.update(re.findall(r'^#include "(.+)"$', file.read(), re.MULTILINE))
    return {os.path.realpath(path) for path in sources}


def run_by_ctest(build):
    command = ["ctest", "--test-dir", build, "--show-only=json-v1"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    words = [word for test in json.loads(listing)["tests"] for word in test.get("command", [])]
    return {os.path.realpath(word) for word in words}


def check(root, known):
    for path in sorted(glob.glob(os.path.join(root, "tests", "**", "*_test.*"), recursive=True)):
        if os.path.realpath(path) not in known and not path.endswith(".h"):
            yield f"{os.path.relpath(path, root)} is not registered in tests/CMakeLists.txt"


def main():
    root, build = sys.argv[1:]
    findings = list(check(root, built(build) | run_by_ctest(build)))
    print("\n".join(findings) or "clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
