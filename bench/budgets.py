#!/usr/bin/env python3
"""budgets.py: how many instructions of the library an event may cost, and whether it still costs what the tree says.

Owns budgets.json, the numbers last recorded. Counts with callgrind, in user space, the library's own object only, as the
difference between a long and a short run, so that neither start-up nor the program around it is in the number. There is no noise
in it: the same code gives the same number. A change for the better must be recorded as well (--set), or the next one for
the worse would hide behind it.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import run

BOOK = os.path.join(run.HERE, "budgets.json")
TOLERANCE = 0.03
SHORT, LONG = 2000, 6000  # events


class Budget:
    """One number. The design states its aims for the whole process (the program's callback and libc, which nobody can
    save, are in them) or for the library alone."""

    def __init__(self, name, program, backend, aim=None, aim_is_for="process", **arguments):
        self.name, self.question = f"{name}, {backend}", name
        self.program, self.backend = program, backend
        self.aim, self.aim_is_for = aim, aim_is_for
        self.arguments = [word for key, value in arguments.items() for word in ("--" + key, str(value))]

    def aim_for_library(self, counted):
        if self.aim is None or self.aim_is_for == "library":
            return self.aim
        return self.aim - (sum(counted.values()) - counted["library"])


def watched(name, active, epoll=None, iouring=None, **arguments):
    return [Budget(f"{name}, 1000 watched, {active} active", "pipes", backend, aim, fds=1000, active=active, **arguments)
            for backend, aim in (("epoll", epoll), ("iouring", iouring))]


BUDGETS = [
    *watched("pipes", 1, epoll=430, iouring=500),
    *watched("pipes", 100, epoll=150, iouring=220),
    *watched("toggle", 100, mode="toggle"),
    Budget("operations", "ops_pairs", "iouring", 400, "library", connections=64, mode="plain"),
    Budget("operations, a deadline", "ops_pairs", "iouring", 450, "library", connections=64, mode="deadline"),
    Budget("operations, a deadline, buffer kept", "ops_pairs", "iouring", 490, "library", connections=64, mode="kept"),
    Budget("operations, no ring", "ops_pairs", "epoll", connections=64, mode="plain"),
]


# ---- counting ----------------------------------------------------------------------------------


def count_run(budget, build, folder, events):
    """Instructions by shared object between the two ends of the measured span."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LIBEV", "EVRING", "LD_"))}
    environment["LD_LIBRARY_PATH"] = folder
    with tempfile.NamedTemporaryFile("r") as out:
        command = ["valgrind", "-q", "--tool=callgrind", "--collect-atstart=no", "--callgrind-out-file=" + out.name,
                   os.path.join(build, budget.program), "--backend", budget.backend, "--events", str(events)]
        answer = json.loads(run.run_program(command + budget.arguments, environment).stdout)
        if answer["library"] != os.path.realpath(os.path.join(folder, "libev.so.4")):
            sys.exit(f"{budget.name}: loaded {answer['library']}, not the one in {folder}")
        return run.self_cost(out.name)


def count(budget, build, folder):
    """Instructions of one event by shared object, or why there are none."""
    try:
        few, many = (count_run(budget, build, folder, events) for events in (SHORT, LONG))
    except run.Skipped as why:
        return str(why)
    return {kind: round((many[kind] - few.get(kind, 0)) / (LONG - SHORT), 1) for kind in many}


def count_all(options):
    """Name of a budget → what was counted; question → what libev needs for it on epoll, to compare."""
    reference = [budget for budget in BUDGETS if options.stock and budget.program == "pipes" and budget.backend == "epoll"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ours = {budget.name: pool.submit(count, budget, options.build, options.evring) for budget in BUDGETS}
        stock = {budget.question: pool.submit(count, budget, options.build, options.stock) for budget in reference}
    return [{name: future.result() for name, future in futures.items()} for futures in (ours, stock)]


# ---- judging -----------------------------------------------------------------------------------


def circumstances(options):
    """What the numbers depend on besides our code. Under others they are shown, and not judged."""
    comment = subprocess.run(["readelf", "-p", ".comment", os.path.join(options.evring, "libev.so.4")], capture_output=True,
                             text=True, check=True).stdout
    return {
        "compiler": re.search(r"\]\s+(.*)", comment).group(1).strip(),
        "machine": platform.machine(),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "valgrind": subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip(),
    }


def verdict(now, recorded):
    if recorded is None:
        return "not recorded"
    if now > recorded * (1 + TOLERANCE):
        return "WORSE"
    return "better: record it" if now < recorded * (1 - TOLERANCE) else ""


def figure(number):
    return "–" if number is None else f"{number:.0f}"


def show(counted, stock, recorded):
    print(f"{'instructions of the library per event':45} {'now':>5} {'tree':>5} {'aim':>5} {'libev':>5}")
    for budget in BUDGETS:
        mine, its = counted[budget.name], stock.get(budget.question, {})
        if isinstance(mine, str):
            print(f"{budget.name:45} {mine}")
            continue
        numbers = (mine["library"], recorded.get(budget.name), budget.aim_for_library(mine), its.get("library"))
        columns = " ".join(f"{figure(number):>5}" for number in numbers)
        print(f"{budget.name:45} {columns}  {verdict(mine['library'], recorded.get(budget.name))}".rstrip())


def judge(counted, book, here):
    """The exit code. Numbers recorded elsewhere are no reason to fail."""
    measured = {name: mine["library"] for name, mine in counted.items() if isinstance(mine, dict)}
    wrong = [name for name, now in measured.items() if verdict(now, book["cells"].get(name))]
    print(f"budgets: {len(measured)} counted, {len(wrong)} not as recorded, {len(counted) - len(measured)} skipped")
    if book["under"] != here:
        differing = [f"{key} {book['under'].get(key)}, here {value}" for key, value in here.items()
                     if book["under"].get(key) != value]
        print("budgets: shown, not judged; recorded with " + "; ".join(differing))
        return 0
    if wrong:
        print("budgets: if that is meant to be so: ./dev bench budgets --set, and say why in the commit", file=sys.stderr)
    return 1 if wrong else 0


def record(counted, here):
    missing = [f"{name}: {why}" for name, why in counted.items() if isinstance(why, str)]
    if missing:
        sys.exit("nothing recorded, because these cannot be counted here:\n" + "\n".join(missing))
    with open(BOOK, "w") as file:
        json.dump({"under": here, "cells": {name: mine["library"] for name, mine in counted.items()}}, file, indent=2)
        file.write("\n")
    print(f"written: {BOOK}")


# ---- the door ----------------------------------------------------------------------------------


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(run.HERE, "..", "build-release", "bench"), help="where the programs are")
    parser.add_argument("--stock", default=run.stock_folder(), help="folder of the distribution's libev.so.4")
    parser.add_argument("--set", action="store_true", help="record what is counted now")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.evring = os.path.join(options.build, "..", "src")
    return options


def read_book():
    if not os.path.exists(BOOK):
        return {"under": {}, "cells": {}}
    with open(BOOK) as file:
        return json.load(file)


def main():
    options = parse()
    if not shutil.which("valgrind"):
        print("budgets: skipped, no valgrind here")
        return 0
    here, book = circumstances(options), read_book()
    counted, stock = count_all(options)
    show(counted, stock, book["cells"])
    if not options.set:
        return judge(counted, book, here)
    record(counted, here)
    return 0


if __name__ == "__main__":
    sys.exit(main())
