#!/usr/bin/env python3
"""Builds every example with the very line that stands in its opening comment, against an installation laid out
for the purpose, and starts those that end by themselves.
usage: built_test.py PKG-CONFIG-FILE LIBRARY HEADER…"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60 * int(os.environ.get("TIME_FACTOR", "1"))
LINE = re.compile(r"^(?: \* |// )(?:Build:  )?((?:cc|c\+\+) .*)$", re.MULTILINE)


def install(prefix, description, library, headers):
    """What `meson install` leaves of the library; the environment that finds it."""
    with open(description, encoding="utf-8") as file:
        text = re.sub("(?m)^prefix=.*", "prefix=" + prefix, file.read())
    libdir = re.search("(?m)^libdir=(.*)", text)[1].replace("${prefix}", prefix)
    include = os.path.join(prefix, "include", "evring")
    os.makedirs(os.path.join(libdir, "pkgconfig"))
    os.makedirs(include)
    with open(os.path.join(libdir, "pkgconfig", "evring.pc"), "w", encoding="utf-8") as file:
        file.write(text)
    for end in ("", ".1"):
        shutil.copy(library, os.path.join(libdir, "libevring.so" + end))
    for header in headers:
        shutil.copy(header, include)
    return {**os.environ, "PKG_CONFIG_PATH": os.path.join(libdir, "pkgconfig"), "LD_LIBRARY_PATH": libdir}


def build(source, environment, folder):
    """The program, built where the line says it can be built: beside its source. False: what it needs is MISSING."""
    with open(source, encoding="utf-8") as file:
        line = LINE.search(file.read(2000))
    if not line:
        sys.exit("%s does not say how to build it" % source)
    command = line[1].removesuffix(" */") + " -o " + folder + "/a.out"
    if os.environ.get("MISSING") in command.split():
        return False
    if subprocess.run(["sh", "-c", command], cwd=os.path.dirname(source), env=environment, check=False).returncode:
        sys.exit("%s: this line does not build it: %s" % (source, command))
    return True


def try_page(source, environment, folder):
    """A program of a manual page prints what the page says."""
    expected = source.removesuffix(".c") + ".out"
    if not os.path.exists(expected):
        return
    result = subprocess.run([folder + "/a.out"], env=environment, stdout=subprocess.PIPE, check=False,
                            timeout=PATIENCE)
    with open(expected, "rb") as file:
        if result.stdout != file.read() and result.returncode != 77:
            sys.exit("%s prints, when built as it says: %s" % (source, result.stdout.decode()))


with tempfile.TemporaryDirectory() as prefix:
    environment = install(prefix, sys.argv[1], sys.argv[2], sys.argv[3:])
    sources = glob.glob(HERE + "/*.c") + glob.glob(HERE + "/*.cc") + glob.glob(HERE + "/*/*.c")
    for source in sorted(sources):
        if build(source, environment, prefix):
            try_page(source, environment, prefix)
        else:
            sources.remove(source)
    print("%d programs built as they say" % len(sources))
