#!/usr/bin/env python3
"""Runs one of the examples op_* on every backend there is, with clients that a server would rather not have.
usage: op_test.py NAME PROGRAM, and the environment of examples_test.py, whose second half this is."""
import contextlib
import hashlib
import os
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from examples_test import PATIENCE, check, echo, name, on_every_backend, program

HOST = "127.0.0.1"


# ---- helpers -------------------------------------------------------------------------------------------------

def eventually(claim, *what):
    """Waits until the claim is true."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        check(time.monotonic() < deadline, *what)
        time.sleep(0.01)


@contextlib.contextmanager
def server(*arguments, limit=1024):
    """A server that has printed its port; afterwards it must still be there and have closed what it opened."""
    with subprocess.Popen(["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(limit), program, *arguments],
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            process.port = int(process.stdout.readline())
            connect(process.port).close()  # what is made for the first client only is there now
            files = wait_for_calm(process)
            yield process
            eventually(lambda: descriptors(process) <= files, "leaves descriptors open, before:", files)
            check(process.poll() is None, "has ended with", process.returncode)
        finally:
            process.kill()


def descriptors(process):
    return len(os.listdir("/proc/%d/fd" % process.pid))


def wait_for_calm(process):
    """How many descriptors are open when no client is."""
    seen = -1
    while seen != descriptors(process):
        seen = descriptors(process)
        time.sleep(0.1)
    return seen


def memory(process):
    """Resident bytes."""
    with open("/proc/%d/statm" % process.pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def connect(port, receive_buffer=0):
    peer = socket.socket()
    peer.settimeout(PATIENCE)
    if receive_buffer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.connect((HOST, port))
    return peer


def reset(peer):
    """The other side sees no end but an error."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def receive(peer, size=-1):
    """So many bytes; without a size: all until the end."""
    data = bytearray()
    while size < 0 or len(data) < size:
        part = peer.recv(1 << 18)
        if not part:
            check(size < 0, "hangs up after", len(data), "of", size)
            break
        data += part
    return bytes(data)


def was_reset(peer):
    try:
        return peer.recv(1) and False
    except ConnectionResetError:
        return True


def in_parallel(count, job):
    """Calls job(0), job(1) … in threads; any of them may fail the test."""
    failures = []

    def run(number):
        try:
            job(number)
        except BaseException as failure:  # check() exits, and a thread would swallow that
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


# ---- echo ------------------------------------------------------------------------------------------------------

def many_echoes(port, clients):
    """All talk first, then all listen."""
    peers = [connect(port) for _ in range(clients)]
    data = [os.urandom(random.randrange(1, 20000)) for _ in peers]
    for peer, part in zip(peers, data):
        peer.sendall(part)
    for peer, part in zip(peers, data):
        check(receive(peer, len(part)) == part, "mixes up its clients")
    for peer in peers:
        peer.close()


def echo_to_the_end(port):
    """A client that says it has no more to say still gets all of it."""
    data = os.urandom(1 << 20)
    with connect(port) as peer:
        def talk(_):
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
        in_parallel(2, lambda number: talk(0) if number else check(receive(peer) == data, "forgets the rest"))


def echo_with_a_glutton(port):
    """One talks and does not listen, as long as it is let; others are served meanwhile."""
    with connect(port, 65536) as glutton:
        glutton.setblocking(False)
        sent = 0
        while select.select([], [glutton], [], 0.3)[1]:
            sent += glutton.send(bytes(65536))
            check(sent < 64 << 20, "keeps everything for a client that does not listen")
        many_echoes(port, 5)
        reset(glutton)


def echo_without_descriptors():
    """Who comes when there are none has to wait until somebody leaves."""
    with server("0", limit=32) as process:
        peers = [connect(process.port) for _ in range(60)]
        for number, peer in enumerate(peers):
            peer.sendall(b"%02d" % number)
        for number, peer in enumerate(peers):
            check(receive(peer, 2) == b"%02d" % number, "mixes up its clients")
            peer.close()


def op_echo():
    echo_without_descriptors()
    with server("0") as process:
        echo(process.port)
        many_echoes(process.port, 200)
        echo_to_the_end(process.port)
        for _ in range(3):
            echo_with_a_glutton(process.port)
        many_echoes(process.port, 5)
    return True


def op_stream():
    return op_echo()


