"""What ev_dump and EVRING_STATS say of a loop, from a core or a stopped program, without running any of it.

    gdb -x evring-gdb.py PROGRAM CORE        or, in gdb:  source evring-gdb.py

    evring loops [LOOP...]     a line for the default loop, for those EVRING_STATS knows, and for those given
    evring dump [LOOP]         what ev_dump prints; without LOOP, of the default loop
    evring watchers [LOOP]     every active watcher, the library's own included, with its callback
    evring stats [LOOP]        what EVRING_STATS prints, as it would be now

LOOP is an expression whose value is a loop, a pointer to one, or its address. Needs gdb 10 or later with Python,
and debug information of the library: of libevring.so or libev.so, or of the program that has ev.c inside.

Times are as the loop saw them when it last looked at the clock. What is damaged is named and left out. The memory
that a ring shares with the kernel is in a core only when bit 3 of /proc/PID/coredump_filter was set (0x3b instead
of the usual 0x33), and older kernels show it to nobody; where it is missing that is said."""
import functools
import itertools
import os
import re

import gdb

NO_INFORMATION = ("evring: there is no debug information of the library. It is in libevring.so and libev.so as they "
                  "are built, or in the program that has ev.c inside, unless it was stripped; a program that was not "
                  "started yet has not loaded its libraries either.")
IO_BITS = ("-", "read", "write", "read+write")
STATES = {
    "EVI_STATE_IDLE": "idle",
    "EVI_STATE_LINKED": "waits for its link",
    "EVI_STATE_LANED": "waits for its turn",
    "EVI_STATE_QUEUED": "is to be started",
    "EVI_STATE_FOLLOWS": "is to be started when the one before it is told",
    "EVI_STATE_RING": "is with the ring",
    "EVI_STATE_HELD": "is sent, and its memory still read",
    "EVI_STATE_ORPHAN": "is with a ring that is lost",
    "EVI_STATE_WAITING": "waits for readiness",
    "EVI_STATE_THREAD": "is with a thread",
    "EVI_STATE_STARVED": "waits for a buffer",
    "EVI_STATE_PAUSED": "is paused",
    "EVI_STATE_OVER": "has a result to be told",
}
WITH_THE_KERNEL = ("EVI_STATE_RING", "EVI_STATE_ORPHAN")
TOUCHES = {  # the first that fits
    "EVI_TOUCHES_ANYTHING": ", which may write where its entry says",
    "EVI_TOUCHES_POOL": ", which may write to its pool",
    "EVI_TOUCHES_MESSAGE": ", which may write to its message",
    "EVI_TOUCHES_DATA": ", which may write to its buffer",
}
HEAPS = {"timers": "mono", "periodics": "wall"}  # and the clock they go by
LISTS = ("prepare", "check", "fork", "cleanup", "async")
NOT_COUNTERS = ("backend", "ring_flags", "fallback_error")
U32 = 0xffffffff
RING_HEADER = 512  # somewhere in its first bytes the kernel keeps the sizes of the ring, which are never 0


