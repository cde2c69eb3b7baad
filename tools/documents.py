#!/usr/bin/env python3
"""Do the documents speak of what is there?

- each word of the glossary in src/README.md is part of a name in src/, or in its comments where it is no name;
- every `name_with_underscores`, `file.c` and `folder/` that the living documents set in backquotes is in the tree
  (a * stands for anything; names of the kernel's, libev's and of programs are listed below);
- every relative link of any document leads to a file, and to a heading of it, and not out of the tree;
- no document names a folder that is neither of the tree, nor made by its verbs, nor one that every machine has.

Usage: documents.py. Exit code 1 when something is broken."""
import fnmatch
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
LIVING = ["README.md", "CONTRIBUTING.md", "src/README.md", "doc/ARCHITECTURE.md", "doc/IOURING.md", "tests/README.md"]
NAMING = ("src", "include", "compat", "tests", "tools", "cmd", "bench", "examples", "meson.build", "meson_options.txt", "dev")
# Said of the seed, or of what is not kept in the tree.
STRANGE = {"iouring_*", "dist/*", "out/*", "build/*"}
MADE = {".reuse", "build", "build-fuzz", "dist", "out", "packages", "release", "subprojects"}
MACHINE = {"/dev", "/etc", "/proc", "/sys", "/usr", "/var"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def sources():
    """Everything but what is built, relative to the tree."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name == ".ci" or not re.match(r"\.|__pycache__$|(build.*|out|dist|site)$", name)]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(found)


def glossary():
    table = read("src/README.md").split("## Words", 1)[1]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.M)
    return [word.strip() for row in rows for word in row.split(",") if word not in ("word", "---")]


def check_glossary(files):
    text = "\n".join(read(file) for file in files if re.match(r"src/.*\.[ch]$", file))
    parts = {part for name in re.findall(r"[A-Za-z_]\w*", text) for part in name.lower().split("_")}
    for word in glossary():
        forms = {word, word + "s", word + "ed", word + "d", word + "ing"}
        if not forms & parts and word.replace(" ", "_") not in text:
            yield "src/README.md: nobody uses the word \"%s\"" % word


def quoted(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return {name for name in re.findall(r"`([^`\n]+)`", text)}


def check_names(files, names):
    for document in LIVING:
        for quote in sorted(quoted(read(document))):
            if any(fnmatch.fnmatch(quote, pattern) for pattern in STRANGE):
                continue
            for name in re.findall(r"[\w*]*[a-z0-9]_[\w*]*", quote) if "/" not in quote else []:
                if not fnmatch.filter(names, name):
                    yield "%s: `%s` is nowhere" % (document, name)
            if re.fullmatch(r"[\w+./*-]*(/|\.([chp]y?|md|sh|txt|json|map))", quote):
                goal = quote + ("*" if quote.endswith("/") else "")
                if not any(fnmatch.fnmatch(file, goal) or fnmatch.fnmatch(file, "*/" + goal) for file in files):
                    yield "%s: `%s` is not there" % (document, quote)


def headings(text):
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.M)}


def check_links(files):
    for document in (file for file in files if file.endswith(".md")):
        for link in re.findall(r"\]\(([^)\s]+)\)", read(document)):
            path, _, heading = link.partition("#")
            goal = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path else document
            if re.match(r"[a-z]+:", link):
                continue
            if goal.startswith("..") or not os.path.exists(os.path.join(ROOT, goal)):
                yield "%s: links to %s, which is not there" % (document, link)
            elif heading and goal.endswith(".md") and heading not in headings(read(goal)):
                yield "%s: links to %s, which has no such heading" % (document, link)


def check_folders(files):
    """Paths are words with a slash that end in one or in a dot and letters, or begin at the root or above."""
    known = {part for file in files for part in os.path.dirname(file).split(os.sep)} | MADE
    for document in (file for file in files if file.endswith(".md")):
        text = re.sub(r"\]\([^)\s]+\)|\w+://\S+", "", read(document))
        for path in sorted(set(re.findall(r"(?<![\w/.$-])(?:\.{1,2}|~|[\w.-]+)?/[\w./-]*", text))):
            first = path.split("/")[0] or "/" + path.split("/")[1]
            looks = first[0] in "/.~" or re.search(r"/$|\.[a-z]{1,5}$", path)
            if looks and first not in known | MACHINE | {"."} and len(path) > 1:
                yield "%s: %s is of no folder here" % (document, path)


def main():
    files = sources()
    names = {name for file in files if file.startswith(NAMING) and not file.endswith(".md")
             for name in re.findall(r"\w+", read(file))}
    names |= {os.path.basename(file).split(".")[0] for file in files}
    faults = list(check_glossary(files)) + list(check_names(files, names)) + list(check_links(files)) + list(check_folders(files))
    print("\n".join(faults + ["documents: %d words, %d documents, %d faults" % (len(glossary()), len(LIVING), len(faults))]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
