#!/usr/bin/env python3
"""run.py: asks every peer the same questions, in turns, and reports ratios to one of them.

Owns the method: many short rounds, peers interleaved in an order that changes, one ratio per round, medians and
quartiles of those. Promises that no number in the report was taken in another run. See README.md for how to read it.
"""
import argparse
import ctypes.util
import glob
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STOCK, HAND = "stock-epoll", "hand-ring"
RAW = "raw-epoll"
AGAIN = {STOCK: "stock-again", HAND: "hand-again", RAW: "raw-again"}  # A/A: what differs from 1 there is noise
DEADLINE = 120  # seconds for one run of one program; the longest cells take three
SKIP = 77
BUILD = "{build}"  # in an argument of a peer: where the programs are


# ---- who is asked ------------------------------------------------------------------------------


class Peer:
    """One column of the report: a program and the library it is to load."""

    def __init__(self, name, folder=None, backend=None, program=None, prefix="", extra=(), variables=None):
        self.name, self.folder, self.backend, self.program = name, folder, backend, program
        self.prefix, self.extra, self.variables = prefix, list(extra), variables or {}

    def command(self, build, question, cell):
        program = QUESTIONS[question].program
        extra = [word.replace(BUILD, build) for word in self.extra]
        if self.program:
            return [os.path.join(build, self.program), "--mode", program] + cell.arguments + extra
        return [os.path.join(build, self.prefix + program), "--backend", self.backend] + cell.arguments + extra

    def environment(self):
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("LIBEV", "EVRING", "LD_"))}
        if self.folder:
            variables["LD_LIBRARY_PATH"] = self.folder
        return {**variables, **self.variables}

    def answers(self, question, cell):
        return self.name in QUESTIONS[question].peers and not (self.program and cell.only_ev)

    def exists(self, build):
        if self.program:
            needed = [os.path.join(build, self.program), *(word.replace(BUILD, build) for word in self.extra if BUILD in word)]
            return all(map(os.path.exists, needed))
        return bool(self.folder) and os.path.exists(os.path.join(self.folder, "libev.so.4"))


def stock_folder():
    """Where the distribution's libev.so.4 lives."""
    name = ctypes.util.find_library("ev")
    for line in subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout.splitlines():
        if name and line.strip().startswith(name + " "):
            return os.path.dirname(line.split("=> ")[1].strip())
    return None


CAREFUL = ["--program", BUILD + "/../examples/op_echo"]  # deadlines, errors, slow clients: what people copy


def peers_known(stock, evring):
    return [
        Peer(STOCK, stock, "epoll"),
        Peer(AGAIN[STOCK], stock, "epoll"),
        Peer("stock-uring", stock, "iouring"),
        Peer("evring-epoll", evring, "epoll"),
        Peer("evring-uring", evring, "iouring"),
        Peer("evring-uring-2-chains", evring, "iouring", variables={"EVRING_RING": "cq=64,sq=64"}),
        Peer("evring-ops", evring, "iouring", prefix="ops_"),
        Peer("evring-ops-tuned", evring, "iouring", prefix="ops_", extra=["--mode", "pool", "--collect", "50"]),
        Peer("evring-ops-pool", evring, "iouring", prefix="ops_", extra=["--mode", "pool"]),
        Peer("evring-ops-attached", evring, "epoll", prefix="ops_", extra=["--mode", "attached"]),
        Peer("evring-ops-ready", evring, "epoll", prefix="ops_"),
        Peer(HAND, program="peer_hand"),
        Peer(AGAIN[HAND], program="peer_hand"),
        Peer(RAW, program="peer_epoll"),
        Peer(AGAIN[RAW], program="peer_epoll"),
        Peer("op_echo", program="served", extra=CAREFUL, variables={"LIBEV_FLAGS": "128"}),
        Peer("op_echo-ready", program="served", extra=CAREFUL, variables={"LIBEV_FLAGS": "4", "EVRING_OPS": "ready"}),
        Peer("evring-send", evring, "iouring", extra=["--mode", "send"]),
        Peer("evring-send-zc", evring, "iouring", extra=["--mode", "zc"]),
        Peer("raw-ring", program="peer_ring"),
        Peer("libuv", program="peer_uv"),
        Peer("libuv-any-core", program="peer_uv", extra=["--cpu", "-1"]),
        Peer("libevent", program="peer_event"),
        Peer("asio", program="peer_asio"),
        Peer("asio-uring", program="peer_asio_uring"),
        Peer("pread", program="peer_plain"),
    ]


