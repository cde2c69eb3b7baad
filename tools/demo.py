#!/usr/bin/env python3
"""The demonstration behind ./dev demo: evring beside what it is to replace, four times, each time the same work on both in
turns, and a picture of what came out.

- Debian's nghttpd and h2load, unchanged, on evring and on the libev they were made for: every answer is checked, and memory
  maps, descriptors and the loop's own statistics prove what ran.
- a program of sockets that change between reading and writing, on evring and on libev: the same program file.
- an echo server by operations (ev_op), and one that calls epoll by hand.
- the example op_http, a file server by operations, and nginx.

Environment: EVRING, EVRING_LIBDIR, BUILD (a release build: bench/ and examples/ in it). Argument: how many rounds at most
(13). A part ends early when it has had its share of a minute, but not before three rounds."""
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
import types
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(HERE, "..", folder) for folder in ("tests/clients", "bench")]
import place  # noqa: E402
import run as bench  # noqa: E402
import web  # noqa: E402
from nghttp_test import check_h2load  # noqa: E402

BUILD = os.environ["BUILD"]
SHARE, ROUNDS_MIN = 10, 3  # seconds for a part
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[min(1, len(CORES) - 1)]
PINNED = len(CORES) > 1
SIZES = (0, 1000, 100000, 3000000)
WIDTH = 40  # of the longest bar


def on_core(core, work):
    """What is started by work runs there."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} if PINNED else allowed)
    try:
        return work()
    finally:
        os.sched_setaffinity(0, allowed)


def cpu_of(process_cpu, work):
    """Requests per second as the client saw them, and the server's processor time meanwhile."""
    before = process_cpu()
    rate = work()
    return process_cpu() - before, rate


def rate_of(text):
    return float(re.search(r"finished in .*?, ([\d.]+) req/s", text).group(1))


# ---- the four pairs: each side's round() is (processor seconds per event, events per second or None) -----------------


class Nghttpd:
    """The server and its load on one libev."""
    REQUESTS, CONNECTIONS, STREAMS, ASKED = 30000, 16, 8, "1000.bin"

    def __init__(self, name, test, here):
        self.name, self.test, self.here = name, test, here
        self.files = here.make_files("www", SIZES)
        self.server, self.port = here.serve(self.server_command)
        os.sched_setaffinity(self.server.pid, {SERVER_CORE} if PINNED else CORES)
        for file, content in self.files.items():
            test.assertEqual(here.run("nghttp", self.url(file)), content, file)

    def server_command(self, port):
        return ("nghttpd", "-a", place.HOST, "-d", self.here.path("www"), "--no-tls", str(port))

    def url(self, file):
        return "http://%s:%d/%s" % (place.HOST, self.port, file)

    def load(self):
        argv = ("h2load", "-n", str(self.REQUESTS), "-c", str(self.CONNECTIONS), "-m", str(self.STREAMS), self.url(self.ASKED))
        text = on_core(LOAD_CORE, lambda: self.here.run(*argv).decode())
        check_h2load(self.test, text, self.REQUESTS, len(self.files[self.ASKED]))
        return rate_of(text)

    def round(self):
        cpu, rate = cpu_of(lambda: web.cpu_seconds(self.server.pid), self.load)
        return cpu / self.REQUESTS, rate


class Stock(place.Place):
    """The same programs as they come."""

    def command(self, argv):
        return list(argv)


class Program:
    """One of bench/'s programs, a process for each round. It says which library it loaded, and run.py looks at that."""

    def __init__(self, name, question, peer, **arguments):
        self.name, self.question = name, question
        self.peer = next(p for p in bench.peers_known(bench.stock_folder(), os.path.join(BUILD, "src")) if p.name == peer)
        self.cell = bench.Cell("", only_ev=False, cpu=SERVER_CORE, **arguments)

    def round(self):
        answer = bench.ask(self.peer, os.path.join(BUILD, "bench"), self.question, self.cell)
        return answer["cpu"] / 1e9, None


