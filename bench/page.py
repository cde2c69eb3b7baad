"""page.py: the page that report.py writes: HTML with its pictures in it, light or dark as the reader has it, nothing loaded.

Owns how a number is shown and when a peer is called better. Promises to say of everything that is missing that it is, and of
every cell where a peer beats evring by how much, and why, as far as that is known. Called by: report.py."""
import html
import io
import re
import statistics

import run

LABELS = {
    "stock-epoll": "libev, epoll", "stock-again": "libev again (noise)", "evring-epoll": "evring ev_io, epoll",
    "evring-uring": "evring ev_io, io_uring", "evring-ops": "evring ev_op, io_uring", "evring-ops-ready": "evring ev_op, no ring",
    "evring-ops-pool": "evring ev_op, buffers of a pool", "raw-epoll": "epoll by hand", "raw-again": "epoll by hand again (noise)",
    "raw-ring": "ring by hand", "hand-ring": "ring by hand", "hand-again": "ring by hand again (noise)", "asio": "asio, epoll",
    "asio-uring": "asio, io_uring", "op_echo": "examples/op_echo, io_uring", "op_echo-ready": "examples/op_echo, no ring",
    "evring-send": "ev_send", "evring-send-zc": "ev_send_zc", "nghttpd": "nghttpd on libev",
}
OURS = re.compile(r"evring|op_echo|op_http")
NOISE = re.compile("-again$")
# Families have a colour each, in both lights readable: ours, the original, by hand, others.
COLOURS = {"evring-uring": "#1a9850", "evring-epoll": "#66bd63", "evring-ops": "#0b7a75", "evring-ops-ready": "#5ab4ac",
           "evring-ops-pool": "#35978f", "stock-epoll": "#e08214", "stock-again": "#b8b8b8", "raw-epoll": "#8c8c8c", "raw-again": "#b8b8b8",
           "raw-ring": "#707070", "hand-ring": "#707070", "hand-again": "#b8b8b8", "libuv": "#8073ac", "libevent": "#c51b7d",
           "asio": "#4393c3", "asio-uring": "#2166ac", "nginx": "#d6604d", "pread": "#8c8c8c", "nghttpd": "#e08214",
           "evring-send": "#66bd63", "evring-send-zc": "#0b7a75"}
PANEL = 4.6  # inches wide
OUR_COLOURS = ("#1a9850", "#66bd63", "#0b7a75")

# Why one is better: the first that fits "section: cell: the better < the other". Only what is known.
WHY = (
    (r"^wake: flood", "the calls are many and the sleeps few: how many calls fall into one sleep is a race, the work of one is tens of nanoseconds."),
    (r"^life: .*< evring-uring", "a ring is several mappings and calls to make, and the kernel takes it down late; an epoll set is one call. Loops on a "
     "ring are for keeping: a program that makes many short ones should ask for epoll (EVBACKEND_EPOLL)."),
    (r"^scale: (restart|stop|timeouts|reconnect|destroy|exit).*< evring-uring", "an idle descriptor has a request on the ring, which a call must take back when it "
     "is stopped for the first time; in an epoll set nothing is done before the next wait."),
    (r"^toggle: 9000.*: stock-epoll < evring-uring", "with 9000 watched, descriptors begin in an epoll set beside the ring, and each comes to the ring when it "
     "changes: with few bytes per descriptor that is most of the work."),
    (r": (raw-epoll|raw-ring|hand-ring) <", "no library around it: no timers, no clock, no priorities, no deadlines, one kind of event, no errors dealt with. "
     "It is the floor."),
    (r"^files: .*: pread <", "one read after the other, on the spot: nothing is cheaper for what is in memory, and nothing slower for a disk."),
    (r"^datagrams: .*< evring-ops", "what waits on a bound socket does so outside the ring, so that a process that is killed holds no port; by operations it is "
     "tried, then waited for."),
    (r"^http: 100 KB: nginx <", "it sends files by sendfile, from the page cache to the socket; op_http reads and sends."),
    (r"^bulk: ", "on loopback the receiver copies in any case; ev_send_zc adds pinning the pages and telling when they are free again."),
    (r"^link: ", "pages are pinned, and it is told when they are free again: a round trip later. The link is a program on the same machine, which copies: a "
     "network card would not."),
    (r"^memory: .*< evring-uring", "a loop has its ring's memory, and a row of a descriptor holds what the ring needs to know besides."),
    (r"^idle: .*: nginx <", "a connection of op_http has its buffers in it (72 KiB, of which what was touched counts)."),
)


