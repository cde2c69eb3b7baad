#!/usr/bin/env python3
"""Makes the site: what README, the documents, the manual pages, the examples and the benchmarks say, as HTML that needs no
scripts and loads nothing from elsewhere. Every link inside it is looked at; a broken one is an error.

usage: website.py [--root TREE] [--report FOLDER] OUTPUT-DIRECTORY
FOLDER: where ./dev bench report has left report.json and report.html; without them the figures are those of bench/RESULTS.md.

Needs cmark-gfm, mandoc and scdoc. What a document links to and is no document is shown as it is. Exit code 1 and a list when
links are broken; links to other sites are not followed."""
import argparse
import html
import json
import os
import pathlib
import posixpath
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]
import release  # noqa: E402
import run  # noqa: E402

NAVIGATION = (("index.html", "evring"), ("man/index.html", "Manual"), ("man/ev_op.7.html", "Operations"),
              ("examples/index.html", "Examples"), ("doc/COMPAT.html", "Coming from libev"), ("bench/index.html", "Benchmarks"),
              ("documents.html", "Documents"), ("CHANGES.html", "Changes"))
SECTIONS = {"1": "Commands", "3": "Functions", "7": "About the whole"}
ROUNDS_MIN = 5  # of a report whose figures may be shown
SOURCE_MAX = 200000  # bytes of a file that is shown

# The first page's figures, good and bad: what, of which part of the report, in which cell, ours, whose.
FIGURES = (
    ("A byte read and passed on, 100 of 1000 sockets active", "pipes", "1000 fds, 100 active", "evring-uring", "stock-epoll"),
    ("the same, one of 9000", "pipes", "9000 fds, 1 active", "evring-uring", "stock-epoll"),
    ("the same, on epoll", "pipes", "1000 fds, 100 active", "evring-epoll", "stock-epoll"),
    ("Interest that changes for every byte, 64 of 1000 sockets", "toggle", "1000 fds, 64 active", "evring-uring", "stock-epoll"),
    ("An iteration of the loop for a timer", "timers", "tick, 1000", "evring-uring", "stock-epoll"),
    ("Echo by ev_io, 64 connections", "echo", "64 connections", "evring-uring", "stock-epoll"),
    ("Echo by operations, 512 connections", "ops", "64 B, 512 connections", "evring-ops", "raw-epoll"),
    ("the same without a ring", "ops", "64 B, 512 connections", "evring-ops-ready", "raw-epoll"),
    ("the example op_echo, with deadlines and all errors", "careful", "64 B, 512 connections", "op_echo", "raw-epoll"),
    ("the same, one connection", "careful", "64 B, 1 connections", "op_echo", "raw-epoll"),
    ("A connection per request", "churn", "64 connections", "evring-ops", "raw-epoll"),
    ("HTTP, 1 KiB: the example op_http", "http", "1 KiB", "op_http on io_uring", "nginx"),
    ("HTTP, 100 KB: the example op_http", "http", "100 KB", "op_http on io_uring", "nginx"),
    ("HTTP/2: nghttpd, unchanged", "http2", "1 KiB", "nghttpd on evring, io_uring", "nghttpd"),
    ("Reads past the page cache, 16 under way", "files", "direct, depth 16", "evring-ops", "libuv"),
    ("Datagrams by operations, 64 clients", "datagrams", "64 clients", "evring-ops", "raw-epoll"),
    ("An idle descriptor stopped for good, of 1000", "scale", "stop, 1000 fds", "evring-uring", "stock-epoll"),
    ("A loop made and destroyed", "life", "life", "evring-uring", "stock-epoll"),
)
WHOSE = {"stock-epoll": "libev on epoll", "raw-epoll": "epoll by hand", "nghttpd": "the same on libev"}