class Files:
    """A server of files and one of them, asked for over HTTP/1.1 by Debian's h2load on its own libev."""
    CONNECTIONS = 64

    def __init__(self, test, server, size, requests):
        self.name, self.test, self.server, self.size, self.requests = server.name, test, server, size, requests
        self.url = server.url("%d.bin" % size)

    def checksum(self):
        with urllib.request.urlopen(self.url, timeout=place.STARTING) as answer:
            return hashlib.sha256(answer.read()).hexdigest()

    def load(self):
        argv = ["h2load", "--h1", "-n", str(self.requests), "-c", str(self.CONNECTIONS), self.url]
        text = on_core(LOAD_CORE, lambda: subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout)
        check_h2load(self.test, text, self.requests, self.size)
        return rate_of(text)

    def round(self):
        cpu, rate = cpu_of(self.server.cpu_seconds, self.load)
        return cpu / self.requests, rate


# ---- in turns -------------------------------------------------------------------------------------------------------


def compete(title, event, sides, rounds, seconds=SHARE):
    """Both sides in turns, the one that begins changes; ours is the first of `sides`. Seconds per event, events per second."""
    found = types.SimpleNamespace(title=title, event=event, names=[side.name for side in sides], costs=([], []), rates=([], []))
    end = time.monotonic() + seconds
    for number in range(rounds):
        if number >= ROUNDS_MIN and time.monotonic() > end:
            break
        for at in (0, 1) if number % 2 else (1, 0):
            cost, rate = sides[at].round()
            found.costs[at].append(cost)
            found.rates[at].append(rate)
    return found


def quartiles(ours, theirs):
    return bench.quartiles([mine / its for mine, its in zip(ours, theirs)])


def print_pair(found):
    low, middle, high = quartiles(found.costs[1], found.costs[0])
    print("%s: %d round%s in turns" % (found.title, len(found.costs[0]), "" if len(found.costs[0]) == 1 else "s"))
    for at in (0, 1):
        rate = "" if found.rates[at][0] is None else ", %s %ss per second" % (number(found.rates[at]), found.event)
        print("  %-24s %6.2f µs of processor time for a %s%s" % (
            found.names[at], statistics.median(found.costs[at]) * 1e6, found.event, rate))
    print("  for the same processor time %.2f times as much, half of all rounds between %.2f and %.2f" % (middle, low, high), end="")
    if found.rates[0][0] is not None:
        print("; %.2f times the requests per second" % quartiles(*found.rates)[1], end="")
    print("\n")


def number(values):
    return "{:,.0f}".format(statistics.median(values))


# ---- the picture ----------------------------------------------------------------------------------------------------


def colours():
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")


def bar(part, ours):
    block = "█" if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else "#"
    drawn = (block * max(1, round(part * WIDTH))).ljust(WIDTH)
    if not colours():
        return drawn
    return "\033[%dm%s\033[0m" % (32 if ours else 90, drawn)


def picture(pairs):
    print("What a second of the server's processor time does; longer is better\n")
    for found in pairs:
        speeds = [1 / statistics.median(costs) for costs in found.costs]
        low, middle, high = quartiles(found.costs[1], found.costs[0])
        print("%s" % found.title)
        for at in (0, 1):
            ratio = "  × %.2f [%.2f–%.2f]" % (middle, low, high) if at == 0 else ""
            print("  %-24s %s %9s%s" % (found.names[at], bar(speeds[at] / max(speeds), at == 0), "{:,.0f}".format(speeds[at]), ratio))
        print()
    print("× is evring over the other, the median of the rounds' own ratios [quartiles]. Around 1 nothing is gained: there the\n"
          "time is the program's and the kernel's, and neither library can save it. Every number is of this run.\n")


# ---- saying what ran ------------------------------------------------------------------------------------------------


def describe_machine(found, backend):
    print("Linux %s, %d × %s" % (platform.release(), os.cpu_count(), bench.cpu_model()))
    print("A loop of evring gets %s here%s." % (found["default_backend"], "" if found["why_not_io_uring"] is None
                                                else ", because " + found["why_not_io_uring"]))
    if backend != "io_uring":
        print("There is no io_uring to show: evring runs on %s here, like the others, and what is to be seen is that it\n"
              "costs nothing. Where there is a ring the second, third and fourth part look otherwise." % backend)
    print("Server and load %s.\n" % ("on a core each" if PINNED else "share the one core there is"))


def kinds(pid):
    names = {place.RING: "an io_uring", place.EPOLL: "an epoll set"}
    return " and ".join(names[kind] for kind in names if kind in place.descriptors_of(pid)) or "neither ring nor epoll set"