def label(name):
    return LABELS.get(name, name)


def colour(name, at=0):
    if name in COLOURS:
        return COLOURS[name]
    return OUR_COLOURS[at % len(OUR_COLOURS)] if OURS.search(name) else "#8073ac"


# ---- what was found ---------------------------------------------------------------------------------------------------


def cells_of(part, order):
    """cell → peer → samples, in the order of the section, without what could not be had."""
    def place(name):
        return order.index(name) if name in order else len(order)
    found = {cell: {name: peers[name] for name in sorted(peers, key=place) if peers[name]} for cell, peers in part["samples"].items()}
    return {cell: peers for cell, peers in found.items() if peers}


def median(samples, what):
    return statistics.median(sample[what] for sample in samples)


def main_measure(peers):
    return "value" if "value" in next(iter(peers.values()))[0] else "cpu"


def best_of_ours(peers, what, subject):
    ours = [name for name in peers if re.search(subject, name)]
    return min(ours, key=lambda name: median(peers[name], what)) if ours else None


def noise_of(peers, what):
    """How far the lower quartile of what stands twice is from 1."""
    for again, first in ((name, other) for name in peers if NOISE.search(name) for other, twin in run.AGAIN.items() if twin == name):
        if first in peers:
            count = min(len(peers[again]), len(peers[first]))
            return max(0, 1 - run.quartiles(run.ratios(peers[again][:count], peers[first][:count], what))[0])
    return 0


def better(peers, what, subject):
    """(peer, low, median, high of its cost over that of the best of ours) where all of it is below 1 and not within the noise."""
    best, noise = best_of_ours(peers, what, subject), noise_of(peers, what)
    for name in peers if best else ():
        if not re.search(subject, name) and not NOISE.search(name):
            count = min(len(peers[name]), len(peers[best]))
            low, middle, high = run.quartiles(run.ratios(peers[name][:count], peers[best][:count], what))
            if high < 1 - (0.005 if what == "value" else 0) and middle < 1 - noise:
                yield name, low, middle, high, best


def worse(peers, what, subject):
    """(one of ours, low, median, high, the reference): the first that is not ours, where the whole is above 1 and the noise."""
    reference, noise = next((name for name in peers if not re.search(subject, name)), None), noise_of(peers, what)
    several = len([name for name in peers if re.search(subject, name)]) > 1  # or `better` has said it
    for name in peers if reference and several else ():
        if re.search(subject, name):
            count = min(len(peers[name]), len(peers[reference]))
            low, middle, high = run.quartiles(run.ratios(peers[name][:count], peers[reference][:count], what))
            if low > 1 + (0.005 if what == "value" else 0) and middle > 1 + noise:
                yield name, low, middle, high, reference


def why(section, cell, winner, loser, what):
    if what == "p99":
        return "the slowest of a hundred: not looked into yet. On few cores it is as much the machine's doing as the server's."
    return next((text for where, text in WHY if re.search(where, f"{section}: {cell}: {winner} < {loser}")), "not looked into yet.")


WORD = {"cpu": "processor time", "wall": "time", "p99": "p99", "value": "bytes"}


def differences(section, cells, measures, subject, find):
    """Lines of what `find` finds, and each reason with those it explains: who is better in the comparison."""
    lines, reasons = [], {}
    for cell, peers in cells.items():
        for what in measures:
            if all(what in mine[0] for mine in peers.values()):
                for name, low, middle, high, other in find(peers, what, subject):
                    lines.append(f"{cell}: {label(name)}, {WORD[what]} {middle:.2f} [{low:.2f}–{high:.2f}] of {label(other)}")
                    winner, loser = (name, other) if middle < 1 else (other, name)
                    reasons.setdefault(why(section, cell, winner, loser, what), []).append(f"{label(winner)} before {label(loser)}")
    return lines, reasons


def difference_list(title, lines, reasons):
    if not lines:
        return ""
    told = "".join(f"<li>{esc(line)}</li>" for line in lines)
    reasons = "".join(f"<p>{esc(', '.join(dict.fromkeys(names)))}: {esc(text)}</p>" for text, names in reasons.items())
    return f"<details class=better open><summary>{esc(title)}</summary><ul>{told}</ul>{reasons}</details>"


