#!/usr/bin/env python3
"""shadowsocks-libev on evring: files through an encrypted tunnel, SOCKS5 in, checksums out."""
import concurrent.futures
import random
import socket
import socketserver
import struct
import threading

import place
from place import HOST, per_backend

SIZE = 16 << 20
TOGETHER = 6


class Giver(socketserver.StreamRequestHandler):
    """A length in the first line, so many bytes after it: these come back, then the server's own file."""

    def handle(self):
        left = int(self.rfile.readline())
        while left:
            data = self.rfile.read1(min(65536, left))
            left -= len(data)
            self.wfile.write(data)
        self.wfile.write(self.server.content)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


def receive(sock, size):
    data = bytearray()
    while len(data) < size:
        part = sock.recv(min(65536, size - len(data)))
        if not part:
            break
        data += part
    return bytes(data)


def socks_connect(proxy_port, port):
    sock = socket.create_connection((HOST, proxy_port), place.WORKING)
    sock.sendall(b"\x05\x01\x00")
    if receive(sock, 2) != b"\x05\x00":
        raise AssertionError("SOCKS5 greeting")
    sock.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(HOST) + struct.pack("!H", port))
    if receive(sock, 10)[:2] != b"\x05\x00":
        raise AssertionError("SOCKS5 connect")
    return sock


def exchange(proxy_port, port, question, answer_size):
    """Sends and receives at the same time; reads to the end, which must come where it belongs."""
    with socks_connect(proxy_port, port) as sock:
        sender = threading.Thread(target=sock.sendall, args=(b"%d\n" % len(question) + question,))
        sender.start()
        answer = receive(sock, answer_size + 1)
        sender.join()
        return answer


class ShadowsocksTest(place.ClientTest):
    @classmethod
    def setUpClass(cls):
        place.need("ss-server", "ss-local")

    def setUp(self):
        self.origin = Server((HOST, 0), Giver)
        self.origin.content = random.Random(1).randbytes(SIZE)
        threading.Thread(target=self.origin.serve_forever, daemon=True).start()

    def tearDown(self):
        self.origin.shutdown()
        self.origin.server_close()

    @per_backend
    def test_files_pass_the_tunnel_unharmed(self, here):
        common = ["-k", "secret", "-m", "chacha20-ietf-poly1305", "-t", "60"]
        server, server_port = here.serve(lambda port: (here.plain("ss-server"), "-s", HOST, "-p", str(port), *common))
        local, port = here.serve(lambda port: (
            here.plain("ss-local"), "-s", HOST, "-p", str(server_port), "-b", HOST, "-l", str(port), *common))
        origin = self.origin.server_address[1]
        content = self.origin.content
        self.assertEqual(place.checksum(exchange(port, origin, b"", SIZE)), place.checksum(content))
        questions = [random.Random(seed).randbytes(seed * 100000) for seed in range(TOGETHER)]
        with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
            answers = pool.map(lambda question: exchange(port, origin, question, SIZE + len(question)), questions)
            for question, answer in zip(questions, answers):
                self.assertEqual(place.checksum(answer), place.checksum(question + content))
        here.prove(server)
        here.prove(local)
        here.end(local)
        here.end(server)
        self.assertEqual((local.returncode, server.returncode), (0, 0))
        self.assertGreaterEqual(here.stats().count(here.backend), 2, here.stats())


if __name__ == "__main__":
    place.report.main()
