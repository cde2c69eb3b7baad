#!/usr/bin/env python3
"""Puts the tested example programs into a manual page and hands it to scdoc.
usage: include.py SCDOC PAGE.scd EXAMPLES OUT DEPFILE

A line `@example name.c@` becomes that file of the folder EXAMPLES, as literal text; so does `@output name.out@`,
what the tests have seen it print."""
import os
import re
import subprocess
import sys

MARK = re.compile(r"^@(?:example|output) (\S+)@$", re.MULTILINE)


def literal(text):
    """As scdoc wants what it shall not touch: a backslash would hide itself."""
    return "```\n" + text.replace("\\", "\\\\").rstrip("\n") + "\n```"


def main():
    scdoc, page, examples, out, depfile = sys.argv[1:]
    used = [page]

    def include(mark):
        used.append(os.path.join(examples, mark[1]))
        with open(used[-1], encoding="utf-8") as file:
            return literal(file.read())

    with open(page, encoding="utf-8") as file:
        text = MARK.sub(include, file.read())
    title = text[:text.index("(")]
    plain = title.replace("+", "p")  # scdoc wants letters and digits
    text = plain + text[len(title):]
    text = re.sub(r"\+\+(?=.)", r"\\+\\+", text)  # at the end of a line it breaks the line
    if "\n@" in text:
        sys.exit("%s: a line starts with @ and is no mark" % page)
    result = subprocess.run([scdoc], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if result.returncode or result.stderr:
        sys.exit("%s: %s" % (page, result.stderr.decode()))
    with open(out, "wb") as file:
        if b"\n.TS" in result.stdout:
            file.write(b"'\\\" t\n")  # tells man that there are tables, which older ones guess
        file.write(result.stdout.replace(b'.TH "%s"' % plain.encode(), b'.TH "%s"' % title.encode(), 1))
    with open(depfile, "w", encoding="utf-8") as file:
        file.write("%s: %s\n" % (out, " ".join(used)))


main()
