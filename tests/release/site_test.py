#!/usr/bin/env python3
"""tools/website.py: the site is made of this tree without a broken link, loads nothing and runs nothing; a link that leads nowhere
is found; figures come from a report if there is a good one.
usage: site_test.py SOURCE-ROOT"""
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1)).resolve()
TOOL = ROOT / "tools" / "website.py"
sys.path.insert(0, str(ROOT / "tests" / "command"))
import report as closing  # noqa: E402  (the closing line)

MISSING = [tool for tool in ("cmark-gfm", "mandoc", "scdoc") if not shutil.which(tool)]


def website(*words):
    done = subprocess.run([sys.executable, str(TOOL), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.returncode, done.stdout


def copy_of_the_tree(folder):
    """As an archive would be: no git in it."""
    sys.path.insert(0, str(TOOL.parent))
    sys.dont_write_bytecode = True
    import release
    for name in release.listed(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def a_report(folder, rounds):
    """Ours costs half in one cell."""
    samples = {"1000 fds, 64 active": {"evring-uring": [{"cpu": 500.0}] * 5, "stock-epoll": [{"cpu": 1000.0}] * 5}}
    told = {"rounds": rounds, "commit": "abc", "machine": {"when": "now", "kernel": "6", "cpu": "one"},
            "sections": {"toggle": {"samples": samples}}}
    (folder / "report.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / "report.html").write_text("<p id=x>the report</p>", encoding="utf-8")


@unittest.skipIf(MISSING, "not installed: " + " ".join(MISSING))
class SiteTest(unittest.TestCase):
    def assertIn(self, part, whole, message=None):  # pages are long
        self.assertTrue(part in whole, message or "%r is not there" % part)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.top = pathlib.Path(cls.folder.name)
        cls.tree = cls.top / "tree"
        copy_of_the_tree(cls.tree)
        cls.code, cls.said = website("--root", cls.tree, cls.top / "made")
        cls.pages = {str(path.relative_to(cls.top / "made")): path.read_text(encoding="utf-8")
                     for path in (cls.top / "made").rglob("*.html")}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_it_is_made_without_a_broken_link(self):
        self.assertEqual(self.code, 0, self.said)
        self.assertIn("0 broken links", self.said)

    def test_every_document_and_every_page_of_the_manual_is_there(self):
        for source in [*self.tree.rglob("*.md"), *self.tree.glob("man/*.scd")]:
            self.assertIn(os.path.splitext(str(source.relative_to(self.tree)))[0] + ".html", self.pages)

    def test_nothing_is_loaded_and_nothing_runs(self):
        for path, text in self.pages.items():
            self.assertIsNone(re.search(r"<script|<iframe|<img|@import|\bon\w+=\"|<link(?! rel=\"stylesheet\" href=\"[./]*style\.css\")", text), path)

    def test_the_first_page_has_both_commands_and_the_recorded_figures(self):
        for part in ("./dev demo", "evring run", "to stock libev on epoll", "evring on io_uring"):
            self.assertIn(part, self.pages["index.html"])

    def test_references_of_the_manual_are_links(self):
        page = self.pages["man/ev_op.7.html"]
        self.assertIn('<a href="ev_op_net.3.html"><b>ev_op_net</b>(3)</a>', page)
        self.assertIn('<a href="ev_op.3.html"><b>ev_op_start</b></a>', page)

    def test_the_code_of_the_manual_is_that_of_the_examples(self):
        code = (self.tree / "examples" / "man" / "op_life.c").read_text(encoding="utf-8")
        body = code[code.index("static char buf"):].strip()
        self.assertIn(html.escape(body, quote=True), self.pages["man/ev_op.7.html"])

    def test_links_that_lead_nowhere_are_found(self):
        readme = self.tree / "README.md"
        before = readme.read_text(encoding="utf-8")
        links = "doc/NOWHERE.md", "doc/COMPAT.md#no-such-heading", "#nor-here"
        try:
            readme.write_text(before + "".join("\n[here](%s)\n" % link for link in links), encoding="utf-8")
            code, said = website("--root", self.tree, self.top / "broken")
        finally:
            readme.write_text(before, encoding="utf-8")
        self.assertEqual((code, "3 broken links" in said), (1, True), said)
        for link in links:
            self.assertIn("README.html: " + link.replace(".md#", ".html#"), said)

    def test_figures_come_from_a_report_that_has_rounds_enough(self):
        for rounds, shown in ((5, True), (1, False)):
            a_report(self.top, rounds)
            code, said = website("--root", self.tree, "--report", self.top, self.top / "reported")
            first = (self.top / "reported" / "index.html").read_text(encoding="utf-8")
            self.assertEqual(code, 0, said)
            self.assertEqual('<td class="good">0.50</td>' in first, shown)
            self.assertEqual((self.top / "reported" / "bench" / "report.html").exists(), shown)
            shutil.rmtree(self.top / "reported")


if __name__ == "__main__":
    closing.main()