STYLE = """:root { color-scheme: light dark; --back: #fff; --text: #1c2024; --soft: #5b6670; --line: #d8dce0; --card: #f4f6f7; --link: #0b6f69;
  --good: #0b7a45; --bad: #a84300 }
@media (prefers-color-scheme: dark) { :root { --back: #14181b; --text: #e2e6e9; --soft: #9aa5ad; --line: #333b41; --card: #1c2226;
  --link: #62c4bb; --good: #6fcf97; --bad: #f0a04b } }
* { box-sizing: border-box }
body { background: var(--back); color: var(--text); font: 16px/1.55 system-ui, sans-serif; max-width: 58rem; margin: 0 auto; padding: 0 1rem 3rem }
nav.site { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: .8rem 0; border-bottom: 1px solid var(--line); margin-bottom: 1rem }
nav.site a { text-decoration: none } nav.site a:first-child { font-weight: 700 }
a { color: var(--link) } h1, h2, h3 { line-height: 1.25; margin: 1.8rem 0 .6rem } h1 { margin-top: 1rem }
code, pre, kbd { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .86rem }
pre { background: var(--card); padding: .7rem .9rem; overflow-x: auto; border-radius: 6px; line-height: 1.4 }
code { overflow-wrap: anywhere } pre code { overflow-wrap: normal } p, li, dd, td { overflow-wrap: break-word }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .92rem; margin: .8rem 0 }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top }
.soft { color: var(--soft) } .good { color: var(--good); font-weight: 600 } .bad { color: var(--bad); font-weight: 600 }
.lead { font-size: 1.15rem } footer { color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); margin-top: 3rem; padding-top: .6rem }
.manual-text a.permalink { color: inherit; text-decoration: none } .Bd-indent, dd { margin-left: 1.5rem } dt { margin-top: .6rem }
.manual-text section { margin: 0 } .columns { columns: 17rem } .columns li { break-inside: avoid }
@media (max-width: 30rem) { .Bd-indent, dd { margin-left: .7rem } ul, ol { padding-left: 1.2rem } }
"""


def esc(text):
    return html.escape(str(text), quote=True)


def output_of(*command, given=None):
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True, text=True).stdout


def plain(fragment):
    return html.unescape(re.sub(r"<[^>]+>", "", fragment)).strip()


def heading_name(text, taken):
    """As the places name them where these documents are read besides; a second of the same name gets a number."""
    name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    taken[name] = taken.get(name, -1) + 1
    return name if not taken[name] else "%s-%d" % (name, taken[name])


def code_of(roff):
    """The blocks of a page that are to be shown as they are, empty lines included, which mandoc leaves out."""
    blocks = re.findall(r"^\.nf\n(.*?)^\.fi\n", roff, re.M | re.S)
    lines = [[line for line in block.split("\n") if not re.match(r"\.R[SE]", line)] for block in blocks]
    return [re.sub(r"\\(.)", lambda m: {"&": "", "e": "\\"}.get(m[1], m[1]), "\n".join(block)).strip("\n") for block in lines]


def with_code(body, blocks, source):
    parts = re.split(r"<pre[^>]*>.*?</pre>", body, flags=re.S)
    if len(parts) != len(blocks) + 1:
        sys.exit("site: %s: %d blocks of code, %d in HTML" % (source, len(blocks), len(parts) - 1))
    return parts[0] + "".join("<pre><code>%s</code></pre>%s" % (esc(block), rest) for block, rest in zip(blocks, parts[1:]))


class Site:
    """The pages, by their path from the top, and what of the tree still has to become one."""

    def __init__(self, root, output):
        self.root, self.output = root, output
        self.files = release.listed(root)
        self.folders = {str(folder) for name in self.files for folder in pathlib.PurePosixPath(name).parents} - {"."}
        self.pages, self.wanted = {}, []
        self.version = release.version(root)

    def text(self, name):
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    def add(self, path, title, body):
        up = "../" * path.count("/")
        links = "".join('<a href="%s%s">%s</a>' % (up, goal, esc(name)) for goal, name in NAVIGATION)
        self.pages[path] = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title><link rel="stylesheet" href="%sstyle.css"></head><body>
