#!/usr/bin/env python3
"""evring run, probe and the rest of the command, as a user sees them.

Environment: EVRING the command, NORING the sandbox helper, EVRING_LIBDIR the folder with our libev.so.4,
INCLUDE the folder with ev.h, CC. Run with parts of test names as arguments to choose tests."""
import glob
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
EVRING = os.environ["EVRING"]
NORING = os.environ["NORING"]
LIBDIR = os.path.realpath(os.environ["EVRING_LIBDIR"])
OURS = os.path.realpath(LIBDIR + "/libev.so.4")
INCLUDE = os.environ["INCLUDE"]
CC = os.environ.get("CC", "cc").split()
SECONDS = 20 * int(os.environ.get("TIME_FACTOR", "1"))
BACKENDS = {"io_uring": 0x80, "epoll": 4, "poll": 2, "select": 1}
NOBODY = 65534
IS_ROOT = os.getuid() == 0
SANITIZED = bool(os.environ.get("SANITIZED"))  # such a command wants /proc itself, and is no food for valgrind

HOST = """
#include <dlfcn.h>
#include <stdio.h>
int main (int argc, char **argv)
{
    void *plugin = dlopen (argv[1], RTLD_NOW);
    int (*version) (void) = plugin ? (int (*) (void)) dlsym (plugin, "plugin_main") : 0;
    if (!version) { puts (dlerror ()); return 1; }
    return version ();
}
"""
PLUGIN = """
#define main client_main
#include "client.c"
int plugin_main (void) { char *argv[] = { "plugin", NULL }; return client_main (1, argv); }
"""


# What the library heard of the environment. "own": the program becomes its file's owner for good before.
HEEDS = """
#include <ev.h>
#include <ev_op.h>
#include <errno.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>
int main (int argc, char **argv)
{
    if (argc > 1 && (setgid (getegid ()) || setuid (geteuid ())))
        return 1;
    struct ev_loop *loop = ev_default_loop (0);
    if (!loop)
        return 2;
    printf ("secure %d\\n", getauxval (AT_SECURE) != 0);
    if (ev_backend (loop) == EVBACKEND_SELECT)
        puts ("heeds LIBEV_FLAGS");
    if (ev_op_ring (loop) == -EPERM)
        puts ("heeds EVRING_OPS");
    fflush (stdout);
    return 0;
}
"""


def compile_c(source, output, *options):
    """source: a file of this folder, or text."""
    command = CC + ["-std=gnu11", "-w", "-I", INCLUDE, "-I", HERE, "-o", output]
    if source.endswith(".c"):
        subprocess.run(command + [os.path.join(HERE, source), *options], check=True)
    else:
        subprocess.run(command + ["-x", "c", "-", "-x", "none", *options], input=source.encode(), check=True)


def environment(**changes):
    env = {name: value for name, value in os.environ.items()
           if name not in ("LIBEV_FLAGS", "EVRING_STATS", "LD_PRELOAD", "LD_LIBRARY_PATH")}
    env["LC_ALL"] = "C"
    env.update(changes)
    return {name: value for name, value in env.items() if value is not None}


def evring(*arguments, env=None, command=(), **options):
    return subprocess.run([*command, EVRING, *arguments], env=env or environment(), timeout=SECONDS, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def ring_available():
    return json.loads(evring("probe", "--json").stdout)["loops"]["io_uring"]


class CommandTest(unittest.TestCase):
    """Compiles the programs once; every test gets a folder of its own."""

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="evring-command-")
        os.chmod(cls.shared, 0o755)
        cls.client = cls.shared + "/client"
        compile_c("client.c", cls.client, OURS)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="test-", dir=self.shared)
        os.chmod(self.folder, 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o755):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def copy_client(self, name="copy"):
        shutil.copy(self.client, self.path(name))
        return self.path(name)

    def install(self, folder):
        os.makedirs(folder + "/bin")
        library = os.path.join(folder, os.environ["LIBDIR_FROM_PREFIX"], "evring")
        os.makedirs(library)
        shutil.copy(EVRING, folder + "/bin/evring")
        shutil.copy(OURS, library + "/libev.so.4")
        return folder + "/bin/evring", library

    def assert_refused(self, result, code, *words):
        self.assertEqual(result.returncode, code, result)
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr.startswith("evring: "), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def assert_ours(self, result):
        libraries = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("library ")]
        self.assertEqual(result.returncode, 0, result)
        self.assertEqual([os.path.realpath(library) for library in libraries], [OURS], result)


