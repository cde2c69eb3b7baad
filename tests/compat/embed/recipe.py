#!/usr/bin/env python3
"""Builds a program with the library embedded, in one of the ways programs do it, and runs it.

usage: recipe.py --dist DIRECTORY [options] SOURCE… [-- COMPILER-FLAG…]

Every recipe is built with gcc and with clang where they are installed, without a single warning, and every
program is run. Exit status 77 (skipped) if there is no compiler that can do it."""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
SECONDS = 60
CXX = {"gcc": "g++", "clang": "clang++"}


class Failure(Exception):
    pass


def run(command, folder):
    """Runs a command; its output is shown if it fails, and returned if not."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(str(word) for word in command)}\n{done.stdout}status {done.returncode}")
    return done.stdout


def can_build(compiler, flags, folder):
    """Whether this compiler is here and knows the flags: -m32 needs libraries that are often missing."""
    if not shutil.which(compiler):
        return False
    (folder / "empty.c").write_text("#include <stdio.h>\nint main (void) { return 0; }\n", encoding="utf-8")
    machine = [flag for flag in flags if flag.startswith("-m")]
    return subprocess.run([compiler, *machine, "empty.c", "-o", "empty"], cwd=folder, check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def compile_all(compiler, sources, includes, flags, folder):
    objects = []
    for source in sources:
        language = CXX[compiler] if source.suffix == ".cpp" else compiler
        # options of C are not options of C++; the program is compiled as the project's C++
        own = [flag for flag in flags if not (source.suffix == ".cpp" and flag.startswith("-std="))]
        objects.append(folder / (source.name + ".o"))
        run([language, *WARNINGS, *own, *includes, "-c", source, "-o", objects[-1]], folder)
    return objects


def defined_in(files):
    names = run(["nm", "--defined-only", "--extern-only", *files], pathlib.Path("."))
    return {line.split()[-1] for line in names.splitlines() if len(line.split()) == 3}


def check_names(objects, options):
    names = defined_in(objects)
    for name in options.without:
        if name in names:
            raise Failure(f"{name} was switched off, but is there")
    leaked = [name for name in names if name.startswith(("ev_", "evi_", "event_"))]
    if options.private and leaked:
        raise Failure(f"the library was to be private to its file, but these left it: {leaked}")


def build_and_run(compiler, options, flags, folder):
    """The recipe, in an empty folder: headers of the program first, then those of the library."""
    dist = options.dist.resolve()
    sources = [source.resolve() for source in options.sources]
    for header in options.rename:
        old, new = header.split("=")
        shutil.copyfile(dist / old, folder / new)
    if options.hide_headers:
        shutil.copyfile(dist / "ev.c", folder / "ev.c")
        library, includes = [folder / "ev.c"], [f"-I{folder}"]
    else:
        library, includes = [dist / name for name in options.library], [f"-I{folder}", f"-I{dist}"]
    includes += [f"-I{path.resolve()}" for path in options.include]
    objects = compile_all(compiler, [*library, *sources], includes, flags, folder)
    check_names(objects, options)
    linker = CXX[compiler] if any(source.suffix == ".cpp" for source in sources) else compiler
    machine = [flag for flag in flags if flag.startswith("-m")]
    run([linker, *machine, *objects, "-o", folder / "program"], folder)
    print(f"{compiler}: {run([folder / 'program'], folder)}", end="")


def parse(arguments):
    flags = []
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, flags = arguments[:cut], arguments[cut + 1:]
    parser = argparse.ArgumentParser(description="Builds and runs a program with the library embedded.")
    parser.add_argument("--dist", type=pathlib.Path, required=True, help="where the amalgamation is")
    parser.add_argument("--library", nargs="*", default=["ev.c"], help="files of it that are compiled")
    parser.add_argument("--include", nargs="*", type=pathlib.Path, default=[], help="folders of the program")
    parser.add_argument("--rename", nargs="*", default=[], help="OLD=NEW: a header the program has renamed")
    parser.add_argument("--hide-headers", action="store_true", help="only ev.c and renamed headers are there")
    parser.add_argument("--without", nargs="*", default=[], help="names that must not be in the program")
    parser.add_argument("--private", action="store_true", help="no name of the library may be visible")
    parser.add_argument("sources", nargs="+", type=pathlib.Path)
    return parser.parse_args(arguments), flags


def main():
    options, flags = parse(sys.argv[1:])
    built = 0
    for compiler in CXX:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            if not can_build(compiler, flags, folder):
                continue
            try:
                build_and_run(compiler, options, flags, folder)
            except (Failure, subprocess.TimeoutExpired) as failure:
                print(failure)
                return 1
            built += 1
    if built:
        return 0
    print("skipped embedding with %s: no compiler here can do that" % " ".join(flags))
    return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
