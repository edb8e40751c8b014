"""An assessment as one HTML page that needs no other file: for those who do not sit at the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mlbridge.readiness.assessment import NO, YES, Assessment, Requirement
from mlbridge.readiness.catalogue import GROUPS, REQUIREMENTS
from mlbridge.readiness.room import in_bytes

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: light-dark(#b03022, #f08a7c);
  --mid: light-dark(#8a5a10, #e3b04b); --good: light-dark(#2a6f47, #6fc28f); }
body { background: Canvas; color: CanvasText; font: 15px/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: .4rem .6rem;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; } th { font-weight: 600; }
td.ok, td.warns, td.blocks { white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; } code { font-size: .92em; }
.verdict { font-size: 1.25rem; font-weight: 600; } .ok { color: var(--good); } .warns { color: var(--mid); }
.blocks { color: var(--bad); } .quiet { opacity: .7; } .fix { display: block; font-weight: 500; }
meter { width: 5rem; }
@media (max-width: 44rem) {
  .requirements thead { display: none; } .requirements tr { display: block; padding: .4rem 0;
    border-bottom: 1px solid var(--line); }
  .requirements td { display: inline; border: 0; padding: 0 .6rem 0 0; }
  .requirements td:first-child, .requirements td:last-child { display: block; }
  .requirements td[data-of]::before { content: attr(data-of) " "; }
  td:last-child { overflow-wrap: anywhere; }
}
"""
STATES = {None: "not looked at", True: "ok"}


def html_page(found: Assessment) -> str:
    """Write the page; every text of the project and of its data is escaped."""
    name = escape(found.relation.name)
    kind = {YES: "ok", NO: "blocks"}.get(found.verdict, "warns")
    sampled = "" if found.sampled is None else f", {found.sampled:,} of them sampled"
    parts = [
        f"<h1>{name}</h1>",
        f"<p class='quiet'>{found.rows:,} rows{sampled}; assessed at {found.as_of:%Y-%m-%d %H:%M} UTC</p>",
        f"<p class='verdict {kind}'>An ML branch {escape(found.verdict)}.</p>",
        _first(found.failed),
        "<h2>What was settled</h2>",
        _settled(found),
        *(part for group, title in GROUPS.items() for part in _group(found, group, title)),
        *_columns("Columns that look like a leak", found.suspected),
        *_columns("Columns that no model can learn from", found.unusable),
        *_grants(found.grants),
        *_room(found),
        *_columns("Other relations that could be assessed", found.others),
    ]
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
        f"content='width=device-width, initial-scale=1'><title>{name}: {escape(found.verdict)}</title>"
        f"<style>{STYLE}</style></head>\n<body><main>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Write a table whose cells are HTML already."""
    titles = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "\n".join("<tr>" + "".join(cells) + "</tr>" for cells in rows)
    return f"<table class='{kind}'><thead><tr>{titles}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _cell(text: str, kind: str = "") -> str:
    return f"<td class='{kind}'>{escape(text)}</td>"


def _first(failed: Sequence[Requirement]) -> str:
    """Write what to do first, as a list."""
    items = "\n".join(f"<li class='{each.level}'>{escape(each.fix)}</li>" for each in failed if each.fix)
    return f"<ol>\n{items}\n</ol>" if items else "<p>Every requirement that was looked at is met.</p>"


def _settled(found: Assessment) -> str:
    choices = {key: getattr(found, key) for key in ("target", "entity", "time", "label_time", "task")}
    rows = [
        (_cell(key), f"<td><code>{escape(', '.join(each.columns) or 'none')}</code></td>", _cell(each.reason))
        for key, each in choices.items()
    ]
    return _table(("key", "settled", "because"), rows)


def _group(found: Assessment, group: str, title: str) -> list[str]:
    rows = [_requirement(each) for each in found.requirements if each.group == group]
    head = ("requirement", "score", "threshold", "state", "evidence")
    return [f"<h2>{escape(title)}</h2>", _table(head, rows, "requirements")]


def _requirement(each: Requirement) -> Sequence[str]:
    state = STATES.get(each.met, each.level)
    kind = "quiet" if each.met is None else "ok" if each.met else each.level
    score = (
        "" if each.score is None else f"<meter aria-label='score' value='{each.score:.4f}'></meter> {each.score:.2f}"
    )
    fix = f"<span class='fix'>{escape(each.fix)}</span>" if each.fix else ""
    return (
        f"<td><code>{each.code}</code><br>{escape(REQUIREMENTS[each.code].asks)}</td>",
        f"<td class='number'>{score}</td>",
        f"<td class='number' data-of='met from'>{each.threshold:g}</td>",
        _cell(state, kind),
        f"<td>{escape(each.evidence)}{fix}</td>",
    )


def _columns(title: str, columns: Mapping[str, str]) -> list[str]:
    rows = [(f"<td><code>{escape(name)}</code></td>", _cell(reason)) for name, reason in columns.items()]
    return [f"<h2>{escape(title)}</h2>", _table(("name", "because"), rows)] if rows else []


def _grants(grants: Sequence[str]) -> list[str]:
    lines = escape("\n".join(grants))
    return ["<h2>Rights to ask for</h2>", f"<pre><code>{lines}</code></pre>"] if grants else []


def _room(found: Assessment) -> list[str]:
    room = found.room
    if room is None:
        return []
    rows = [
        (_cell(part), _cell(in_bytes(size), "number"), _cell(in_bytes(room.year[part]), "number"))
        for part, size in room.first.items()
    ]
    return ["<h2>Room by part</h2>", _table(("part", "first build", f"12 months, a build a {room.cadence}"), rows)]
