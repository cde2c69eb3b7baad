#!/usr/bin/env python3
"""Runs one example on every backend there is, and looks at what it does. usage: examples_test.py NAME PROGRAM

The programs of the manual pages (man/NAME.c) print what is in man/NAME.out, if there is such a file; the others
have a function below. Environment: BACKENDS, the program man/ev_backend.c, which knows what works here."""
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = {"io_uring": "128", "epoll": "4", "poll": "2", "select": "1"}
PATIENCE = 60 * int(os.environ.get("TIME_FACTOR", "1"))
SKIP = 77
name, program = sys.argv[1:3]


def check(claim, *what):
    if not claim:
        where = (os.environ.get("LIBEV_FLAGS"), os.environ.get("EVRING_OPS", ""))
        sys.exit("%s on %s %s: %s" % (name, *where, " ".join(map(str, what))))


def run(*arguments, **options):
    """Its output; None if it has nothing to show on this backend."""
    result = subprocess.run([program, *arguments], stdout=subprocess.PIPE, timeout=PATIENCE, text=True, check=False,
                            **options)
    if result.returncode == SKIP:
        return None
    check(result.returncode == 0, "ends with", result.returncode, "after", result.stdout)
    return result.stdout


def start(*arguments):
    return subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)


def prints(expected, *arguments, **options):
    output = run(*arguments, **options)
    if output is None:
        return False
    check(output == expected, "prints\n%s\nnot\n%s" % (output, expected))
    return True


def matches(pattern):
    output = run()
    check(re.fullmatch(pattern, output), "prints", output)
    return True


def ev_stats():
    return matches(r"backend 0x[1248]0?, (\d+) iterations, 3 callbacks\nloop 0x.* 1 references, iteration \1, (.|\n)*")


def ev_backend():
    output = run()
    check([line.split()[0] for line in output.splitlines()] == list(FLAGS), "prints", output)
    check(output.count("chosen") == 1, "prints", output)
    check(all("works" in line for line in output.splitlines() if "chosen" in line), "prints", output)
    return True


def hello_timer():
    return prints("hello\n" * 3)


def stdin():
    return prints("3\n0\n5\n", input="one\n\nthree\nrest")


def threads():
    output = run("10", "100", "1000")
    answers = ["%d primes below %d" % pair for pair in ((4, 10), (25, 100), (168, 1000))]
    check(sorted(output.splitlines()) == sorted(answers), "prints", output)
    return True


def embed_one_file():
    return prints("one file, one loop\n")


def cpp():
    return prints("hello\nthe end\nsilence\n")


def exchange(peer, data):
    """What comes back. First only talks, until the server must stop listening because nobody takes its answers."""
    back, left, deadline = bytearray(), memoryview(data), time.monotonic() + PATIENCE / 2
    peer.setblocking(False)
    while left and select.select([], [peer], [], 0.2)[1]:
        left = left[peer.send(left[:65536]):]
    while len(back) < len(data):
        check(time.monotonic() < deadline, "is stuck after", len(back), "of", len(data))
        readable, writable, _ = select.select([peer], [peer] if left else [], [], 1)
        if writable:
            left = left[peer.send(left[:65536]):]
        if readable:
            part = peer.recv(1 << 18)
            check(part, "hangs up after", len(back))
            back += part
    return back


def echo(port):
    data = os.urandom(8 << 20)
    with socket.socket() as one, socket.create_connection(("127.0.0.1", port), PATIENCE) as other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        one.connect(("127.0.0.1", port))
        other.sendall(b"x")
        check(exchange(one, data) == data, "sends back something else")
        check(other.recv(1) == b"x", "forgets a quiet client")


def tcp_echo():
    server = start()
    try:
        echo(int(server.stdout.readline()))
        check(server.poll() is None, "has ended with", server.poll())
    finally:
        server.kill()
        server.communicate()
    return True


def signal_child():
    check(prints_last("ended with code 7\n", run("sh", "-c", "exit 7")), "misses the end of its program")
    parent = start("sh", "-c", "echo ready; exec sleep 600")
    check("ready\n" in (parent.stdout.readline(), parent.stdout.readline()), "does not start the program")
    parent.send_signal(signal.SIGINT)
    output, _ = parent.communicate(timeout=PATIENCE)
    check(prints_last("signal 2: ending the program\nended by signal 15\n", output), "prints", output)
    check(parent.returncode == 0, "ends with", parent.returncode)
    return True


def prints_last(lines, output):
    return output.endswith(lines)


def test():
    """What is to be done once per backend: true if it has been done, false if there was nothing to do."""
    path = os.path.join(HERE, "man", name + ".out")
    if not os.path.exists(path):
        return globals()[name]
    with open(path, encoding="utf-8") as file:
        expected = file.read()
    return lambda: prints(expected)


def backends():
    known = subprocess.run([os.environ["BACKENDS"]], stdout=subprocess.PIPE, text=True, check=True,
                           env={**os.environ, "LIBEV_FLAGS": "1"}, timeout=PATIENCE).stdout
    return [line.split()[0] for line in known.splitlines() if "works" in line]


def roads():
    """Operations are done with a ring and without, on every backend: what EVRING_OPS is to say."""
    for folder in ("man", ".", name):
        path = os.path.join(HERE, folder, name + ".c")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return ("ready", "uring") if "ev_op_start" in file.read() else ("",)
    return ("",)


def on_every_backend(test):
    """Once for each road, too. The test tells whether there was something to do."""
    done = 0
    for backend in backends():
        for road in roads():
            os.environ.update(LIBEV_FLAGS=FLAGS[backend], EVRING_OPS=road)
            done += test()
    sys.exit(0 if done else SKIP)


if __name__ == "__main__":
    on_every_backend(test())
