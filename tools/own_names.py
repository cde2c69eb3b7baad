"""Gives each name of a C text its owner's prefix, and takes its macros back at the end: for a library that is included
into a program (tools/amalgamate.py).

In src/ a name that crosses a file begins with evi_; one that does not is bare. In one file with a program all would cross. So
names at file scope, tags and macros get evi_own_ or EVI_ before them; local names and members of structures stay, as they are
nobody else's. This reads C as .clang-format lays it out, not any C: what it overlooks, the compiler or
tests/compat/embed/names_test.py finds."""

import re

TOKEN = re.compile(r'<[a-z][\w/]*\.h>|/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[A-Za-z_]\w*|\d[\w.]*|\s+|->|##|.', re.S)
WORD = re.compile(r"[A-Za-z_]\w*\Z")
OURS = re.compile(r"_*(ev|evi|evring|event)_|EVBACKEND_|EVFLAG_|EVRUN_|EVBREAK_|EV\Z", re.I)
PREFIX = "evi_own_"
# Names of libev's insides that perl's EV and gevent use, and so may other programs.
LIBEV = {"signals", "ecb_expect_true", "ecb_expect_false"}
# What the C library has and declares for _GNU_SOURCE only.
LIBC = {"dl_iterate_phdr", "dl_phdr_info"}
TAGGED = ("struct", "union", "enum")
KEYWORDS = {"struct", "union", "enum", "typedef", "static", "const", "unsigned", "int", "return", "if", "while", "for", "switch",
            "sizeof", "__attribute__", "_Static_assert", "_Noreturn", "_Thread_local", "__thread", "extern", "inline", "volatile",
            "void", "char", "short", "long", "signed", "float", "double", "_Bool"}


def tokens_of(text):
    """[(token, in a directive, is code)]"""
    found, directive, fresh = [], False, True
    for token in TOKEN.findall(text):
        if fresh and token == "#":
            directive = True
        code = not token.isspace() and not token.startswith(("/*", "//"))
        found.append((token, directive, code))
        if "\n" in token and not token.startswith("/*"):
            continued = len(found) > 1 and found[-2][0] == "\\"
            directive, fresh = directive and continued, True
        elif code:
            fresh = False
    return found


class Scope:
    """Collects the names that a text declares at file scope."""

    def __init__(self, tokens):
        self.code = [token for token, directive, code in tokens if code and not directive]
        self.names, self.tags, self.at = set(), set(), 0

    def run(self):
        """(names, tags) that do not show yet whose they are."""
        while self.at < len(self.code):
            self.declaration()
        return [{name for name in found if not OURS.match(name) and name not in LIBEV | LIBC | KEYWORDS} for found in (self.names, self.tags)]

    def skip_block(self, opening, closing):
        depth = 0
        while self.at < len(self.code):
            token = self.code[self.at]
            self.at += 1
            depth += (token == opening) - (token == closing)
            if not depth:
                return

    def body(self, kind):
        """Of a struct, union or enum, after its brace: tags and constants in it are the file's."""
        start = self.at
        self.skip_block("{", "}")
        inside = self.code[start + 1:self.at - 1]
        depth = 0
        for place, token in enumerate(inside):
            depth += (token in "([{") - (token in ")]}")
            before = inside[place - 1] if place else ","
            after = inside[place + 1] if place + 1 < len(inside) else ","
            if kind == "enum" and WORD.match(token) and before == "," and not depth:
                self.names.add(token)
            if before in TAGGED and after == "{":
                self.tags.add(token)
            if token == "enum" and kind != "enum":
                self.inner_enum(inside, place)

    def inner_enum(self, inside, place):
        while inside[place] != "{":
            place += 1
            if inside[place] == ";":
                return
        end = inside.index("}", place)
        for number in range(place + 1, end):
            if WORD.match(inside[number]) and inside[number - 1] in "{,":
                self.names.add(inside[number])

    def declaration(self):
        """Up to its semicolon, or the end of the function."""
        typedef, parens, last, named = False, 0, "", False
        while self.at < len(self.code):
            token = self.code[self.at]
            after = self.code[self.at + 1] if self.at + 1 < len(self.code) else ""
            if token in TAGGED:
                self.at += 1
                if WORD.match(self.code[self.at]):
                    if self.code[self.at + 1] == "{":
                        self.tags.add(self.code[self.at])
                    self.at += 1
                if self.code[self.at] == "{":
                    self.body(token)
                last = ""
                continue
            if token == "__attribute__":
                self.at += 1
                self.skip_block("(", ")")
                continue
            if token == "{":
                self.skip_block("{", "}")
                if last != "=":
                    return
                continue
            self.at += 1
            typedef = typedef or token == "typedef"
            parens += (token == "(") - (token == ")")
            if WORD.match(token) and token not in KEYWORDS:
                pointer = not named and parens == 1 and last == "*" and after == ")"
                if (not parens and after in "(=;,[" and not named) or pointer:
                    self.names.add(token)
                    named = after == "("
            if token == "=":
                self.skip_value()
            last = token
            if token == ";" and not parens:
                return

    def skip_value(self):
        depth = 0
        while True:
            token = self.code[self.at]
            if not depth and token in ";,":
                return
            depth += (token in "([{") - (token in ")]}")
            self.at += 1