class Library:
    """One copy of the library in the program: its types and its statics, which another copy may have too."""

    def __init__(self, backends):
        self.backends = backends
        self.block = backends.symtab.static_block()
        self.process = int(gdb.selected_inferior().pid)

    @staticmethod
    def all():
        """As many as there are: libev.so.4 may be loaded beside libevring.so."""
        found = [Library(symbol) for symbol in gdb.lookup_static_symbols("evi_backends")]
        if not found:
            raise gdb.GdbError(NO_INFORMATION)
        return found

    def value(self, name):
        """Of a variable or enumerator; None: this library was built without it."""
        symbol = gdb.lookup_symbol(name, self.block)[0]
        return symbol and symbol.value()

    def pointer(self, address, name):
        return gdb.Value(int(address)).cast(gdb.lookup_type(name, self.block).pointer())

    def names_backend(self, pointer):
        """Whether a loop's backend is one of ours: if not, it is no loop of ours."""
        table = self.backends.value()
        for i in itertools.takewhile(lambda i: int(table[i]), itertools.count()):
            if int(table[i]) == int(pointer):
                return True
        return False

    @functools.cached_property
    def state_words(self):
        return {int(self.value(name)): word for name, word in STATES.items()}

    def present_process(self):
        """What evi_sys_process would answer."""
        birth = self.value("evi_sys_birth")
        return int(birth.dereference()) if birth is not None and int(birth) else self.process

    def default_loop(self):
        """Its address, 0 if there is none."""
        only = self.value("evi_the_loop")  # EV_MULTIPLICITY 0
        if only is not None:
            return int(only.address) if int(only["backend"]) else 0
        pointer = self.value("ev_default_loop_ptr")
        return 0 if pointer is None else int(pointer)

    def reported_loops(self):
        """Addresses of the loops EVRING_STATS will report."""
        loops = self.value("stats_loops")
        if loops is None:
            return []
        first, last = loops.type.range()
        return [int(loops[i]) for i in range(first, last + 1) if int(loops[i])]


def chain(head):
    """The watchers of a list by next; one that bites its tail ends there."""
    seen = set()
    while int(head) and int(head) not in seen:
        seen.add(int(head))
        yield head
        head = head["next"]


def items(array):
    return [array["items"][i] for i in range(int(array["count"]))]


def callback(w):
    """The function it means, if it has a name."""
    found = re.search(r"<(.*)>", str(w["cb"]))
    return found.group(1) if found else hex(int(w["cb"]))


def address_of(text):
    """Of the loop an expression means."""
    try:
        value = gdb.parse_and_eval(text)
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            value = value.address
        return int(value) & (1 << 64) - 1
    except (gdb.error, TypeError) as error:  # TypeError: a structure that is not in memory
        raise gdb.GdbError("evring: \"%s\" is no loop: %s" % (text, error)) from error


