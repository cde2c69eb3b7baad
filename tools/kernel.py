#!/usr/bin/env python3
"""Do system calls go through base/ only? Asks each object of src/, compiled alone, which symbols it needs that reach the
kernel or the process (tests/sim/seam.txt judges them all). Outside base/ only those of the list below may be: what is
new there is a fault, and so is a line that nobody needs any more.

Usage: kernel.py FOLDER, where `./dev check` has compiled each file alone. Exit code 1 when something is broken."""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
HARMLESS = {"__errno_location", "__assert_fail"}
EXCEPTIONS = {
    "backend/epoll.c": ("ev_dump writes to the program's stream", "fprintf"),
    "backend/loopring.c": ("ev_dump writes to the program's stream", "fprintf"),
    "backend/table.c": ("a few kernels miss wake-ups, and are known by their version only", "uname"),
    "loop/stats.c": ("ev_dump; EVRING_STATS: a report to standard error or a file, also when the process ends",
                     "atexit fclose fopen fprintf fputc free getpid strdup"),
    "ops/op.c": ("ev_dump writes to the program's stream", "fprintf"),
    "ops/pool.c": ("threads, their locks, and what a fork child does with them",
                   "pthread_atfork pthread_attr_destroy pthread_attr_init pthread_attr_setstacksize pthread_cond_broadcast "
                   "pthread_cond_signal pthread_cond_wait pthread_mutex_lock pthread_mutex_unlock "
                   "pthread_sigmask"),
    "watch/mailbox.c": ("a list of them all, which a fork child walks",
                        "pthread_atfork pthread_mutex_lock pthread_mutex_unlock"),
    "watch/signal.c": ("handlers and masks, also in a handler", "sigaction signal sigprocmask"),
    "watch/stat.c": ("one caller only", "lstat statfs"),
}


def judged():
    """Each name of the C library that the sources need: does it reach the kernel?"""
    with open(os.path.join(ROOT, "tests/sim/seam.txt"), encoding="utf-8") as stream:
        return {name: verdict == "seam" for name, verdict in re.findall(r"^(\w+) +(seam|pure)$", stream.read(), re.M)}


def needs(path):
    out = subprocess.run(["nm", "-u", path], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if line.strip()}


def check(file, names, known):
    ours = {name for name in names if re.match(r"(ev|evi)_", name)} | HARMLESS
    strange = sorted(name for name in names - ours if name not in known)
    calls = {name for name in names - ours if known.get(name)}
    allowed = set(EXCEPTIONS[file][1].split()) if file in EXCEPTIONS else set()
    faults = ["%s: tests/sim/seam.txt does not judge %s" % (file, name) for name in strange]
    if file.startswith("base/"):
        return faults
    faults += ["%s: calls %s, which is base/sys.c's to do" % (file, name) for name in sorted(calls - allowed)]
    return faults + ["%s: calls %s no more: off the list" % (file, name) for name in sorted(allowed - calls)]


# Functions of base/ that no test can make fail, and why.
CERTAIN = {
    "evi_sys_close": "whatever it answers, the descriptor is gone",
    "evi_sys_monotonic": "a clock", "evi_sys_wall": "a clock", "evi_sys_sleep": "shorter is all it can be",
    "evi_sys_process_first": "getpid never fails", "sys_birth_page": "once in a process, before a test can ask",
    "evi_sys_in_disguise": "ids are always there", "sys_secure": "so is this", "evi_sys_environment": "and this",
    "evi_sys_at_fork": "never refused in practice", "evi_sys_thread": "never fails",
    "evi_sys_freeaddrinfo": "it gives back", "evi_sys_thread_join": "of a thread that there is", "evi_sys_thread_detach": "likewise",
    "evi_sys_unmap": "nobody looks", "evi_sys_terminal": "every answer is one",
    "sys_epoll_wait_fine": "its caller asks", "sys_epoll_wait_coarse": "its callers ask",
    "sys_vector": "its callers ask", "sys_writev_masked": "its caller asks", "evi_sys_openat_now": "sys_open_cached asks",
}


def seams(known):
    """Does each function of base/ that enters the kernel let a test make it fail (EVI_SYS_FAULT)? A new one that forgets it
    would be a refusal that tests/fault never tries."""
    faults, certain = [], set()
    for file in ("sys.c", "sys_op.c"):
        with open(os.path.join(ROOT, "src/base", file), encoding="utf-8") as stream:
            source = re.sub(r"/\*.*?\*/", "", stream.read(), flags=re.S)
        for name, body in re.findall(r"^[A-Za-z][^\n;{}=#]*?\b(\w+) \([^;{}]*\)\n\{\n(.*?)^\}", source, re.M | re.S):
            calls = [call for call in re.findall(r"\b(\w+) \(", body) if known.get(call)]
            if calls and name in CERTAIN:
                certain.add(name)
            elif calls and "EVI_SYS_FAULT" not in body:
                faults.append("base/%s: %s calls %s, and no test can make it fail" % (file, name, calls[0]))
    return faults + ["base/: %s is no exception any more" % name for name in sorted(set(CERTAIN) - certain)]


def main():
    known = judged()
    faults = seams(known)
    files = sorted(os.path.relpath(path, os.path.join(ROOT, "src")) for path in glob.glob(os.path.join(ROOT, "src/*/*.c")))
    for file in files:
        path = os.path.join(sys.argv[1], "src_%s.o" % file.replace("/", "_"))
        if os.path.exists(path):
            faults += check(file, needs(path), known)
        else:
            faults.append("%s: not compiled" % file)
    faults += ["%s: not there, and on the list" % file for file in EXCEPTIONS if file not in files]
    print("\n".join(faults + ["kernel: %d files, %d of them by exception, %d faults"
                              % (len(files), len(EXCEPTIONS), len(faults))]))
    return bool(faults) or not files


if __name__ == "__main__":
    sys.exit(main())
