#!/usr/bin/env python3
"""Prints the results of run.py as Markdown tables. `report.py [--targets] [FILE...]`, default results.json."""
import json, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def ms(v):
    return "-" if v is None else (f"{v / 1000:.2f}" if abs(v) < 10_000 else f"{v / 1000:.0f}")


def minus(r, base, kind, q):
    a, b = (r or {}).get(kind), (base or {}).get(kind)
    return a[q] - b[q] if a and b else None


def cpu_us(r, n):
    return f"{r['cpu_s'] * 1e6 / n:.0f}" if n and r["cpu_s"] >= 0.03 else "-"


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for r in rows:
        print("| " + " | ".join(str(c) for c in r) + " |")
    print()


EVENTS = 205  # of one stream: 200 deltas, five that open and close
# What DESIGN asks of the gateway: name, phase, unit, the most that passes, how it is read.
TARGETS = [
    ("JSON, one at a time, added p50", "json c1", "ms", 0.20, lambda r, b: (r["total_us"]["p50"] - b["total_us"]["p50"]) / 1000),
    ("JSON, one at a time, added p99", "json c1", "ms", 0.35, lambda r, b: (r["total_us"]["p99"] - b["total_us"]["p99"]) / 1000),
    ("CPU a request, 16 at a time", "json c16", "µs", 40, lambda r, b: r["cpu_s"] * 1e6 / r["with_warmup"]),
    ("stream, one at a time, added first event p50", "stream c1", "ms", 0.25, lambda r, b: (r["first_us"]["p50"] - b["first_us"]["p50"]) / 1000),
    ("stream, 16 at a time, CPU an event", "stream c16", "µs", 5, lambda r, b: r["cpu_s"] * 1e6 / (r["with_warmup"] * EVENTS)),
    ("peak memory", None, "MiB", 40, None),
]


def figures(res, peer):
    """Each target's figure of one peer; None where it was not measured."""
    got, base = res[peer]["phases"], res.get("direct", {}).get("phases", {})
    out = []
    for name, phase, unit, most, read in TARGETS:
        if phase is None:
            value = max((r.get("peak_rss_mib", 0) for r in got.values()), default=None)
        else:
            r, b = got.get(phase), base.get(phase)
            value = read(r, b) if r and b and r.get("ok") and b.get("ok") and not r.get("failed") else None
        out.append({"name": name, "unit": unit, "most": most, "value": None if value is None else round(value, 3)})
    return out


def targets(res):
    """Prints the targets of every peer side by side, ours judged; returns ours as data."""
    names = [n for n in ("nginx", "relay", "strawboss", *res) if n in res and n != "direct"]
    names = list(dict.fromkeys(names))
    cols = {n: figures(res, n) for n in names}
    text = lambda v: "-" if v is None else f"{v:.2f}"
    rows = []
    for i, (name, _, unit, most, _) in enumerate(TARGETS):
        row = [f"{name} ({unit})", f"≤ {most}"]
        for n in names:
            v = cols[n][i]["value"]
            row.append(text(v) + ("" if n != "strawboss" or v is None else " ok" if v <= most else " MISSED"))
        rows.append(row)
    table(["", "asked for", *names], rows)
    return cols.get("strawboss", [])


def show(path):
    res = json.loads(path.read_text())
    base = res.get("direct", {}).get("phases", {})
    names = []
    for p in res.values():
        names += [n for n in p["phases"] if n not in names]
    print(f"## {path.name} (cores client+mock:proxy = {next(iter(res.values()))['cpus']})\n")
    print("'Added' is the percentile through the proxy less the same percentile straight to the mock; the `direct` row is absolute.\n")
    for n in names:
        rows = []
        for peer, got in res.items():
            r = got["phases"].get(n)
            if not r:
                continue
            if r.get("failed") or not r.get("ok"):
                rows.append([peer, "failed: " + (r.get("failed") or r.get("note", ""))[:80]])
                continue
            b = {} if peer == "direct" else base.get(n, {})
            add = lambda kind, q: ms(r[kind][q] if peer == "direct" else minus(r, b, kind, q))
            row = [peer, r["ok"], r["errors"], f"{r['rps']:.0f}", add("total_us", "p50"), add("total_us", "p99")]
            if r.get("first_us"):
                row += [add("first_us", "p50"), add("first_us", "p99"), add("lag_us", "p50"), add("lag_us", "p99"), f"{r['events_s']:.0f}", f"{r['mb_s']:.1f}"]
            row += [cpu_us(r, r["with_warmup"]), f"{r['cpu_s']:.2f}", f"{r['peak_rss_mib']:.0f}"]
            rows.append(row)
        streamed = any(len(r) > 10 for r in rows)
        head = ["peer", "n", "errors", "req/s", "added p50 ms", "added p99 ms"]
        if streamed:
            head += ["first event p50", "p99", "event lag p50", "p99", "events/s", "MB/s"]
        print(f"### {n}\n")
        table(head + ["CPU µs/req", "CPU s", "peak RSS MiB"], rows)
    table(["peer", "note", "start s", "idle RSS MiB", "processes"],
          [[p, g.get("note", "the mock"), g.get("start_s", "-"), f"{g['idle']['peak_rss_mib']:.0f}", g["idle"]["processes"]] for p, g in res.items()])


args = sys.argv[1:]
if args[:1] == ["--targets"]:
    # The short form, for `make bench`: one table, then one line of JSON.
    ours = targets(json.loads((HERE / (args[1] if args[1:] else "results.json")).read_text()))
    print(json.dumps({"gateway": ours}))
else:
    for f in args or ["results.json"]:
        show(HERE / f)