class Loop:
    """A loop, as ev_dump sees it. Every method that ends in _lines yields lines of text."""

    def __init__(self, library, address):
        self.library = library
        self.it = library.pointer(address, "struct ev_loop").dereference()
        self.backend = self.it["backend"].dereference()["name"].string()

    @staticmethod
    def at(address):
        for library in Library.all():
            try:
                if library.names_backend(library.pointer(address, "struct ev_loop")["backend"]):
                    return Loop(library, address)
            except gdb.MemoryError:
                pass
        raise gdb.GdbError("evring: there is no loop at %#x" % address)

    @staticmethod
    def of(text):
        """The loop an expression means; the default loop when there is none."""
        if not text:
            address = next(filter(None, (library.default_loop() for library in Library.all())), 0)
            if not address:
                raise gdb.GdbError("evring: there is no default loop; say which one")
            return Loop.at(address)
        return Loop.at(address_of(text))

    def address(self):
        return int(self.it.address)

    def rows(self):
        for fd in range(int(self.it["fds"]["count"])):
            yield fd, self.it["fds"]["rows"][fd]

    def nodes(self, heap):
        """Watchers and the seconds that are left, the next one first."""
        top, now = int(self.library.value("EVI_HEAP_TOP")), float(self.it["clock"][HEAPS[heap]])
        for i in range(int(self.it[heap]["count"])):
            node = self.it[heap]["nodes"][top + i]
            yield node["w"], float(node["at"]) - now

    def operations(self):
        """The active ones."""
        if not int(self.it["ops"]):
            return []
        ops = self.it["ops"]
        slots = (ops["slots"][place]["op"] for place in range(int(ops["slot_count"])))
        return [op for op in slots if int(op)]

    # ---- dump ----

    def head_lines(self):
        level = self.it["pending"]["level"]
        first, last = level.type.range()
        pending = sum(int(level[i]["count"]) for i in range(first, last + 1))
        yield "loop %#x: %s, %d references, iteration %d, depth %d, %d pending" % (
            self.address(), self.backend, self.it["activecnt"], self.it["iteration"], self.it["depth"], pending)

    def time_lines(self):
        for heap in HEAPS:
            count = int(self.it[heap]["count"])
            yield "%s: %d" % (heap, count) + (", next in %.6f s" % next(self.nodes(heap))[1] if count else "")

    def list_lines(self):
        counts = [("idle", self.it["idle_count"])] + [(name, self.it[name]["count"]) for name in LISTS]
        yield ", ".join("%s %d" % pair for pair in counts)

    def backend_lines(self):
        if self.backend == "epoll":
            epoll = self.library.pointer(self.it["backend_data"], "struct evi_epollset")
            yield "epoll: fd %d, room for %d events, %d descriptors always ready" % (
                epoll["fd"], epoll["room"], epoll["always_count"])
        if int(self.it["ring"]):
            yield from self.ring_lines(self.library.pointer(self.it["ring"], "struct evi_loopring"))

    def ring_lines(self, loopring):
        ring = loopring["ring"]
        if int(ring["fd"]) < 0 or int(ring["process"]) != self.library.present_process():
            return
        yield "ring: fd %d, set-up %#x, features %#x, %s" % (
            ring["fd"], ring["setup"], ring["features"], "enabled" if int(ring["enabled"]) else "not enabled yet")
        shared = self.shared(ring)
        if not shared:
            yield "ring: heads, tails and flags cannot be read here; %d submissions taken of a queue of %d, " \
                "%d completions set aside" % (ring["sq_next"], ring["sq_entries"], loopring["stash_count"])
            return
        yield "ring: submissions %d of %d queued, head %d, tail %d, flags %s" % (
            int(ring["sq_next"]) - shared["sq_head"] & U32, ring["sq_entries"], shared["sq_head"], shared["sq_tail"],
            hex(shared["sq_flags"]))
        yield "ring: completions %d of %d ready, head %d, tail %d, overflow %d, %d set aside" % (
            shared["cq_tail"] - shared["cq_head"] & U32, ring["cq_entries"], shared["cq_head"], shared["cq_tail"],
            shared["cq_overflow"], loopring["stash_count"])

    @staticmethod
    def shared(ring):
        """What the kernel and we write there; None: it is not there. gdb reads zeros then, or refuses."""
        try:
            if not any(bytes(gdb.selected_inferior().read_memory(int(ring["rings"]), RING_HEADER))):
                return None
            return {name: int(ring[name].dereference()) for name in (
                "sq_head", "sq_tail", "sq_flags", "cq_head", "cq_tail", "cq_overflow")}
        except gdb.MemoryError:
            return None

    def row_lines(self):
        for fd, row in self.rows():
            told, why = int(row["told"]), int(row["why"])
            watchers = [int(self.library.pointer(w, "ev_io")["events"]) for w in chain(row["head"])]
            want = 0
            for events in watchers:
                want |= events
            if watchers or told or why:
                yield "fd %d: %d watchers want %s, kernel told %s, generation %d%s%s" % (
                    fd, len(watchers), IO_BITS[want & 3], IO_BITS[told & 3], row["gen"],
                    ", change not told yet" if why else "", ", the library's own" if int(row["kind"]) & 1 else "")

    def operation_lines(self):
        for op in self.operations():
            yield "op %s on fd %d %s" % self.describe(op)

    def describe(self, op):
        """Kind, descriptor and state."""
        kind, state = self.library.value("evi_op_kinds")[int(op["code"])], int(op["state"])
        words = self.library.state_words.get(state, "is damaged")
        if state in (int(self.library.value(name)) for name in WITH_THE_KERNEL):
            words += next((word for name, word in TOUCHES.items()
                           if int(kind["touches"]) & int(self.library.value(name))), "")
        return kind["name"].string(), int(op["fd"]), words

    # ---- watchers ----

    def watcher_lines(self):
        for fd, row in self.rows():
            for w in chain(row["head"]):
                io = self.library.pointer(w, "ev_io")
                yield self.watcher("io", io, "fd %d, %s" % (fd, IO_BITS[int(io["events"]) & 3]))
        for heap in HEAPS:
            for w, left in self.nodes(heap):
                yield self.watcher(heap[:-1], w, "in %.6f s" % left)
        first, last = self.it["idle"].type.range()
        idle = [("idle", self.it["idle"][i]) for i in range(first, last + 1)]
        for name, array in idle + [(name, self.it[name]) for name in LISTS]:
            for w in items(array):
                yield self.watcher(name, w)
        for op in self.operations():
            yield self.watcher("op", op, "%s on fd %d, %s" % self.describe(op))

    @staticmethod
    def watcher(kind, w, more=""):
        return "%s %#x: %s%s%s" % (kind, int(w), callback(w), ", " + more if more else "",
                                   ", pending" if int(w["pending"]) else "")

    # ---- stats ----

    def stats_lines(self):
        stats = self.it["stats"]
        names = [field.name for field in stats.type.fields() if field.name not in NOT_COUNTERS]
        line = "evring: pid %d backend %s" % (self.library.process, self.backend)
        line += "".join(" %s %d" % (name, stats[name]) for name in names if int(stats[name]))
        if int(stats["fallback_error"]):
            line += ' because "%s"' % os.strerror(int(stats["fallback_error"]))
        yield line


