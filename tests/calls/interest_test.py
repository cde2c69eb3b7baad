#!/usr/bin/env python3
"""System calls for the usual ways of changing what is watched: on epoll what stock libev makes, one epoll_ctl per change
that is still there when the iteration ends; on a ring none besides those that enter it, and of these no more than one for
each iteration and one for each request that must be taken back at once.

Environment: INTEREST the program that plays the scenes (interest.c), EVRING_LIBDIR the folder with our libev.so.4. Run with parts of
test names as arguments to choose tests. Stock libev, where it is installed, is held to the same numbers: they would not be right
otherwise."""
import collections
import ctypes.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "command"))
import report  # noqa: E402

TIMES = 8  # so often does a scene do its thing; interest.c knows it as well
SECONDS = 60 * int(os.environ.get("TIME_FACTOR", "1"))
SKIP = 77
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "clock_gettime"}  # one per iteration, whatever they are here
EPOLL, URING = 4, 0x80

# scene: calls of epoll_ctl, enters of the ring at most, calls that the scene itself makes
EXPECTED = {
    "answers": (0, TIMES + 1, {}),
    "changed_in_its_own_callback": (TIMES, TIMES + 1, {}),
    "modified_in_its_own_callback": (TIMES, TIMES + 1, {}),
    "changed_twice_in_an_iteration": (TIMES, TIMES + 1, {}),
    "changed_there_and_back": (TIMES, TIMES + 1, {}),
    "set_to_the_same_again": (TIMES, TIMES + 1, {}),
    "restarted_in_its_own_callback": (0, TIMES + 1, {}),
    "changed_in_another_callback": (TIMES, TIMES + 1 + TIMES // 2, {}),
    "started_for_the_first_time": (TIMES - 1, 1, {}),
    "restarted_while_idle": (0, 2 * TIMES, {}),
    "restarted_while_idle_an_iteration_later": (TIMES, 2 * TIMES, {}),
    "stopped_and_closed": (0, TIMES, {"close": TIMES}),
    "closed_and_opened_anew": (TIMES, 2 * TIMES, {"close": 2 * TIMES, "socketpair": TIMES}),
}

# What a ring asks the kernel besides, at most: of a new number whether it serves; and of a descriptor that was stopped while
# it was idle, which is watched through an epoll set from then on, no more than on epoll.
ASKED = {
    "changed_in_another_callback": TIMES,
    "started_for_the_first_time": TIMES,
    "restarted_while_idle": 1,
    "restarted_while_idle_an_iteration_later": TIMES,
    "closed_and_opened_anew": TIMES,
}

# Known to be red. Whoever mends one takes it off: a test in this list that passes is a failure.
RED = set()


def why_not():
    """Why system calls cannot be counted here, or None."""
    if not shutil.which("strace"):
        return "strace is not installed"
    if subprocess.run(["strace", "-o", os.devnull, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        return "strace may not trace here"
    return None


def stock_folder():
    name = ctypes.util.find_library("ev")
    for line in subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout.splitlines():
        if name and line.strip().startswith(name + " "):
            return os.path.dirname(line.split("=> ")[1].strip())
    return None


def traced(folder, backend):
    """What strace saw, or the reason for a skip."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LIBEV", "EVRING", "LD_"))}
    environment["LD_LIBRARY_PATH"] = folder
    with tempfile.NamedTemporaryFile("r") as log:
        done = subprocess.run(["strace", "-s", "80", "-o", log.name, os.environ["INTEREST"], str(backend)], env=environment,
                              timeout=SECONDS, capture_output=True, text=True, check=False)
        if done.returncode == SKIP:
            raise unittest.SkipTest("no such backend here")
        lines = log.read().splitlines()
    if done.returncode:
        raise AssertionError("interest ended with %d: %s" % (done.returncode, done.stderr))
    if not any(re.match(r'open\w*\(.*"%s/libev\.so\.4", .*= \d+$' % re.escape(folder), line) for line in lines):
        raise AssertionError("it was not the libev.so.4 in %s that was counted" % folder)
    return lines


def counted(lines):
    """scene → name of a call → how often, between its marks."""
    scenes, current = {}, None
    for line in lines:
        mark = re.match(r'write\(-1, "(begin|end) (\w+)"', line)
        if mark:
            current = scenes.setdefault(mark.group(2), collections.Counter()) if mark.group(1) == "begin" else None
        elif current is not None and re.match(r"\w+\(", line):
            current[line.split("(")[0]] += 1
    return scenes


class Calls(unittest.TestCase):
    """The tests are made below: one for each scene on each backend."""

    maxDiff = None
    seen = {}  # (folder, backend) → counts of its one run

    def counts(self, folder, backend, scene):
        if (folder, backend) not in self.seen:
            self.seen[folder, backend] = counted(traced(folder, backend))
        calls = dict(self.seen[folder, backend][scene])
        return {name: times for name, times in calls.items() if name not in WAITS}

    def check_epoll(self, folder, scene):
        changes, _, own = EXPECTED[scene]
        self.assertEqual(self.counts(folder, EPOLL, scene), {**own, **({"epoll_ctl": changes} if changes else {})})

    def check_uring(self, folder, scene):
        _, enters, own = EXPECTED[scene]
        calls = self.counts(folder, URING, scene)
        self.assertLessEqual(calls.pop("io_uring_enter", 0), enters)
        self.assertLessEqual(calls.pop("epoll_ctl", 0) + calls.pop("getpeername", 0), ASKED.get(scene, 0))
        self.assertEqual(calls, own)


def make_test(where, scene):
    def test(self):
        reason = why_not()
        folder = stock_folder() if where == "stock" else os.path.realpath(os.environ["EVRING_LIBDIR"])
        if reason or not folder:
            self.skipTest(reason or "libev is not installed")
        check = self.check_uring if where == "uring" else self.check_epoll
        check(folder, scene)

    test.__name__ = "test_%s_%s" % (where, scene)
    return unittest.expectedFailure(test) if test.__name__ in RED else test


for backend_name in ("stock", "epoll", "uring"):
    for scene_name in EXPECTED:
        made = make_test(backend_name, scene_name)
        setattr(Calls, "test_%s_%s" % (backend_name, scene_name), made)


class List(unittest.TestCase):
    def test_every_name_in_the_list_is_a_test(self):
        self.assertEqual([name for name in RED if not hasattr(Calls, name)], [])


if __name__ == "__main__":
    reason_to_skip = why_not()
    if reason_to_skip:
        print("skipped interest: " + reason_to_skip)
        sys.exit(SKIP)
    report.main()
