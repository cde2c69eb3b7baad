#!/usr/bin/env python3
"""Do the manual pages keep up with the code? Compares them with what the library exports, what its header
declares, and what its sources say. usage: man_test.py SOURCES BUILT LIBRARY"""
import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

SOURCES, BUILT, LIBRARY = (os.path.abspath(path) for path in sys.argv[1:4])
ROOT = os.path.dirname(SOURCES)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


PAGES = {os.path.basename(path)[:-len(".scd")]: read(path) for path in glob.glob(SOURCES + "/*.scd")}
BUILT_PAGES = {os.path.basename(path): path for path in glob.glob(BUILT + "/*.[137]") + glob.glob(BUILT + "/names/*.[137]")}
ALL = "\n".join(PAGES.values())
CC, CXX = os.environ.get("CC", "cc").split(), os.environ.get("CXX", "c++").split()

HEADERS = re.sub(r"/\*.*?\*/", "", "".join(read(ROOT, "include", name) for name in ("ev.h", "ev_mailbox.h", "ev_op.h", "ev_stream.h")), flags=re.DOTALL)


def bare(text):
    """Without white space, to compare what is laid out differently."""
    return re.sub(r"\s", "", text)


def mentioned(name):
    """As a word of its own."""
    return re.search(r"(?<!\w)%s(?!\w)" % re.escape(name), ALL)


SYNOPSES = {name: "\n".join(re.findall(r"^```\n(.*?)^```$", re.search(r"^# SYNOPSIS\n(.*?)^# ", page, re.M | re.S)[1], re.M | re.S))
            for name, page in PAGES.items() if name.endswith(".3")}


def calls(prototypes):
    """A caller of each macro, with the arguments that the page says it takes."""
    for number, (result, name, parameters) in enumerate(prototypes):
        arguments = ", ".join(re.search(r"(\w+)\s*$", parameter)[1] for parameter in parameters.split(","))
        yield "%s call_%d (%s);\n%s call_%d (%s)\n{\n    %s%s (%s);\n}\n" % (
            result, number, parameters, result, number, parameters, "" if result == "void" else "return ", name, arguments)


def c_program(synopsis):
    """A SYNOPSIS as it stands, to be compiled. It shows macros as functions: they step aside for it, and are called
    afterwards."""
    macros = set(re.findall(r"# *define (ev_\w+)\(", HEADERS))
    prototypes = [found for found in re.findall(r"^(\w[\w ]*?) \*?(ev_\w+) \(([^;]*)\);", synopsis, re.M) if found[1] in macros]
    includes, rest = re.fullmatch(r"((?:#include [^\n]*\n|\n)+)(.*)", synopsis, re.S).groups()
    aside = "".join("#pragma push_macro(\"%s\")\n#undef %s\n#define %s page_%s\n" % ((name,) * 4) for _, name, _ in prototypes)
    back = "".join("#undef %s\n#pragma pop_macro(\"%s\")\n" % ((name,) * 2) for _, name, _ in prototypes)
    return includes + aside + rest + back + "".join(calls(prototypes)), len(prototypes)


