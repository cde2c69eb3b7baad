#!/usr/bin/env python3
"""report.py: everything is measured once and told on one page: pictures, tables, the machine, the commands, and where others
are better.

usage: report.py [--quick] [--rounds N] [--only REGEX] [--build FOLDER] [--out FOLDER] | report.py --from report.json [--out FOLDER]
Writes report.json (every sample) and report.html (no scripts, nothing loaded from elsewhere). Asks with run.py, and by itself
where servers are compared that are no programs of ours: HTTP by wrk and h2load, memory of idle connections.
--quick: 5 rounds, some 15 minutes; else 20 rounds, most of an hour. Called by: ./dev bench report."""
import argparse
import json
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import page  # noqa: E402
import run  # noqa: E402
import web  # noqa: E402

HTTP_SECONDS = 2
HTTP_CONNECTIONS = 64
HTTP_FILES = {"1 KiB": 1024, "100 KB": 100000}
IDLE_CONNECTIONS = 2000
PACKAGES = ("libev4", "libuv1", "libevent-2.1-7", "libasio-dev", "liburing2", "nginx", "nghttp2-server", "wrk", "gcc", "libc6")


class Section:
    """A part of the page: what is asked, of whom, what one event is, and what is to be said beforehand."""

    def __init__(self, name, title, event, text, question=None, peers=(), cells="", kinds=("cpu",), rounds=1000, subject=None):
        self.name, self.title, self.event, self.text = name, title, event, text
        self.question, self.peers, self.cells = question, peers, cells
        self.kinds, self.rounds = kinds, rounds  # of pictures; rounds that are enough
        self.subject = subject  # whose name fits is compared with the others; else all that is of evring


SERVED = ("cpu", "rate", "latency")
BOTH = ["stock-epoll", "stock-again", "evring-epoll", "evring-uring"]
SECTIONS = [
    Section("pipes", "Readiness", "byte",
            "Bytes run round a circle of socket pairs; a callback reads one and writes it on. Two system calls of each event are the "
            "program's, and no library can save them: differences are small by nature.",
            "pipes", [*BOTH, "raw-epoll", "raw-ring", "libuv", "libevent"], "^(1000|9000) fds, ([1-9]|[0-9]{3,}) active$"),
    Section("toggle", "Interest that changes", "byte",
            "Each byte is read by one callback and written by another, when there is room: interest goes from reading to writing and "
            "back for every byte. On epoll that is a system call each time, on a ring none.",
            "toggle", [*BOTH, "raw-epoll", "raw-ring"]),
    Section("scale", "Many descriptors", "descriptor",
            "Does an event cost more because others are watched? Flat is good.",
            "scale", ["stock-epoll", "evring-epoll", "evring-uring"], kinds=("growth",), rounds=5),
    Section("timers", "Timers", "operation", "Starting, stopping, putting off, expiring; tick is one whole iteration of the loop.",
            "timers", BOTH),
    Section("wake", "Wake-ups from another thread", "wake-up",
            "ping: ev_async_send (uv_async_send, a write to an eventfd) from a thread on another core, the next when the last has "
            "arrived. flood: as many calls as that thread can make, of which one wakes for many; how many is a race.",
            "wake", [*BOTH, "raw-epoll", "libuv"], kinds=("cpu", "latency")),
    Section("echo", "Echo by readiness", "message",
            "A TCP server sends every message of 64 bytes back. The load is on the other core; asio reads and writes by itself.",
            "echo", [*BOTH, "raw-epoll", "raw-ring", "libuv", "libevent", "asio", "asio-uring"], "connections$", SERVED),
    Section("ops", "Echo by operations", "message",
            "The same server as completions: one accept for all connections, one receive for all messages of one, a send for each.",
            "ops", ["hand-ring", "hand-again", "evring-ops", "evring-ops-ready", "stock-epoll", "raw-epoll"],
            "^(64|4096) B, (64|512) connections$", SERVED),
    Section("careful", "Echo as people copy it", "message",
            "examples/op_echo as it stands, with deadlines, slow clients and every error dealt with, beside epoll by hand that does "
            "nothing of it.",
            "careful", ["raw-epoll", "raw-again", "op_echo", "op_echo-ready", "evring-ops", "stock-epoll"], kinds=SERVED, subject="^op_echo"),
    Section("churn", "A connection per request", "connection", "Accepted, one message of 64 bytes answered, closed.",
            "churn", ["hand-ring", "hand-again", "evring-ops", "evring-ops-ready", "evring-uring", "stock-epoll", "raw-epoll"],
            "^(64|512) connections$", SERVED),
    Section("http", "HTTP/1.1", "request",
            f"Files over {HTTP_CONNECTIONS} connections that last, asked for by wrk on the other core; one worker each. op_http is an "
            "example of 500 lines, nginx Debian's, with sendfile.", kinds=SERVED),
    Section("http2", "HTTP/2", "request",
            f"The same by HTTP/2 without TLS, one stream on each of {HTTP_CONNECTIONS} connections, asked for by h2load; nghttpd is "
            "one program, unchanged, on three libraries.", kinds=SERVED),
    Section("files", "Files", "read", "Random reads of 4 KiB, from the page cache and past it, so many under way at once.",
            "files", ["hand-ring", "hand-again", "evring-ops", "evring-ops-pool", "evring-ops-ready", "libuv", "pread"]),
    Section("datagrams", "Datagrams", "message", "UDP messages of 64 bytes sent back, one socket for all clients.",
            "datagrams", [*BOTH, "evring-ops", "evring-ops-ready", "raw-epoll", "libuv", "libevent"], kinds=SERVED),
    Section("memory", "Memory", "descriptor", "What the library allocates for each descriptor and timer that it watches.",
            "memory", BOTH[:1] + BOTH[2:], "^bytes", ("value",), 3),
    Section("idle", "Memory of an idle connection", "connection",
            f"What a server's memory (PSS) grows by with each of {IDLE_CONNECTIONS} connections that say nothing. The kernel's part, a few "
            "KiB for each socket, is everybody's and is not in it.", kinds=("value",)),
    Section("life", "Start and end of a loop", "loop",
            "life: a loop is made, looks once whether anything has happened, and is destroyed. process: a process makes its default loop, "
            "waits for a timer that is due, and ends.",
            "life", [*BOTH, "raw-epoll", "libuv", "libevent"]),
    Section("bulk", "Zero copy on loopback", "send", "ev_send beside ev_send_zc, 8 of them under way. On loopback nothing is saved by not "
            "copying, as the receiver's end copies: what is to be seen is what it costs.",
            "bulk", ["evring-send", "evring-send-zc"], kinds=("cpu", "rate"), subject="zc$"),
    Section("link", "Zero copy over a link with a delay", "send",
            "32 sends of 64 KiB under way over a round trip of 20 ms, between two network namespaces: a buffer that is not copied is "
            "kept until the other side has acknowledged it, and that must not hold up the next one.",
            "link", ["evring-send", "evring-send-zc"], kinds=("cpu", "rate"), subject="zc$"),
]


