"""A model card as one HTML page that loads nothing: no file, no script, and a style of its own."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mlbridge.model_card.document import Block, Code, Facts, Paragraph, Points, Section, Table, written
from mlbridge.monitor.markdown import BREAKS

# Even a part that a browser would take for more than text could load and run nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --line: #d1d9e0; --fill: #f6f8fa; --paper: #fff; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f0f6fc; --line: #3d444d; --fill: #151b23; --paper: #0d1117; --link: #79b8ff; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
nav ul { columns: 18rem; padding-left: 1.2rem; }
a { color: var(--link); }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1rem; }
dt { font-weight: 600; }
dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th, td { overflow-wrap: normal; }
thead th { background: var(--fill); }
tbody th { font-weight: 500; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; }
pre { padding: .75rem; background: var(--fill); overflow-x: auto; }
@media (max-width: 36rem) { dl { display: block; } dd { margin-bottom: .5rem; } }
@media print {
  :root { --ink: #000; --line: #999; --fill: #fff; --paper: #fff; --link: #000; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  .wide, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  h2, h3 { break-after: avoid; }
  tr { break-inside: avoid; }
  thead { display: table-header-group; }
}
"""


def to_html(card: Section) -> str:
    """Write a card as a whole HTML page. Names and data are text: nothing in them is HTML."""
    page = Element("html", lang="en")
    head = SubElement(page, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "title", card.title)
    SubElement(head, "style").text = STYLE
    main = SubElement(SubElement(page, "body"), "main")
    _add(main, "h1", card.title)
    for block in card.blocks:
        main.extend(_block(block, card.title))
    names = {index: f"section-{index}" for index in range(1, len(card.parts) + 1)}
    contents = SubElement(SubElement(main, "nav", {"aria-label": "Contents"}), "ul")
    for name, part in zip(names.values(), card.parts, strict=True):
        _add(SubElement(contents, "li"), "a", part.title, href=f"#{name}")
        main.extend(_section(part, 2, name))
    indent(page, " ")
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n"


def _section(section: Section, level: int, name: str) -> Iterator[Element]:
    heading = Element(f"h{level}", id=name)
    heading.text = _plain(section.title)
    yield heading
    for block in section.blocks:
        yield from _block(block, section.title)
    for index, part in enumerate(section.parts, 1):
        yield from _section(part, level + 1, f"{name}-{index}")


def _block(block: Block, title: str) -> Iterator[Element]:
    """Give the elements of a block; a table, which may be wider than the page, is named by the section's title."""
    match block:
        case Paragraph():
            found = Element("p")
            found.text = _plain(block.text)
        case Facts():
            found = Element("dl")
            for name, fact in block.facts:
                _add(found, "dt", name)
                _add(found, "dd", fact)
        case Points():
            found = Element("ul")
            for point in block.points:
                _add(found, "li", point)
        case Code():
            found = Element("pre", tabindex="0")
            found.text = "\n".join(map(_plain, block.lines))
        case Table():
            found = Element("div", {"class": "wide", "role": "group", "tabindex": "0", "aria-label": _plain(title)})
            found.append(_table(block))
    yield found


def _table(block: Table) -> Element:
    found = Element("table")
    kinds = [{"class": "number"} if block.is_number(index) else {} for index in range(len(block.columns))]
    head = SubElement(SubElement(found, "thead"), "tr")
    for name, kind in zip(block.columns, kinds, strict=True):
        _add(head, "th", name, scope="col", **kind)
    body = SubElement(found, "tbody")
    for row in block.rows:
        line = SubElement(body, "tr")
        for index, (cell, kind) in enumerate(zip(row, kinds, strict=True)):
            if index == 0:
                _add(line, "th", written(cell), scope="row", **kind)
            else:
                _add(line, "td", written(cell), **kind)
    return found


def _add(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    found = SubElement(parent, tag, attributes)
    found.text = _plain(text)
    return found


def _plain(text: str) -> str:
    """Return a text without the control characters that HTML does not allow; an empty one as a pair of quotes."""
    return BREAKS.sub(" ", text).strip() or "''"