def compiles(compiler, *options, text):
    return subprocess.run([*compiler, *options, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I" + ROOT + "/include", "-"],
                          input=text, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def command(*argv, **environment):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          env={**os.environ, **environment})


class ManTest(unittest.TestCase):
    def test_every_exported_function_has_its_prototype_in_a_page(self):
        """As the header has it, parameter by parameter; the loop written out."""
        header = bare(re.sub(r"EV_CPP \(=.*?\)|EV_NOEXCEPT", "", HEADERS.replace("EV_P", "struct ev_loop *loop")
                             .replace("*loop_", "*loop,")))
        text = bare(ALL.replace("\\", "").replace("*++\n*", "*\n*"))
        names = sorted(set(re.findall(r" T ((?:ev|evring)_\w+)", command("nm", "-D", "--defined-only", LIBRARY).stdout)))
        self.assertGreater(len(names), 60)
        for name in names:
            prototype = re.search(r"EV_API_DECL((?:(?!EV_API_DECL)[^;])*?%s\(.*?\));" % name, header)
            self.assertTrue(prototype, name + " is exported and not declared")
            written = prototype[1]
            if re.search(r"#define%s\(\.\.\.\)%s\(__VA_ARGS__,sizeof\(ev_\w+\)\)" % (name, name), header):
                written = re.sub(r",size_t(op|stream)_size\)", ")", written)
            self.assertTrue(written in text, "no page has " + written)

    def test_every_public_function_and_macro_is_found_by_man(self):
        names = set(re.findall(r" T (ev_\w+)", command("nm", "-D", "--defined-only", LIBRARY).stdout))
        names |= set(re.findall(r"# *define (ev_\w*[a-z])\(", HEADERS))
        self.assertGreater(len(names), 150)
        self.assertEqual([name for name in sorted(names) if name + ".3" not in BUILT_PAGES], [])

    def test_every_constant_of_the_header_is_in_a_page(self):
        names = set(re.findall(r"\b((?:EVFLAG|EVRUN|EVBREAK)_\w+)\s*=", HEADERS))
        names |= {name for name in re.findall(r"\b(EV_[A-Z][A-Z_]+)\s*=\s*(?:\(int\) )?0x", HEADERS)}
        names |= {"EVBACKEND_" + name for name in ("IOURING", "EPOLL", "POLL", "SELECT", "KQUEUE", "ALL", "MASK")}
        names -= {"EVFLAG_NOSIGFD", "EV_UNDEF", "EV_NONE"}  # a name of old; never seen
        self.assertGreater(len(names), 25)
        self.assertEqual([name for name in sorted(names) if not mentioned(name)], [])

    def test_every_member_of_the_statistics_is_explained(self):
        body = re.search(r"struct ev_stats \{(.*?)\n\};", read(ROOT, "include", "ev_op.h"), re.DOTALL)[1]
        members = re.findall(r"(\w+);", body)
        self.assertGreater(len(members), 15)
        self.assertEqual([name for name in members if "_%s_" % name not in PAGES["ev_stats.3"]], [])

    def test_the_steps_of_an_iteration_are_those_of_run_c(self):
        """Number by number, as far as an event bit says what happens there."""
        source = dict(re.findall(r"/\*\s+(\d+)\s+(.*?)\s*\*/", read(ROOT, "src", "loop", "run.c")))
        chapter = re.search(r"# ONE ITERATION\n(.*?)\n# ", PAGES["ev.7"], re.DOTALL)[1]
        steps = dict(enumerate(re.findall(r"^\. ((?:.|\n(?!\. |\n))*)", chapter, re.MULTILINE), 1))
        self.assertEqual(len(steps), len(source) + 1)  # the last line of the list, "again", has no call
        for number, comment in source.items():
            for bit in re.findall(r"EV_[A-Z]+", comment):
                self.assertIn(bit, steps[int(number)], "step " + number)

    def test_every_operation_is_in_the_table_and_leads_to_a_page(self):
        names = set(re.findall(r"\b(ev_(?!op_)\w+)_set \(ev_op \*", HEADERS))
        table = re.search(r"# ALL OPERATIONS\n(.*?)\n# ", PAGES["ev_op.7"], re.DOTALL)[1]
        self.assertGreater(len(names), 20)
        self.assertEqual(sorted(re.findall(r"^\|  (\w+)$", table, re.MULTILINE)), sorted(names))
        for name in names:
            self.assertIn(name + ".3", BUILT_PAGES)

    def test_every_variable_the_code_reads_is_explained(self):
        code = "".join(read(path) for path in glob.glob(ROOT + "/src/*/*.c") + glob.glob(ROOT + "/cmd/*.c"))
        names = set(re.findall(r'(?:getenv|evi_sys_environment) \("(\w+)"\)', code))
        self.assertIn("LIBEV_FLAGS", names)
        self.assertEqual([name for name in sorted(names) if "*%s*" % name not in PAGES["evring.1"]], [])

    def test_every_knob_is_explained(self):
        code = "".join(read(ROOT, *path.split("/")) for path in ("include/ev.h", "include/ev_mailbox.h", "include/ev_op.h", "include/ev_stream.h", "include/ev++.h", "src/base/features.h"))
        names = {name for name in re.findall(r"#\s*ifn?def (EV_\w+)", code) if not name.endswith(("_H_", "_H__"))}
        self.assertGreater(len(names), 50)
        self.assertEqual([name for name in sorted(names) if "*%s*" % name not in PAGES["ev_embedding.7"]], [])

    def test_every_option_of_the_command_is_explained(self):
        usage = re.search(r"usage\[\] =(.*?);", read(ROOT, "cmd", "main.c"), re.DOTALL)[1]
        options = set(re.findall(r"--[a-z]+", usage))
        self.assertGreater(len(options), 4)
        self.assertEqual([name for name in options if not mentioned(name)], [])

    def test_every_synopsis_compiles_as_it_stands(self):
        macros = 0
        for name, synopsis in SYNOPSES.items():
            self.assertIn("#include <ev", synopsis, name)
            if name == "ev++.3":
                result = compiles(CXX, "-std=c++11", "-xc++", text=synopsis)
            else:
                text, count = c_program(synopsis)
                macros += count
                result = compiles(CC, "-std=gnu11", "-xc", text=text)
            self.assertEqual(result.returncode, 0, name + "\n" + result.stdout)
        self.assertGreater(macros, 50)

    def test_no_page_names_what_is_not_installed(self):
        """No folder of the sources, no file in one but the headers and what is installed beside them."""
        folders = [name for name in os.listdir(ROOT) if os.path.isdir(os.path.join(ROOT, name)) and name != "include"]
        installed = {"ev.h", "ev++.h", "ev_mailbox.h", "ev_op.h", "ev_stream.h", "event.h"}
        of_users = {"program.c", "config.h", "ev.c"}  # theirs, and the library as one file
        files = {name for _, _, names in os.walk(ROOT) for name in names if re.search(r"\.(c|cc|h|py|md|scd|sh|build)$", name)}
        for name, page in PAGES.items():
            page = re.sub(r"^@.*@$", "", page, flags=re.M)
            self.assertNotIn("./dev", page, name)
            self.assertEqual(re.findall(r"(?<![\w/.-])(?:%s)/[\w.]*" % "|".join(map(re.escape, folders)), page), [], name)
            self.assertEqual(set(re.findall(r"(?<![\w.])[\w+]+\.[a-z]+\b", page)) & files - installed - of_users, set(), name)

    def test_every_page_refers_to_pages_that_exist(self):
        known = set(BUILT_PAGES)
        for name, page in PAGES.items():
            for other, section in re.findall(r"\*((?:ev|evring)[\w+]*)\*\((\d)\)", page):
                self.assertIn("%s.%s" % (other, section), known, name)

    def test_every_page_has_its_chapters_and_its_own_name(self):
        for name, page in PAGES.items():
            title, section = name.rsplit(".", 1)
            self.assertTrue(page.startswith('%s(%s) "evring" "evring manual"\n' % (title, section)), name)
            chapters = re.findall(r"^# (.*)", page, re.MULTILINE)
            wanted = ["NAME", "SYNOPSIS"] if section in "13" else ["NAME"]
            self.assertEqual(chapters[:len(wanted)], wanted, name)
            self.assertEqual(chapters[-1], "SEE ALSO", name)

    def test_every_page_of_a_kind_has_an_example_that_is_run(self):
        runs = read(ROOT, "examples", "meson.build")
        for name, page in PAGES.items():
            examples = re.findall(r"^@example (\w+)\.cc?@", page, re.MULTILINE)
            if name != "evring.1":
                self.assertTrue(examples, name)
            for example in examples:
                self.assertRegex(runs, "'%s'[,:]" % example, name)

    def test_every_other_name_leads_to_a_page(self):
        links = {name: read(path) for name, path in BUILT_PAGES.items()}
        links = {name: text for name, text in links.items() if text.startswith(".so ")}
        self.assertIn("ev_check.3", links)
        for name, text in links.items():
            self.assertRegex(text, r"\A\.so man\d/\S+\n\Z", name)
            page = text[len(".so man3/"):-1]
            self.assertEqual(text[7], page[-1], name)
            names = re.search(r"# NAME\n\n(.*) - ", PAGES[page])[1].split(", ")
            self.assertIn(name.rsplit(".", 1)[0], names, page)

    def test_every_page_renders_without_a_warning(self):
        if not shutil.which("man"):
            self.skipTest("man is not installed")
        for page in sorted(BUILT_PAGES.values()):
            if read(page).startswith(".so "):
                continue
            result = command("man", "--warnings", "--local-file", page, MANWIDTH="80", LC_ALL="C.UTF-8", MANPAGER="cat")
            self.assertEqual((result.returncode, result.stderr), (0, ""), page)
            self.assertIn("SEE ALSO", result.stdout, page)


unittest.main(argv=sys.argv[:1])