def op_cores():
    with subprocess.Popen([program, "0", "3"], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            many_echoes(port, 60)
            with connect(port) as one, connect(port) as other:  # these are in the middle of something when it ends
                one.sendall(b"x")
                receive(one, 1)
                other.sendall(b"x")
                receive(other, 1)
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=PATIENCE)
                check(receive(one) == b"", "has more to say than it was told")
        finally:
            process.kill()
    check(process.returncode == 0, "ends with", process.returncode)
    counts = [int(count) for count in re.findall(r"loop \d: (\d+) connections\n", output)]
    check(len(counts) == 3 and sum(counts) == 62 and min(counts) > 0, "prints", output)
    return True


# ---- chat ------------------------------------------------------------------------------------------------------

def chat_join(port, name):
    """A client that has heard itself: now it hears all that is said."""
    peer = connect(port)
    peer.sendall(b"hello %d\n" % name)
    file = peer.makefile("rb")
    while file.readline() != b"hello %d\n" % name:
        pass
    return peer, file


def chat_with_all(port, clients, lines):
    """All lines of each client come to all clients, and those of one in order."""
    peers = [chat_join(port, number) for number in range(clients)]

    def talk(number):
        peer, file = peers[number]
        for turn in range(lines):
            peer.sendall(b"%d says %d\n" % (number, turn))
        seen = [0] * clients
        while sum(seen) < clients * lines:
            words = file.readline().split()
            if words[0] != b"hello":
                sender, turn = int(words[0]), int(words[2])
                check(seen[sender] == turn, "tells", number, "out of order:", words)
                seen[sender] += 1

    in_parallel(clients, talk)
    return peers


def chat_without_reading(process, port):
    """Whoever does not read is dropped, and nobody waits."""
    with chat_join(port, 100)[0], chat_join(port, 101)[0] as writer:
        file = writer.makefile("rb")
        open_before = descriptors(process)
        while descriptors(process) == open_before:
            writer.sendall(b"x" * 1000 + b"\n")
            check(len(file.readline()) > 0, "ends a connection that is read")


def op_chat():
    with subprocess.Popen([program, "0", "3"], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            peers = chat_with_all(port, 12, 20)
            for peer, file in peers:
                file.close()
                peer.close()
            wait_for_calm(process)
            chat_without_reading(process, port)
            peer, file = chat_join(port, 102)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=PATIENCE)
            check(file.read() == b"", "does not end the connection of who is there")
            file.close()
            peer.close()
        finally:
            process.kill()
    check(process.returncode == 0, "ends with", process.returncode)
    found = [(int(members), int(lines)) for members, lines in re.findall(r"loop \d: (\d+) members, (\d+) lines\n", output)]
    check(len(found) == 3 and sum(members for members, _ in found) == 15, "prints", output)
    check(min(lines for _, lines in found) >= 12 * 20 + 15, "prints", output)
    return True


# ---- proxy -----------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def through(process, listener):
    """Both ends of a connection through the proxy."""
    with connect(process.port, 65536) as near, listener.accept()[0] as far:
        far.settimeout(PATIENCE)
        yield near, far


def proxy_is_patient(process, listener):
    """What the far side does not take is not taken from the near side, and nothing of it is lost."""
    data = os.urandom(32 << 20)
    before = memory(process)
    with through(process, listener) as (near, far):
        near.setblocking(False)
        sent = 0
        while select.select([], [near], [], 0.5)[1]:
            sent += near.send(data[sent:sent + 65536])
            check(sent < len(data), "takes everything at once")
        grown = memory(process) - before
        check(grown < 4 << 20, "keeps in memory", grown, "bytes")
        near.settimeout(PATIENCE)

        def send_rest():
            near.sendall(data[sent:])
            near.shutdown(socket.SHUT_WR)

        jobs = [send_rest,
                lambda: check(receive(far) == data, "changes what is sent"),
                lambda: far.sendall(data),
                lambda: check(receive(near, len(data)) == data, "changes what comes back")]
        in_parallel(len(jobs), lambda number: jobs[number]())


