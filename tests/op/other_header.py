#!/usr/bin/env python3
"""Writes ev_op.h as another release has it. usage: other_header.py HEADER OUTPUT smaller|larger

smaller: an ev_op of just the members that every release has. larger: one with members that nobody knows today."""
import re
import sys

header, output, which = sys.argv[1:]
with open(header, encoding="utf-8") as file:
    text = file.read()
members = {"smaller": "", "larger": r"\g<0> long newer[9];"}[which]
text, count = re.subn(r"    void \*spare\[\d+\];", members, text)
if count != 1:
    sys.exit("%s: spare is not there once, but %d times" % (header, count))
with open(output, "w", encoding="utf-8") as file:
    file.write("#define OTHER_HEADER %s\n%s" % ({"smaller": -1, "larger": 1}[which], text))