# ---- what run.py asks ------------------------------------------------------------------------------------------------


def ask_question(options, section):
    """Samples of every peer in every cell, as run.py keeps them."""
    asked = types.SimpleNamespace(**vars(options))
    asked.cells, asked.rounds = section.cells, min(options.rounds, section.rounds)
    peers = [peer for peer in run.peers_known(options.stock, options.evring)
             if peer.name in section.peers and peer.exists(options.build)]
    for name in set(section.peers) - {peer.name for peer in peers}:
        run.SKIPPED.append(f"{section.question}: {name} is not here")
    return run.ask_all(asked, peers, section.question)


def command_of(options, section):
    return (f"bench/run.py {section.question} --build build-release/bench --quick --rounds {min(options.rounds, section.rounds)}"
            f" --peers '^({'|'.join(section.peers)})$'" + (f" --cells '{section.cells}'" if section.cells else ""))


# ---- HTTP ------------------------------------------------------------------------------------------------------------

WRK_SCRIPT = """done = function(summary, latency, requests)
  io.write(string.format("answers %d us %d p50 %d p99 %d p999 %d bad %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), latency:percentile(99.9), summary.errors.status + summary.errors.read + summary.errors.timeout))
end
"""


def on_core(core, argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, {core})).stdout


def by_wrk(options, url, size):
    """(requests, seconds, latencies in ns) of one load."""
    text = on_core(options.client_cpu, ["wrk", "-t1", f"-c{HTTP_CONNECTIONS}", f"-d{HTTP_SECONDS}s", "-s", options.wrk_script, url])
    found = re.search(r"answers (\d+) us (\d+) p50 (\d+) p99 (\d+) p999 (\d+) bad (\d+)", text)
    if not found or int(found.group(6)) or not int(found.group(1)):
        sys.exit(f"wrk {url}: {text}")
    requests, us, *parts = (int(number) for number in found.groups()[:5])
    return requests, us / 1e6, [part * 1000 for part in parts]


