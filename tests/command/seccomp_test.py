"""The seccomp profile that evring ships (doc/seccomp.json, in Docker's format), and parts of the suite under it.

usage: seccomp_test.py PROFILE FOLDER-OF-TESTS

And under what services and containers get: systemd's @system-service as systemd-analyze prints it, and what Docker's profile
means to a loop, each in the refusing and in the ENOSYS kind.

Whatever the profile does not allow kills here, so nothing that a loop needs can be missing without a failure. What only
the tests need (other processes, sockets to speak to) is allowed besides, and stands below. Exit code 77: no libseccomp, or no filters.
"""
import ctypes
import json
import os
import subprocess
import sys
import unittest

ACT_KILL_PROCESS, ACT_ERRNO, ACT_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000

RING = ["io_uring_setup", "io_uring_enter", "io_uring_register"]

# The harness and the tests, not the library.
TESTS_NEED = """socket socketpair bind listen connect getsockname setsockopt accept kill alarm setitimer setpgid getppid
getdents64 unlink unlinkat lseek mkdir rmdir mkdirat renameat2 rename utimensat prctl setrlimit getrlimit pwrite64 memfd_create
dup ftruncate timer_create timer_settime timer_delete umask sigaltstack chdir getcwd open fchmod pause sendmmsg mknod mknodat
getpgrp chmod truncate openat2 close_range link symlink sysinfo sched_getaffinity sched_setaffinity""".split()

# Program, and the backend or engine it is run with.
PARTS = [("api/io_test", "uring"), ("api/io_test", "epoll"), ("api/timer_test", "uring"), ("api/timer_test", "epoll"),
         ("api/signal_test", "uring"), ("api/stat_test", "epoll"), ("api/async_test", "uring")]
OPS = [("op/op_net_test", "uring"), ("op/op_net_test", "ready"), ("op/op_restrict_test", "uring")]


def library():
    try:
        lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError:
        print("libseccomp is not installed")
        sys.exit(77)
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    return lib


def names(profile):
    for rule in profile["syscalls"]:
        assert rule["action"] == "SCMP_ACT_ALLOW"
        yield from rule["names"]


def install(lib, named, action=ACT_ALLOW, others=ACT_KILL_PROCESS):
    """In a child, before it becomes the test."""
    context = lib.seccomp_init(others)
    for name in named:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # negative: this machine, or this libseccomp, does not have it
            assert lib.seccomp_rule_add_array(context, action, number, 0, None) == 0, name
    if lib.seccomp_load(context):
        os._exit(77)


class FilterTest(unittest.TestCase):
    def run_part(self, program, *filter, **environment):
        if not os.path.exists(os.path.join(TESTS, program)):
            self.fail(program + " was not built")
        result = subprocess.run([os.path.join(TESTS, program)], env=dict(os.environ, **environment), timeout=300,
                                preexec_fn=lambda: install(LIB, *filter), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode == 77:
            self.skipTest("no seccomp here, or nothing to run")
        said = [line for line in result.stdout.decode(errors="replace").split("\n") if not line.startswith("skipped")]
        self.assertEqual(result.returncode, 0, "\n".join(said)[-3000:])
        self.assertIn(b" 0 failed", result.stdout)


class Profile(FilterTest):
    def test_what_it_allows_is_known(self):
        unknown = [name for name in names(PROFILE) if LIB.seccomp_syscall_resolve_name(name.encode()) == -1]
        self.assertEqual([name for name in unknown if name not in ("epoll_pwait2",)], [])

    def test_it_allows_what_the_suite_makes_the_library_do(self):
        for program, backend in PARTS:
            with self.subTest(program, backend=backend):
                self.run_part(program, list(names(PROFILE)) + TESTS_NEED, BACKEND=backend)

    def test_it_allows_operations(self):
        for program, engine in OPS:
            with self.subTest(program, engine=engine):
                self.run_part(program, list(names(PROFILE)) + TESTS_NEED, ENGINE=engine)

    def test_a_call_that_is_missing_is_noticed(self):
        allowed = [name for name in list(names(PROFILE)) + TESTS_NEED if name not in ("epoll_wait", "epoll_pwait")]
        with self.assertRaises(AssertionError):
            self.run_part("api/timer_test", allowed, BACKEND="epoll")


class Others(FilterTest):
    """Each program on every backend, those that cannot be had skipped."""

    def run_parts(self, *filter):
        for program in ("api/async_test", "op/op_net_test"):
            with self.subTest(program):
                self.run_part(program, *filter)

    def service(self):
        """The system calls of @system-service, groups within resolved; None: no systemd here."""
        names, left = set(), ["@system-service"]
        while left:
            try:
                text = subprocess.run(["systemd-analyze", "syscall-filter", left.pop()], stdout=subprocess.PIPE, check=True).stdout
            except (OSError, subprocess.CalledProcessError):
                self.skipTest("systemd-analyze is not installed")
            words = [line.strip() for line in text.decode().split("\n")[1:] if line.strip() and line.strip()[0] != "#"]
            left += [word for word in words if word[0] == "@"]
            names |= {word for word in words if word[0] != "@"}
        return names

    def test_a_service_of_systemd(self):
        allowed = self.service() | {"sysinfo"}
        for kind, answer in (("refuses", ACT_ERRNO | 1), ("ENOSYS", ACT_ERRNO | 38), ("kills", ACT_KILL_PROCESS)):
            with self.subTest(kind):
                self.run_parts(sorted(allowed), ACT_ALLOW, answer)

    def test_a_service_of_systemd_without_rings(self):
        allowed = self.service() - set(RING)
        for kind, answer in (("refuses", ACT_ERRNO | 1), ("ENOSYS", ACT_ERRNO | 38)):
            with self.subTest(kind):
                self.run_parts(sorted(allowed), ACT_ALLOW, answer)

    def test_a_container(self):
        """Of Docker, which takes rings away; older profiles refuse whatever is newer than they are, as epoll_pwait2."""
        for kind, answer in (("refuses", ACT_ERRNO | 1), ("ENOSYS", ACT_ERRNO | 38)):
            for newer in ([], ["epoll_pwait2", "clone3", "faccessat2", "close_range", "openat2"]):
                with self.subTest(kind, newer=newer):
                    self.run_parts(RING + (newer if answer & 32 else newer[:1]), answer, ACT_ALLOW)


if __name__ == "__main__":
    LIB = library()
    with open(sys.argv[1]) as file:
        PROFILE = json.load(file)
    TESTS = sys.argv[2]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