def better_list(section, cells, measures, subject):
    reference = next((name for peers in cells.values() for name in peers if not re.search(subject, name)), "nothing")
    lists = difference_list("Where another is better than the best of evring",
                            *differences(section, cells, measures, subject, better))
    lists += difference_list(f"Where evring needs more than {label(reference)}",
                             *differences(section, cells, measures, subject, worse))
    return lists or "<p class=even>Nobody else needs less here, beyond noise.</p>"


# ---- pictures ----------------------------------------------------------------------------------------------------------


def pyplot():
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "evring", "font.size": 9, "axes.titlesize": 9.5,
                                "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot as plot
    return plot


def svg_of(figure, text):
    """Black becomes the reader's colour of text."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    pyplot().close(figure)
    drawn = out.getvalue()
    drawn = drawn[drawn.index("<svg"):]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.S)
    drawn = re.sub(r"#000000|(?<=[ :])black", "currentColor", drawn)
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawn, 1)
    drawn = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, 1)
    drawn = drawn.replace("<text ", '<text fill="currentColor" ').replace("<svg ", f'<svg role="img" aria-label="{esc(text)}" ', 1)
    return unique(drawn)


IDS = iter(range(10 ** 6))


def unique(drawn):
    """Several pictures stand on one page: their names must not meet."""
    mark = f"s{next(IDS)}"
    drawn = re.sub(r'\bid="([^"]+)"', rf'id="{mark}-\1"', drawn)
    return re.sub(r'(href="#|url\(#)([^")]+)', rf"\1{mark}-\2", drawn)


def panels(cells, draw, height, title):
    """A picture for each cell, as many beside each other as the page has room for."""
    plot = pyplot()
    longest = max(len(label(name)) for peers in cells.values() for name in peers)
    drawn = []
    for cell, peers in cells.items():
        figure, axis = plot.subplots(figsize=(PANEL, height))
        figure.subplots_adjust(left=0.02 + 0.078 * longest / PANEL, right=0.99, top=1 - 0.28 / height, bottom=0.25 / height)
        axis.set_title(cell, loc="left", fontweight="bold")
        draw(axis, peers)
        axis.invert_yaxis()
        drawn.append(svg_of(figure, f"{title}: {cell}"))
    return f"<figure><div class=panels>{''.join(drawn)}</div><figcaption>{esc(title)}</figcaption></figure>"


def shown(value):
    for limit, unit, by in ((1e3, "", 1), (1e6, "k", 1e3), (1e9, "M", 1e6)):
        if value < limit:
            return f"{value / by:.3g}{unit}"
    return f"{value:.3g}"


def time_shown(ns):
    for limit, unit, by in ((1e3, "ns", 1), (1e6, "µs", 1e3), (1e9, "ms", 1e6)):
        if ns < limit:
            return f"{ns / by:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


def bars(axis, peers, values, told):
    names = [name for name in peers if values(peers[name])]
    tops = [values(peers[name]) for name in names]
    for at, (name, (low, middle, high)) in enumerate(zip(names, tops)):
        axis.barh(at, middle, color=colour(name, at), height=0.72)
        axis.plot([low, high], [at, at], color="black", linewidth=0.8)
        axis.text(max(high, middle) + max(t[2] for t in tops) * 0.02, at, told(middle), va="center", fontsize=8)
    axis.set_yticks(range(len(names)), [label(name) for name in names])
    axis.set_xlim(0, max(top[2] for top in tops) * 1.22)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    axis.tick_params(left=False)


def quartiles_of(what, of=lambda value: value):
    return lambda samples: run.quartiles(sorted(of(sample[what]) for sample in samples)) if what in samples[0] else None


def latencies(axis, peers):
    names = [name for name in peers if "p50" in peers[name][0]]
    for at, name in enumerate(names):
        points = [median(peers[name], part) / 1e3 for part in run.PARTS]
        axis.plot(points, [at] * 3, color=colour(name, at), linewidth=2.5, alpha=0.5)
        for point, marker in zip(points, "o|d"):
            axis.plot(point, at, marker=marker, color=colour(name, at), markersize=9 if marker == "|" else 5, markeredgewidth=2)
    axis.set_yticks(range(len(names)), [label(name) for name in names])
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: time_shown(value * 1000))
    axis.xaxis.set_minor_formatter(lambda value, _: "")
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(left=False, labelsize=8)


def growth_panel(axis, mine):
    """One thing that happens; along it the number of descriptors."""
    for at, name in enumerate(dict.fromkeys(name for peers in mine.values() for name in peers)):
        points = [(fds, median(peers[name], "cpu") / 1e3) for fds, peers in mine.items() if name in peers]
        axis.plot(*zip(*points), marker="o", markersize=4, label=label(name), color=colour(name, at))
    axis.set_xscale("log")
    axis.set_xticks(list(mine), [f"{fds}" for fds in mine])
    axis.minorticks_off()
    axis.set_ylim(0, axis.get_ylim()[1] * 1.5)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, framealpha=0, loc="upper right")


def growth(cells):
    drawn = []
    for mode in dict.fromkeys(cell.split(", ")[0] for cell in cells):
        mine = {int(cell.split(", ")[1].split()[0]): peers for cell, peers in cells.items() if cell.startswith(mode + ",")}
        figure, axis = pyplot().subplots(figsize=(PANEL, 2.6))
        figure.subplots_adjust(left=0.11, right=0.98, top=0.9, bottom=0.1)
        axis.set_title(mode, loc="left", fontweight="bold")
        growth_panel(axis, mine)
        drawn.append(svg_of(figure, f"microseconds by descriptors: {mode}"))
    return f"<figure><div class=panels>{''.join(drawn)}</div><figcaption>Processor time per descriptor, µs, with so many watched; " \
           "less is better</figcaption></figure>"


def picture(kind, cells, event):
    height = 0.5 + 0.26 * max(len(peers) for peers in cells.values())
    if kind == "growth":
        return growth(cells)
    if kind == "latency":
        cells = {cell: peers for cell, peers in cells.items() if any("p50" in mine[0] for mine in peers.values())}
        return panels(cells, latencies, height + 0.25, "How long the client waited: half of all (dot), 99 of 100 (bar), 999 of 1000 (diamond); "
                      "left is better") if cells else ""
    if kind == "rate":
        return panels(cells, lambda axis, peers: bars(axis, peers, quartiles_of("wall", lambda ns: 1e9 / ns), shown), height,
                      f"{event.capitalize()}s per second as they came out; more is better")
    if kind == "value":
        return panels(cells, lambda axis, peers: bars(axis, peers, quartiles_of("value"), lambda value: f"{value:,.0f}"), height,
                      f"Bytes per {event}; less is better")
    return panels(cells, lambda axis, peers: bars(axis, peers, quartiles_of("cpu"), time_shown), height,
                  f"Processor time per {event}, median and quartiles; less is better")


# ---- tables --------------------------------------------------------------------------------------------------------------


def esc(text):
    return html.escape(str(text), quote=True)


def row_of(name, samples, reference, what):
    first = samples[0]
    low, middle, high = run.quartiles(run.ratios(samples, reference, what))
    cells = [label(name), f"{median(samples, 'value'):,.1f}" if what == "value" else time_shown(median(samples, "cpu")),
             f"{middle:.2f} [{low:.2f}–{high:.2f}]",
             "" if what == "value" else f"{1e9 / median(samples, 'wall'):,.0f}"]
    return cells + [time_shown(median(samples, part)) if part in first else "" for part in run.PARTS]


def table(section, cells):
    lines = []
    for cell, peers in cells.items():
        reference = next((name for name in section.peers if name in peers), next(iter(peers)))
        what = main_measure(peers)
        for name, samples in peers.items():
            count = min(len(samples), len(peers[reference]))
            row = row_of(name, samples[:count], peers[reference][:count], what)
            lines.append("<tr>" + "".join(f"<td>{esc(text)}</td>" for text in [cell, *row]) + "</tr>")
    head = ("", "who", f"bytes per {section.event}" if any(main_measure(p) == "value" for p in cells.values()) else f"CPU per {section.event}",
            f"over that of {label(reference)}", f"{section.event}s per second", "p50", "p99", "p99.9")
    head = "".join(f"<th>{esc(text)}</th>" for text in head)
    return f"<details><summary>All numbers</summary><div class=wide><table><tr>{head}</tr>{''.join(lines)}</table></div></details>"


# ---- the page --------------------------------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c2024; --soft: #667; --line: #d8dce0; --card: #f5f7f8; --good: #0b7a75; --warn: #b35900 }
@media (prefers-color-scheme: dark) { :root { --back: #14181b; --text: #e2e6e9; --soft: #98a2aa; --line: #333b41; --card: #1c2226;
  --good: #5ab4ac; --warn: #f0a04b } }
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
h1 { margin: .5rem 0 } h2 { margin: 2.5rem 0 .3rem; border-top: 1px solid var(--line); padding-top: 1.2rem }
a { color: var(--good) } code, pre { font-family: ui-monospace, monospace; font-size: .85rem }
pre { background: var(--card); padding: .6rem; overflow-x: auto; border-radius: 6px } figure { margin: 1rem 0 }
figcaption { color: var(--soft); font-size: .9rem } .panels { display: flex; flex-wrap: wrap; gap: .6rem 1.5rem }
.panels svg { flex: 1 1 20rem; min-width: 0; max-width: 28.5rem; height: auto }
nav { display: flex; flex-wrap: wrap; gap: .3rem .9rem; margin: 1rem 0 } .wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .85rem } td, th { border-bottom: 1px solid var(--line); padding: .2rem .6rem; text-align: left;
  white-space: nowrap } .better { border-left: 4px solid var(--warn); padding: .3rem .8rem; background: var(--card) }
.even { border-left: 4px solid var(--good); padding: .3rem .8rem; background: var(--card) } summary { cursor: pointer }
.missing { border: 1px solid var(--warn); padding: .3rem .8rem } dt { font-weight: 600 } dd { margin: 0 0 .3rem 1rem; overflow-wrap: anywhere }
.machine { white-space: normal }
"""