def by_h2load(options, url, size):
    """As by_wrk; h2load writes how long each request took."""
    requests = 30000 if size < 10000 else 10000
    with tempfile.NamedTemporaryFile("r") as log:
        os.unlink(log.name)  # h2load makes it, and adds to what is there
        text = on_core(options.client_cpu, ["h2load", "-n", str(requests), "-c", str(HTTP_CONNECTIONS), "-m", "1", "--log-file", log.name, url])
        with open(log.name, encoding="ascii") as lines:
            took = sorted(int(line.split()[2]) * 1000 for line in lines)
        open(log.name, "w", encoding="ascii").close()
    if f" {requests} succeeded, 0 failed, 0 errored, 0 timeout" not in text:
        sys.exit(f"h2load {url}: {text}")
    seconds = requests / float(re.search(r"finished in .*?, ([\d.]+) req/s", text).group(1))
    return requests, seconds, [took[min(len(took) - 1, int(len(took) * part))] for part in (0.5, 0.99, 0.999)]


def load_once(options, server, load, size):
    before = server.cpu_seconds()
    requests, seconds, parts = load(options, server.url(f"{size}.bin"), size)
    return {"cpu": (server.cpu_seconds() - before) / requests * 1e9, "wall": seconds / requests * 1e9, **dict(zip(run.PARTS, parts))}


def ask_servers(options, kinds, load):
    """As ask_question, of servers: all of them run, one is asked."""
    folder, _ = web.make_folder(HTTP_FILES.values())
    taken = {}
    servers = []
    try:
        for kind in kinds:
            servers.append(web.Server(kind, folder, options.cpu).__enter__())
        for cell, size in HTTP_FILES.items():
            taken[cell] = {server.name: [] for server in servers}
            for number in range(max(3, options.rounds // 2)):
                for server in random.Random(number).sample(servers, len(servers)):
                    taken[cell][server.name].append(load_once(options, server, load, size))
    finally:
        for server in servers:
            server.__exit__()
        shutil.rmtree(folder)
    return taken


def there_are(kinds, section):
    for kind in kinds:
        if not kind.exists():
            run.SKIPPED.append(f"{section}: {kind.name} is not here")
    return [kind for kind in kinds if kind.exists()]


def nghttpds(options):
    kinds = [web.nghttpd()]
    for backend, bit in (("epoll", "4"), ("io_uring", "128")):
        kind = web.nghttpd()
        kind.name += " on evring, " + backend
        kind.variables, kind.ring = {"LD_LIBRARY_PATH": options.evring, "LIBEV_FLAGS": bit}, backend == "io_uring"
        kinds.append(kind)
    return kinds


def has_uring(options):
    done = subprocess.run([os.path.join(options.build, "wake"), "--backend", "iouring", "--events", "10"], capture_output=True,
                          env={**os.environ, "LD_LIBRARY_PATH": options.evring}, check=False)
    return done.returncode == 0


def only_possible(options, kinds):
    return kinds if has_uring(options) else [kind for kind in kinds if not kind.ring]


def ask_http(options):
    root = os.path.dirname(options.build)
    if not web.which("wrk"):
        run.SKIPPED.append("http: wrk is not here")
        return {}
    kinds = [web.op_http(root, "iouring"), web.op_http(root, "epoll"), web.nginx()]
    return ask_servers(options, only_possible(options, there_are(kinds, "http")), by_wrk)


def ask_http2(options):
    if not web.which("h2load"):
        run.SKIPPED.append("http2: h2load is not here")
        return {}
    kinds = nghttpds(options) + [web.nginx(http2=True)]
    return ask_servers(options, only_possible(options, there_are(kinds, "http2")), by_h2load)


# ---- idle connections --------------------------------------------------------------------------------------------------


def pss(pid):
    total = 0
    for member in web.family(pid):
        with open(f"/proc/{member}/smaps_rollup", encoding="ascii") as file:
            total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1)) * 1024
    return total


def idle_bytes(server):
    """What one connection costs that has been accepted and says nothing."""
    connections = []
    try:
        before = pss(server.process.pid)
        for _ in range(IDLE_CONNECTIONS):
            connections.append(socket.create_connection((web.HOST, server.port), 5))
        web.time.sleep(0.5)  # until the last is accepted
        return (pss(server.process.pid) - before) / IDLE_CONNECTIONS
    finally:
        for connection in connections:
            connection.close()


def ask_idle(options):
    root = os.path.dirname(options.build)
    kinds = [web.op_echo(root), web.op_http(root, "iouring"), web.op_http(root, "epoll"), web.nginx(), *nghttpds(options)]
    folder, _ = web.make_folder((1024,))
    taken = {"echo": {}, "HTTP/1.1, files": {}, "HTTP/2": {}}
    try:
        for kind in only_possible(options, there_are(kinds, "idle")):
            cell = "HTTP/2" if "nghttpd" in kind.name else "echo" if "echo" in kind.name else "HTTP/1.1, files"
            with web.Server(kind, folder, options.cpu) as server:
                taken[cell][server.name] = [{"value": idle_bytes(server)}]
    finally:
        shutil.rmtree(folder)
    return taken


