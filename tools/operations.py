#!/usr/bin/env python3
"""How many places does an operation touch? As many as a new one may:

- its number in the list of src/ops/op.h, its row in src/ops/kinds.c, its set function in src/ops/set.c. Nowhere else in src/
  is its code spoken of: who needs to know asks its row;
- its prototype and its two macros in include/ev_op.h, its line in the class of include/ev++.h;
- a page in man/, and a test in tests/op/.

Each has each of these exactly once; pages and tests at least once.

Usage: operations.py [ROOT]. Exit code 1 when something is broken."""
import glob
import os
import re
import sys

ROOT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
LIST, ROWS, SETS = "src/ops/op.h", "src/ops/kinds.c", "src/ops/set.c"
NOT_ONE = {"NONE", "CODES"}  # an operation that was never set has the first; the last of the list
VARIANTS = r"_WHOLE$"  # what ev_op_flags makes of another one: a row, and nothing else


def read(path):
    """Without comments, and without what rows say of each other."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return re.sub(r"/\*.*?\*/|\.(whole|element) = \w+", "", stream.read(), flags=re.S)


def together(pattern):
    paths = sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True))
    return {os.path.relpath(path, ROOT): read(os.path.relpath(path, ROOT)) for path in paths}


def codes():
    listed = re.search(r"enum \{\s*EVI_CODE_NONE,(.*?)\};", read(LIST), re.S)[1]
    return [code for code in re.findall(r"EVI_CODE_(\w+)", listed) if code not in NOT_ONE and not re.search(VARIANTS, code)]


def count(text, pattern):
    return len(re.findall(pattern, text))


def places(code):
    """What an operation has, and where: (place, text, pattern)."""
    name = code.lower()
    yield "a row", read(ROWS), r"\[EVI_CODE_%s\] = \{ \"%s\"," % (code, name)
    yield "a set function", read(SETS), r"void \(ev_%s_set\) \(" % name
    header = read("include/ev_op.h")
    yield "a prototype", header, r"EV_API_DECL void ev_%s_set \([^;]*size_t op_size\) EV_NOEXCEPT;" % name
    yield "a macro that tells the size", header, r"#define ev_%s_set\(\.\.\.\) ev_%s_set \(__VA_ARGS__, sizeof \(ev_op\)\)" % (name, name)
    yield "an init", header, r"#define ev_%s_init\(" % name
    yield "a line in ev::op", read("include/ev++.h"), r"EVPP_OP \(%s," % name


def check_one(code, rooms, tests, pages):
    name = code.lower()
    for what, text, pattern in places(code):
        if count(text, pattern) != 1:
            yield "%s has %s %d times" % (name, what, count(text, pattern))
    spoken = {file: count(text, r"\bEVI_CODE_%s\b" % code) for file, text in rooms.items()}
    for file, times in spoken.items():
        if times > (1 if file in (LIST, ROWS, SETS) else 0):
            yield "%s: EVI_CODE_%s %d times: ask its row" % (file, code, times)
    if not re.search(r"\bev_%s_(set|init)\b|\bop_(begin|do) \([^;]*?\b%s," % (name, name), tests):
        yield "%s has no test in tests/op/" % name
    if not re.search(r"void ev_%s_set \(ev_op" % name, pages):
        yield "%s has no page in man/" % name


def main():
    rooms = together("src/**/*.[ch]")
    tests, pages = ("\n".join(together(pattern).values()) for pattern in ("tests/op/*_test.c", "man/*.scd"))
    everyone = codes()
    faults = [fault for code in everyone for fault in check_one(code, rooms, tests, pages)]
    print("\n".join(faults + ["operations: %d, %d faults" % (len(everyone), len(faults))]))
    return bool(faults) or len(everyone) < 20


if __name__ == "__main__":
    sys.exit(main())
