#!/usr/bin/env python3
"""tools/evring-gdb.py says of a stopped program, and of a core, what the library says of itself.

Environment: EVRING_GDB the script, EVRING_SOURCE the folder with src and include, EVRING_LIBDIR the folder with
our libraries, CC. Run with parts of test names as arguments to choose tests."""
import ast
import glob
import os
import re
import resource
import shutil
import subprocess
import tempfile
import unittest

import report

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.environ["EVRING_GDB"]
SOURCE = os.environ["EVRING_SOURCE"]
LIBDIR = os.path.realpath(os.environ["EVRING_LIBDIR"])
CC = os.environ.get("CC", "cc").split()
SECONDS = 60 * int(os.environ.get("TIME_FACTOR", "1"))
BACKENDS = {"io_uring": 0x80, "epoll": 4, "poll": 2, "select": 1}
FILTER_UNSHARED, FILTER_RING = "0x31", "0x3b"  # without, and with memory that is shared
EV_C = [os.path.join(SOURCE, "src", "ev.c"), "-I", os.path.join(SOURCE, "src"), "-DEV_STANDALONE=1",
        "-fno-strict-aliasing", "-lpthread", "-lm"]
PROGRAMS = {
    "evring": ["-g", LIBDIR + "/libevring.so", "-Wl,-rpath," + LIBDIR],
    "libev": ["-g", LIBDIR + "/libev.so.4", "-Wl,-rpath," + LIBDIR],
    # its copy of ev_default_loop_ptr is the one that counts
    "fixed": ["-g", "-fno-pie", "-no-pie", LIBDIR + "/libevring.so", "-Wl,-rpath," + LIBDIR],
    "embedded": ["-g", "-O1", *EV_C],
    "one-loop": ["-g", "-O1", "-DEV_MULTIPLICITY=0", *EV_C],
    "bare": ["-g0", *EV_C],
}


def why_not():
    """Why gdb cannot be used here, or None."""
    if not shutil.which("gdb"):
        return "gdb is not installed"
    if "3" not in gdb("-ex", "python print(1 + 2)").splitlines():
        return "this gdb has no Python"
    return None


def environment(**changes):
    env = {name: value for name, value in os.environ.items()
           if name not in ("LIBEV_FLAGS", "EVRING_STATS", "EVRING_OPS", "DEBUGINFOD_URLS")}
    env["LC_ALL"] = "C"
    env.update(changes)
    return env


def gdb(*arguments, env=None):
    return subprocess.run(["gdb", "-nx", "-batch", *arguments], env=env or environment(), timeout=SECONDS, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def asking(commands):
    """Arguments that give gdb our commands, each behind a line that tells its answer from the others."""
    arguments = ["-x", SCRIPT]
    for number, command in enumerate(commands):
        arguments += ["-ex", r"echo \n=== %d\n" % number, "-ex", command]
    return arguments + ["-ex", r"echo \n=== end\n"]


def answers(text):
    """One list of lines for each command."""
    return [part.strip("\n").split("\n") for part in re.split(r"^=== \w+$", text, flags=re.M)[1:-1]]


def without_ring(lines):
    return [line for line in lines if not line.startswith("ring: ") or "set-up" in line]


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


REASON = why_not()


@unittest.skipIf(REASON, REASON)
class GdbTest(unittest.TestCase):
    """Compiles each way to have the library once; every test gets a folder of its own."""

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="evring-gdb-")
        for name, options in PROGRAMS.items():
            subprocess.run(CC + ["-std=gnu11", "-w", "-I", os.path.join(SOURCE, "include"), "-o", cls.program(name),
                                 os.path.join(HERE, "asleep.c"), *options], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)

    @classmethod
    def program(cls, name):
        return os.path.join(cls.shared, name)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="test-", dir=self.shared)

    def path(self, name):
        return os.path.join(self.folder, name)

    def stop(self, name, backend, *commands, env=None):
        """What gdb answers about a program that has stopped; afterwards the program goes on to its end."""
        text = gdb("-ex", "break stop_here", "-ex", "run", *asking(commands), "-ex", "continue", "--args",
                   self.program(name), str(BACKENDS[backend]), self.path("dump"), env=env)
        if "exited with code 0115]" in text:  # 77
            self.skipTest("no loop on %s here" % backend)
        self.skip_without_means(name, text)
        found = answers(text)
        self.assertEqual(len(found), len(commands), text)
        self.assertIn("exited normally", text)
        return found

    def skip_without_means(self, name, text):
        if "Could not trace the inferior process" in text or "ptrace: Operation not permitted" in text:
            self.skipTest("tracing is not allowed here")
        if name in ("evring", "libev", "fixed") and "no debug information of the library" in text:
            self.skipTest("the library was built without debug information")

    def assert_written(self, found):
        """Word for word what ev_dump has said, where the ring can be looked at."""
        written = self.written()
        self.assertEqual([without_ring(lines) for lines in found], [without_ring(lines) for lines in written])
        if any("cannot be read here" in line for line in found[0]):
            self.skipTest("this kernel shows a ring's memory to nobody")
        self.assertEqual(found, written)

    def core(self, name, backend, coredump_filter):
        """The core of a program that has aborted."""
        def prepare():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            with open("/proc/self/coredump_filter", "w", encoding="ascii") as file:
                file.write(coredump_filter)

        pattern = read_lines("/proc/sys/kernel/core_pattern")[0]
        if pattern.startswith("|") or "/" in pattern:
            self.skipTest("cores do not lie where their program ran: " + pattern)
        if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
            self.skipTest("no cores are allowed here")
        result = subprocess.run([self.program(name), str(BACKENDS[backend]), self.path("dump"), "abort"],
                                cwd=self.folder, env=environment(), timeout=SECONDS, preexec_fn=prepare)
        if result.returncode == 77:
            self.skipTest("no loop on %s here" % backend)
        found = glob.glob(self.path("*core*"))
        self.assertEqual(len(found), 1, "one core of %s: %s" % (result, found))
        os.rename(found[0], self.path("kept"))
        return self.path("kept")

    def look(self, name, core, *commands):
        text = gdb(self.program(name), core, *asking(commands))
        self.skip_without_means(name, text)
        found = answers(text)
        self.assertEqual(len(found), len(commands))
        return found

    def written(self):
        """What ev_dump has said: of the loop, and of the other one."""
        lines = read_lines(self.path("dump"))
        starts = [number for number, line in enumerate(lines) if line.startswith("loop ")] + [len(lines)]
        return [lines[start:end] for start, end in zip(starts, starts[1:])]


