#!/usr/bin/env python3
"""Writes the library as one file, for programs that embed it: ev.c and the headers a program includes.

usage: amalgamate.py [--lines] [--depfile FILE] OUTPUT-DIRECTORY

src/ev.c is an ordered list of includes. Every include of a file below src/ is replaced by that file, the
first time; later ones vanish. Everything else stays as it is: system headers, config.h, and ev.h, which a
program shares with the library. The others of ours are written out too, so that ev.c and ev.h are enough to build. Names that a program
may use itself get a prefix (own_names.py). With --lines compilers report the places of the original files."""

import argparse
import pathlib
import re
import shutil
import sys

import own_names

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAIN = "ev.c"
SHARED = "ev.h"  # stays an include
PUBLIC = ["include/ev.h", "include/ev_mailbox.h", "include/ev_op.h", "include/ev_stream.h"]
COPIES = ["include/ev.h", "include/ev_mailbox.h", "include/ev_op.h", "include/ev_stream.h", "include/ev++.h", "compat/event.h", "compat/event.c"]

INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')
OPENS = re.compile(r"\s*#\s*if")
CLOSES = re.compile(r"\s*#\s*endif")
GUARD = re.compile(r"\s*#\s*ifndef\s+(\w+_H_?)\s*$")


class Trouble(Exception):
    pass


class Amalgamation:
    """One run: which files have been written out, and the text so far."""

    def __init__(self, folders, lines=False):
        self.folders = folders  # where an include is looked for, after the folder of the file that has it
        self.lines = lines
        self.files = []
        self.text = []

    def find(self, name, includer):
        """The file of ours that an include means, or None."""
        for folder in [includer.parent, *self.folders]:
            path = (folder / name).resolve()
            if path.is_file() and any(path.is_relative_to(ours) for ours in self.folders):
                return path
        return None

    def add(self, path):
        """Writes a file out, its includes in their places."""
        self.files.append(path)
        self.text.append(f"/* ---- {path.parent.name}/{path.name} ---- */")
        self.mark(path, 1)
        conditions = []  # for each #if that is open: whether it is more than an include guard
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if OPENS.match(line):
                conditions.append(bool(conditions) or not GUARD.match(line))
            elif CLOSES.match(line):
                conditions.pop()
            if INCLUDE.match(line):
                self.add_include(path, number, line, any(conditions))
            else:
                self.text.append(line)
        self.text.append("")

    def add_include(self, path, number, line, conditional):
        target = self.find(INCLUDE.match(line).group(1), path)
        if target is None:
            self.text.append(line)
        elif target in self.files:
            return
        elif target.name == SHARED:
            self.files.append(target)
            self.text.append(line)
        elif conditional:
            raise Trouble(f"{path}:{number}: {target.name} is included for the first time under a condition: "
                          "where the condition does not hold, later includes would find nothing")
        else:
            self.add(target)
            self.mark(path, number + 1)

    def mark(self, path, number):
        if self.lines:
            self.text.append(f'#line {number} "{path.parent.name}/{path.name}"')


def amalgamate(main, folders, lines=False):
    """(text, files): what main becomes, and what it was made of."""
    run = Amalgamation([folder.resolve() for folder in folders], lines)
    run.add(main.resolve())
    return "\n".join(run.text) + "\n", run.files


def version():
    return re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text(encoding="utf-8")).group(1)


def stamp():
    """The head of the file: what it is, and the licence, which must go wherever the file goes."""
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8").strip()
    lines = [
        f"/* evring {version()}, the whole library in one file. Made by tools/amalgamate.py: do not edit.",
        " *",
        " * Compile it with your program, or include it into a file of yours, and include ev.h where you use it.",
        " * Options are libev's: see ev.h.",
        " *",
        *(f" * {line}".rstrip() for line in licence.splitlines()),
        " */",
        "",
    ]
    return "\n".join(lines)


def write(directory, lines):
    """Writes everything into the directory; returns the files it was made of."""
    directory.mkdir(parents=True, exist_ok=True)
    text, files = amalgamate(ROOT / "src" / MAIN, [ROOT / "src", ROOT / "include"], lines)
    public = "".join((ROOT / header).read_text(encoding="utf-8") for header in PUBLIC)
    (directory / MAIN).write_text(stamp() + own_names.own(text, public), encoding="utf-8")
    for copy in COPIES:
        shutil.copyfile(ROOT / copy, directory / pathlib.Path(copy).name)
    return [*files, *(ROOT / copy for copy in COPIES), ROOT / "LICENSE", pathlib.Path(own_names.__file__)]


def main():
    parser = argparse.ArgumentParser(description="Writes the library as one file, ev.c, and its headers.")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--lines", action="store_true", help="write #line for every original file")
    parser.add_argument("--depfile", type=pathlib.Path, help="write what ev.c was made of, for ninja")
    options = parser.parse_args()
    try:
        files = write(options.directory, options.lines)
    except (Trouble, OSError) as trouble:
        print(f"amalgamate: {trouble}", file=sys.stderr)
        return 1
    if options.depfile:
        # paths of build directories have no spaces here; ninja reads this like a makefile
        options.depfile.write_text(f"{options.directory / MAIN}: {' '.join(str(path) for path in files)}\n",
                                   encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