<nav class="site">%s</nav>
<main>
%s
</main>
<footer>evring %s · BSD-2-Clause · made from the tree by ./dev site</footer>
</body></html>
""" % (esc(title), up, links, body, esc(self.version))

    # ---- where a file of the tree is to be found ------------------------------------------------------------------

    def place_of(self, name):
        """The page of a file or a folder, from the top; None if there is no such thing."""
        if re.fullmatch(r"man/[\w.+]+\.scd", name):
            return name[:-4] + ".html"
        if name in self.files:
            return name[:-3] + ".html" if name.endswith(".md") else name + ".html"
        if name in self.folders:
            return name + "/README.html" if name + "/README.md" in self.files and name != "bench" else name + "/index.html"
        return None

    def goal(self, link, document):
        """What a link in a document of the tree becomes."""
        address, _, heading = link.partition("#")
        if re.match(r"[a-z]+:|//", link) or not address:
            return link
        name = posixpath.normpath(posixpath.join(posixpath.dirname(document), urllib.parse.unquote(address)))
        place = self.place_of(name)
        if place is None:
            return link  # the check of links will find it
        self.wanted.append(name)
        here = posixpath.dirname(self.place_of(document))
        return posixpath.relpath(place, here or ".") + ("#" + heading if heading else "")

    # ---- documents --------------------------------------------------------------------------------------------------

    def from_markdown(self, text, document):
        body = output_of("cmark-gfm", "-e", "table", "-e", "autolink", given=text)
        taken = {}
        body = re.sub(r"<h([1-6])>(.*?)</h\1>",
                      lambda m: '<h%s id="%s">%s</h%s>' % (m[1], heading_name(plain(m[2]), taken), m[2], m[1]), body, flags=re.S)
        body = re.sub(r'href="([^"]*)"', lambda m: 'href="%s"' % esc(self.goal(html.unescape(m[1]), document)), body)
        return body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")

    def document(self, name):
        body = self.from_markdown(self.text(name), name)
        found = re.search(r"<h1[^>]*>(.*?)</h1>", body, re.S)
        title = plain(found[1]) if found else name
        self.add(self.place_of(name), title, body)
        return title

    def documents(self):
        rows = []
        for name in sorted(self.files):
            if name.endswith(".md"):
                rows.append('<li><a href="%s">%s</a> <span class="soft">%s</span></li>' % (
                    self.place_of(name), esc(self.document(name)), esc(name)))
        self.add("documents.html", "Documents", "<h1>Documents</h1><ul>%s</ul>" % "\n".join(rows))

    # ---- other files of the tree --------------------------------------------------------------------------------------

    def source(self, name):
        text = self.text(name)
        more = "<p>… and so on.</p>" if len(text) > SOURCE_MAX else ""
        self.add(self.place_of(name), name, "<h1>%s</h1><pre><code>%s</code></pre>%s" % (esc(name), esc(text[:SOURCE_MAX]), more))

    def folder(self, name):
        inside = sorted({other[len(name) + 1:].split("/")[0] for other in self.files if other.startswith(name + "/")})
        links = "".join('<li><a href="%s">%s</a></li>' % (esc(self.goal(name + "/" + entry, "README.md")), esc(entry)) for entry in inside)
        links = links.replace('href="', 'href="' + "../" * (name.count("/") + 1))
        self.add(self.place_of(name), name, "<h1>%s/</h1><ul>%s</ul>" % (esc(name), links))

    def linked(self):
        """What is linked to and has no page yet; a folder wants what is in it."""
        while self.wanted:
            name = self.wanted.pop()
            if self.place_of(name) not in self.pages:
                (self.source if name in self.files else self.folder)(name)

    # ---- manual -------------------------------------------------------------------------------------------------------

    def manual(self):
        sources = sorted(name for name in self.files if re.fullmatch(r"man/[\w.+]+\.scd", name))
        names, about = {}, {}
        for source in sources:
            page = source[4:-4]
            listed, about[page] = re.search(r"^# NAME\n+(.*?) - (.*?)$", self.text(source), re.M | re.S).groups()
            for name in re.split(r",\s*", listed.strip()):
                names.setdefault((name, page[-1]), page)
            names[tuple(page.rsplit(".", 1))] = page
        for source in sources:
            self.manual_page(source, names, about)
        self.manual_index(names, about)

    def roff(self, source):
        with tempfile.TemporaryDirectory() as folder:
            made = os.path.join(folder, source[4:-4])
            output_of(sys.executable, str(self.root / "man" / "include.py"), "scdoc", str(self.root / source),
                      str(self.root / "examples" / "man"), made, os.path.join(folder, "d"))
            return pathlib.Path(made).read_text(encoding="utf-8")

    def manual_page(self, source, names, about):
        page = source[4:-4]
        roff = self.roff(source)
        body = with_code(output_of("mandoc", "-T", "html", "-O", "fragment", given=roff), code_of(roff), source)
        body = re.sub(r'<table class="(?:head|foot)">.*?</table>', "", body, flags=re.S)
        body = re.sub(r"<(/?)h2\b", r"<\1h3", body)
        body = re.sub(r"<(/?)h1\b", r"<\1h2", body)

        def link(found):
            goal = names.get((found[1], found[2] or "3"))
            return '<a href="%s.html">%s</a>' % (goal, found[0]) if goal and goal != page else found[0]
        body = re.sub(r"<b>([\w.]+)</b>(?:\((\d)\))?", link, body)
        title = "%s(%s)" % tuple(page.rsplit(".", 1))
        self.add("man/%s.html" % page, title, "<h1>%s</h1><p class=\"lead\">%s</p>%s" % (title, esc(about[page]), body))

    def manual_index(self, names, about):
        parts = ["<h1>Manual</h1>"]
        for section, title in SECTIONS.items():
            rows = "".join('<tr><td><a href="%s.html">%s(%s)</a></td><td>%s</td></tr>' % (page, page[:-2], section, esc(text))
                           for page, text in sorted(about.items()) if page.endswith("." + section))
            parts.append('<h2>%s</h2><div class="wide"><table>%s</table></div>' % (title, rows))
        links = "".join('<li><a href="%s.html">%s</a></li>' % (page, name) for (name, section), page in sorted(names.items()) if section == "3")
        parts.append('<h2>Every function</h2><ul class="columns">%s</ul>' % links)
        self.add("man/index.html", "Manual", "".join(parts))

    # ---- examples -----------------------------------------------------------------------------------------------------

    def about_example(self, name):
        """The first sentence of the comment that it begins with."""
        found = re.match(r"(?:/\*|//)\s*(?:[\w.]+:\s*)?(.*?)(?:\.\s|\*/|\.$)", self.text(name), re.S)
        return re.sub(r"\s*\n\s*(?:\*|//)?\s*", " ", found[1]).strip() if found else ""

    def examples(self):
        names = [name for name in sorted(self.files) if re.fullmatch(r"examples/(\w+|\w+/\w+)\.(c|cc|h)", name)]
        rows = {"": "", "man/": ""}
        for name in names:
            self.wanted.append(name)
            kind = "man/" if name.startswith("examples/man/") else ""
            rows[kind] += '<tr><td><a href="%s.html">%s</a></td><td>%s</td></tr>' % (
                esc(name[9:]), esc(name[9 + len(kind):]), esc(self.about_example(name)))
        self.add("examples/index.html", "Examples", '<h1>Examples</h1><div class="wide"><table>%s</table></div>'
                 '<h2>Those of the manual</h2><div class="wide"><table>%s</table></div>' % (rows[""], rows["man/"]))

    # ---- benchmarks ---------------------------------------------------------------------------------------------------

    def benchmarks(self, report):
        body = "<h1>Benchmarks</h1>%s<ul>%s<li><a href=\"RESULTS.html\">Earlier results, and what is not where it should be</a></li>" \
               "<li><a href=\"README.html\">How it is measured, and how not to read it</a></li></ul>"
        link = '<li><a href="report.html">The report: everything, with pictures</a></li>' if report else ""
        self.add("bench/index.html", "Benchmarks", body % (self.figures(report, "bench/"), link))
        if report:
            self.pages["bench/report.html"] = report["html"]

    def figures(self, report, here):
        return figures_of(report) if report else self.recorded(here)

    def recorded(self, here):
        """The newest tables of bench/RESULTS.md, as they stand there."""
        text = self.text("bench/RESULTS.md").split("## Interest and scale", 1)
        tables = [table for part in reversed(text) for table in re.findall(r"(?:^\|.*\n)+", part.split("\n## ")[0], re.M)]
        wanted = [t for t in tables if re.match(r"\| (to stock libev|echo, TCP \||reads per CPU|a connection per|CPU us)", t)]
        up = "" if here else "bench/"
        return ("<p>Ratios of processor time, below 1 evring needs less, with 1, 64 (or 100) and half of the descriptors active; then the time itself, "
                "where a ring is dearer. Reads are per second of it, as multiples of libuv's: there more is better. Of one machine; "
                "<a href=\"%sRESULTS.html\">which, and how</a>.</p>" % up
                + "".join(self.from_markdown(table, "bench/RESULTS.md") for table in wanted))

    # ---- the first page -------------------------------------------------------------------------------------------------

    def first(self, report):
        programs = re.findall(r"^```c\n(.*?)^```", self.text("README.md"), re.M | re.S)
        self.add("index.html", "evring: the libev-compatible event loop that is finished for io_uring", """<h1>evring</h1>