def show(lines):
    """As far as they can be read."""
    try:
        for line in lines:
            print(line)
    except gdb.error as error:
        print("(the rest of this part cannot be read: %s)" % error)


class Evring(gdb.Command):
    """Loops of evring, in a core or a stopped program."""

    def __init__(self):
        super().__init__("evring", gdb.COMMAND_DATA, prefix=True)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError("evring: there is no command \"evring %s\"; \"evring\" alone lists them" % argument)
        gdb.execute("help evring")


class EvringLoops(gdb.Command):
    """A line for each loop: the default loop, those that EVRING_STATS will report, those given.
Usage: evring loops [LOOP]..."""

    def __init__(self):
        super().__init__("evring loops", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        libraries = Library.all()
        addresses = [library.default_loop() for library in libraries]
        default = next(filter(None, addresses), 0)
        addresses += [address for library in libraries for address in library.reported_loops()]
        addresses += [Loop.of(text).address() for text in gdb.string_to_argv(argument)]
        for address in dict.fromkeys(filter(None, addresses)):
            for line in Loop.at(address).head_lines():
                print(line + (", the default loop" if address == default else ""))
        if not any(addresses):
            print("no loop is known here: there is no default loop; others can be given as expressions")


class AboutLoop(gdb.Command):
    """What the commands that take one loop have in common: a word, and the parts of what they say."""

    def __init__(self):
        super().__init__("evring " + self.word, gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        for part in self.parts(Loop.of(argument)):
            show(part())


class EvringDump(AboutLoop):
    """What ev_dump prints: references, timers, lists, ring or epoll set, descriptors, operations.
Usage: evring dump [LOOP]"""

    word = "dump"

    def parts(self, loop):
        return (loop.head_lines, loop.time_lines, loop.list_lines, loop.backend_lines, loop.row_lines,
                loop.operation_lines)


class EvringWatchers(AboutLoop):
    """Every active watcher, the library's own included: kind, address, callback, what it waits for.
Usage: evring watchers [LOOP]"""

    word = "watchers"

    def parts(self, loop):
        return (loop.watcher_lines,)


class EvringStats(AboutLoop):
    """What EVRING_STATS prints when a loop ends, as it would be now.
Usage: evring stats [LOOP]"""

    word = "stats"

    def parts(self, loop):
        return (loop.stats_lines,)


for command in (Evring, EvringLoops, EvringDump, EvringWatchers, EvringStats):
    command()