READINESS = [STOCK, AGAIN[STOCK], "stock-uring", "evring-epoll", "evring-uring", "raw-epoll", "raw-ring", "libuv",
             "libevent"]
ECHOES = [*READINESS, "asio", "asio-uring"]
THREADS = [STOCK, AGAIN[STOCK], "evring-epoll", "evring-uring", RAW, "libuv"]
LIVES = [STOCK, AGAIN[STOCK], "evring-epoll", "evring-uring", RAW, "libuv", "libevent"]
DATAGRAMS = [STOCK, AGAIN[STOCK], "evring-epoll", "evring-uring", "evring-ops", "evring-ops-ready", RAW, "libuv", "libevent"]
CAREFULS = [RAW, AGAIN[RAW], STOCK, "op_echo", "op_echo-ready", "evring-ops", "evring-ops-ready"]
SENDERS = ["evring-send", "evring-send-zc"]
TAKERS = [STOCK, AGAIN[STOCK], "evring-epoll", "evring-uring", "evring-ops", "evring-ops-pool", "evring-ops-ready"]
INTEREST = [STOCK, AGAIN[STOCK], "evring-epoll", "evring-uring", "raw-epoll", "raw-ring"]
CROWDS = [STOCK, AGAIN[STOCK], "evring-epoll", "evring-uring", "evring-uring-2-chains"]
LOOPS = [STOCK, AGAIN[STOCK], "stock-uring", "evring-epoll", "evring-uring"]
OPERATIONS = ["evring-ops", "evring-ops-attached", "evring-ops-ready", HAND, AGAIN[HAND]]
SERVERS = [STOCK, AGAIN[STOCK], "evring-epoll", "evring-uring", *OPERATIONS, "raw-epoll"]
READERS = [*OPERATIONS, "evring-ops-pool", "evring-ops-tuned", "libuv", "libuv-any-core", "pread"]


# ---- what is asked -----------------------------------------------------------------------------


class Cell:
    def __init__(self, name, events, only_ev=False, **arguments):
        self.name, self.events, self.only_ev, self.impossible = name, events, only_ev, None
        self.arguments = ["--events", str(events)]
        for key, value in arguments.items():
            self.arguments += ["--" + key.replace("_", "-"), str(value)]


