"""The seccomp profile that evring ships (doc/seccomp.json, in Docker's format), and parts of the suite under it.

usage: seccomp_test.py PROFILE FOLDER-OF-TESTS

Whatever the profile does not allow kills here, so nothing that a loop needs can be missing without a failure. What only
the tests need (other processes, sockets to speak to) is allowed besides, and stands below. Exit code 77: no libseccomp, or no filters.
"""
import ctypes
import json
import os
import subprocess
import sys
import unittest

ACT_KILL_PROCESS, ACT_ALLOW = 0x80000000, 0x7FFF0000

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


def install(lib, allowed):
    """In a child, before it becomes the test."""
    context = lib.seccomp_init(ACT_KILL_PROCESS)
    for name in allowed:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # negative: this machine, or this libseccomp, does not have it
            assert lib.seccomp_rule_add_array(context, ACT_ALLOW, number, 0, None) == 0, name
    if lib.seccomp_load(context):
        os._exit(77)


class Profile(unittest.TestCase):
    def run_part(self, program, allowed, **environment):
        if not os.path.exists(os.path.join(TESTS, program)):
            self.fail(program + " was not built")
        result = subprocess.run([os.path.join(TESTS, program)], env=dict(os.environ, **environment), timeout=300,
                                preexec_fn=lambda: install(LIB, allowed), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode == 77:
            self.skipTest("no seccomp here, or nothing to run")
        self.assertEqual(result.returncode, 0, result.stdout.decode(errors="replace")[-3000:])
        self.assertIn(b" 0 failed", result.stdout)

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


if __name__ == "__main__":
    LIB = library()
    with open(sys.argv[1]) as file:
        PROFILE = json.load(file)
    TESTS = sys.argv[2]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
