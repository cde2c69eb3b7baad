#!/usr/bin/env python3
"""hitch on evring: TLS taken off in front of a tiny server, many clients at once, and a reload by SIGHUP."""
import concurrent.futures
import signal
import socketserver
import ssl
import socket
import subprocess
import threading

import place
from place import HOST, per_backend

CLIENTS = 64
TOGETHER = 12


class Echo(socketserver.StreamRequestHandler):
    """A length in the first line, so many bytes after it; both come back."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line + self.rfile.read(int(line)))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def certificate(here, name):
    """A key and a certificate for CN=name, in one file."""
    pem = here.path(name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                    "-keyout", pem + ".key", "-out", pem + ".crt"], check=True, stderr=subprocess.DEVNULL)
    with open(pem, "wb") as file:
        file.write(place.read(pem + ".key") + place.read(pem + ".crt"))
    return pem


def connect(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection((HOST, port), place.WORKING))


def peer_name(port):
    with connect(port) as client:
        der = client.getpeercert(True)
    text = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject"], input=der, check=True,
                          stdout=subprocess.PIPE).stdout.decode()
    return text.split("CN")[1].strip(" =\n")


def names_itself(port, name):
    """A worker that ends with its certificate may reset who has just come."""
    try:
        return peer_name(port) == name
    except ConnectionResetError:
        return False


def talk(port, seed):
    """Some questions over one connection; whether every answer was right."""
    with connect(port) as client, client.makefile("rb") as answers:
        for size in (1, 1000, 100000 + seed):
            question = b"%d\n" % size + bytes([seed % 251]) * size
            client.sendall(question)
            if answers.read(len(question)) != question:
                return False
    return True


class HitchTest(place.ClientTest):
    @classmethod
    def setUpClass(cls):
        place.need("hitch", "openssl")

    def setUp(self):
        self.origin = Server((HOST, 0), Echo)
        threading.Thread(target=self.origin.serve_forever, daemon=True).start()

    def tearDown(self):
        self.origin.shutdown()
        self.origin.server_close()

    def configure(self, here, ports, pem):
        frontends = "".join('frontend = { host = "%s" port = "%d" }\n' % (HOST, port) for port in ports)
        with open(here.path("hitch.conf"), "w", encoding="ascii") as file:
            file.write(frontends + 'backend = "[%s]:%d"\npem-file = "%s"\nworkers = 2\ndaemon = off\nuser = "%s"\n'
                       % (HOST, self.origin.server_address[1], pem, "nobody" if here.is_root else ""))
        return here.path("hitch.conf")

    def many_talk(self, port):
        with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
            self.assertTrue(all(pool.map(lambda seed: talk(port, seed), range(CLIENTS))))

    @per_backend
    def test_hitch_serves_and_reloads(self, here):
        old, new = certificate(here, "old.test"), certificate(here, "new.test")
        hitch, port = here.serve(lambda port: ("hitch", "--config=" + self.configure(here, [port], old)))
        self.assertEqual(peer_name(port), "old.test")
        self.many_talk(port)
        here.prove(hitch)

        second = place.free_port()
        self.configure(here, [port, second], new)
        with connect(port) as patient:  # a connection that is older than the new configuration
            hitch.send_signal(signal.SIGHUP)
            self.assertTrue(place.wait_until(lambda: place.answers(second), place.STARTING))
            self.assertTrue(place.wait_until(lambda: names_itself(port, "new.test"), place.STARTING))
            self.many_talk(port)
            self.many_talk(second)
            patient.sendall(b"3\nabc")
            self.assertEqual(patient.makefile("rb").read(5), b"3\nabc")
        here.prove(hitch)


if __name__ == "__main__":
    place.report.main()