def pipes_cells(scale, options):
    cells = []
    for fds in (100, 1000, 9000):
        for active in (1, 100, fds // 2):
            if active <= fds:
                name = f"{fds} fds, {active} active"
                cells.append(Cell(name, int(40000 * scale), fds=fds, active=active, cpu=options.cpu))
    cells += [Cell(f"1000 fds, {active} active, churn", int(40000 * scale), only_ev=True, fds=1000, active=active,
                   cpu=options.cpu, mode="churn") for active in (1, 100)]
    return cells


def interest_cells(mode):
    def cells(scale, options):
        return [Cell(f"{fds} fds, {active} active", int(40000 * scale), fds=fds, active=active, cpu=options.cpu, mode=mode)
                for fds in (1000, 9000) for active in (1, 64, fds // 2)]
    return cells


def pass_cells(scale, options):
    # 19500 pairs would be more descriptors than a process usually may have: there both ends are watched.
    return [Cell(f"{fds} fds, {active} active", int(40000 * scale), fds=fds, ends=ends, active=active, cpu=options.cpu)
            for fds, ends in ((9000, 1), (19500, 2)) for active in (1, 64, fds // 2)]


CROWD_SIZES = (1000, 5000, 19500)


def scale_cells(scale, options):
    return [Cell(f"{mode}, {fds} fds", int(events * scale), fds=fds, cpu=options.cpu, mode=mode)
            for mode, events in (("restart", 8000), ("stop", 8000), ("timeouts", 8000), ("reconnect", 8000), ("quiet", 40000),
                                 ("destroy", 8000), ("exit", 8000))
            for fds in CROWD_SIZES]


def echo_cells(scale, options):
    # A single connection is a ping-pong between two sleeping cores: slow, so it gets fewer messages.
    cells = [
        Cell(f"{n} connections", int(events * scale), connections=n, cpu=options.cpu, client_cpu=options.client_cpu)
        for n, events in ((1, 4000), (64, 30000), (512, 30000))
    ]
    # With both on one core the batches do not depend on a race, so these are the quiet cells.
    cells += [
        Cell(f"{n} connections, one core", int(30000 * scale), connections=n, cpu=options.cpu, client_cpu=options.cpu)
        for n in (1, 64, 512)
    ]
    # As servers are: every message puts off the end of a connection that falls silent.
    cells += [
        Cell(f"{n} connections, idle timers{where}", int(events * scale), only_ev=True, mode="idle", connections=n,
             cpu=options.cpu, client_cpu=on)
        for where, on in (("", options.client_cpu), (", one core", options.cpu)) for n, events in ((1, 4000), (64, 30000))
    ]
    return cells


def timers_cells(scale, options):
    many, few = int(1000000 * scale), 1000
    cells = [Cell(f"{mode}, {many}", many, timers=many, mode=mode, cpu=options.cpu)
             for mode in ("start", "stop", "again", "rewind", "fire", "periodic")]
    cells += [Cell(f"{mode}, {few}", int(2000000 * scale), timers=few, mode=mode, cpu=options.cpu)
              for mode in ("cycle", "again", "rewind")]
    cells += [Cell(f"tick, {few}", int(100000 * scale), timers=few, mode="tick", cpu=options.cpu)]
    return cells


def ops_cells(scale, options):
    return [
        Cell(f"{size} B, {n} connections{where}", int(30000 * scale), size=size, connections=n, cpu=options.cpu, client_cpu=on)
        for where, on in (("", options.client_cpu), (", one core", options.cpu)) for size in (64, 512, 4096) for n in (64, 512)
    ]


def churn_cells(scale, options):
    return [Cell(f"{n} connections{where}", int(10000 * scale), connections=n, cpu=options.cpu, client_cpu=on)
            for where, on in (("", options.client_cpu), (", one core", options.cpu)) for n in (64, 512)]


def files_cells(scale, options):
    # A direct read at depth 1 waits for the disk alone: slow, so there are fewer of them.
    return [Cell(f"{name}, depth {depth}", int(events * scale), direct=direct, depth=depth, cpu=options.cpu,
                 file=options.file)
            for name, direct, numbers in (("cached", 0, (40000, 40000, 40000)), ("direct", 1, (4000, 10000, 20000)))
            for depth, events in zip((1, 16, 128), numbers)]


def wake_cells(scale, options):
    return [Cell(name, int(events * scale), mode=name, cpu=options.cpu, client_cpu=options.client_cpu)
            for name, events in (("ping", 8000), ("flood", 2000000))]


def datagrams_cells(scale, options):
    return [Cell(f"{n} clients", int(events * scale), connections=n, cpu=options.cpu, client_cpu=options.client_cpu)
            for n, events in ((1, 4000), (64, 40000))]


def life_cells(scale, options):
    return [Cell("life", int(2000 * scale), mode="life", cpu=options.cpu),
            Cell("process", int(200 * scale), only_ev=True, mode="process", cpu=options.cpu)]


def careful_cells(scale, options):
    return [Cell(f"64 B, {n} connections", int(events * scale), size=64, connections=n, cpu=options.cpu,
                 client_cpu=options.client_cpu)
            for n, events in ((1, 8000), (64, 60000), (512, 60000))]


BULK_SIZES = (512, 4096, 16384, 65536, 262144, 1048576)


def bulk_cells(scale, options):
    # About as many bytes in each, but not more sends than it takes to see something.
    return [Cell(f"{size} B", max(400, min(40000, int((1 << 31) * scale / size))), size=size, depth=8, cpu=options.cpu,
                 client_cpu=options.client_cpu)
            for size in BULK_SIZES]


def intake_cells(scale, options):
    return [Cell(f"{size} B at a time, {n} connections", int(16000 * scale), size=size, connections=n, cpu=options.cpu,
                 client_cpu=options.client_cpu)
            for size in (4096, 16384, 65536, 262144) for n in (1, 16)]


def link_cells(scale, options):
    cell = Cell(f"32 × 64 KiB, {LINK_MS} ms", int(1280 * scale), size=65536, depth=32, cpu=options.cpu, client_cpu=options.client_cpu)
    cell.impossible = options.link.trouble
    cell.arguments += options.link.arguments
    return [cell]


def memory_cells(scale, options):
    cells = [Cell("bytes of a loop", 1, mode="loop")]
    cells += [Cell(f"bytes per fd, {n}", 1, fds=n, mode="fds") for n in (100, 1000, 5000, 9000)]
    cells += [Cell(f"bytes per timer, {n}", 1, timers=n, mode="timers") for n in (1000, 100000, 700000, 1000000)]
    cells += [Cell(f"allocations per 1000 events, {n} fds", int(20000 * scale), fds=n, active=n // 10, mode="warm",
                   cpu=options.cpu) for n in (100, 5000)]
    cells += [Cell("kernel slab bytes per fd, 9000", 1, fds=9000, mode="kernel")]
    return cells


LINK_MS = 20


class Link:
    """link.py, while the question is asked that needs it; what the programs are told of it, or why there is none."""

    def __init__(self):
        self.process, self.arguments, self.trouble = None, [], None

    def open(self):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "link.py"), str(LINK_MS)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = self.process.stdout.readline().split()
        if len(said) == 3:
            self.arguments = ["--from", said[0], "--to", said[1], "--address", said[2]]
        else:
            self.trouble = "there is no link with a delay here: " + self.process.stderr.read().strip()

    def close(self):
        if self.process:
            self.process.communicate()  # the end of its input ends it


class Question:
    """Cells, who is asked, and whose cost the others are divided by: the first reference that can be measured leads,
    the others get a table of their own."""

    def __init__(self, program, cells, peers, references=(STOCK,), rounds=1000):
        self.program, self.cells, self.peers, self.references = program, cells, peers, references
        self.rounds = rounds  # that are enough

    def references_in(self, names):
        return [name for name in self.references if name in names]


QUESTIONS = {
    "pipes": Question("pipes", pipes_cells, READINESS),
    "toggle": Question("pipes", interest_cells("toggle"), INTEREST),
    "modify": Question("pipes", interest_cells("modify"), INTEREST),
    "pass": Question("pipes", pass_cells, INTEREST),
    "scale": Question("scale", scale_cells, CROWDS, rounds=10),
    "echo": Question("echo", echo_cells, ECHOES),
    "timers": Question("timers", timers_cells, LOOPS),
    "memory": Question("memory", memory_cells, LOOPS, rounds=5),  # bytes hardly vary
    "ops": Question("echo", ops_cells, SERVERS, (HAND, STOCK)),
    "churn": Question("churn", churn_cells, SERVERS, (HAND, STOCK, "raw-epoll")),
    "careful": Question("echo", careful_cells, CAREFULS, (RAW,)),
    "wake": Question("wake", wake_cells, THREADS),
    "datagrams": Question("datagrams", datagrams_cells, DATAGRAMS),
    "life": Question("life", life_cells, LIVES),
    "intake": Question("intake", intake_cells, TAKERS),
    "bulk": Question("bulk", bulk_cells, SENDERS, ("evring-send",)),
    "link": Question("bulk", link_cells, SENDERS, ("evring-send",)),
    "files": Question("files", files_cells, READERS, (HAND, "libuv")),
}


# ---- asking ------------------------------------------------------------------------------------


class Skipped(Exception):
    pass


def run_program(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE)
    if done.returncode == SKIP:
        raise Skipped(done.stderr.strip())
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    return done


def check_library(peer, answer):
    """The program says which libev it really loaded: measuring the wrong one would be worse than not measuring."""
    wanted = peer.folder and os.path.realpath(os.path.join(peer.folder, "libev.so.4"))
    if wanted and answer["library"] != wanted:
        sys.exit(f"{peer.name}: loaded {answer['library']}, not {wanted}")


def ask(peer, build, question, cell):
    if cell.impossible:
        raise Skipped(cell.impossible)
    answer = json.loads(run_program(peer.command(build, question, cell), peer.environment()).stdout)
    check_library(peer, answer)
    if "value" in answer:
        return {"value": answer["value"]}
    events = answer["events"]
    return {
        "cpu": (answer["user_ns"] + answer["sys_ns"]) / events,
        "wall": answer["wall_ns"] / events,
        "preempted": answer["preempted"],
        "slept": answer["slept"] / events,
        **{part: answer[part] for part in PARTS if part in answer},
    }


SKIPPED = []  # every answer that could not be had, and why: the report counts them


def one_round(options, peers, question, cell, number, samples):
    """Everybody once, in another order each round: drift hits all alike, and so does what a predecessor leaves
    behind in the kernel's caches, which mere rotation would always hand to the same peer."""
    asked = [peer for peer in peers if peer.answers(question, cell)]
    random.Random(number).shuffle(asked)
    for peer in asked:
        mine = samples[peer.name]
        if mine is None:
            continue
        try:
            mine.append(ask(peer, options.build, question, cell))
        except Skipped as why:
            samples[peer.name] = None
            SKIPPED.append(f"{question}: {cell.name}: {peer.name}: {why}")
            print(f"  {SKIPPED[-1]}", file=sys.stderr)


def ask_all(options, peers, question):
    cells = QUESTIONS[question].cells(0.25 if options.quick else 1.0, options)
    cells = [cell for cell in cells if re.search(options.cells, cell.name)]
    if not cells:
        sys.exit(f"{question} has no cell that matches {options.cells!r}")
    rounds = min(options.rounds, QUESTIONS[question].rounds)
    taken = {cell.name: {p.name: [] for p in peers if p.answers(question, cell)} for cell in cells}
    for number in range(rounds):
        print(f"\r{question}: round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        for cell in cells:
            one_round(options, peers, question, cell, number, taken[cell.name])
    print(file=sys.stderr)
    return taken


# ---- what it means -----------------------------------------------------------------------------


def quartiles(values):
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def ratios(samples, reference, what):
    """One ratio per round, both sides of which were measured within the same second or two."""
    return [mine[what] / its[what] if its[what] else float(mine[what] > 0)
            for mine, its in zip(samples, reference)]


def verdict(low, high, what):
    margin = 0.005 if what == "value" else 0  # a handful of bytes spread over a thousand timers is nobody's loss
    if low > 1 + margin:
        return "slower"
    return "faster" if high < 1 - margin else "even"


PARTS = ("p50", "p99", "p999")  # the load generator's: how long did the middle one take, one in a hundred, in a thousand
MEASURES = ("cpu", "wall", "value", *PARTS)


def judge_cell(samples, reference):
    """peer → what → low, median, high of the ratios to the reference, the verdict, and the median itself."""
    judged = {}
    for name, mine in samples.items():
        if not mine:
            continue
        judged[name] = {}
        for what in MEASURES:
            if what in mine[0]:
                low, middle, high = quartiles(ratios(mine, samples[reference], what))
                judged[name][what] = {
                    "low": low, "median": middle, "high": high, "verdict": verdict(low, high, what),
                    "absolute": statistics.median(sample[what] for sample in mine),
                }
    return judged


def judge_question(question, cells):
    """reference → cell → what judge_cell says, for each reference that was measured in every cell."""
    cells = {cell: samples for cell, samples in cells.items() if any(samples.values())}
    measured = [{name for name, mine in samples.items() if mine} for samples in cells.values()]
    references = QUESTIONS[question].references_in(set.intersection(*measured)) if measured else []
    return {reference: {cell: judge_cell(samples, reference) for cell, samples in cells.items()}
            for reference in references}


# ---- saying it ---------------------------------------------------------------------------------

SIGN = {"slower": " ✗", "faster": " ✓", "even": ""}
UNIT = {"cpu": "CPU ns per event", "wall": "wall ns per event", "value": "value",
        "p50": "ns until the answer, half of all", "p99": "ns until the answer, 99 of 100", "p999": "ns until the answer, 999 of 1000"}


def entry(result, what):
    if what == "value":
        return f"{result['absolute']:.1f}{SIGN[result['verdict']]}"
    return f"{result['median']:.2f} [{result['low']:.2f}–{result['high']:.2f}]{SIGN[result['verdict']]}"


def table(judged, what, reference):
    names = list(dict.fromkeys(name for cell in judged.values() for name in cell))
    absolute = what != "value"
    head = ["cell"] + ([f"{reference}, {UNIT[what]}"] if absolute else [])
    head += [name for name in names if not absolute or name != reference]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for cell, results in judged.items():
        if what not in results[reference]:
            continue
        row = [cell] + ([f"{results[reference][what]['absolute']:.0f}"] if absolute else [])
        for name in names:
            if not absolute or name != reference:
                row.append(entry(results[name][what], what) if what in results.get(name, ()) else "–")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def rate_table(judged):
    """What one second of processor time buys, in thousands of events."""
    names = list(dict.fromkeys(name for cell in judged.values() for name in cell))
    lines = ["| " + " | ".join(["cell", *names]) + " |", "|" + "---|" * (1 + len(names))]
    for cell, results in judged.items():
        row = [f"{1e6 / results[name]['cpu']['absolute']:.0f}" if name in results else "–" for name in names]
        lines.append("| " + " | ".join([cell, *row]) + " |")
    return "\n".join(lines)


def growth_table(judged, what):
    """Not ratios but nanoseconds: does an event cost more when others are there?"""
    names = list(dict.fromkeys(name for cell in judged.values() for name in cell))
    lines = ["| " + " | ".join(["cell", *names]) + " |", "|" + "---|" * (1 + len(names))]
    for cell, results in judged.items():
        row = [f"{results[name][what]['absolute']:.0f}" if name in results else "–" for name in names]
        lines.append("| " + " | ".join([cell, *row]) + " |")
    return "\n".join(lines)


def noise(results, what, reference):
    again = AGAIN.get(reference)
    return entry(results[again][what], what) if again in results else "not measured"


def slower_cells(judged, reference):
    return [f"{name}: {cell}: {what} {entry(result, what)} (A/A {noise(results, what, reference)})"
            for cell, results in judged.items() for name, measured in results.items() if name.startswith("evring")
            for what, result in measured.items() if result["verdict"] == "slower"]


def first_line(path):
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return "?"


def cpu_model():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*:\s*(.*)", file.read())
    return found.group(1) if found else platform.machine()


def stolen_ticks():
    return int(first_line("/proc/stat").split()[8])


def machine_sheet(options):
    weak = glob.glob("/sys/devices/system/cpu/vulnerabilities/*")
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "kernel": platform.release(),
        "cpu": f"{cpu_model()}, {os.cpu_count()} cores",
        "mitigations": "; ".join(sorted(f"{os.path.basename(p)}: {first_line(p)}" for p in weak
                                        if not first_line(p).startswith("Not affected"))),
        "clock source": first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load at the start": first_line("/proc/loadavg"),
        "rounds": options.rounds, "quick": options.quick,
        "stock": os.path.realpath(os.path.join(options.stock or "", "libev.so.4")),
        "evring": os.path.realpath(os.path.join(options.evring, "libev.so.4")),
        "build": options.build,
    }


def report_reference(judged, reference, measures):
    parts = []
    for what in measures:
        if any(what in measured for results in judged.values() for measured in results.values()):
            note = "" if what == "value" else f": ratio to {reference}, median [quartiles]; less is better"
            parts.append(f"{UNIT[what]}{note}\n\n{table(judged, what, reference)}\n")
    slower = [line for line in slower_cells(judged, reference)
              if any(f": {what} " in line for what in measures if what not in ("p50", "p999"))]
    parts.append(f"Slower (or more) than {reference} beyond noise: "
                 + ("\n\n- " + "\n- ".join(slower) if slower else "nothing.") + "\n")
    return "\n".join(parts)


def report_question(question, judged):
    parts = [f"## {question}\n"]
    for place, (reference, cells) in enumerate(judged.items()):
        parts.append(report_reference(cells, reference, MEASURES if place == 0 else ("cpu",)))
    if question == "files" and judged:
        parts.append(f"Thousands of reads per second of CPU time\n\n{rate_table(next(iter(judged.values())))}\n")
    if question == "scale" and judged:
        for what in ("cpu", "wall"):
            parts.append(f"{UNIT[what]}\n\n{growth_table(next(iter(judged.values())), what)}\n")
    return "\n".join(parts)


def report(sheet, judged):
    lines = ["# Benchmark report\n"] + [f"- {key}: {value}" for key, value in sheet.items()] + [""]
    lines += [f"{len(SKIPPED)} answers are missing:\n", *(f"- {line}" for line in SKIPPED), ""] if SKIPPED else []
    return "\n".join(lines) + "\n" + "\n".join(report_question(q, answers) for q, answers in judged.items())


def plot_question(question, reference, judged, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(name for cell in judged.values() for name in cell if name != reference))
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.16 * len(judged) * (len(names) + 1)))
    for at, name in enumerate(names):
        rows = [(row + at / (len(names) + 1), results[name]["cpu"])
                for row, results in enumerate(judged.values()) if name in results]
        middle = [result["median"] for _, result in rows]
        spread = [[r["median"] - r["low"] for _, r in rows], [r["high"] - r["median"] for _, r in rows]]
        axes.errorbar(middle, [y for y, _ in rows], xerr=spread, fmt="o", markersize=3, capsize=2, label=name)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks([row + 0.4 for row in range(len(judged))], list(judged))
    axes.invert_yaxis()
    axes.set_xlabel(f"CPU per event, ratio to {reference} (median and quartiles; left is better)")
    axes.set_title(question)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)
    figure.savefig(path, bbox_inches="tight", dpi=120)
    pyplot.close(figure)


def plot_growth(judged, path):
    """A panel for each thing that can happen: nanoseconds per event as descriptors grow. Flat is good."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    modes = list(dict.fromkeys(cell.split(", ")[0] for cell in judged))
    figure, panels = pyplot.subplots(2, (len(modes) + 1) // 2, figsize=(4 * ((len(modes) + 1) // 2), 8))
    for axes, mode in zip(panels.flat, modes):
        cells = {int(cell.split(", ")[1].split()[0]): results for cell, results in judged.items() if cell.startswith(mode + ",")}
        for name in dict.fromkeys(name for results in cells.values() for name in results):
            points = [(fds, results[name]["cpu"]["absolute"]) for fds, results in cells.items() if name in results]
            axes.plot(*zip(*points), marker="o", markersize=3, label=name)
        axes.set_title(mode)
        axes.set_xscale("log")
        axes.set_xticks(list(cells), [str(fds) for fds in cells])
        axes.minorticks_off()
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(low, max(high, 10 * low))  # a small difference is to look small
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.grid(alpha=0.3)
    for axes in panels.flat[len(modes):]:
        axes.axis("off")
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="lower right", fontsize=8)
    figure.suptitle("CPU ns per event, by descriptors watched")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def plot(question, answers, path):
    reference, cells = next(iter(answers.items()))
    if question == "scale":
        plot_growth(cells, path)
    else:
        plot_question(question, reference, cells, path)


def save(options, sheet, taken, judged):
    os.makedirs(options.out, exist_ok=True)
    base = os.path.join(options.out, "-".join(judged))
    with open(base + ".json", "w") as file:
        json.dump({"machine": sheet, "judged": judged, "samples": taken}, file, indent=1)
    with open(base + ".md", "w") as file:
        file.write(report(sheet, judged))
    for question, answers in judged.items():
        if question != "memory" and answers:
            try:
                plot(question, answers, os.path.join(options.out, question + ".png"))
            except ImportError:
                print("no plot: this python3 has no matplotlib", file=sys.stderr)
    print(f"written: {base}.json, {base}.md", file=sys.stderr)


# ---- counts instead of times: system calls and instructions ---------------------------------------


def count_calls(command, environment, threads):
    with tempfile.NamedTemporaryFile("r") as log:
        run_program(["strace", *(["-f"] if threads else []), "-c", "-o", log.name] + command, environment)
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", log.read(), re.M)
    return {name: int(calls) for calls, name in rows if name != "total"}


def calls_per_event(peer, options, question, cell):
    """The slope between a short and a long run: start-up and set-up cancel out. Warm-up is a tenth of the events.
    Threads are followed where reading is their work; elsewhere that would count the load generator too."""
    counts = []
    for events in (2000, 6000):
        arguments = [str(events) if before == "--events" else word
                     for before, word in zip([""] + cell.arguments, cell.arguments)]
        shorter = Cell(cell.name, events, cell.only_ev)
        shorter.arguments = arguments
        command = peer.command(options.build, question, shorter)
        counts.append(count_calls(command, peer.environment(), question == "files"))
    few, many = counts
    per_event = {name: (many[name] - few.get(name, 0)) / 4400 for name in many}
    return {name: round(value, 3) for name, value in sorted(per_event.items()) if abs(value) >= 0.0015}


OBJECT = {"libev": "library", "libuv": "library", "libevent": "library", "liburing": "library", "libc": "libc"}


def object_kind(path):
    name = os.path.basename(path)
    return next((kind for start, kind in OBJECT.items() if re.match(start + r"[-_.\d]", name)), "program")


def self_cost(path):
    """Instructions by shared object, from callgrind's file: its lines name an object once, then refer to it."""
    names, costs, kind, skip = {}, {}, "program", False
    with open(path) as file:
        for line in file:
            found = re.match(r"ob=\((\d+)\)(?: (.*))?", line)
            if found:
                names.setdefault(found.group(1), found.group(2))
                kind = object_kind(names[found.group(1)])
            elif re.match(r"cob=\((\d+)\) ", line):
                number, name = re.match(r"cob=\((\d+)\) (.*)", line).groups()
                names.setdefault(number, name)
            elif line.startswith("calls="):
                skip = True  # the next line is what the callee cost, counted there
            elif re.match(r"[+*\-\d]\S* \d+$", line):
                if not skip:
                    costs[kind] = costs.get(kind, 0) + int(line.split()[1])
                skip = False
    return costs


def instructions_per_event(peer, options, question, cell):
    with tempfile.NamedTemporaryFile("r") as out:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--callgrind-out-file=" + out.name]
        done = run_program(command + peer.command(options.build, question, cell), peer.environment())
        costs = self_cost(out.name)
    events = json.loads(done.stdout)["events"]
    return {kind: round(cost / events, 1) for kind, cost in sorted(costs.items())}


def count_all(options, peers, questions, count):
    """One run each: these counts do not depend on the clock (batches still do, a little)."""
    counted = {}
    for question in questions:
        for cell in QUESTIONS[question].cells(0.1, options):
            for peer in peers:
                if peer.answers(question, cell) and re.search(options.cells, cell.name):
                    try:
                        result = count(peer, options, question, cell)
                    except Skipped:
                        continue
                    counted.setdefault(question, {}).setdefault(cell.name, {})[peer.name] = result
                    print(f"{question:8} {cell.name:32} {peer.name:20} {result}", flush=True)
    return counted


def counts_table(question, cells):
    """The sums; what they are made of stands in the lines above it."""
    names = list(dict.fromkeys(name for results in cells.values() for name in results))
    lines = [f"\n| {question} | " + " | ".join(names) + " |", "|" + "---|" * (1 + len(names))]
    for cell, results in cells.items():
        row = [f"{sum(results[name].values()):.2f}" if name in results else "–" for name in names]
        lines.append("| " + " | ".join([cell, *row]) + " |")
    return "\n".join(lines)


# ---- the door ----------------------------------------------------------------------------------


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("questions", nargs="+", choices=[*QUESTIONS, "all"])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="a quarter of the events")
    parser.add_argument("--peers", default="", help="regular expression; the reference is always asked")
    parser.add_argument("--cells", default="", help="regular expression")
    parser.add_argument("--build", default=os.path.join(HERE, "..", "build", "bench"), help="where the programs are")
    parser.add_argument("--evring", help="folder of evring's libev.so.4 (default: src beside the programs' folder)")
    parser.add_argument("--stock", default=stock_folder(), help="folder of the distribution's libev.so.4")
    parser.add_argument("--out", help="where the report goes (default: where the programs are)")
    parser.add_argument("--scratch", help="a folder on a disk, for the file of the question files (default: as --out)")
    parser.add_argument("--cpu", type=int, default=0, help="core of the measured process")
    parser.add_argument("--client-cpu", type=int, default=min(1, os.cpu_count() - 1), help="core of the load")
    parser.add_argument("--syscalls", action="store_true", help="count system calls per event (strace) instead")
    parser.add_argument("--instructions", action="store_true", help="count instructions per event (callgrind) instead")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.evring = os.path.abspath(options.evring or os.path.join(options.build, "..", "src"))
    options.out = options.out or options.build
    options.questions = list(QUESTIONS) if "all" in options.questions else options.questions
    options.scratch = options.scratch or options.out
    return options


