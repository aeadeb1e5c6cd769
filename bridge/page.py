"""A report as one HTML file that needs nothing else: to be mailed, kept, or printed.

No script and nothing from elsewhere; whatever came from a message is escaped.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.reports import Table

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --bar: 11 92 173; }
@media (prefers-color-scheme: dark) { :root { --bar: 125 183 245; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; }
body { overflow-wrap: anywhere; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin: 1.6em 0 .4em; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 2px 12px 2px 0; }
td.n { text-align: right; } .heat td { width: 1.6em; height: 1.6em; padding: 0; border: 1px solid var(--line); }
.heat { overflow-wrap: normal; white-space: nowrap; } .heat th { padding: 0 4px; font-size: .8em; }
.heat td.n { border: 0; padding-left: 8px; }
.bar { display: inline-block; height: .8em; background: rgb(var(--bar)); min-width: 1px; } .scroll { overflow-x: auto; }
dl { display: flex; flex-wrap: wrap; gap: 8px 28px; }
dt { opacity: .7; font-size: .85em; } dd { margin: 0; font-size: 1.3em; }
bdi { unicode-bidi: isolate; }
"""


def page(made: Table) -> str:
    """Return a report as HTML.

    Args:
        made: What `bridge.reporting.make` made, with all of its sections or some.
    """
    title = f"Report of {made['brand']}" if made["brand"] else "Report"
    parts = [_heads(made)]
    for name, show in _SECTIONS.items():
        if name in made:
            parts.append(f"<section><h2>{name.capitalize()}</h2>{show(cast('Table', made[name]))}</section>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{_text(title)}</h1><p>{_text(made['since'])} to {_text(made['until'])}, {_text(made['zone'])}</p>"
        + "".join(parts)
        + "</body></html>\n"
    )


def _text(value: object) -> str:
    """Return a text that is markup of nothing, in which no character acts on those around it."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(value))
    return f"<bdi>{escape(shown)}</bdi>"


def _number(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else _text(value)


def _percent(value: object) -> str:
    return "–" if value is None else f"{cast('float', value):.1%}"


def _seconds(value: object) -> str:
    if value is None:
        return "–"
    seconds = cast("float", value)
    return (
        f"{seconds * 1000:.0f} ms"
        if seconds < 1
        else f"{seconds:.1f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
    )


def _figures(pairs: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs) + "</dl>"


def _bars(rows: Sequence[tuple[object, int]]) -> str:
    top = max((n for _, n in rows), default=0) or 1
    lines = (
        f'<tr><td>{_text(name)}</td><td class="n">{n:,}</td>'
        f'<td><span class="bar" style="width:{16 * n / top:.2f}em"></span></td></tr>'
        for name, n in rows
    )
    return f"<table>{''.join(lines)}</table>"


def _heads(made: Table) -> str:
    pairs = []
    if "volume" in made:
        pairs.append(("texts", _number(cast("Table", made["volume"])["total"])))
    if "resolution" in made:
        pairs.append(("resolved automatically", _percent(cast("Table", made["resolution"])["automated_share"])))
    if "response" in made:
        both = cast("Mapping[str, Table]", made["response"])
        pairs += [(f"first answer, {who}, mean", _seconds(both[who]["mean_s"])) for who in ("automated", "human")]
    if "satisfaction" in made:
        mean = cast("Table", made["satisfaction"])["mean"]
        pairs.append(("satisfaction", "–" if mean is None else f"{cast('float', mean):.2f} of 5"))
    if "failures" in made:
        pairs.append(("failed", _percent(cast("Table", made["failures"])["rate"])))
    return _figures(pairs)


def _volume(section: Table) -> str:
    table = cast("Mapping[str, Sequence[int]]", section["by_weekday_and_hour"])
    top = max((n for row in table.values() for n in row), default=0) or 1
    head = "".join(f"<th>{hour}</th>" for hour in range(24))
    lines = []
    for day, row in table.items():
        cells = "".join(
            f'<td style="background:rgb(var(--bar) / {n / top:.2f})" title="{day} {hour}:00, {n}"></td>'
            for hour, n in enumerate(row)
        )
        lines.append(f'<tr><th>{day}</th>{cells}<td class="n">{sum(row):,}</td></tr>')
    return f'<div class="scroll"><table class="heat"><tr><th></th>{head}</tr>{"".join(lines)}</table></div>'


def _response(section: Table) -> str:
    shown = []
    for who, times in cast("Mapping[str, Table]", section).items():
        words = ((name, _seconds(times[f"{name}_s"])) for name in ("mean", "p50", "p90", "p99"))
        shown.append(f"<h3>{who}</h3>" + _figures([("answers", _number(times["count"])), *words]))
    return "".join(shown)


def _resolution(section: Table) -> str:
    names = ("inquiries", "automated", "by_agents", "handed_over", "reopened")
    return _bars([(name.replace("_", " "), cast("int", section[name])) for name in names])


def _satisfaction(section: Table) -> str:
    values = cast("Mapping[str, int]", section["values"])
    answered = _figures([("asked", _number(section["asked"])), ("answered", _percent(section["answered_share"]))])
    return answered + _bars([(f"{value} of 5", n) for value, n in values.items()])


def _topics(section: Table) -> str:
    rows = cast("Sequence[Table]", section["topics"])
    return _bars([(row["rule"] or row["layer"], cast("int", row["count"])) for row in rows])


def _unmatched(section: Table) -> str:
    lines = (
        f'<tr><td class="n">{_number(group["count"])}</td><td>'
        + " · ".join(map(_text, cast("Sequence[str]", group["samples"])))
        + "</td></tr>"
        for group in cast("Sequence[Table]", section["clusters"])
    )
    return f"<table>{''.join(lines)}</table>"


def _failures(section: Table) -> str:
    shown = []
    for what, rows in cast("Mapping[str, Sequence[Table]]", section["by"]).items():
        failed = [(row[what], cast("int", row["failed"])) for row in rows if row["failed"]]
        if failed:
            shown.append(f"<h3>by {_text(what)}</h3>" + _bars(failed))
    return "".join(shown) or "<p>None.</p>"


def _quota(section: Table) -> str:
    lines = []
    for link, row in section.items():
        out, limit = cast("Mapping[str, Table]", row)["out"], cast("Table", row)["limit"]
        cells = (_text(link), _number(out["peak_per_second"]), "any" if limit is None else _text(limit))
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "<tr><th>link</th><th>busiest second</th><th>may send per second</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


_SECTIONS: Final = {
    "volume": _volume,
    "response": _response,
    "resolution": _resolution,
    "satisfaction": _satisfaction,
    "topics": _topics,
    "unmatched": _unmatched,
    "failures": _failures,
    "quota": _quota,
}