HOW = """<p>Every peer runs for a moment, in turns and in an order that changes, so many rounds; each round gives a ratio to the reference, and the
median and quartiles of those are told. What differs from 1 where a peer stands twice (“again”) is noise. Processor time is the measured process's
alone, the kernel's part included. Loads are closed loops: each connection has one request under way, so a waiting time is mostly the length of
the queue, and no queue of a slow server grows without end here as it would in life. Compare ratios, never the absolute numbers of two
reports.</p>"""


def section_html(section, part):
    cells = cells_of(part, section.peers)
    if not cells:
        return f"<h2 id={section.name}>{esc(section.title)}</h2><p class=missing>This could not be measured here; see below why.</p>"
    by_kind = {"rate": "wall", "latency": "p99"}
    measures = ["cpu", *(by_kind[kind] for kind in section.kinds if kind in by_kind)]
    if main_measure(next(iter(cells.values()))) == "value":
        measures = ["value"]
    parts = [f"<h2 id={section.name}>{esc(section.title)}</h2><p>{esc(section.text)}</p>"]
    parts += [picture(kind, cells, section.event) for kind in section.kinds]
    parts += [better_list(section.name, cells, measures, section.subject or OURS.pattern), table(section, cells)]
    if part["command"]:
        parts.append(f"<details><summary>The command</summary><pre>{esc(part['command'])}</pre></details>")
    return "\n".join(parts)


