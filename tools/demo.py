#!/usr/bin/env python3
"""The demonstration behind ./dev demo: Debian's nghttpd and h2load on evring, beside the same programs on the
libev they were made for. Checks every answer, prints requests per second of interleaved rounds, and proves from
memory maps, descriptors and the loop's own statistics what ran.

Environment: EVRING, EVRING_LIBDIR. Argument: how many rounds (default 13)."""
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "clients"))
import place  # noqa: E402
from nghttp_test import check_h2load  # noqa: E402

REQUESTS, CONNECTIONS, STREAMS = 30000, 16, 8
SIZES = (0, 1000, 100000, 3000000)
ASKED = "1000.bin"
TICKS = os.sysconf("SC_CLK_TCK")
PINNED = len(os.sched_getaffinity(0)) > 1


class Evring(place.Place):
    name = "evring"


class Stock(place.Place):
    """The same programs as they come."""
    name = "stock libev"

    def command(self, argv):
        return list(argv)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Side:
    """One of the two that are compared: its server, and what its rounds measured."""

    def __init__(self, test, here):
        self.test, self.here, self.rates, self.costs = test, here, [], []
        self.files = here.make_files("www", SIZES)
        self.server, self.port = here.serve(self.server_command)
        if PINNED:
            os.sched_setaffinity(self.server.pid, {sorted(os.sched_getaffinity(0))[0]})

    def server_command(self, port):
        return ("nghttpd", "-a", place.HOST, "-d", self.here.path("www"), "--no-tls", str(port))

    def url(self, name):
        return "http://%s:%d/%s" % (place.HOST, self.port, name)

    def compare_bodies(self):
        for name, content in self.files.items():
            self.test.assertEqual(self.here.run("nghttp", self.url(name)), content, name)

    def round(self):
        before = cpu_seconds(self.server.pid)
        text = self.load()
        check_h2load(self.test, text, REQUESTS, len(self.files[ASKED]))
        self.costs.append((cpu_seconds(self.server.pid) - before) / REQUESTS * 1e6)
        self.rates.append(float(re.search(r"finished in .*?, ([\d.]+) req/s", text).group(1)))

    def load(self):
        argv = ("h2load", "-n", str(REQUESTS), "-c", str(CONNECTIONS), "-m", str(STREAMS), self.url(ASKED))
        if not PINNED:
            return self.here.run(*argv).decode()
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {sorted(allowed)[1]})  # inherited by h2load
        try:
            return self.here.run(*argv).decode()
        finally:
            os.sched_setaffinity(0, allowed)


def describe_machine(found):
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    version = subprocess.run(["nghttpd", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    print("Linux %s, %d × %s" % (platform.release(), os.cpu_count(), model.group(1) if model else platform.machine()))
    print("Programs: Debian's nghttpd, nghttp and h2load (%s), unchanged." % version.split(" ", 1)[1].strip())
    print("A loop of evring gets %s here%s.\n" % (found["default_backend"], "" if found["why_not_io_uring"] is None
                                                 else ", because " + found["why_not_io_uring"]))


def print_rounds(evring, stock):
    print("round   evring req/s   stock libev req/s   ratio")
    for number, (mine, theirs) in enumerate(zip(evring.rates, stock.rates), 1):
        print("%5d   %12.0f   %17.0f   %5.2f" % (number, mine, theirs, mine / theirs))
    ratio = statistics.median(mine / theirs for mine, theirs in zip(evring.rates, stock.rates))
    print("median  %12.0f   %17.0f   %5.2f" % (statistics.median(evring.rates), statistics.median(stock.rates), ratio))
    print("server CPU per request: %.1f µs on evring, %.1f µs on stock libev\n" % (
        statistics.median(evring.costs), statistics.median(stock.costs)))


def kinds(pid):
    names = {place.RING: "an io_uring", place.EPOLL: "an epoll set"}
    return " and ".join(names[kind] for kind in names if kind in place.descriptors_of(pid)) or "neither ring nor epoll set"


def print_proof(evring, stock, stats):
    for side in (evring, stock):
        pid = side.server.pid
        print("nghttpd on %s, pid %d: maps %s, holds %s" % (side.here.name, pid, ", ".join(place.libev_of(pid)), kinds(pid)))
    lines = [line for line in stats.split("\n") if line.startswith("evring:")]
    if lines:
        busiest = max(lines, key=len)
        print("h2load's loop about its last round, from EVRING_STATS:")
        print("  " + re.sub(r"(.{60,95}) (?=\w+ \d)", r"\1\n  ", busiest))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 13
    place.need("nghttpd", "nghttp", "h2load")
    found = json.loads(subprocess.run([place.EVRING, "probe", "--json"], stdout=subprocess.PIPE, check=True).stdout)
    describe_machine(found)
    backend = "io_uring" if found["loops"]["io_uring"] else found["default_backend"]
    test = unittest.TestCase()
    with Evring(test, backend) as ours, Stock(test, "epoll") as theirs:
        evring, stock = Side(test, ours), Side(test, theirs)
        for side in (evring, stock):
            side.compare_bodies()
        print("%d rounds in turns, each %d requests over %d connections with %d streams; evring on %s%s:" % (
            rounds, REQUESTS, CONNECTIONS, STREAMS, backend, ", server and client on a core each" if PINNED else ""))
        for number in range(rounds):
            for side in (evring, stock) if number % 2 else (stock, evring):
                side.round()
            last = ours.stats().split("\n")[-2:]
        print_rounds(evring, stock)
        ours.prove(evring.server)
        print_proof(evring, stock, "\n".join(last))
        answers = 2 * rounds * REQUESTS
    print("All %d answers were 200 and of the right length; bodies fetched with nghttp were equal byte for byte." % answers)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit("demo: something is wrong: %s" % error)
    except unittest.SkipTest as error:
        sys.exit("demo: %s" % error)