def proxy_passes_ends(process, listener):
    with through(process, listener) as (near, far):
        near.sendall(b"question")
        near.shutdown(socket.SHUT_WR)
        check(receive(far) == b"question", "changes the question")
        far.sendall(b"answer")
        far.shutdown(socket.SHUT_WR)
        check(receive(near) == b"answer", "changes the answer")
    for ended in (0, 1):  # an error is not an end
        with through(process, listener) as pair:
            pair[0].sendall(b"x")
            pair[1].sendall(b"x")
            check(receive(pair[0], 1) == receive(pair[1], 1) == b"x", "says something else")
            reset(pair[ended])
            check(was_reset(pair[1 - ended]), "makes an end of a reset")


def proxy_many(process, listener):
    pairs = []
    with contextlib.ExitStack() as stack:
        for number in range(100):
            pairs.append(stack.enter_context(through(process, listener)))
            pairs[-1][0].sendall(b"%d" % number)
        for number, (near, far) in enumerate(pairs):
            check(receive(far, len(str(number))) == b"%d" % number, "mixes up its clients")
            far.sendall(b"%d" % -number)
        for number, (near, far) in enumerate(pairs):
            check(receive(near, len(str(-number))) == b"%d" % -number, "mixes up its answers")


def op_proxy():
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE)
        target = str(listener.getsockname()[1])
        with server(HOST, target, "0") as process:
            listener.accept()[0].close()  # the one that server() made
            wait_for_calm(process)
            proxy_is_patient(process, listener)
            proxy_passes_ends(process, listener)
            proxy_many(process, listener)
            listener.close()
            with connect(process.port) as peer:
                check(was_reset(peer), "hides that there is nobody")
    return True


# ---- copy ------------------------------------------------------------------------------------------------------