<p class="lead">The libev-compatible event loop in C that is finished for io_uring.</p>
<p>Programs linked with <code>libev.so.4</code> run on it unchanged: on io_uring where the kernel is good, on epoll where it is not. The interface is
libev 4.33's, with one kind of watcher more: <a href="man/ev_op.7.html">operations</a>, receive, send, accept, files and children that complete in
the same loop, with or without a ring.</p>
<p>See what it does beside its peers on your machine, in a minute; run a program that you have on it:</p>
<pre><code>./dev demo
./dev build &amp;&amp; out/bin/evring run nghttpd --no-tls 8080</code></pre>
<p>On Debian or Ubuntu the first part of each installs what it needs. <a href="README.html#install">Install</a> ·
<a href="README.html#replace-libev-system-wide">replace libev system-wide</a> · <a href="doc/COMPAT.html">what differs from libev</a></p>
<h2 id="figures">What it saves, and what it costs</h2>
%s
<p><a href="bench/index.html">All benchmarks</a>, with what is not where it should be.</p>
<h2 id="program">A program</h2><pre><code>%s</code></pre>
<p><a href="man/ev.7.html">A tour of the loop</a>, <a href="man/ev_op.7.html">of operations</a>; <a href="examples/index.html">more to start from</a>.
</p>""" % (self.figures(report, ""), esc(programs[1])))

    def write(self):
        for path, text in self.pages.items():
            goal = self.output / path
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_text(text, encoding="utf-8")
        (self.output / "style.css").write_text(STYLE, encoding="utf-8")


def figure(report, section, cell, ours, whose):
    """(low, median, high) of what ours costs over what theirs does, and what both do; None where one of them is missing."""
    samples = report["sections"].get(section, {}).get("samples", {}).get(cell, {})
    mine, its = samples.get(ours), samples.get(whose)
    if not mine or not its:
        return None
    count = min(len(mine), len(its))
    costs = [statistics.median(sample["cpu"] for sample in side) for side in (mine, its)]
    return (*run.quartiles(run.ratios(mine[:count], its[:count], "cpu")), *costs)


def microseconds(ns):
    return "%.3g" % (ns / 1000)


def figures_of(report):
    rows = []
    for what, section, cell, ours, whose in FIGURES:
        found = figure(report, section, cell, ours, whose)
        if found:
            low, middle, high, cost, its_cost = found
            kind = "good" if high < 1 else "bad" if low > 1 else "even"
            rows.append('<tr><td>%s</td><td>%s</td><td class="%s">%.2f</td><td class="soft">%.2f–%.2f</td><td class="soft">%s, %s</td></tr>' % (
                esc(what), esc(WHOSE.get(whose, whose)), kind, middle, low, high, microseconds(cost), microseconds(its_cost)))
    machine = report["machine"]
    return """<div class="wide"><table><tr><th>evring does</th><th>beside</th><th>processor time</th><th>quartiles</th><th>µs, both</th></tr>%s</table></div>
