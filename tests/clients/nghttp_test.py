#!/usr/bin/env python3
"""nghttp2's programs on evring: nghttpd and h2load (every answer counted and measured), nghttp (every byte
compared), nghttpx in front of nghttpd."""
import http.client
import re

import place
from place import HOST, per_backend

SIZES = (0, 1, 1000, 16384, 100000, 3000000)


def check_h2load(test, text, requests, body_size):
    """Every request was answered with 2xx and a body of the right length."""
    def numbers(pattern):
        found = re.search(pattern, text)
        test.assertIsNotNone(found, text)
        return [int(number) for number in found.groups()]
    test.assertEqual(numbers(r"requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, "
                             r"(\d+) errored, (\d+) timeout"), [requests] * 4 + [0, 0, 0], text)
    test.assertEqual(numbers(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx"), [requests, 0, 0, 0], text)
    test.assertEqual(numbers(r"\((\d+)\) data"), [requests * body_size], text)


class NghttpTest(place.ClientTest):
    @classmethod
    def setUpClass(cls):
        place.need("nghttpd", "nghttp", "h2load", "nghttpx")

    def start_server(self, here, *options):
        files = here.make_files("www", SIZES)
        server, port = here.serve(lambda port: ("nghttpd", "-a", HOST, "-d", here.path("www"), "--no-tls", *options,
                                                str(port)))
        return files, server, port

    def load(self, here, port, name, requests, *options):
        text = here.run("h2load", "-n", str(requests), *options, "http://%s:%d/%s" % (HOST, port, name)).decode()
        check_h2load(self, text, requests, int(name.split(".")[0]))

    def compare_bodies(self, here, port, files):
        for name, content in files.items():
            body = here.run("nghttp", "http://%s:%d/%s" % (HOST, port, name))
            self.assertEqual(place.checksum(body), place.checksum(content), name)

    @per_backend
    def test_nghttpd_answers_every_request_of_h2load(self, here):
        files, server, port = self.start_server(here, "-n", "2")
        self.compare_bodies(here, port, files)
        self.load(here, port, "1000.bin", 100000, "-c", "8", "-m", "32", "-t", "2")
        self.load(here, port, "100000.bin", 1000, "-c", "20", "-m", "4")
        self.compare_bodies(here, port, files)
        here.prove(server)
        self.assertIn(here.backend, here.stats())

    @per_backend
    def test_many_short_connections(self, here):
        files, server, port = self.start_server(here)
        self.load(here, port, "1000.bin", 2000, "-c", "400", "-m", "1")
        self.compare_bodies(here, port, {"1000.bin": files["1000.bin"]})
        here.prove(server)

    @per_backend
    def test_nghttpx_passes_on_what_nghttpd_answers(self, here):
        files, server, origin = self.start_server(here)
        proxy, port = here.serve(lambda port: (
            "nghttpx", "--conf=/dev/null", "-f%s,%d;no-tls" % (HOST, port), "-b%s,%d;;proto=h2" % (HOST, origin),
            "-n", "2", "--accesslog-file=/dev/null"))
        self.compare_bodies(here, port, files)
        for name, content in files.items():
            connection = http.client.HTTPConnection(HOST, port, timeout=place.WORKING)
            connection.request("GET", "/" + name)
            answer = connection.getresponse()
            self.assertEqual((answer.status, place.checksum(answer.read())), (200, place.checksum(content)), name)
            connection.close()
        self.load(here, port, "1000.bin", 20000, "-c", "10", "-m", "10")
        here.prove(server)
        here.prove(proxy)


if __name__ == "__main__":
    place.report.main()
