#!/usr/bin/env python3
"""What a run of the suite amounts to, read from meson's log: per suite how many programs and tests ran, failed
and were skipped, every reason for a skip, and how to repeat a failure. Every test program of ours ends with a
line "N run, N failed, N skipped"; others count as one test.

Usage: summary.py BUILD [LOG]. LOG is testlog unless said; meson names it after its wrapper. Exit code 1 when something failed, or when nothing ran."""
import collections
import json
import os
import re
import sys

COUNTS = re.compile(r"^(\d+) run, (\d+) failed, (\d+) skipped$", re.M)
SKIP_CODE = 77


def count(entry):
    """(run, failed, skipped) of one program. One that failed without saying how is one failure."""
    found = COUNTS.findall(entry.get("stdout", ""))
    run, failed, skipped = [int(number) for number in found[-1]] if found else (1, 0, 0)
    if entry["result"] == "SKIP" or (not found and entry.get("returncode") == SKIP_CODE):
        return 0, 0, 1
    if entry["result"] not in ("OK", "EXPECTEDFAIL"):
        failed = max(failed, 1)
    return run, failed, skipped


def main():
    build, name_of_log = (sys.argv[1:] + ["testlog"])[:2]
    totals, reasons, failures, seconds = {}, collections.Counter(), [], 0
    with open(os.path.join(build, "meson-logs", name_of_log + ".json"), encoding="utf-8") as log:
        entries = [json.loads(line) for line in log]
    for entry in entries:
        suites, _, name = entry["name"].rpartition(" / ")  # "evring:api / timer"
        suite = suites.rpartition(":")[2] or "other"
        numbers = (1, *count(entry))
        totals[suite] = [a + b for a, b in zip(totals.get(suite, [0] * 4), numbers)]
        named = [line[8:] for line in entry.get("stdout", "").split("\n") if line.startswith("skipped ")]
        if entry["result"] == "SKIP" and not named:
            named = [name + ": it gives no reason"]
        reasons.update(named)
        seconds += entry["duration"]
        if numbers[2]:
            failures.append(name)
    print("\n%-20s %9s %7s %7s %7s" % ("suite", "programs", "run", "failed", "skipped"))
    for suite, numbers in sorted(totals.items()):
        print("%-20s %9d %7d %7d %7d" % (suite, *numbers))
    for reason, times in sorted(reasons.items()):
        print("skipped: " + reason + (" (%d times)" % times if times > 1 else ""))
    for name in failures:
        print("failed: %s   repeat with: meson test -C %s -v %s" % (name, build, name))
    programs, run, failed, skipped = [sum(column) for column in zip(*totals.values())] if totals else [0] * 4
    print("\n%d programs, %d minutes of work" % (programs, round(seconds / 60)))
    print("%d passed, %d failed, %d skipped" % (run - failed, failed, skipped))
    return bool(failed) or not run


if __name__ == "__main__":
    sys.exit(main())