def print_proof(sides, stats):
    for side in sides:
        pid = side.server.pid
        print("nghttpd %s, pid %d: maps %s, holds %s" % (side.name, pid, ", ".join(place.libev_of(pid)), kinds(pid)))
    lines = [line for line in stats.split("\n") if line.startswith("evring:")]
    if lines:
        print("h2load's loop about its last round, from EVRING_STATS:")
        print("  " + re.sub(r"(.{60,95}) (?=\w+ \d)", r"\1\n  ", max(lines, key=len)))


# ---- the parts ------------------------------------------------------------------------------------------------------


def nghttpd_part(test, backend, rounds):
    with place.Place(test, backend) as ours, Stock(test, "epoll") as theirs:
        sides = Nghttpd("on evring, " + backend, test, ours), Nghttpd("on stock libev", test, theirs)
        found = compete("HTTP/2: nghttpd (%s), unchanged, 1000-byte files" % web.nghttpd().version, "request", sides, rounds)
        print_pair(found)
        ours.prove(sides[0].server)
        print_proof(sides, "\n".join(ours.stats().split("\n")[-2:]))
    print("All %d answers were 200 and of the right length; bodies fetched with nghttp were equal byte for byte.\n" % (
        2 * len(found.costs[0]) * Nghttpd.REQUESTS))
    return found


def toggle_part(backend, rounds):
    cell = {"events": 40000, "fds": 1000, "active": 64, "mode": "toggle"}
    ours = "evring-uring" if backend == "io_uring" else "evring-epoll"
    return compete("Interest that changes: 1000 sockets, 64 busy, each byte read, then waited for room, then written", "byte",
                   (Program("evring, " + backend, "toggle", ours, **cell), Program("stock libev, epoll", "toggle", bench.STOCK, **cell)),
                   rounds)


def echo_part(backend, rounds):
    cell = {"events": 60000, "connections": 512, "size": 64, "client_cpu": LOAD_CORE}
    ours = "evring-ops" if backend == "io_uring" else "evring-ops-ready"
    return compete("Echo by operations: 512 TCP connections, 64-byte messages", "message",
                   (Program("evring, " + backend, "ops", ours, **cell), Program("epoll by hand", "ops", "raw-epoll", **cell)), rounds)


def files_part(test, backend, rounds):
    kind, peer = web.op_http(BUILD, "iouring" if backend == "io_uring" else "epoll"), web.nginx()
    if not kind.exists() or not peer.exists():
        print("Files over HTTP are left out: there is no %s here.\n" % ("nginx" if kind.exists() else "op_http (libhttp-parser-dev)"))
        return []
    folder, _ = web.make_folder((1000, 100000))
    try:
        with web.Server(kind, folder, SERVER_CORE if PINNED else None) as ours, \
                web.Server(peer, folder, SERVER_CORE if PINNED else None) as theirs:
            return [files_pair(test, ours, theirs, size, requests, rounds) for size, requests in ((1000, 30000), (100000, 10000))]
    finally:
        shutil.rmtree(folder)


def files_pair(test, ours, theirs, size, requests, rounds):
    sides = Files(test, ours, size, requests), Files(test, theirs, size, requests)
    test.assertEqual(sides[0].checksum(), sides[1].checksum(), "the file")
    return compete("HTTP/1.1: the example op_http beside nginx (%s), files of %d bytes" % (theirs.kind.version, size), "request",
                   sides, rounds, SHARE / 2)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 13
    sys.stdout.reconfigure(errors="replace", line_buffering=True)
    place.need("nghttpd", "nghttp", "h2load")
    found = json.loads(subprocess.run([place.EVRING, "probe", "--json"], stdout=subprocess.PIPE, check=True).stdout)
    backend = "io_uring" if found["loops"]["io_uring"] else found["default_backend"]
    describe_machine(found, backend)
    test = unittest.TestCase()
    pairs = [nghttpd_part(test, backend, rounds)]
    for pair in (toggle_part(backend, rounds), echo_part(backend, rounds), *files_part(test, backend, rounds)):
        print_pair(pair)
        pairs.append(pair)
    picture(pairs)


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, RuntimeError) as error:
        sys.exit("demo: something is wrong: %s" % error)
    except (unittest.SkipTest, bench.Skipped) as error:
        sys.exit("demo: %s" % error)