class StoppedTest(GdbTest):
    def test_the_dump_of_a_stopped_program_is_what_ev_dump_says(self):
        for backend in BACKENDS:
            for engine in ("ready", ""):
                with self.subTest(backend=backend, engine=engine):
                    found = self.stop("evring", backend, "evring dump", "evring dump other",
                                      env=environment(EVRING_OPS=engine))
                    self.assert_written(found)
                    state = "is with the ring" if backend == "io_uring" and not engine else "waits for readiness"
                    self.assertRegex(found[0][-2], r"^op recv on fd \d+ " + state)
                    self.assertRegex(found[0][-1], r"^op recv on fd \d+ waits for its turn$")

    def test_the_statistics_are_what_EVRING_STATS_says(self):
        for backend in BACKENDS:
            with self.subTest(backend=backend):
                stats = self.path("stats-" + backend)
                found = self.stop("evring", backend, "evring stats", "evring stats other",
                                  env=environment(EVRING_STATS=stats))
                self.assertEqual([line for lines in found for line in lines], read_lines(stats))
                self.assertIn(" op_starts 2", found[0][0])

    def test_it_is_the_same_however_the_library_came_into_the_program(self):
        for name in ("libev", "fixed", "embedded"):
            with self.subTest(program=name):
                self.assertEqual(self.stop(name, "epoll", "evring dump", "evring dump other"), self.written())
        with self.subTest(program="one-loop"):
            self.assertEqual(self.stop("one-loop", "epoll", "evring dump"), self.written())

    def test_a_loop_is_found_by_any_expression(self):
        found = self.stop("evring", "epoll", "evring dump other", "evring dump (void *) other",
                          "evring dump (long) other", "evring dump *other")
        self.assertEqual(found, [self.written()[1]] * 4)

    def test_loops_are_listed(self):
        first = "^loop 0x[0-9a-f]+: epoll, .*, the default loop$"
        second = "^loop 0x[0-9a-f]+: select, .* pending$"
        alone, = self.stop("evring", "epoll", "evring loops")
        self.assertEqual(len(alone), 1)
        self.assertRegex(alone[0], first)
        for command, env in (("evring loops other", environment()),
                             ("evring loops", environment(EVRING_STATS=self.path("stats")))):
            both, = self.stop("evring", "epoll", command, env=env)
            self.assertEqual(len(both), 2, both)
            self.assertRegex(both[0], first)
            self.assertRegex(both[1], second)

    def test_watchers_are_shown_with_their_callbacks(self):
        lines, = self.stop("evring", "epoll", "evring watchers")
        for pattern in (r"io 0x\w+: io_cb, fd \d+, read\+write", r"io 0x\w+: io_cb, fd \d+, read",
                        r"timer 0x\w+: timer_cb, in \d+\.\d+ s, pending", r"periodic 0x\w+: periodic_cb, in \d+\.\d+ s",
                        r"prepare 0x\w+: prepare_cb", r"async 0x\w+: async_cb",
                        r"op 0x\w+: op_cb, recv on fd \d+, waits for readiness",
                        r"op 0x\w+: op_cb, recv on fd \d+, waits for its turn"):
            self.assertEqual(len([line for line in lines if re.fullmatch(pattern, line)]), 1, (pattern, lines))

    def test_a_damaged_part_does_not_hide_the_others(self):
        rows = "((struct ev_loop *) ev_default_loop_ptr)->fds.rows"
        dump = self.stop("evring", "epoll", "set $rows = " + rows, "set var %s = 16" % rows, "evring dump",
                         "set var %s = $rows" % rows)[2]
        said = [line for line in self.written()[0] if not line.startswith("fd ")]
        self.assertEqual([line for line in dump if "cannot be read" not in line], said)
        self.assertEqual(len(dump), len(said) + 1)


