"""A model card as Markdown, as git hosts show it: what a name holds is only text."""

from __future__ import annotations

from collections.abc import Iterable

from mlbridge.model_card.document import Block, Code, Facts, Paragraph, Points, Section, Table, written
from mlbridge.monitor.markdown import table, text


def to_markdown(card: Section) -> str:
    """Write a card, or a part of one, as Markdown that ends with a line break."""
    return "\n\n".join(_section(card, 1)) + "\n"


def _section(section: Section, level: int) -> Iterable[str]:
    yield f"{'#' * level} {text(section.title)}"
    for block in section.blocks:
        yield _block(block)
    for part in section.parts:
        yield from _section(part, level + 1)


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return text(block.text)
        case Facts():
            return "\n".join(f"- **{text(name)}**: {text(fact)}" for name, fact in block.facts)
        case Points():
            return "\n".join(f"- {text(point)}" for point in block.points)
        case Code():
            fence = "```"
            while any(fence in line for line in block.lines):
                fence += "`"
            return "\n".join([f"{fence}{block.language}", *block.lines, fence])
        case Table():
            numbers = [index for index in range(len(block.columns)) if block.is_number(index)]
            rows = ([text(cell) if isinstance(cell, str) else written(cell) for cell in row] for row in block.rows)
            return table([text(name) for name in block.columns], rows, numbers)