def macros_of(text):
    """What the text defines: (all, those that may be the system's)."""
    everything = set(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M))
    guarded = set(re.findall(r"^[ \t]*#[ \t]*ifn?def[ \t]+(\w+)", text, re.M)) | set(re.findall(r"defined[ (]+(\w+)", text))
    return everything, guarded | {name for name in everything if re.match(r"(SYS_[a-z]|O_|AT_|MADV_|RWF_|TFD_)", name)}


def pasted(text):
    """{(macro, place)}: arguments that become parts of names, and so are none themselves."""
    found = set()
    for name, parameters, body in re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\(([^)]*)\)((?:\\\n|[^\n])*)", text, re.M):
        for place, parameter in enumerate(parameters.replace(" ", "").split(",")):
            if re.search(r"##\s*%s\b|\b%s\s*##" % (parameter, parameter), body):
                found.add((name, place))
    return found


def parts_of_names(tokens, code, paste):
    """The places of such arguments."""
    macros, found = {name for name, _ in paste}, set()
    for number, place in enumerate(code):
        if tokens[place][0] not in macros or tokens[code[number + 1]][0] != "(":
            continue
        depth, argument = 0, 0
        for inner in code[number + 1:]:
            token = tokens[inner][0]
            depth += (token == "(") - (token == ")")
            if not depth:
                break
            argument += token == "," and depth == 1
            if (tokens[place][0], argument) in paste:
                found.add(inner)
    return found


def rename(tokens, names, tags, paste):
    """The text with our names in place of the bare ones. Members of structures keep theirs: they are nobody else's."""
    code = [place for place, (_, _, code) in enumerate(tokens) if code]
    text = [token for token, _, _ in tokens]
    parts = parts_of_names(tokens, code, paste)
    bodies, brackets, pending = [], 0, False
    for number, place in enumerate(code):
        token, directive, _ = tokens[place]
        before = tokens[code[number - 1]][0] if number else ""
        after = tokens[code[number + 1]][0] if number + 1 < len(code) else ""
        if not directive:
            if token in ("struct", "union"):
                pending = True
            elif token == "{":
                bodies.append(pending)
                pending = False
            elif token == "}" and bodies:
                bodies.pop()
            elif pending and not WORD.match(token):
                pending = False
            brackets += (token == "[") - (token == "]")
        if before in TAGGED:
            text[place] = tags.get(token, token)
            continue
        if token not in names or before in (".", "->", "##") or after == "##" or place in parts:
            continue
        member = bodies and bodies[-1] and not brackets and after in (";", ",", "[", ":", ")") and before != ":"
        if not member:
            text[place] = names[token]
    return "".join(text)


def own(text, public):
    """The text with every name of its own behind evi_ or EVI_, and its macros taken back at the end. public: headers, whose
    macros stay."""
    public = macros_of(public)[0]
    tokens = tokens_of(text)
    macros, guarded = macros_of(text)
    bare = {name for name in macros if not OURS.match(name)} - LIBEV - public
    theirs = {name for name in bare if name in guarded}  # of the system, where its headers lack them
    names, tags = [{name: PREFIX + name for name in found} for found in Scope(tokens).run()]
    names.update({name: "EVI_" + name for name in bare - theirs})
    text = rename(tokens, names, tags, pasted(text))
    for name in theirs - {"_GNU_SOURCE"}:
        text = re.sub(r"^([ \t]*#[ \t]*define[ \t]+%s\b)" % name, r"#define EVI_MADE_%s\n\1" % name, text, flags=re.M)
    gone = {names.get(name, name) for name in macros if not OURS.match(name) or re.match(r"_*evi_", name, re.I)} - theirs - LIBEV - public
    end = ["", "/* ---- what no program needs ---- */"] + ["#undef " + name for name in sorted(gone)]
    for name in sorted(theirs - {"_GNU_SOURCE"}):
        end += ["#ifdef EVI_MADE_%s" % name, "#undef %s" % name, "#undef EVI_MADE_%s" % name, "#endif"]
    return text + "\n".join(end) + "\n"
