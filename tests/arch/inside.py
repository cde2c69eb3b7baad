#!/usr/bin/env python3
"""The half of run.py that is in the chroot: builds for the other machine, runs what it has built, writes /found.json.
usage: inside.py EMULATOR JOBS TESTS (meson's names, with commas; empty: all)"""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

EMULATOR = sys.argv[1]
JOBS, WANTED = int(sys.argv[2]), [name for name in sys.argv[3].split(",") if name]
BUILD, SOURCES = "/build", "/evring"
ROOMS = ["unit", "api", "op", "abi"]
SECONDS = 240
OPTIONS = ["-Dwerror=true", "-Dtests=enabled", "-Dstock=true", "-Ddocs=disabled", "-Dbench=disabled", "-Dfuzz=disabled",
           "-Dexamples=disabled"]
# Dumps of what programs have compiled in: ours, and the same source compiled against the installed libev's own header.
DUMPS = [("abi-layout", "abi-layout-stock"), ("abi-cxx-c++17", "abi-cxx-stock"), ("abi-noexcept-c++17", "abi-noexcept-stock")]
PROGRAMS_OF_ABI = ["abi-version", "abi-default-loop-pie"]
RESULT = re.compile(r"^(ok|not ok) \d+ - [^:]*:([^:]*):", re.M)


def built_tests():
    """{name: program} of the rooms, without the tests of lesser rings."""
    text = subprocess.run(["meson", "introspect", "--tests", BUILD], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for test in json.loads(text):
        suites = {suite.rpartition(":")[2] for suite in test["suite"]}
        if suites & set(ROOMS[:3]) and "flavours" not in suites and (not WANTED or test["name"] in WANTED):
            found[test["name"]] = [part for part in test["cmd"] if part.startswith(BUILD)][0]
    return found


def targets():
    text = subprocess.run(["meson", "introspect", "--targets", BUILD], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {target["name"]: target["filename"][0] for target in json.loads(text)}


def build():
    if not os.path.exists(BUILD + "/build.ninja"):
        subprocess.run(["meson", "setup", "--cross-file", "/cross.txt", *OPTIONS, BUILD, SOURCES], check=True,
                       stdout=subprocess.DEVNULL)
    tests, all_targets = built_tests(), targets()
    others = [all_targets[name] for pair in DUMPS for name in pair] + [all_targets[name] for name in PROGRAMS_OF_ABI]
    files = [os.path.relpath(file, BUILD) for file in [*tests.values(), *others]]
    done = subprocess.run(["ninja", "-C", BUILD, "-k", "0", "-j", str(JOBS), *files], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print("\n".join(line for line in done.stdout.splitlines() if re.search(r"FAILED|error|warning|\^", line))[-8000:])
        sys.exit(1)
    return tests, all_targets


def beyond_emulator():
    """{program: reason}, for the whole programs of the list."""
    with open(SOURCES + "/tests/arch/emulator.txt", encoding="utf-8") as file:
        return dict(re.findall(r"^program:(\S+) (.*)$", file.read(), re.M))


def environment(log):
    return {**os.environ, "CK_TAP_LOG_FILE_NAME": log, "TIME_FACTOR": "2", "BACKEND": "epoll,poll,select",
            "ENGINE": "ready,ready@poll,ready@select", "SKIP_LIST": SOURCES + "/tests/arch/emulator.txt"}


def run_program(name, program):
    """(name, results [(passed, test@turn)], lines of output, status); ends with its whole process group."""
    with tempfile.TemporaryDirectory() as folder:
        log = folder + "/tap"
        process = subprocess.Popen([EMULATOR, program], env=environment(log), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            output, status = process.communicate(timeout=SECONDS)[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, status = process.communicate()[0], "did not end"
        text = open(log, encoding="utf-8").read() if os.path.exists(log) else ""
    print("%-16s %s" % (name, output.splitlines()[-1] if output else status), flush=True)
    return name, [(found[0] == "ok", found[1]) for found in RESULT.findall(text)], output.splitlines(), status


def column_of(test):
    """The backend of a turn: ready@poll is poll, ready is epoll."""
    turn = test.partition("@")[2]
    if not turn:
        return "once"
    return "epoll" if turn == "ready" else turn.rpartition("@")[2]


def output_of(program):
    return subprocess.run([EMULATOR, program], check=False, stdout=subprocess.PIPE, text=True).stdout


def check_abi(all_targets, found):
    """Layouts, constants and mangled names as libev's own header gives them on this machine."""
    for ours, theirs in DUMPS:
        one, other = output_of(all_targets[ours]), output_of(all_targets[theirs])
        note(found, "abi", one == other and len(one) > 100, ours + " differs from what libev's header gives")
        if one != other:
            lines = set(one.splitlines()) ^ set(other.splitlines())
            print("\n".join(sorted(lines)[:20]))
    for name in PROGRAMS_OF_ABI:
        note(found, "abi", subprocess.run([EMULATOR, all_targets[name]], check=False).returncode == 0, name)


def note(found, column, passed, failure):
    numbers = found["counts"].setdefault(column, [0, 0])
    numbers[0] += 1
    numbers[1] += not passed
    if not passed:
        found["failures"].append(failure)


def main():
    tests, all_targets = build()
    beyond = beyond_emulator()
    found = {"counts": {}, "failures": [], "skipped": ["%s: %s" % (name, beyond[name]) for name in tests if name in beyond]}
    tests = {name: program for name, program in tests.items() if name not in beyond or name in WANTED}
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for name, results, lines, status in pool.map(lambda item: run_program(*item), tests.items()):
            skipped = [line[len("skipped "):] for line in lines if line.startswith("skipped ")]
            found["skipped"] += skipped
            names = {line.partition(": ")[0] for line in skipped}
            for passed, test in results:
                if test not in names:
                    note(found, column_of(test), passed, "%s %s" % (name, test))
            if status not in (0, 1) or not results or (status and all(passed for passed, _ in results)):
                note(found, "once", False, "%s: status %s" % (name, status))
            if status:
                print("\n".join("| " + line for line in lines if re.search(r":[FE]:|repeat", line)), flush=True)
    if not WANTED:
        check_abi(all_targets, found)
    with open("/found.json", "w", encoding="utf-8") as file:
        json.dump(found, file)


main()
