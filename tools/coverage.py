#!/usr/bin/env python3
"""Which promises have a test? Reads the ids of tests/contract-ids.txt, finds them in the tests (an id in a
comment belongs to the test it stands at), and writes tests/COVERAGE.md. Ids without a test need a reason in
tests/contract-untested.txt; one without either, or an id nobody knows, is a fault and the exit code is 1.
So is a test that a table of doc/IOURING.md names and nobody has written.

Usage: coverage.py [--check]     (--check writes nothing)"""
import fnmatch
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TESTS = os.path.join(ROOT, "tests")
ID = re.compile(r"\b(AB|GL|LP|RN|BR|RF|RE|PQ|WA|TM|IO|TI|PE|SG|CH|ST|ID|PC|FK|CL|AS|EM|ON|FE|HK|TH|LE|U)-(\d+)\b")
RANGE = re.compile(r"\b([A-Z]{1,2})-(\d+)\s*(?:to|…|\.\.)\s*(?:\1-)?(\d+)\b")
C_TEST = re.compile(r"^\s*(?:TEST|START_TEST|TEST_\w+)\s*\(\s*(\w+)")
OPEN_TEST = re.compile(r"^\s*TEST\w*\s*\(\s*$")  # the name is too long for this line
PYTHON_TEST = re.compile(r"^\s*def (test_\w+)")


def read_list(name):
    """id → text, in order."""
    entries = {}
    with open(os.path.join(TESTS, name), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                entry, _, text = line.strip().partition(" ")
                entries[entry] = text
    return entries


def test_files():
    found = []
    for folder, _, names in os.walk(TESTS):
        found += [os.path.join(folder, name) for name in names
                  if name.endswith((".c", ".cc", ".cpp", ".py", ".sh"))]
    return sorted(found)


def ids_in(line):
    ids = ["%s-%s" % match.groups() for match in ID.finditer(line)]
    for match in RANGE.finditer(line):
        ids += ["%s-%d" % (match.group(1), number) for number in range(int(match.group(2)), int(match.group(3)) + 1)]
    return ids


def claims(path):
    """(id, test) pairs. An id on the first line of a test or inside it belongs to it, one between two tests to
    the next; what is left over belongs to the file as a whole (test None)."""
    python = path.endswith(".py")
    first_line, last_line = (PYTHON_TEST, re.compile(r"\s*(def|class) ")) if python else (C_TEST, re.compile("}"))
    current, waiting, found = None, [], []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if OPEN_TEST.match(line):
                line = line.rstrip() + next(file)
            match = first_line.match(line)
            if match:
                current = match.group(1)
                found += [(entry, current) for entry in waiting]
                waiting = []
            elif last_line.match(line):
                current = None
            if current:
                found += [(entry, current) for entry in ids_in(line)]
            else:
                waiting += ids_in(line)
    return found + [(entry, None) for entry in waiting]


def collect(known):
    """id → sorted names of tests; and ids that nobody knows, with the file."""
    tests, strange = {}, []
    for path in test_files():
        short = os.path.relpath(path, TESTS)
        for entry, test in claims(path):
            if entry not in known:
                strange.append("%s names %s, which is not in contract-ids.txt" % (short, entry))
            tests.setdefault(entry, set()).add("%s: %s" % (short, test) if test else short)
    return {entry: sorted(names) for entry, names in tests.items()}, sorted(set(strange))


def all_tests():
    """Names of tests, and of the programs that hold them."""
    names = set()
    for path in test_files():
        names.add(os.path.basename(path).rsplit(".", 1)[0])
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        names.update(re.findall(r"^\s*(?:TEST|START_TEST|TEST_\w+)\s*\(\s*(\w+)", text, re.M))
        names.update(re.findall(r"^\s*def (test_\w+)", text, re.M))
    return names


def missing_tests(document):
    """Of the tests that the last column of a table names, in backticks and perhaps with a *, those that are not there."""
    names, missing = all_tests(), []
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("|"):
                continue
            cell = line.rstrip().rstrip("|").rpartition("|")[2]
            missing += ["%s names the test %s, which does not exist" % (document, name)
                        for name in re.findall(r"`([a-z0-9_*]+)`", cell) if not fnmatch.filter(names, name)]
    return missing


def table(known, tests, reasons):
    tested = [entry for entry in known if entry in tests]
    text = ["# Which promises have a test", "",
            "Made by `./dev coverage` from `contract-ids.txt`, `contract-untested.txt` and the tests themselves.", "",
            "%d of %d promises are named by a test." % (len(tested), len(known)), ""]
    missing = [entry for entry in known if entry not in tests]
    if missing:
        text += ["## Without a test", "", "| id | promise | why |", "|---|---|---|"]
        text += ["| %s | %s | %s |" % (entry, known[entry], reasons.get(entry, "**no reason given**")) for entry in missing]
        text.append("")
    text += ["## With tests", "", "| id | promise | tests |", "|---|---|---|"]
    text += ["| %s | %s | %s |" % (entry, known[entry], "<br>".join("`%s`" % name for name in tests[entry]))
             for entry in tested]
    return "\n".join(text) + "\n"


def main():
    known, reasons = read_list("contract-ids.txt"), read_list("contract-untested.txt")
    tests, faults = collect(known)
    faults += ["%s has neither a test nor a reason" % entry for entry in known
               if entry not in tests and entry not in reasons]
    faults += ["contract-untested.txt excuses %s, which %s" % (entry, "has a test" if entry in tests else "is unknown")
               for entry in reasons if entry in tests or entry not in known]
    faults += missing_tests("doc/IOURING.md")
    if "--check" not in sys.argv:
        with open(os.path.join(TESTS, "COVERAGE.md"), "w", encoding="utf-8") as file:
            file.write(table(known, tests, reasons))
    print("\n".join(faults + ["coverage: %d promises, %d with tests, %d excused, %d faults" % (
        len(known), len([entry for entry in known if entry in tests]), len(reasons), len(faults))]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
