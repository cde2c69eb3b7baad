#!/usr/bin/env python3
"""Do the layers of src/ hold? Reads its #include and #if lines, and says what breaks a rule:

- arrows: base ← core ← {backend, watch, ops} ← loop. Siblings do not know each other, with one door:
  ops/on_ring.h uses backend/loopring.h. Nobody includes loop/. Nobody includes a .c file but ev.c.
- ev.c, the table of contents, lists every .c file once, rooms in that order.
- outside base/features.h, base/sys.* and backend/ only resolved knobs (EV_USE_…, EV_…_ENABLE, …) may appear
  in an #if: what the kernel, the libc or the compiler is like is no other room's business.

Usage: arrows.py [SRC]. Exit code 1 when something is broken."""
import os
import re
import sys

KNOWS = {
    "base": {"base"},
    "core": {"base", "core"},
    "backend": {"base", "core", "backend"},
    "watch": {"base", "core", "watch"},
    "ops": {"base", "core", "ops"},
    "stream": {"base", "core", "stream"},
    "loop": {"base", "core", "backend", "watch", "ops", "stream", "loop"},
}
ORDER = ["base", "core", "backend", "watch", "ops", "stream", "loop"]
DOORS = {("ops/on_ring.h", "backend/loopring.h")}
PUBLIC = {"ev.h", "ev_mailbox.h", "ev_op.h", "ev_stream.h", "ev++.h", "config.h"}
KNOB = re.compile(r"EV_USE_\w+|EV_\w+_ENABLE|EV_MULTIPLICITY|EV_VERIFY|EV_MINPRI|EV_MAXPRI|EV_COMPAT3|EV_FEATURE_\w+|"
                  r"EV_API_STATIC|EV_PID_HASHSIZE|EV_NSIG|EVI_\w+")
MAY_ASK = re.compile(r"base/(features\.h|base\.h|sys(_op)?\.[ch])|backend/")


def sources(src):
    found = [os.path.relpath(os.path.join(folder, name), src)
             for folder, _, names in os.walk(src) for name in names if name.endswith((".c", ".h"))]
    return sorted(found)


def lines(src, file):
    """Numbered lines, comments blanked out, continued lines joined to their first."""
    with open(os.path.join(src, file), encoding="utf-8") as stream:
        text = stream.read()
    text = re.sub(r"/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text).replace("\\\n", "  ")
    return enumerate(text.split("\n"), 1)


def target(file, included):
    """What an #include "…" means, relative to src; None for a public header."""
    if included in PUBLIC or included.startswith("linux/"):
        return None
    return os.path.normpath(os.path.join(os.path.dirname(file), included))


def check_arrow(file, included, files):
    goal = target(file, included)
    if goal is None:
        return None
    if goal not in files:
        return "includes %s, which is not in src" % included
    if goal.endswith(".c"):
        return "includes the source file " + goal
    room, other = os.path.dirname(file), os.path.dirname(goal)
    if other not in KNOWS.get(room, ()) and (file, goal) not in DOORS:
        return "points at %s: %s may know only %s" % (goal, room, ", ".join(sorted(KNOWS.get(room, ()))))
    return None


def check_condition(file, line):
    if MAY_ASK.match(file):
        return None
    match = re.match(r"\s*#\s*(ifdef|ifndef|if|elif)\b(.*)", line)
    words = re.findall(r"[A-Za-z_]\w*", match.group(2)) if match else []
    strange = [word for word in words if word != "defined" and not KNOB.fullmatch(word)]
    return "asks for %s: only base/features.h, base/sys.* and backend/ may" % ", ".join(strange) if strange else None


def check_contents(src, files):
    """ev.c, if it is there, against the files."""
    if "ev.c" not in files:
        return ["ev.c: not there"]
    listed = [match.group(1) for _, line in lines(src, "ev.c")
              for match in [re.match(r'\s*#\s*include\s+"(\w+/\w+\.c)"', line)] if match]
    faults = ["ev.c: lists %s %d times" % (file, listed.count(file)) for file in sorted(set(listed))
              if listed.count(file) > 1]
    faults += ["ev.c: does not list " + file for file in files
               if file.endswith(".c") and "/" in file and file not in listed]
    faults += ["ev.c: lists %s, which is not there" % file for file in listed if file not in files]
    ranks = [ORDER.index(os.path.dirname(file)) for file in listed if os.path.dirname(file) in ORDER]
    if ranks != sorted(ranks):
        faults.append("ev.c: rooms are not in the order " + ", ".join(ORDER))
    return faults


def main():
    src = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src")
    files = sources(src)
    faults, arrows = check_contents(src, files), 0
    for file in files:
        if file == "ev.c":
            continue
        if os.path.dirname(file) not in KNOWS:
            faults.append("%s: lies in no room of the house" % file)
        for number, line in lines(src, file):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            arrows += bool(match)
            fault = check_arrow(file, match.group(1), files) if match else check_condition(file, line)
            if fault:
                faults.append("%s:%d: %s" % (file, number, fault))
    print("\n".join(faults + ["arrows: %d files, %d includes, %d faults" % (len(files), arrows, len(faults))]))
    return bool(faults) or not files


if __name__ == "__main__":
    sys.exit(main())
