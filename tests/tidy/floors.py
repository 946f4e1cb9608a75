"""Holds the includes against the table of floors in docs/architecture.md."""

import os
import re
import sys

import tree

TABLE = os.path.join("docs", "architecture.md")
INCLUDE = re.compile(r'^#include (?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

# Standard C++ headers through which the library would reach the kernel past src/os, or get threads
# of its own, or throw.
CLOSED_HEADERS = {
    "cerrno": "an errno is a value of os::Sys",
    "csignal": "the library leaves signals alone",
    "filesystem": "files are opened by src/os, relative to a directory that was checked",
    "fstream": "files are opened by src/os",
    "future": "the library has no threads of its own",
    "iostream": "the library prints nothing",
    "thread": "the library has no threads of its own",
}


class Floors:
    """Rooms are folders. A room includes itself and what its row names, which lies further down."""

    def __init__(self, text):
        self.includes = {}  # room -> rooms that it may include
        self.kernel = set()  # rooms that call the kernel
        self.errors = []
        below = []
        rows = _rows(text)
        for _, rooms, includes, kernel in reversed(rows):
            for room in rooms:
                self.includes[room] = set(includes)
                if kernel == "yes":
                    self.kernel.add(room)
                for other in includes:
                    if other not in below:
                        self.errors.append(f"{TABLE}: {room} includes {other}: not below it")
            below += rooms
        if not rows:
            self.errors.append(f'{TABLE}: no table under the heading "Floors"')

    def room(self, path):
        """The room that `path` lies in: the longest that fits."""
        fitting = [room for room in self.includes if path.startswith(room + "/")]
        return max(fitting, key=len, default=None)


def _rows(text):
    section = re.search(r"^## Floors\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    rows = []
    for line in section.group(1).splitlines() if section else []:
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if len(cells) >= 4 and re.fullmatch(r"\d", cells[0]):
            names = [re.findall(r"`([^`]+)`", cell) for cell in cells[1:3]]
            rows.append((cells[0], names[0], names[1], cells[3]))
    return rows


def check(root):
    floors = Floors(tree.read(root, TABLE))
    yield from floors.errors
    for path in tree.files(root, ("include", "src", "cli", "examples", "bench"), tree.CODE):
        room = floors.room(path)
        if room is None:
            yield f"{path}: lies in no room of {TABLE}"
            continue
        text = tree.read(root, path)
        for found in INCLUDE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            quoted, angled = found.groups()
            if quoted:
                problem = _quoted(root, floors, room, path, quoted)
            else:
                problem = _angled(floors, room, angled)
            if problem:
                yield f"{path}:{line}: {problem}"


def _quoted(root, floors, room, path, include):
    target = _resolve(root, path, include)
    if target is None:
        return f"includes {include}, which is not there"
    other = floors.room(target)
    if other == room or other in floors.includes[room]:
        return None
    return f"{room} must not include {include}: {other} is not below it in {TABLE}"


def _resolve(root, path, include):
    for folder in (os.path.dirname(path), path.split("/")[0], "src", "include", "bench"):
        target = os.path.normpath(os.path.join(folder, include))
        if os.path.isfile(os.path.join(root, target)):
            return target
    return None


def _angled(floors, room, include):
    in_library = room.startswith(("include", "src/"))
    if not in_library or room in floors.kernel or include == "sys/types.h":
        return None
    if include in CLOSED_HEADERS:
        return f"{room} must not include <{include}>: {CLOSED_HEADERS[include]}"
    if "." in include or "/" in include:
        return f"{room} must not include <{include}>: only src/os knows the kernel and libc"
    return None


if __name__ == "__main__":
    sys.exit(tree.run([check], sys.argv[1]))