class CoreTest(GdbTest):
    def test_a_core_with_the_rings_memory_tells_everything(self):
        for backend in BACKENDS:
            with self.subTest(backend=backend):
                core = self.core("evring", backend, FILTER_RING)
                self.assert_written(self.look("evring", core, "evring dump", "evring dump other"))

    def test_a_core_without_the_rings_memory_says_so(self):
        core = self.core("evring", "io_uring", FILTER_UNSHARED)
        dump, stats = self.look("evring", core, "evring dump", "evring stats")
        self.assertEqual(without_ring(dump), without_ring(self.written()[0]))
        tail = re.search(r"ring: submissions .*, tail (\d+),", "\n".join(self.written()[0])).group(1)
        self.assertIn("cannot be read here; %s submissions taken" % tail, "\n".join(dump))
        self.assertIn(" backend io_uring ", stats[0])

    def test_a_core_that_gdb_has_written_tells_the_same(self):
        for backend in ("io_uring", "epoll"):
            with self.subTest(backend=backend):
                core = self.path("core-" + backend)
                self.stop("evring", backend, "generate-core-file " + core)
                dump, other = self.look("evring", core, "evring dump", "evring dump other")
                self.assertEqual([without_ring(dump), other], [without_ring(self.written()[0]), self.written()[1]])


class RefusalTest(GdbTest):
    def test_a_program_without_debug_information_is_told_so(self):
        for command in ("evring loops", "evring dump", "evring watchers", "evring stats", "evring dump 16"):
            found = answers(gdb(self.program("bare"), *asking([command])))
            self.assertEqual(len(found[0]), 1, found)
            self.assertIn("no debug information of the library", found[0][0])

    def test_what_is_no_loop_is_refused(self):
        found = self.stop("evring", "epoll", "evring dump 16", "evring stats &other", "evring dump nothing",
                          "evring dump $sp", "evring foo")
        for lines, words in zip(found, ("no loop at 0x10", "no loop at", 'No symbol "nothing"', "no loop at",
                                        'no command "evring foo"')):
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(words, lines[0])

    def test_before_the_first_loop_there_is_none(self):
        text = gdb("-ex", "break main", "-ex", "run", *asking(["evring loops", "evring dump"]), "-ex", "kill",
                   self.program("embedded"))
        self.skip_without_means("embedded", text)
        loops, dump = answers(text)
        self.assertIn("no loop is known here", loops[0])
        self.assertIn("there is no default loop", dump[0])

    def test_every_command_has_a_line_of_help(self):
        found, = answers(gdb(*asking(["evring"])))
        for command in ("loops", "dump", "watchers", "stats"):
            self.assertRegex("\n".join(found), r"(?m)^evring %s -- [A-Z].*\.$" % command)


class WordsTest(unittest.TestCase):
    def test_the_script_has_the_words_of_ev_dump_for_every_state(self):
        tree = ast.parse("\n".join(read_lines(SCRIPT)))
        states, = [ast.literal_eval(node.value) for node in tree.body
                   if isinstance(node, ast.Assign) and node.targets[0].id == "STATES"]
        names = re.findall(r"\bEVI_STATE_\w+(?=,| )", "\n".join(read_lines(os.path.join(SOURCE, "src/ops/op.h"))))
        array = re.search(r"states\[\w*\] = \{(.*?)\}", "\n".join(read_lines(os.path.join(SOURCE, "src/ops/op.c"))), re.S)
        self.assertEqual(list(states.items()), list(zip(names, re.findall(r'"(.*?)"', array.group(1)))))


if __name__ == "__main__":
    report.main()