# ---- all of it -----------------------------------------------------------------------------------------------------------

OTHERWISE = {"http": ask_http, "http2": ask_http2, "idle": ask_idle}
NGINX = "nginx -c CONF    # worker_processes 1, sendfile on, tcp_nopush on, access_log off, keepalive_requests without end"
COMMANDS = {
    "http": f"LIBEV_FLAGS=128 build-release/examples/op_http FOLDER PORT    # without a ring: LIBEV_FLAGS=4\n{NGINX}\n"
            f"wrk -t1 -c{HTTP_CONNECTIONS} -d{HTTP_SECONDS}s --latency http://127.0.0.1:PORT/1024.bin",
    "http2": "nghttpd -a 127.0.0.1 -d FOLDER --no-tls PORT    # on evring: LD_LIBRARY_PATH=build-release/src, LIBEV_FLAGS=128 or 4\n"
             f"{NGINX}, listen … http2\nh2load -n 30000 -c {HTTP_CONNECTIONS} -m 1 --log-file LOG http://127.0.0.1:PORT/1024.bin",
    "idle": f"the same servers, and op_echo; Pss of /proc/PID/smaps_rollup before and after {IDLE_CONNECTIONS} connections",
}


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def versions():
    found = {package: output_of("dpkg-query", "-W", "-f", "${Version}", package) for package in PACKAGES}
    return {package: version or "not installed" for package, version in found.items()}


def commit():
    root = os.path.join(HERE, "..")
    return output_of("git", "-c", "safe.directory=*", "-C", root, "describe", "--always", "--dirty") or "no git here"


def measure(options):
    machine = run.machine_sheet(options)
    stolen = run.stolen_ticks()
    sections = {}
    for section in SECTIONS:
        if not re.search(options.only, section.name):
            continue
        print(f"{section.name} ({len(sections) + 1})", file=sys.stderr)
        if section.name == "link":
            options.link.open()
        began = web.time.monotonic()
        taken = ask_question(options, section) if section.question else OTHERWISE[section.name](options)
        print(f"  {web.time.monotonic() - began:.0f} s", file=sys.stderr)
        sections[section.name] = {"samples": taken, "command": command_of(options, section) if section.question else COMMANDS[section.name]}
    machine["stolen by the hypervisor, in ticks of 10 ms"] = run.stolen_ticks() - stolen
    machine["load at the end"] = run.first_line("/proc/loadavg")
    return {"machine": machine, "commit": commit(), "versions": versions(), "system": platform.platform(), "rounds": options.rounds,
            "command": "./dev bench report" + (" --quick" if options.quick_rounds else ""), "missing": run.SKIPPED, "sections": sections}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", dest="quick_rounds", action="store_true", help="5 rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", default="", help="regular expression: these parts")
    parser.add_argument("--from", dest="made", help="report.json of an earlier run: only the page is made anew")
    parser.add_argument("--build", default=os.path.join(HERE, "..", "build-release", "bench"))
    parser.add_argument("--evring", help="folder of evring's libev.so.4 (default: src beside the programs' folder)")
    parser.add_argument("--stock", default=run.stock_folder(), help="folder of the distribution's libev.so.4")
    parser.add_argument("--out", help="default: where the programs are")
    parser.add_argument("--scratch", help="a folder on a disk, for the file to be read")
    parser.add_argument("--cpu", type=int, default=0)
    parser.add_argument("--client-cpu", type=int, default=min(1, os.cpu_count() - 1))
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.evring = os.path.abspath(options.evring or os.path.join(options.build, "..", "src"))
    options.out = os.path.abspath(options.out or options.build)
    options.scratch = options.scratch or options.out
    options.rounds = options.rounds or (5 if options.quick_rounds else 20)
    options.quick, options.link = True, run.Link()  # a quarter of run.py's events is enough for every round
    return options


def measure_in(options, folder):
    options.file = os.path.join(folder, "file")
    options.wrk_script = os.path.join(folder, "wrk.lua")
    with open(options.wrk_script, "w", encoding="ascii") as file:
        file.write(WRK_SCRIPT)
    try:
        return measure(options)
    finally:
        options.link.close()


def main():
    options = parse()
    os.makedirs(options.out, exist_ok=True)
    if options.made:
        with open(options.made, encoding="utf-8") as file:
            found = json.load(file)
    else:
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=options.scratch) as folder:
            found = measure_in(options, folder)
        with open(os.path.join(options.out, "report.json"), "w", encoding="utf-8") as file:
            json.dump(found, file)
    path = os.path.join(options.out, "report.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page.page(found, SECTIONS))
    print(f"written: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