def choose_peers(options):
    """Those there are and that were asked for; references always, because without them there is nothing to say."""
    there = [p for p in peers_known(options.stock, options.evring) if p.exists(options.build)]
    names = [p.name for p in there]
    for question in options.questions:
        if not QUESTIONS[question].references_in(names):
            sys.exit(f"{question}: nothing to compare with: install the package libev4 (or say --stock FOLDER)"
                     " and the development packages of the peers")
    wanted = {name for question in options.questions for name in QUESTIONS[question].references}
    return [p for p in there if p.name in wanted or re.search(options.peers, p.name)]


COUNTED = {"syscalls": (calls_per_event, ("pipes", "toggle", "modify", "pass", "echo", "ops", "churn", "files")),
           "instructions": (instructions_per_event,
                            ("pipes", "toggle", "modify", "pass", "timers", "ops", "churn", "files"))}


def count_what(options, peers, what):
    count, countable = COUNTED[what]
    counted = count_all(options, peers, [q for q in options.questions if q in countable], count)
    for question, cells in counted.items():
        print(counts_table(f"{question}: {what} per event", cells))


def measure(options, peers):
    sheet = machine_sheet(options)
    stolen = stolen_ticks()
    taken = {q: ask_all(options, peers, q) for q in options.questions}
    sheet["stolen by the hypervisor, in ticks of 10 ms"] = stolen_ticks() - stolen
    judged = {q: judge_question(q, cells) for q, cells in taken.items()}
    print(report(sheet, judged))
    save(options, sheet, taken, judged)


def main():
    options = parse()
    peers = choose_peers(options)
    os.makedirs(options.scratch, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="scratch-", dir=options.scratch)
    options.file = os.path.join(folder, "file")
    options.link = Link()
    try:
        if "link" in options.questions:
            options.link.open()
        if options.syscalls or options.instructions:
            count_what(options, peers, "syscalls" if options.syscalls else "instructions")
        else:
            measure(options, peers)
    finally:
        options.link.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
