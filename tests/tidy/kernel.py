"""Proves on the compiled objects that only src/os calls the kernel.

Every C function that an object outside src/os asks for must be in the list below, and no object,
src/os included, holds a system call instruction of its own.
"""

import os
import re
import subprocess
import sys

# Memory, text, and what the compiler and libstdc++'s headers put in. None makes a system call,
# but for the last rows, which say why they are there.
HARMLESS = re.compile(
    r"""_GLOBAL_OFFSET_TABLE_ | _Unwind_Resume | __dso_handle | __tls_get_addr | __stack_chk_fail
      | __cxa_\w+ | __gxx_personality_v0 | __gcc_personality_v0 | __atomic_\w+
      | malloc | calloc | realloc | free
      | mem(cpy|move|set|cmp|chr) | str(len|cmp|ncmp|chr|rchr|toul|toull|tol|toll)
      | strerrordesc_np | strerrorname_np | v?snprintf | is(digit|alnum|alpha|print|space)
      | __errno_location        # std::from_chars; that we do not read errno is for style.py
      | __libc_single_threaded | __pthread_key_create | pthread_once
      | pthread_mutex_(lock|unlock|trylock)
      | abort | exit | fprintf | fputs | fwrite | stderr  # TINCAN_CHECK and or_exit
    """,
    re.VERBOSE,
)
# C++ functions behind which there are system calls.
KERNEL_BEHIND = re.compile(
    r"std::(filesystem|thread|random_device|basic_\w*fstream|basic_filebuf)\b"
    r"|std::chrono::_V2::\w+_clock::now"
)


def check(objects):
    for path, mangled, readable in undefined(objects):
        if "/tincan.dir/os/" not in path and needs_kernel(mangled, readable):
            yield f"{path}: calls {readable}; only src/os calls the kernel"
    for path in with_instruction(objects):
        yield f"{path}: makes a system call without libc"


def undefined(objects):
    """(object, mangled name, readable name) of all that objects ask others for."""
    lines = _output("nm", "--print-file-name", "--undefined-only", *objects).splitlines()
    pairs = [re.fullmatch(r"(.*): +[Uvw] (\S+)", line).groups() for line in lines]
    names = "\n".join(mangled for _, mangled in pairs)
    readable = _output("c++filt", text=names).splitlines()
    return [(path, mangled, name) for (path, mangled), name in zip(pairs, readable)]


def needs_kernel(mangled, readable):
    if mangled.startswith("_Z"):
        return KERNEL_BEHIND.search(readable) is not None
    return HARMLESS.fullmatch(mangled) is None


def with_instruction(objects):
    listing = _output("objdump", "--disassemble", "--no-show-raw-insn", *objects)
    for part in re.split(r"^(?=\S.*: +file format )", listing, flags=re.MULTILINE):
        if re.search(r"\t(syscall|sysenter|int +\$0x80)", part):
            yield part.split(":")[0]


def _output(*command, text=None):
    return subprocess.run(command, check=True, capture_output=True, text=True, input=text).stdout


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        objects = [os.path.normpath(line) for line in file.read().split("\n") if line]
    findings = list(check(objects))
    print("\n".join(findings) or f"{len(objects)} objects, clean")
    return 1 if findings or not objects else 0


if __name__ == "__main__":
    sys.exit(main())
