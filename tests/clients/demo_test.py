#!/usr/bin/env python3
"""The demonstration (tools/demo.py) with a round of each part: it comes to its end and draws every pair, also without a terminal,
without colours, without a ring and without nginx. What the numbers are is not asked.
Environment: as place.py, BUILD the build folder, NORING the sandbox helper."""
import os
import re
import subprocess
import sys
import unittest

import place

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "demo.py")
BENCH = os.path.join(os.path.dirname(DEMO), "..", "bench")
WITHOUT_NGINX = ("import runpy, sys; sys.path.insert(0, %r); import web; web.nginx = lambda: web.Kind('nginx', None, None); "
                 "sys.argv = ['demo', '1']; runpy.run_path(%r, run_name='__main__')" % (BENCH, DEMO))


def demo(*before, argv=(DEMO, "1"), **variables):
    done = subprocess.run([*before, sys.executable, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=place.WORKING * 3,
                          stdin=subprocess.DEVNULL, env={**os.environ, **variables}, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace")


class DemoTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place.need("nghttpd", "nghttp", "h2load")
        programs = [os.path.join(os.environ["BUILD"], name) for name in ("bench/pipes", "bench/ops_echo", "bench/peer_epoll")]
        if not all(map(os.path.exists, programs)):
            raise unittest.SkipTest("the benchmarks are not built")

    def pairs_of(self, text):
        """Each pair in the picture: two bars, of which one is the longest there is; a ratio."""
        picture = text.split("longer is better", 1)[1]
        bars = re.findall(r"^  .{24} ([█#]+) +[\d,]+(  × [\d.]+ \[.*\])?$", picture, re.M)
        self.assertEqual([bool(ratio) for _, ratio in bars], [True, False] * (len(bars) // 2), text)
        for one, other in zip(bars[::2], bars[1::2]):
            self.assertEqual(max(len(one[0]), len(other[0])), 40, text)
        return len(bars) // 2

    def test_every_pair_is_drawn_without_colours_where_there_is_no_terminal(self):
        code, text = demo()
        self.assertEqual(code, 0, text)
        self.assertEqual(self.pairs_of(text), 5 if "nginx (" in text else 3, text)
        self.assertNotIn("\033", text)
        self.assertIn("bodies fetched with nghttp were equal byte for byte", text)

    def test_where_there_is_no_ring_it_says_so_and_goes_on(self):
        if not place.works("io_uring"):
            self.skipTest("there is no ring here anyhow")
        code, text = demo(os.environ["NORING"], "1")
        if code == 77:
            self.skipTest("no seccomp")
        self.assertEqual(code, 0, text)
        self.assertIn("There is no io_uring to show", text)
        self.assertGreaterEqual(self.pairs_of(text), 3, text)

    def test_where_there_is_no_nginx_it_says_so_and_draws_the_others(self):
        code, text = demo(argv=("-c", WITHOUT_NGINX))
        self.assertEqual(code, 0, text)
        self.assertIn("there is no nginx here", text)
        self.assertEqual(self.pairs_of(text), 3, text)


if __name__ == "__main__":
    place.report.main()
