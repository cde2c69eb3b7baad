#!/usr/bin/env python3
"""The library as one file, included into a program: which names it brings along, as the compiler sees them.

usage: names_test.py DIST (the folder of the amalgamation)   Environment: CC"""

import os
import re
import subprocess
import sys
import tempfile
import unittest

DIST = os.path.abspath(sys.argv.pop(1))
CC = os.environ.get("CC", "cc").split() + ["-std=gnu11", "-w", "-I" + DIST]
PREFIX = re.compile(r"(ev|evi|evring|event)_|(EV|EVI|EVRING|EVBACKEND|EVFLAG|EVRUN|EVBREAK|EVLOOP|EVUNLOOP)_")
LIBEV = {"signals", "ecb_expect_true", "ecb_expect_false"}  # names of libev's insides that perl's EV and gevent use
PUBLIC = '#include "ev.h"\n#include "ev_mailbox.h"\n#include "ev_op.h"\n#include "ev_stream.h"\n'
INCLUDED = '#include "ev.c"\n'
WAYS = {"plain": [], "standalone": ["-DEV_STANDALONE=1"], "one loop": ["-DEV_MULTIPLICITY=0"], "without a ring": ["-DEV_USE_IOURING=0"],
        "little": ["-DEV_FEATURES=0"]}

# What whoever includes the file may call a thing of theirs; without the prefixes each of these met one of ours.
PROGRAM = """
#define TRIES 3
#define CALLS 4
static ev_pool *pool;
struct heap { int size; };
enum { CACHED = 1, REPEATS = 2 };
static int rings (struct heap *heap) { return heap->size + TRIES + CALLS + CACHED + REPEATS; }
int main (void) { struct heap heap = { 1 }; return !(rings (&heap) == 11 && !pool && !O_PATH == 0 && ev_version_major () == 4); }
"""


def run(*command, text=None):
    return subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE).stdout


def machine():
    """The public headers, and all that the file includes of the machine's, whose names are not counted as ours."""
    with open(DIST + "/ev.c", encoding="utf-8") as file:
        found = sorted(set(re.findall(r"^\s*#\s*include (<[^>]+>)", file.read(), re.M)))
    return "#define _GNU_SOURCE\n" + PUBLIC + "".join("#if __has_include(%s)\n#include %s\n#endif\n" % (name, name) for name in found)


def macros(text, flags):
    return set(re.findall(r"^#define (\w+)", run(*CC, *flags, "-dM", "-E", "-xc", "-", text=text), re.M))


def file_scope(text, flags):
    """Functions, variables, types and constants of the outermost scope, from what the compiler tells debuggers."""
    options = ["-g", "-gdwarf-4", "-O0", "-fno-eliminate-unused-debug-types", "-fno-eliminate-unused-debug-symbols"]
    with tempfile.TemporaryDirectory() as folder:
        run(*CC, *flags, *options, "-xc", "-c", "-o", folder + "/it.o", "-", text=text)
        told = run("readelf", "--debug-dump=info", "--wide", folder + "/it.o")
    kinds = "subprogram|variable|structure_type|union_type|enumeration_type|typedef"
    names = set()
    for entry in re.split(r"^ *(?=<\d+><[0-9a-f]+>: Abbrev)", told, flags=re.M)[1:]:
        depth, kind = re.match(r"<(\d+)>.*\(DW_TAG_(\w+)\)", entry).groups() if "DW_TAG" in entry else ("", "")
        outer = re.fullmatch(kinds, kind) and depth == "1" or kind == "enumerator" and depth == "2"
        name = re.search(r"DW_AT_name +: (?:\(.*?\): )?(\w+)", entry)
        if name and outer and "DW_AT_declaration" not in entry:  # not what is only called
            names.add(name[1])
    return names


class NamesTest(unittest.TestCase):
    def test_every_name_at_file_scope_shows_whose_it_is(self):
        for way, flags in WAYS.items():
            with self.subTest(way):
                names = file_scope(INCLUDED, flags) - file_scope(machine(), flags)
                self.assertGreater(len(names), 300)
                self.assertEqual({name for name in names if not PREFIX.match(name)} - LIBEV, set())

    def test_no_macro_stays_but_those_of_the_headers_and_the_knobs(self):
        for way, flags in WAYS.items():
            with self.subTest(way):
                left = macros(INCLUDED, flags) - macros(machine(), flags)
                self.assertIn("EV_USE_EPOLL", left)
                self.assertEqual({name for name in left if not re.match(r"EV_[A-Z]", name)} - LIBEV, set())

    def test_a_macro_of_the_system_is_there_afterwards(self):
        for name in ("O_PATH", "O_TMPFILE", "AT_EMPTY_PATH", "SYS_openat2"):
            self.assertEqual(name in macros(INCLUDED, []), name in macros(machine(), []), name)

    def test_a_program_may_use_the_same_names_before_and_after(self):
        program = "#define RIDES 5\nenum { DIRECT = RIDES };\n" + INCLUDED + PROGRAM
        with tempfile.TemporaryDirectory() as folder:
            run(*CC, "-DEV_STANDALONE=1", "-xc", "-o", folder + "/program", "-", "-lpthread", text=program)
            run(folder + "/program")


if __name__ == "__main__":
    unittest.main()
