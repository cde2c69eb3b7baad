#!/usr/bin/env python3
"""tools/amalgamate.py: what it does to a small tree, and to ours.

usage: amalgamate_test.py SOURCE-ROOT"""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))
import amalgamate  # noqa: E402  (the path has to be set first)


class SmallTree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, *lines):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def code(self, **options):
        """The amalgamation of src/ev.c without comments and empty lines."""
        text, _ = amalgamate.amalgamate(self.root / "src/ev.c", [self.root / "src", self.root / "include"],
                                        **options)
        return [line for line in text.splitlines() if line and not line.startswith("/*")]

    def test_files_are_written_out_in_order_and_once(self):
        self.write("src/ev.c", '#include "room/a.c"', '#include "room/b.c"', "int end;")
        self.write("src/room/a.c", '#include "../base/base.h"', "int a;")
        self.write("src/room/b.c", '#include "base/base.h"', "int b;")
        self.write("src/base/base.h", "int base;")
        self.assertEqual(self.code(), ["int base;", "int a;", "int b;", "int end;"])

    def test_include_guards_are_no_conditions(self):
        self.write("src/ev.c", '#include "a.h"')
        self.write("src/a.h", "#ifndef A_H", "#define A_H", '#include "b.h"', "#endif")
        self.write("src/b.h", "int b;")
        self.assertEqual(self.code(), ["#ifndef A_H", "#define A_H", "int b;", "#endif"])

    def test_first_include_under_a_condition_is_refused(self):
        self.write("src/ev.c", "#if SOMETIMES", '#include "a.h"', "#endif", '#include "a.h"')
        self.write("src/a.h", "int a;")
        self.assertRaisesRegex(amalgamate.Trouble, "under a condition", self.code)

    def test_condition_inside_a_guarded_header_counts(self):
        self.write("src/ev.c", '#include "a.h"')
        self.write("src/a.h", "#ifndef A_H", "#ifndef B_H", '#include "b.h"', "#endif", "#endif")
        self.write("src/b.h", "int b;")
        self.assertRaisesRegex(amalgamate.Trouble, "under a condition", self.code)

    def test_later_include_under_a_condition_vanishes(self):
        self.write("src/ev.c", '#include "a.h"', "#if SOMETIMES", '#include "a.h"', "#endif")
        self.write("src/a.h", "int a;")
        self.assertEqual(self.code(), ["int a;", "#if SOMETIMES", "#endif"])

    def test_includes_of_others_stay(self):
        lines = ["#include <stdio.h>", '#include "config.h"', "#include EV_CONFIG_H"]
        self.write("src/ev.c", *lines)
        self.assertEqual(self.code(), lines)

    def test_shared_header_stays_an_include_once(self):
        self.write("src/ev.c", "#ifndef EV_H", '#include "ev.h"', "#endif", '#include "ev_op.h"')
        self.write("include/ev.h", "int ev;")
        self.write("include/ev_op.h", '#include "ev.h"', "int op;")
        self.assertEqual(self.code(), ["#ifndef EV_H", '#include "ev.h"', "#endif", "int op;"])

    def test_lines_point_to_the_originals(self):
        self.write("src/ev.c", "int first;", '#include "room/a.c"', "int third;")
        self.write("src/room/a.c", "int a;")
        self.assertEqual(
            self.code(lines=True),
            ['#line 1 "src/ev.c"', "int first;", '#line 1 "room/a.c"', "int a;", '#line 3 "src/ev.c"',
             "int third;"])


class OurTree(unittest.TestCase):
    def setUp(self):
        self.text, self.files = amalgamate.amalgamate(ROOT / "src/ev.c", [ROOT / "src", ROOT / "include"])

    def test_every_source_file_is_in(self):
        sources = {path for path in (ROOT / "src").rglob("*.[ch]") if not path.name.startswith(".")}
        self.assertEqual(sources - set(self.files), set())

    def test_every_file_is_in_once(self):
        self.assertEqual(len(self.files), len(set(self.files)))

    def test_only_ev_h_and_config_h_are_left_to_include(self):
        left = {line.split('"')[1] for line in self.text.splitlines() if amalgamate.INCLUDE.match(line)}
        self.assertEqual(left, {"ev.h", "config.h"})

    def test_stamp_names_the_version_and_the_licence(self):
        self.assertIn(f"evring {amalgamate.version()}", amalgamate.stamp())
        self.assertIn("Redistribution and use in source and binary forms", amalgamate.stamp())


if __name__ == "__main__":
    unittest.main()