<p class="soft">Processor time as a part of the other's: below 1 evring needs less, above 1 more. On io_uring where nothing else is said. %s, Linux %s,
%s; %d rounds, %s.</p>""" % ("".join(rows), esc(machine["when"]), esc(machine["kernel"]), esc(machine["cpu"]), report["rounds"],
                              esc(report["commit"]))


def report_in(folder):
    """What ./dev bench report has left there; None where it has not, or was but tried out."""
    try:
        with open(folder / "report.json", encoding="utf-8") as data, open(folder / "report.html", encoding="utf-8") as page:
            found = {**json.load(data), "html": page.read()}
    except OSError:
        return None
    return found if found["rounds"] >= ROUNDS_MIN else None


def broken(pages):
    """Every link that leads nowhere: to no page, or to no place in it."""
    names = {path: set(re.findall(r'\bid=["\']?([^"\'\s>]+)', text)) for path, text in pages.items()}
    for path, text in sorted(pages.items()):
        for link in sorted(set(re.findall(r'\bhref=["\']([^"\']*)["\']', re.sub(r"<svg.*?</svg>", "", text, flags=re.S)))):
            link = html.unescape(link)
            address, _, place = link.partition("#")
            if re.match(r"(https?|mailto):", link) or link.endswith("style.css"):
                continue
            goal = posixpath.normpath(posixpath.join(posixpath.dirname(path), address)) if address else path
            if goal not in pages:
                yield "%s: %s is not there" % (path, link)
            elif place and urllib.parse.unquote(place) not in names[goal]:
                yield "%s: %s has no such place" % (path, link)


def make(options):
    missing = [tool for tool in ("cmark-gfm", "mandoc", "scdoc") if not shutil.which(tool)]
    if missing:
        sys.exit("site: not installed: %s" % " ".join(missing))
    site = Site(options.root.resolve(), options.output)
    report = report_in(options.report) if options.report else None
    site.manual()
    site.documents()
    site.examples()
    site.first(report)
    site.benchmarks(report)
    site.linked()
    site.write()
    return site


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", type=pathlib.Path, default=HERE.parent)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    options = parser.parse_args()
    site = make(options)
    faults = list(broken(site.pages))
    print("\n".join(faults + ["site: %d pages, %d broken links" % (len(site.pages), len(faults))]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
