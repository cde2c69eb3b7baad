"""A place to try real programs in: a temporary folder, free ports on the loopback address, processes that
are started by `evring run` and ended whatever happens, and the proof of what they really ran on.

Environment: EVRING the command, EVRING_LIBDIR the folder with our libev.so.4, TIME_FACTOR for slow machines,
BACKEND=name for one backend only, KEEP=1 to keep the folder."""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "command"))
import report  # noqa: E402,F401  (for the tests)

EVRING = os.environ["EVRING"]
FACTOR = int(os.environ.get("TIME_FACTOR", "1"))
HOST = "127.0.0.1"
BACKENDS = ("io_uring", "epoll", "poll", "select")
RING, EPOLL = "anon_inode:[io_uring]", "anon_inode:[eventpoll]"
STARTING, ENDING, WORKING = 10 * FACTOR, 10 * FACTOR, 60 * FACTOR


def our_library():
    return os.path.realpath(os.environ["EVRING_LIBDIR"] + "/libev.so.4")


def backends():
    """The backends to try. A ring this machine does not offer is a skip, told by the test."""
    only = os.environ.get("BACKEND", "").replace("uring", "io_uring").replace("io_io_", "io_")
    return [name for name in BACKENDS if only in ("", name)]


def works(backend):
    probe = subprocess.run([EVRING, "probe", "--json"], stdout=subprocess.PIPE, check=True, timeout=STARTING)
    return json.loads(probe.stdout)["loops"][backend]


def need(*programs):
    """Skips unless these Debian programs are installed; servers live in sbin."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise unittest.SkipTest("not installed: " + " ".join(missing))


def per_backend(method):
    """Marks a test of a ClientTest that runs once per backend, each time in a place of its own."""
    method.each_backend = True
    return method


class ClientTest(unittest.TestCase):
    def __init_subclass__(cls):
        for name, method in list(vars(cls).items()):
            if getattr(method, "each_backend", False):
                delattr(cls, name)
                for backend in backends():
                    setattr(cls, name + "@" + backend, cls.on_backend(method, backend))

    @staticmethod
    def on_backend(method, backend):
        def test(self):
            if not works(backend):
                self.skipTest(backend + " is not available here")
            with Place(self, backend) as here:
                method(self, here)
        return test


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def answers(port):
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False


def wait_until(condition, seconds):
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def family(pid):
    """A process and all that descends from it."""
    pids = [pid]
    for parent in pids:
        try:
            for thread in os.listdir("/proc/%d/task" % parent):
                with open("/proc/%d/task/%s/children" % (parent, thread), encoding="ascii") as file:
                    pids += [int(child) for child in file.read().split()]
        except OSError:
            pass
    return pids


def read(path):
    with open(path, "rb") as file:
        return file.read()


def libev_of(pid):
    """The libev.so files a process has mapped; None for one that is just ending."""
    maps = read("/proc/%d/maps" % pid).decode("utf-8", "replace").split("\n")
    if len(maps) == 1:
        return None
    paths = {line[line.index("/"):] for line in maps if "/libev.so" in line}
    return {os.path.realpath(path) for path in paths}


def descriptors_of(pid):
    folder, kinds = "/proc/%d/fd" % pid, set()
    for number in os.listdir(folder):
        try:
            kinds.add(os.readlink(folder + "/" + number))
        except OSError:
            pass
    return kinds


class Place:
    """with Place(test, backend) as place: …"""

    def __init__(self, test, backend):
        self.test, self.backend, self.processes = test, backend, []
        self.is_root = os.getuid() == 0

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="evring-clients-")
        os.chmod(self.folder, 0o755)
        return self

    def __exit__(self, kind, error, trace):
        for process in reversed(self.processes):
            self.end(process)
        if kind and kind is not unittest.SkipTest:
            self.show_logs()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.folder)

    def show_logs(self):
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log") and os.path.getsize(self.path(name)):
                text = read(self.path(name)).decode("utf-8", "replace")
                print("---- %s\n%s" % (name, text[-3000:]))

    def path(self, name):
        return os.path.join(self.folder, name)

    def make_files(self, folder, sizes):
        """Files of unmistakable bytes; returns name → content."""
        os.makedirs(self.path(folder), exist_ok=True)
        files = {"%d.bin" % size: random.Random(size).randbytes(size) for size in sizes}
        for name, content in files.items():
            with open(os.path.join(self.path(folder), name), "wb") as file:
                file.write(content)
        return files

    def plain(self, program):
        """A copy without the file capabilities Debian gives it: under a program that gains rights no library can
        be put, except by root."""
        return shutil.copy(shutil.which(program), self.path(program))

    def command(self, argv):
        return [EVRING, "run", "--backend=" + self.backend, "--stats=" + self.path("stats"), "--", *argv]

    def start(self, *argv):
        """A process on evring that goes on; its output is in PROGRAM-N.log."""
        log = self.path("%s-%d.log" % (os.path.basename(argv[0]), len(self.processes)))
        with open(log, "wb") as output:
            process = subprocess.Popen(self.command(argv), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                       cwd=self.folder, start_new_session=True)
        process.log = log
        self.processes.append(process)
        return process

    def serve(self, argv_for):
        """Starts argv_for (port) and waits until it answers there. A port that somebody took is no failure."""
        for _ in range(3):
            port = free_port()
            process = self.start(*argv_for(port))
            wait_until(lambda: process.poll() is not None or answers(port), STARTING)
            if process.poll() is None and answers(port):
                return process, port
            self.end(process)
        self.test.fail("%s does not start:\n%s" % (argv_for(port), read(process.log).decode("utf-8", "replace")))

    def run(self, *argv, **options):
        """A program on evring that ends; returns its output."""
        result = subprocess.run(self.command(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                stdin=subprocess.DEVNULL, cwd=self.folder, timeout=WORKING, **options)
        self.test.assertEqual(result.returncode, 0, "%s\n%s\n%s" % (argv, result.stdout[-2000:], result.stderr[-2000:]))
        return result.stdout

    def end(self, process):
        """SIGTERM, then SIGKILL, to its whole session; waits until nobody of it is left."""
        pids = family(process.pid)
        for number, seconds in ((signal.SIGTERM, ENDING), (signal.SIGKILL, ENDING)):
            if process.poll() is None:
                process.send_signal(number)
                try:
                    process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
            break
        for pid in pids[1:]:
            if not wait_until(lambda: not os.path.exists("/proc/%d" % pid), 1):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def prove(self, process):
        """The family of the process maps our libev.so.4 and no other, and waits the way it was told to: on a
        ring, in epoll, or with neither. Members that are just ending say nothing."""
        maps, has = {}, {}
        for pid in family(process.pid):
            try:
                maps[pid], has[pid] = libev_of(pid), descriptors_of(pid)
            except OSError:
                maps.pop(pid, None)
        self.test.assertIn(process.pid, has, "%s has ended" % process.args)
        for pid in has:
            if maps[pid] is not None:
                self.test.assertEqual(maps[pid], {our_library()}, "process %d of %s" % (pid, process.args))
        kinds = set().union(*has.values())
        if self.backend != "epoll":  # an epoll loop may run operations on a ring
            self.test.assertEqual(RING in kinds, self.backend == "io_uring", has)
        if self.backend != "io_uring":  # a ring may park descriptors it refuses in an epoll set
            self.test.assertEqual(EPOLL in kinds, self.backend == "epoll", has)

    def stats(self):
        """What the loops of programs that ended said about themselves."""
        try:
            return read(self.path("stats")).decode()
        except FileNotFoundError:
            return ""


def checksum(data):
    return hashlib.sha256(data).hexdigest()