def copy(*arguments):
    return subprocess.run([program, *arguments], stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def copy_is_equal(source, target, size):
    result = copy(source, target)
    check(result.returncode == 0 and result.stderr.endswith(" MB done\n"), size, "bytes:", result.stderr)
    check(digest(source) == digest(target), size, "bytes are not the same in the copy")
    check(os.stat(source).st_mode == os.stat(target).st_mode, "changes the mode")
    check(not os.path.exists(target + ".part"), "leaves its .part")


def copy_holes(source, target):
    """Holes, one of them at the end, and zeros that somebody has written."""
    with open(source, "wb") as file:
        file.seek(8 << 20)
        file.write(b"middle" + bytes(1 << 20))
        file.truncate(20 << 20)
    copy_is_equal(source, target, "sparse")
    check(os.stat(target).st_blocks * 512 < 4 << 20, "fills the holes")


def copy_onto_full_disk(source, folder):
    """As root only. What was there before stays."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], stderr=subprocess.DEVNULL,
                             check=False)
    if mounted.returncode:
        return
    try:
        target = folder + "/target"
        with open(target, "wb") as file:
            file.write(b"old")
        result = copy(source, target)
        check(result.returncode == 1 and result.stderr.endswith("No space left on device\n"), "says", result.stderr)
        check(os.listdir(folder) == ["target"] and os.stat(target).st_size == 3, "leaves", os.listdir(folder))
    finally:
        subprocess.run(["umount", folder], check=True)


def op_copy():
    with tempfile.TemporaryDirectory() as folder:
        source, target, disk = folder + "/source", folder + "/target", folder + "/disk"
        os.mkdir(disk)
        for size, mode in ((0, 0o644), (1, 0o600), ((256 << 10) * 16, 0o755), ((5 << 20) + 4097, 0o640)):
            with open(source, "wb") as file:
                file.write(os.urandom(size))
            os.chmod(source, mode)
            copy_is_equal(source, target, size)
        copy_is_equal(source, source, "its own")
        copy_onto_full_disk(source, disk)
        copy_holes(source, target)
        for bad in ((folder + "/nobody", target), (source, folder + "/nobody/target"), (disk, target)):
            check(copy(*bad).returncode == 1, "copies", *bad)
        check(copy(source, disk).returncode == 1 and not os.path.exists(disk + ".part"), "replaces a folder")
    return True


# ---- supervisor --------------------------------------------------------------------------------------------------

def lives(pid):
    try:
        with open("/proc/%s/stat" % pid, encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def op_supervisor():
    works, fails, dies = "exit 0", "exit 3", "kill -9 $$"
    stubborn = "trap '' TERM; sleep 611 & echo pid $!; wait; wait"
    with subprocess.Popen([program, works, fails, dies, "sleep 612", stubborn], stdout=subprocess.PIPE,
                          text=True) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            lines = []
            while (lines.count(fails + ": ended with code 3\n") < 3 or lines.count(dies + ": ended by signal 9\n") < 3
                   or not any(line.startswith("pid") for line in lines)):
                lines.append(process.stdout.readline())
                check(lines[-1], "ends after", lines)
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=PATIENCE)
        finally:
            watchdog.cancel()
            process.kill()
    check(process.returncode == 0, "ends with", process.returncode)
    output = "".join(lines) + rest
    for line, count in ((works + ": ended with code 0\n", 1), ("signal 15: stopping\n", 1),
                        ("sleep 612: ended by signal 15\n", 1), (stubborn + ": ended by signal 9\n", 1)):
        check(output.count(line) == count, "does not print", count, "times", line, "but", output)
    check(output.count(" started as ") == output.count(": ended "), "does not wait for all:", output)
    eventually(lambda: not lives(re.search(r"^pid (\d+)", output, re.M)[1]), "forgets the children of a shell")
    return True


# ---- HTTP ------------------------------------------------------------------------------------------------------

class Peer:
    """A connection that speaks HTTP as badly as it is told to."""

    def __init__(self, port, receive_buffer=0):
        self.socket = connect(port, receive_buffer)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, *lines):
        """A request without body; "Host" is added."""
        self.socket.sendall("\r\n".join((lines[0], "Host: here", *lines[1:], "", "")).encode())

    def answer(self, head=False):
        """The code, the fields with small letters, the body."""
        line = self.file.readline().decode()
        check(re.fullmatch(r"HTTP/1\.1 \d\d\d [A-Z][A-Za-z -]+\r\n", line), "begins an answer with", repr(line))
        fields = {}
        for field in iter(lambda: self.file.readline().decode(), "\r\n"):
            key, colon, value = field.partition(": ")
            check(colon and value.endswith("\r\n") and key.lower() not in fields, "has the field", repr(field))
            fields[key.lower()] = value.strip()
        code = int(line.split()[1])
        size = 0 if head or code == 304 else int(fields["content-length"])
        body = self.file.read(size)
        check(len(body) == size, "sends", len(body), "of", size, "bytes")
        check(fields["connection"] in ("keep-alive", "close") and fields["date"].endswith(" GMT"), fields)
        return code, fields, body

    def ask(self, *lines):
        self.send(*lines)
        return self.answer(lines[0].startswith("HEAD "))

    def ended(self):
        return self.file.read() == b""


def http_files(folder):
    """path → content"""
    files = {"/index.html": b"<h1>root</h1>", "/digits.txt": b"0123456789", "/empty": b"", "/sub/index.html": b"sub",
             "/sub/deep/x.css": b"x{}", "/with space+plus.json": b"{}", "/caf\u00e9.png": b"png",
             "/big.bin": os.urandom(20 << 20)}
    for path, content in files.items():
        os.makedirs(os.path.dirname(folder + path), exist_ok=True)
        with open(folder + path, "wb") as file:
            file.write(content)
    with open(folder + "/.hidden", "wb"), open(folder + "/../secret", "wb") as secret:
        secret.write(b"secret")
    os.symlink("../secret", folder + "/link")
    os.symlink("loop", folder + "/loop")
    os.mkdir(folder + "/bare")
    os.mkfifo(folder + "/fifo")
    return files


def http_paths(port, files):
    """On one connection: it is kept alive by errors that leave no doubt where the next request begins."""
    targets = {path: content for path, content in files.items() if path.isascii() and " " not in path}
    targets.update({"/": files["/index.html"], "/sub/": b"sub", "/?query=/../x#no": files["/index.html"],
                    "/with%20space+plus.json": b"{}", "/caf%C3%A9.png": b"png", "/%64igits.txt": b"0123456789",
                    "//digits.txt": b"0123456789", "http://here/digits.txt": b"0123456789", "/link": b"secret"})
    errors = {"/nobody": 404, "/digits.txt/": 404, "/sub/nobody/x": 404, "/bare/": 404, "/loop": 404,
              "/" + 300 * "x": 404, "//etc/passwd": 404, "/.hidden": 403, "/%2ehidden": 403, "/../secret": 403,
              "/sub/../digits.txt": 403, "/%2e%2e/secret": 403, "/..%2fsecret": 403, "/sub/..%2F..%2Fsecret": 403,
              "/fifo": 403, "/sub/./x": 403,
              "/%00": 400, "/digits.txt%00.html": 400, "/%zz": 400, "/%4": 400, "/%": 400, "*": 404}
    with Peer(port) as peer:
        for target, content in targets.items():
            check(peer.ask("GET " + target + " HTTP/1.1")[::2] == (200, content), "does not find", target)
        for target, code in errors.items():
            got, fields, body = peer.ask("GET " + target + " HTTP/1.1")
            check(got == code and fields["content-type"] == "text/plain", "answers", target, "with", got)
            check(body.startswith(b"%d " % code), "explains with", body)
        for target, location in (("/sub", "./sub/"), ("/sub/deep", "./deep/"), ("//sub?x", "./sub/")):
            code, fields, _ = peer.ask("GET " + target + " HTTP/1.1")
            check((code, fields["location"]) == (301, location), "sends", target, "to", code, fields)
        for path, kind in (("/", "text/html; charset=utf-8"), ("/sub/deep/x.css", "text/css; charset=utf-8"),
                           ("/caf%C3%A9.png", "image/png"), ("/empty", "application/octet-stream")):
            check(peer.ask("GET " + path + " HTTP/1.1")[1]["content-type"] == kind, "thinks something of", path)


def http_parts(port):
    wants = {"0-0": b"0", "2-4": b"234", "5-": b"56789", "-3": b"789", "-99": b"0123456789", "8-99": b"89",
             "9-9": b"9", "0-%d" % 2**63: b"0123456789"}
    whole = ("5-3", "a-b", "1", "0-1,3-4", "--5", "", "1-2x", "-", "1 - 2", "-5-7")
    with Peer(port) as peer:
        for ask, content in wants.items():
            code, fields, body = peer.ask("GET /digits.txt HTTP/1.1", "Range: bytes=" + ask)
            first = b"0123456789".index(content)
            check((code, body) == (206, content), ask, "gives", code, body)
            check(fields["content-range"] == "bytes %d-%d/10" % (first, first + len(content) - 1), fields)
        for ask in ("10-", "99-100", "-0"):
            code, fields, _ = peer.ask("GET /digits.txt HTTP/1.1", "Range: bytes=" + ask)
            check((code, fields["content-range"]) == (416, "bytes */10"), ask, "gives", code, fields)
        check(peer.ask("GET /empty HTTP/1.1", "Range: bytes=0-")[0] == 416, "finds a byte in nothing")
        for ask in whole:
            check(peer.ask("GET /digits.txt HTTP/1.1", "Range: bytes=" + ask)[::2] == (200, b"0123456789"), ask)
        code, fields, _ = peer.ask("HEAD /digits.txt HTTP/1.1", "Range: bytes=0-1")
        check((code, fields["content-length"]) == (200, "10"), "answers HEAD with", code, fields)
        modified = fields["last-modified"]
        check(peer.ask("GET /digits.txt HTTP/1.1", "If-Modified-Since: " + modified)[0] == 304, "forgets", modified)
        check(peer.ask("GET /digits.txt HTTP/1.1", "if-modified-since: yesterday")[0] == 200, "takes any date")
        for condition, code in ((modified, 206), ("then", 200)):
            got = peer.ask("GET /digits.txt HTTP/1.1", "Range: bytes=1-2", "If-Range: " + condition)[0]
            check(got == code, "answers If-Range", condition, "with", got)
        check(peer.ask("HEAD /nobody HTTP/1.1")[0] == 404, "finds nobody")
        check(peer.ask("GET /digits.txt HTTP/1.1")[2] == b"0123456789", "has lost its place")


def http_errors(port):
    """After these the connection ends, for nobody knows where the next request begins."""
    long_line, host = "x" * 9000, "Host: here\r\n"
    for text, code in (("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400),
                       ("GET / HTTX/1.1\r\n\r\n", 400), ("GET /a b HTTP/1.1\r\n\r\n", 400),
                       ("BREW / HTTP/1.1\r\n" + host + "\r\n", 501), ("GET / HTTP/2.0\r\n" + host + "\r\n", 505),
                       ("GET / HTTP/1.x\r\n\r\n", 505), ("GET /" + long_line, 414),
                       ("GET / HTTP/1.1\r\n" + host + "X: " + long_line, 431),
                       ("GET / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 413),
                       ("GET / HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n", 400),
                       ("GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
                       ("POST / HTTP/1.1\r\n" + host + "Content-Length: 100000\r\n\r\n" + "x" * 100000, 405)):
        with Peer(port) as peer:
            peer.socket.sendall(text.encode())
            got, fields, _ = peer.answer()
            check(got == code, "answers", text[:60], "with", got)
            if code != 400 or "Host" in text:
                check(fields["connection"] == "close", "goes on after", text[:60])
            check(fields.get("allow") == ("GET, HEAD" if code == 405 else None), fields)
            peer.socket.shutdown(socket.SHUT_WR)
            check(peer.ended(), "goes on after", text[:60])
    with Peer(port) as peer:
        check(peer.ask("OPTIONS * HTTP/1.1")[0] == 405, "has options")
        check(peer.ask("DELETE / HTTP/1.1")[0] == 405, "deletes")
        check(peer.ask("GET / HTTP/1.1")[0] == 200, "cannot go on")


def http_connections(port):
    for lines, kept in ((("GET / HTTP/1.1",), True), (("GET / HTTP/1.1", "Connection: close"), False),
                        (("GET / HTTP/1.0",), False), (("GET / HTTP/1.0", "Connection: keep-alive"), True)):
        with Peer(port) as peer:
            code, fields, _ = peer.ask(*lines)
            check(code == 200 and fields["connection"] == ("keep-alive" if kept else "close"), lines, "gives", fields)
            check(peer.ask(*lines)[0] == 200 if kept else peer.ended(), lines, "keep the connection:", not kept)
    with Peer(port) as peer:  # many at once: the answers come in their order
        asked = [("/digits.txt", b"0123456789"), ("/nobody", b"404 Not Found\n"), ("/sub/", b"sub")] * 100
        for path, _ in asked:
            peer.send("GET %s HTTP/1.1" % path)
        for path, body in asked:
            check(peer.answer()[2] == body, "does not answer in order", path)
    with Peer(port) as peer:  # byte by byte
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\nGET /digits.txt HTTP/1.1\r\nHost: here\r\nRange: bytes=3-4\r\n\r\n":
            peer.socket.sendall(bytes((byte,)))
            time.sleep(0.001)
        check(peer.answer()[::2] == (206, b"34"), "does not wait for the end of a request")


def http_big(process, files):
    """A file larger than any buffer, to clients that are slow, that leave, and many of them."""
    big, before = files["/big.bin"], memory(process)
    with Peer(process.port) as peer:
        check(peer.ask("GET /big.bin HTTP/1.1")[2] == big, "changes a big file")
        part = peer.ask("GET /big.bin HTTP/1.1", "Range: bytes=1000001-19000000")[2]
        check(part == big[1000001:19000001], "changes a part of a big file")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Peer(process.port, 4096)) for _ in range(20)]
        for peer in slow:
            peer.send("GET /big.bin HTTP/1.1")
        check(slow[7].answer()[2] == big, "changes it for a slow client")
        http_paths(process.port, files)
        grown = memory(process) - before
        check(grown < 8 << 20, "keeps in memory for 20 slow clients", grown, "bytes")
        for number, peer in enumerate(slow):
            if number % 2:  # the others just close, with unread data: that is a reset as well
                reset(peer.socket)

    def fetch(number):
        with Peer(process.port) as peer:
            for turn in range(10):
                path = random.choice(list(files)).replace(" ", "%20").replace("\u00e9", "%C3%A9")
                if path == "/big.bin" and (number + turn) % 8:
                    continue
                content = files[path.replace("%20", " ").replace("%C3%A9", "\u00e9")]
                check(peer.ask("GET " + path + " HTTP/1.1")[2] == content, "mixes up", path)

    in_parallel(50, fetch)


def op_http():
    with tempfile.TemporaryDirectory() as parent:
        folder = parent + "/root"
        os.mkdir(folder)
        files = http_files(folder)
        with server(folder, "0") as process:
            http_paths(process.port, files)
            http_parts(process.port)
            http_errors(process.port)
            http_connections(process.port)
            http_big(process, files)
    return True


on_every_backend(globals()[name])