def definitions(pairs):
    return "<dl>" + "".join(f"<dt>{esc(key)}</dt><dd class=machine>{esc(value)}</dd>" for key, value in pairs.items()) + "</dl>"


def page(found, sections):
    there = [section for section in sections if section.name in found["sections"]]
    links = "".join(f"<a href='#{section.name}'>{esc(section.title)}</a>" for section in there)
    missing = "".join(f"<li>{esc(line)}</li>" for line in sorted(set(found["missing"])))
    body = "\n".join(section_html(section, found["sections"][section.name]) for section in there)
    machine = {**found["machine"], "system": found["system"], "rounds": found["rounds"]}
    return f"""<!DOCTYPE html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">
<title>evring: benchmark report</title><style>{STYLE}</style></head><body>
<h1>evring beside its peers</h1>
<p>{esc(found['machine']['when'])} · Linux {esc(found['machine']['kernel'])} · {esc(found['machine']['cpu'])} · evring {esc(found['commit'])} ·
{found['rounds']} rounds · made by <code>{esc(found['command'])}</code></p>
{HOW}
<nav>{links}<a href='#machine'>Machine</a></nav>
{f"<div class=missing><p>{len(set(found['missing']))} answers are missing:</p><ul>{missing}</ul></div>" if missing else ""}
{body}
<h2 id=machine>Machine, versions</h2>{definitions(machine)}{definitions(found['versions'])}
</body></html>
"""