class RunTest(CommandTest):
    def test_a_libev_program_runs_on_our_library(self):
        self.assert_ours(evring("run", self.client))

    def test_a_program_is_found_along_PATH(self):
        self.assert_ours(evring("run", "client", env=environment(PATH=self.shared + ":" + os.environ["PATH"])))

    def test_arguments_pass_unchanged(self):
        arguments = ["two words", "", "--backend=poll", "ünï", "a\nb", "'\"\\$"]
        result = evring("run", "--", self.client, *arguments)
        for number, argument in enumerate([self.client] + arguments):
            self.assertIn("argument %d <%s>\n" % (number, argument), result.stdout)

    def test_exit_codes_pass_through(self):
        for code in (0, 1, 42, 125, 255):
            self.assertEqual(evring("run", self.client, "exit=%d" % code).returncode, code)

    def test_a_program_that_dies_of_a_signal_dies_of_it(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1):
            self.assertEqual(evring("run", self.client, "raise=%d" % number).returncode, -number)

    def test_signals_reach_the_program_itself(self):
        with subprocess.Popen([EVRING, "run", self.client, "wait"], stdout=subprocess.PIPE, text=True,
                              env=environment()) as process:
            while process.stdout.readline() != "waiting\n":
                self.assertIsNone(process.poll())
            process.terminate()
            self.assertEqual(process.wait(SECONDS), 7)

    def test_standard_input_reaches_the_program(self):
        self.assertIn("hello there", evring("run", self.client, "cat", input="hello there").stdout)

    def test_each_backend_can_be_chosen(self):
        for name, bit in BACKENDS.items():
            if name == "io_uring" and not ring_available():
                continue
            with self.subTest(name):
                result = evring("run", "--backend=" + name, self.client)
                self.assertIn("backend %d\n" % bit, result.stdout)
                self.assertIn("backend %d\n" % bit, evring("run", "--backend", name, self.client).stdout)

    def test_a_program_that_heeds_no_environment_chooses_its_backend_itself(self):
        result = evring("run", "--backend=epoll", self.client, "noenv")
        self.assertIn("backend %d\n" % BACKENDS["poll"], result.stdout)

    def test_without_a_wish_LIBEV_FLAGS_stays_as_it_is(self):
        result = evring("run", self.client, env=environment(LIBEV_FLAGS="2"))
        self.assertIn("backend 2\n", result.stdout)

    def test_an_unknown_backend_is_refused(self):
        self.assert_refused(evring("run", "--backend=kqueue", self.client), 125, "kqueue", "io_uring, epoll, poll")

    def test_a_backend_that_does_not_work_here_is_refused(self):
        for denial in ("1", "kill"):
            result = evring("run", "--backend=io_uring", self.client, command=[NORING, denial])
            self.assert_refused(result, 125, "io_uring", "evring probe")

    def test_statistics_go_to_standard_error(self):
        result = evring("run", "--stats", "--backend=epoll", self.client)
        self.assert_ours(result)
        self.assertIn("epoll", result.stderr)
        self.assertIn("iterations", result.stderr)
        self.assertEqual(result.stderr.count("backend"), 1, "only the program's loop speaks")

    def test_statistics_are_appended_to_a_file_even_if_the_program_changes_its_folder(self):
        for _ in range(2):
            result = evring("run", "--stats=numbers", self.client, cwd=self.folder)
            self.assertEqual(result.stderr, "")
        with open(self.path("numbers"), encoding="utf-8") as file:
            self.assertEqual(file.read().count("iterations"), 2)

    def test_a_missing_program_is_127(self):
        self.assert_refused(evring("run", self.path("nothing")), 127, "No such file")
        self.assert_refused(evring("run", "no-such-program-anywhere"), 127, "PATH")
        self.assert_refused(evring("run", ""), 127, "empty")

    def test_a_file_that_cannot_be_executed_is_126(self):
        plain = self.write("plain", "text", 0o644)
        self.assert_refused(evring("run", plain), 126, "not executable")
        self.assert_refused(evring("run", "plain", env=environment(PATH=self.folder)), 126, "not executable")
        self.assert_refused(evring("run", self.folder), 126, "not a file")
        self.assert_refused(evring("run", self.write("text", "hello\n")), 126, "neither an ELF program")
        self.assert_refused(evring("run", self.write("empty", "")), 126, "neither an ELF program")
        self.assert_refused(evring("run", self.write("short", "\x7fELF")), 126)

    def test_a_static_program_is_refused(self):
        compile_c("int main (void) { return 0; }", self.path("static"), "-static")
        self.assert_refused(evring("run", self.path("static")), 126, "statically linked")
        compile_c("int main (void) { return 0; }", self.path("static"), "-static-pie")
        self.assert_refused(evring("run", self.path("static")), 126, "statically linked")

    def test_a_program_for_another_machine_is_refused(self):
        with open(self.client, "rb") as file:
            program = bytearray(file.read())
        program[18:20] = (40).to_bytes(2, sys.byteorder)  # e_machine: ARM
        for name, bits in (("arm64ish", program[4]), ("arm32ish", 3 - program[4])):
            program[4] = bits
            with open(self.path(name), "wb") as file:
                file.write(program)
            os.chmod(self.path(name), 0o755)
            self.assert_refused(evring("run", self.path(name)), 126, "ARM program", "-bit")

    def test_a_program_without_libev_is_refused(self):
        self.assert_refused(evring("run", "ls"), 126, "does not use libev.so.4", "--force")

    def test_force_runs_a_program_without_libev(self):
        self.assertEqual(evring("run", "--force", "echo", "a  b").stdout, "a  b\n")

    def test_force_serves_a_program_whose_plugin_loads_libev(self):
        plugin = self.path("plugin.so")
        compile_c(PLUGIN, plugin, "-shared", "-fPIC", OURS)
        compile_c(HOST, self.path("host"))
        self.assert_refused(evring("run", self.path("host"), plugin), 126, "plugin")
        self.assert_ours(evring("run", "--force", self.path("host"), plugin))

    def test_a_script_for_a_libev_program_runs(self):
        script = self.write("script", "#! %s\n" % self.client)
        result = evring("run", script, "x y")
        self.assert_ours(result)
        self.assertIn("argument 1 <%s>\nargument 2 <x y>\n" % script, result.stdout)

    def test_a_script_for_a_fifo_is_refused_and_not_waited_for(self):
        os.mkfifo(self.path("fifo"))
        script = self.write("script", "#!%s\n" % self.path("fifo"))
        self.assert_refused(evring("run", script), 126, "cannot be examined")

    def test_a_script_for_a_shell_needs_force_and_hands_evring_on(self):
        script = self.write("script", '#!/bin/sh -e\nexec "%s" "$@"\n' % self.client)
        self.assert_refused(evring("run", script), 126, "script for /bin/sh", "--force")
        self.assert_ours(evring("run", "--force", script, "x y"))

    def test_scripts_that_lead_nowhere_are_refused(self):
        self.assert_refused(evring("run", self.write("script", "#!/no/such/thing\n")), 126, "No such file")
        self.assert_refused(evring("run", self.write("script", "#!\n")), 126, "no interpreter")
        self.assert_refused(evring("run", self.write("script", "#!%s\n" % self.path("script"))), 126)

    def other_libev(self):
        """A libev.so.4 of someone else, as far as the loader can tell."""
        os.mkdir(self.path("lib"))
        shutil.copy(OURS, self.path("lib/libev.so.4"))
        return self.path("lib")

    def test_a_library_path_inside_the_program_does_not_win(self):
        folder = self.other_libev()
        for tags, preloaded in (("--disable-new-dtags", True), ("--enable-new-dtags", False)):
            with self.subTest(tags):
                compile_c("client.c", self.path("client"), "-Wl,%s,-rpath,%s" % (tags, folder), OURS)
                result = evring("run", self.path("client"))
                self.assert_ours(result)
                self.assertEqual("LD_PRELOAD=(null)" in result.stdout, not preloaded)

    def test_the_users_library_path_stays_behind_ours(self):
        result = evring("run", self.client, env=environment(LD_LIBRARY_PATH="/a:/b"))
        self.assertIn("LD_LIBRARY_PATH=%s:/a:/b\n" % LIBDIR, result.stdout)
        result = evring("run", self.client, env=environment(LD_LIBRARY_PATH=""))
        self.assertIn("LD_LIBRARY_PATH=%s\n" % LIBDIR, result.stdout)

    def test_a_libev_of_the_user_in_the_library_path_does_not_win(self):
        self.assert_ours(evring("run", self.client, env=environment(LD_LIBRARY_PATH=self.other_libev())))

    def test_a_moved_installation_finds_its_library(self):
        command, library = self.install(self.path("one"))
        os.rename(self.path("one"), self.path("two"))
        command, library = command.replace("/one/", "/two/"), library.replace("/one/", "/two/")
        os.symlink(command, self.path("evring"))
        for path in (command, self.path("evring")):
            output = subprocess.run([path, "run", self.client], env=environment(EVRING_LIBDIR=None), text=True,
                                    stdout=subprocess.PIPE, timeout=SECONDS, check=True).stdout
            self.assertIn("library %s/libev.so.4\n" % os.path.realpath(library), output)

    def test_without_our_library_nothing_is_run(self):
        result = evring("run", self.client, env=environment(EVRING_LIBDIR=self.folder))
        self.assert_refused(result, 125, "my own library is missing", self.folder)

    def test_a_library_folder_the_loader_cannot_be_told_is_refused(self):
        _, library = self.install(self.path("one:two"))
        result = evring("run", self.client, env=environment(EVRING_LIBDIR=library))
        self.assert_refused(result, 125, "colon")

    def test_wrong_options_are_refused(self):
        self.assert_refused(evring("run"), 125, "needs a program")
        self.assert_refused(evring("run", "--backend=epoll", "--"), 125, "needs a program")
        self.assert_refused(evring("run", "--wrong", self.client), 125, "--wrong")
        self.assert_refused(evring("run", "--backend"), 125, "--backend")

    @unittest.skipUnless(IS_ROOT, "needs root to make set-user-ID files")
    def test_programs_that_gain_rights_are_refused(self):
        if os.statvfs(self.folder).f_flag & os.ST_NOSUID:
            self.skipTest("the temporary folder is mounted nosuid")
        program = self.copy_client()
        os.chown(program, NOBODY, NOBODY)
        os.chmod(program, 0o4755)
        self.assert_refused(evring("run", program), 126, "set-user-ID")
        os.chmod(program, 0o2755)
        self.assert_refused(evring("run", program), 126, "set-group-ID")
        os.chown(program, 0, 0)
        os.chmod(program, 0o4755)
        self.assert_ours(evring("run", program))  # root gains nothing
        self.assert_refused(self.as_nobody("run", program), 126, "set-user-ID")
        os.chmod(program, 0o755)
        self.assert_ours(self.as_nobody("run", program))
        os.setxattr(program, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        self.assert_refused(self.as_nobody("run", program), 126, "file capabilities", "plain copy")
        self.assert_ours(self.as_nobody("run", shutil.copy(program, self.path("plain"))))
        os.removexattr(program, "security.capability")
        os.chmod(program, 0o4755)
        self.assert_ours(self.as_nobody("run", program, command=["setpriv", "--no-new-privs"]))

    def as_nobody(self, *arguments, command=(), env=None):
        """From an installation that nobody may read."""
        installed = self.shared + "/installed"
        if not os.path.exists(installed):
            self.install(installed)
        libdir = os.path.join(installed, os.environ["LIBDIR_FROM_PREFIX"], "evring")
        result = subprocess.run([*command, installed + "/bin/evring", *arguments],
                                env=env or environment(EVRING_LIBDIR=None), timeout=SECONDS, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=NOBODY, group=NOBODY,
                                extra_groups=[])
        result.stdout = result.stdout.replace(os.path.realpath(libdir) + "/libev.so.4", OURS)
        return result


CLOSED = [numbers for count in (1, 2, 3) for numbers in itertools.combinations((0, 1, 2), count)]


def with_closed(numbers):
    """A prefix to a command: these of its standard descriptors are closed."""
    return ["sh", "-c", 'exec "$@" ' + " ".join("%d>&-" % number for number in numbers), "sh"]


class StreamsTest(CommandTest):
    """Standard descriptors that are closed, or cannot be written to."""

    OPEN = """
    #include <ev.h>
    #include <fcntl.h>
    int main (void)
    {
        int open = 0;
        for (int fd = 0; fd < 3; fd++)
            open |= (fcntl (fd, F_GETFD) >= 0) << fd;
        ev_loop_destroy (ev_default_loop (0));
        return 100 + open;
    }
    """

    def test_a_program_runs_and_finds_closed_what_was_closed(self):
        compile_c(self.OPEN, self.path("open"), OURS)
        for numbers in CLOSED:
            with self.subTest(closed=numbers):
                result = evring("run", "--backend=poll", "--stats=" + self.path("stats"), self.path("open"),
                                command=with_closed(numbers), stdin=subprocess.DEVNULL)
                self.assertEqual(result.returncode, 107 - sum(1 << number for number in numbers), result)
                self.assertEqual(result.stdout + result.stderr, "")
                with open(self.path("stats"), encoding="utf-8") as file:
                    self.assertIn("backend poll", file.read())
                os.unlink(self.path("stats"))

    def test_a_program_is_refused_for_the_right_reason(self):
        for numbers in CLOSED:
            with self.subTest(closed=numbers):
                result = evring("run", "ls", command=with_closed(numbers), stdin=subprocess.DEVNULL)
                self.assertEqual(result.returncode, 126)
                self.assertEqual(result.stdout, "")
                self.assertEqual("does not use libev" in result.stderr, 2 not in numbers)

    def test_probe_finds_the_same(self):
        usual = json.loads(evring("probe", "--json").stdout)
        for numbers in CLOSED:
            with self.subTest(closed=numbers):
                result = evring("probe", "--json", command=with_closed(numbers), stdin=subprocess.DEVNULL)
                if 1 not in numbers:
                    self.assertEqual(result.returncode, 0)
                    self.assertEqual(json.loads(result.stdout), usual)
                else:
                    self.assertEqual(result.returncode, 125)
                    self.assertEqual("standard output" in result.stderr, 2 not in numbers, result.stderr)

    def test_what_cannot_be_written_is_no_success(self):
        for words in (["probe"], ["probe", "--json"], ["--help"], ["--version"]):
            with self.subTest(words), open("/dev/full", "w", encoding="utf-8") as full:
                result = subprocess.run([EVRING, *words], env=environment(), timeout=SECONDS, text=True,
                                        stdout=full, stderr=subprocess.PIPE)
                self.assertEqual(result.returncode, 125)
                self.assertIn("standard output", result.stderr)
                self.assertIn("No space left", result.stderr)


class StatsTest(CommandTest):
    """Statistics that cannot be written."""

    def test_a_path_that_cannot_be_written_is_refused_before_the_program_runs(self):
        for path, why in (("no/such/folder", "No such file"), (".", "directory")):
            with self.subTest(path):
                result = evring("run", "--stats=" + path, self.client, cwd=self.folder)
                self.assert_refused(result, 125, path, why)

    def test_a_program_that_is_refused_leaves_no_file(self):
        evring("run", "--stats=" + self.path("stats"), "ls")
        self.assertFalse(os.path.exists(self.path("stats")))

    def test_the_library_says_what_it_cannot_write(self):
        for path, why in ((self.path("no/such/folder"), "No such file"), ("/dev/full", "No space left")):
            with self.subTest(path):
                result = subprocess.run([self.client], timeout=SECONDS, text=True, check=True,
                                        env=environment(EVRING_STATS=path, LD_LIBRARY_PATH=LIBDIR),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertTrue(result.stderr.startswith("evring: EVRING_STATS: "), result.stderr)
                self.assertIn(path, result.stderr)
                self.assertIn(why, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1)

    def test_a_pipe_with_a_name_takes_them(self):
        os.mkfifo(self.path("fifo"))
        reader = os.open(self.path("fifo"), os.O_RDONLY | os.O_NONBLOCK)
        self.assert_ours(evring("run", "--stats=" + self.path("fifo"), self.client))
        self.assertIn(b"evring: pid", os.read(reader, 4096))
        os.close(reader)


@unittest.skipIf(SANITIZED, "the command is sanitized")
@unittest.skipUnless(IS_ROOT, "needs root to hide /proc")
class ProcTest(CommandTest):
    """Where /proc is not mounted: a chroot, a container that is made by hand."""

    HIDDEN = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]

    def setUp(self):
        super().setUp()
        if subprocess.run([*self.HIDDEN, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("no mount namespace to be had")

    def hidden(self, *words, **options):
        return subprocess.run([*self.HIDDEN, *words], text=True, timeout=SECONDS, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, **options)

    def test_a_program_runs(self):
        command, _ = self.install(self.path("one"))
        env = environment(EVRING_LIBDIR=None, PATH=self.path("one/bin") + ":" + os.environ["PATH"])
        for words, folder in (([command], "/"), (["./evring"], self.path("one/bin")), (["evring"], "/")):
            with self.subTest(words):
                result = self.hidden(*words, "run", "--backend=poll", "--stats", self.client, env=env, cwd=folder)
                self.assertEqual(result.returncode, 0, result)
                self.assertIn("backend 2\n", result.stdout)
                self.assertIn("evring: pid", result.stderr)

    def test_probe_says_what_it_could_not_find_out(self):
        """Whoever cannot know of filters that kill does not try a ring unasked."""
        usual = json.loads(evring("probe", "--json").stdout)
        result = self.hidden(EVRING, "probe", "--json", env=environment())
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        found = json.loads(result.stdout)
        for name in ("io_uring", "features", "setup_flags", "loops"):
            self.assertEqual(found[name], usual[name], name)
        self.assertEqual(found["seccomp"], "unknown")
        if usual["default_backend"] == "io_uring":
            self.assertEqual(found["default_backend"], "epoll")
            self.assertIn("/proc", found["why_not_io_uring"])


@unittest.skipIf(SANITIZED, "the command is sanitized")
@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class ValgrindTest(CommandTest):
    """The ways that the manual tells: nothing but what the program itself says, and no error counted."""

    VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99"]

    def assert_silent(self, result):
        self.assertEqual((result.returncode, result.stderr), (0, ""), result)
        self.assertIn("backend ", result.stdout)

    def test_valgrind_under_evring_run_is_silent(self):
        for name in ["epoll", "poll"] + ["io_uring"] * ring_available():
            with self.subTest(name):
                self.assert_silent(evring("run", "--force", "--backend=" + name, *self.VALGRIND, self.client))

    def test_evring_run_under_valgrind_is_silent_if_the_loader_is_skipped(self):
        skip = [*self.VALGRIND, "--trace-children=yes", "--trace-children-skip=*/ld-*"]
        self.assert_silent(evring("run", "--backend=epoll", self.client, command=skip))


class ForceTest(CommandTest):
    @unittest.skipUnless(IS_ROOT, "needs root to make set-user-ID files")
    def test_force_warns_of_a_program_that_drops_what_the_loader_is_told(self):
        shutil.copy("/bin/echo", self.path("echo"))
        for mode, warned in ((0o4755, True), (0o2755, True), (0o755, False)):
            with self.subTest(oct(mode)):
                os.chmod(self.path("echo"), mode)
                result = evring("run", "--force", self.path("echo"), "said")
                self.assertEqual(result.stdout, "said\n")
                self.assertEqual(result.stderr.startswith("evring: "), warned)
                self.assertEqual("system's libev" in result.stderr, warned)
        os.chmod(self.path("echo"), 0o755)
        os.setxattr(self.path("echo"), "security.capability", PrivilegeTest.CAPABILITY)
        self.assertIn("file capabilities", evring("run", "--force", self.path("echo")).stderr)


class PrivilegeTest(CommandTest):
    """A program that gained rights when it was executed: its environment is somebody else's."""

    CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service, effective

    def setUp(self):
        super().setUp()
        library = self.shared + "/for-all"
        if not os.path.exists(library):
            os.mkdir(library)
            shutil.copy(OURS, library + "/libev.so.4")
        self.program = self.path("heeds")
        compile_c(HEEDS, self.program, "-Wl,-rpath," + library, library + "/libev.so.4")
        os.mkdir(self.path("anybody"))
        os.chmod(self.path("anybody"), 0o777)
        self.stats = self.path("anybody/stats")

    def heeded(self, *arguments, secure):
        env = environment(LIBEV_FLAGS="1", EVRING_OPS="ready", EVRING_STATS=self.stats)
        result = subprocess.run([self.program, *arguments], env=env, timeout=SECONDS, text=True, check=True,
                                stdout=subprocess.PIPE, user=NOBODY, group=NOBODY, extra_groups=[])
        if "secure %d" % secure not in result.stdout:
            self.skipTest("the kernel gives no rights here: " + result.stdout)
        heeded = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("heeds ")]
        if os.path.exists(self.stats):
            os.unlink(self.stats)
            heeded.append("EVRING_STATS")
        return heeded

    @unittest.skipUnless(IS_ROOT, "needs root to make set-user-ID files")
    def test_a_program_that_gains_nothing_heeds_its_environment(self):
        self.assertEqual(self.heeded(secure=False), ["LIBEV_FLAGS", "EVRING_OPS", "EVRING_STATS"])

    @unittest.skipUnless(IS_ROOT, "needs root to make set-user-ID files")
    def test_a_set_user_ID_program_heeds_no_variable_even_when_it_has_become_its_owner(self):
        for mode in (0o4755, 0o2755, 0o6755):
            os.chmod(self.program, mode)
            for arguments in ([], ["own"]):
                with self.subTest(mode=oct(mode), arguments=arguments):
                    self.assertEqual(self.heeded(*arguments, secure=True), [])

    def test_every_variable_goes_through_the_one_that_looks_at_rights(self):
        read, elsewhere = set(), []
        for path in glob.glob(ROOT + "/src/*/*.c") + glob.glob(ROOT + "/compat/*.c"):
            with open(path, encoding="utf-8") as stream:
                source = stream.read()
            read |= set(re.findall(r'evi_sys_environment \("(\w+)"\)', source))
            others = len(re.findall(r"\bevi_sys_environment \((?!\"|const char)", source))
            if others or (re.search(r"\b(secure_)?getenv \(|\benviron\b", source) and not path.endswith("base/sys.c")):
                elsewhere.append(path)
        self.assertEqual(elsewhere, [])
        self.assertEqual(read, {"LIBEV_FLAGS", "EVRING_OPS", "EVRING_RING", "EVRING_STATS", "EVRING_THREADS"})
        with open(ROOT + "/doc/SECURITY.md", encoding="utf-8") as stream:
            text = stream.read()
        self.assertEqual([name for name in read if name not in text], [])

    @unittest.skipUnless(IS_ROOT, "needs root to give capabilities")
    def test_a_program_with_file_capabilities_heeds_no_variable(self):
        os.setxattr(self.program, "security.capability", self.CAPABILITY)
        self.assertEqual(self.heeded(secure=True), [])


class ProbeTest(CommandTest):
    def probe(self, command=(), **changes):
        result = evring("probe", "--json", command=command, env=environment(**changes))
        if result.returncode == 77:
            self.skipTest("no seccomp here")
        self.assertEqual(result.returncode, 0, result)
        return json.loads(result.stdout), evring("probe", command=command, env=environment(**changes)).stdout

    def test_json_and_text_tell_the_same(self):
        found, text = self.probe()
        self.assertEqual(found["kernel_release"], os.uname().release)
        self.assertIn(os.uname().release, text)
        self.assertIn("default loop     %s\n" % found["default_backend"], text)
        for feature in found["features"]:
            self.assertIn(feature, text)
        self.assertEqual(found["io_uring"], "io_uring         available" in text)

    def test_the_default_is_what_a_program_gets(self):
        found, _ = self.probe()
        got = evring("run", self.client).stdout
        self.assertIn("backend %d\n" % BACKENDS[found["default_backend"]], got)
        self.assertEqual(found["why_not_io_uring"] is None, found["default_backend"] == "io_uring")

    def test_a_good_kernel_gives_io_uring(self):
        found, text = self.probe()
        if not found["io_uring"] or found["setup_flags"]["DEFER_TASKRUN"] or found["denied_kernel"] \
                or found["seccomp"] != "none":
            self.skipTest("not a kernel or sandbox where io_uring is the default")
        self.assertEqual(found["default_backend"], "io_uring")
        self.assertIn("DEFER_TASKRUN", found["default_ring_flags"])
        self.assertNotIn("not io_uring", text)

    def test_the_environment_is_named_as_the_reason(self):
        found, text = self.probe(LIBEV_FLAGS="2")
        self.assertEqual(found["default_backend"], "poll")
        if found["io_uring"]:
            self.assertIn("LIBEV_FLAGS=2", found["why_not_io_uring"])
        self.assertIn("LIBEV_FLAGS=2", text)

    def test_no_backend_at_all_is_said(self):
        found, text = self.probe(LIBEV_FLAGS="8")
        self.assertIsNone(found["default_backend"])
        self.assertIn("none can be made", text)

    def test_a_filter_that_refuses_is_named_with_its_errno(self):
        for number, words in ((1, "seccomp filter forbids"), (38, "does not have it"), (95, "not supported"),
                              (12, "RLIMIT_MEMLOCK"), (24, "RLIMIT_NOFILE")):
            with self.subTest(errno=number):
                found, text = self.probe([NORING, str(number)])
                self.assertFalse(found["io_uring"])
                self.assertEqual(found["io_uring_setup_errno"], number)
                self.assertEqual(found["seccomp"], "filter")
                self.assertIn(words, found["io_uring_trouble"])
                self.assertIn(words, text)
                self.assertEqual(found["default_backend"], "epoll")
                self.assertEqual(found["loops"], {"io_uring": False, "epoll": True, "poll": True, "select": True})

    def test_the_call_that_is_refused_is_named(self):
        for number, name in ((425, "io_uring_setup"), (426, "io_uring_enter"), (427, "io_uring_register")):
            for answer in ("1", "13", "kill"):
                with self.subTest(call=name, answer=answer):
                    found, text = self.probe([NORING, "%s:%d" % (answer, number)])
                    self.assertFalse(found["io_uring"])
                    self.assertEqual(found["io_uring_refused_call"], name)
                    self.assertIn(name, text)
                    self.assertEqual(found["default_backend"], "epoll")
        found, _ = self.probe()
        if found["io_uring"]:
            self.assertIsNone(found["io_uring_refused_call"])

    def test_no_new_privileges_are_named_as_the_reason(self):
        found, _ = self.probe(["setpriv", "--no-new-privs"])
        self.assertEqual(found["default_backend"], "epoll")
        if found["io_uring"] and found["seccomp"] == "none":
            self.assertIn("no_new_privs", found["why_not_io_uring"])

    def test_a_filter_that_answers_yes_without_a_ring_is_seen_through(self):
        found, _ = self.probe([NORING, "0"])
        self.assertFalse(found["io_uring"])
        self.assertIn("no ring", found["io_uring_trouble"])
        self.assertEqual(found["default_backend"], "epoll")
        self.assertFalse(found["loops"]["io_uring"])

    def test_a_filter_that_kills_does_not_kill_the_probe(self):
        for flags in (None, "128"):
            with self.subTest(LIBEV_FLAGS=flags):
                found, text = self.probe([NORING, "kill"], LIBEV_FLAGS=flags)
                self.assertFalse(found["io_uring"])
                self.assertIn("kills whoever tries", text)
                self.assertEqual(found["default_backend"], None if flags else "epoll")

    @unittest.skipUnless(IS_ROOT, "needs root to put a file in the place of the sysctl")
    def test_the_sysctl_is_named_as_the_reason(self):
        path = "/proc/sys/kernel/io_uring_disabled"
        if not os.path.exists(path) or subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("no such sysctl, or no mount namespace to be had")
        for value in ("1", "2"):
            fake = self.write("fake" + value, value + "\n")
            command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" %s || exit 77; exec "$@"' % path, fake, NORING, "1"]
            found, _ = self.probe(command)
            self.assertEqual(found["io_uring_disabled"], int(value))
            self.assertIn("io_uring_disabled is " + value, found["io_uring_trouble"])

    def test_wrong_arguments_are_refused(self):
        self.assert_refused(evring("probe", "--xml"), 125, "--xml")
        self.assert_refused(evring("probe", "--json", "more"), 125, "more")


class MainTest(CommandTest):
    def test_help_names_every_verb(self):
        for word in ("--help", "-h", "help"):
            result = evring(word)
            self.assertEqual(result.returncode, 0)
            for verb in ("run", "probe", "bench"):
                self.assertIn("evring " + verb, result.stdout)

    def test_each_verb_tells_its_usage(self):
        for words in (["run", "--help"], ["run", "-h"], ["run", "--force", "--help", "ls"], ["probe", "--help"]):
            with self.subTest(words):
                result = evring(*words)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertIn("--backend=NAME", result.stdout)

    def test_what_stands_behind_the_program_is_the_programs(self):
        self.assertIn("argument 1 <--help>\n", evring("run", self.client, "--help").stdout)
        self.assertIn("argument 1 <--version>\n", evring("run", self.client, "--version").stdout)

    def test_version(self):
        self.assertEqual(evring("run", "--version").stdout, evring("--version").stdout)
        self.assertRegex(evring("--version").stdout, r"^evring \d+\.\d+\.\d+ \(API and ABI of libev 4\.33\)\n$")

    def test_wrong_verbs_are_refused_with_the_usage(self):
        self.assertEqual(evring().returncode, 125)
        result = evring("walk")
        self.assertEqual(result.returncode, 125)
        self.assertIn('no verb "walk"', result.stderr)
        self.assertIn("usage:", result.stderr)

    def test_missing_benchmarks_are_said(self):
        self.assert_refused(evring("bench", env=environment(EVRING_LIBDIR=self.folder)), 125, "not installed", "./dev bench")

    def test_the_benchmarks_get_their_arguments(self):
        os.mkdir(self.path("bench"))
        self.write("bench/bench", '#!/bin/sh\necho "<$1> <$2>"\n')
        result = evring("bench", "a b", "c", env=environment(EVRING_LIBDIR=self.folder))
        self.assertEqual(result.stdout, "<a b> <c>\n")


if __name__ == "__main__":
    report.main()
