#!/usr/bin/env python3
"""Exports of a shared library, and how its names are spread over the archive: as libev.so.4 has them.

usage: symbols_test.py LIBRARY SONAME ARCHIVE LIST… [--sanitized]

A program linked with libev must find every name it may use, unversioned and of the same kind, and no name
more than we mean to give away: event_set_log_callback (LE-8), say, is only for programs that compile us in.
Sanitizers add bytes, libraries and thread-local data. Contract: libev-abi.json, library and data_symbol."""

import re
import subprocess
import sys

failures = []


def expect(holds, message):
    if not holds:
        failures.append(message)


def tool(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def names_of(path):
    """A list file: {name: (kind, size or None)}."""
    names = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words:
                names[words[0]] = (words[1], int(words[2]) if len(words) > 2 else None)
    return names


def exports_of(library):
    """The dynamic symbols a library defines: {name: (kind, size, binding, visibility)}."""
    exports = {}
    for line in tool("readelf", "-W", "--dyn-syms", library).splitlines():
        words = line.split()
        if len(words) < 8 or not words[0].rstrip(":").isdigit() or words[6] == "UND":
            continue
        _, _, size, kind, binding, visibility, _, name = words[:8]
        exports[name] = (kind.lower(), int(size, 0), binding, visibility)
    return exports


def check_exports(exports, wanted, sanitized):
    for name in sorted(wanted):
        if name not in exports:
            expect(False, f"{name} is missing")
            continue
        kind, size, binding, visibility = exports[name]
        expect(kind == wanted[name][0], f"{name} is a {kind}, not a {wanted[name][0]}")
        expected = None if sanitized else wanted[name][1]
        expect(expected in (None, size), f"{name} has {size} bytes, not {expected}")
        expect(binding == "GLOBAL", f"{name} is {binding}")
        expect(visibility == "DEFAULT", f"{name} is {visibility}")
    for name in sorted(set(exports) - set(wanted)):
        expect(False, f"{name} is exported, but on no list")


def check_dynamic_section(library, soname, sanitized):
    dynamic = tool("readelf", "-W", "--dynamic", library)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    expect(re.findall(r"\(SONAME\).*\[(.*)\]", dynamic) == [soname], f"the soname is not {soname}")
    expect(sanitized or needed <= {"libc.so.6"}, f"needs {needed}, not only libc")
    expect("SYMBOLIC" not in dynamic, "is linked symbolically: ev_default_loop_ptr must stay interposable")
    expect("Version definition" not in tool("readelf", "-W", "--version-info", library),
           "defines symbol versions; libev has none")
    segments = tool("readelf", "-W", "--program-headers", library)
    expect(sanitized or "TLS" not in segments, "has thread-local data")


def check_archive(archive):
    """event_* in a member of its own: a static program that uses only ev_* shall not clash with libevent."""
    families = {}
    for line in tool("nm", "-A", "--defined-only", "--extern-only", archive).splitlines():
        member, name = line.rsplit(":", 1)[0], line.split()[-1]
        family = name.split("_")[0]
        if family in ("ev", "event"):
            families.setdefault(member, set()).add(family)
    expect({"ev"} in families.values(), "no member of the archive is for ev_* alone")
    expect({"event"} in families.values(), "no member of the archive is for event_* alone")
    for member, found in families.items():
        expect(len(found) == 1, f"{member} holds ev_* and event_*")


def main():
    arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
    sanitized = "--sanitized" in sys.argv
    library, soname, archive, lists = arguments[0], arguments[1], arguments[2], arguments[3:]
    wanted = {}
    for path in lists:
        wanted.update(names_of(path))
    check_exports(exports_of(library), wanted, sanitized)
    check_dynamic_section(library, soname, sanitized)
    check_archive(archive)
    for message in failures:
        print(f"{library}: {message}")
    print(f"{len(wanted)} names, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
