"""A terminal session as an animated SVG: commands are typed, what they printed appears line by line and stays."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from xml.sax.saxutils import escape

COLUMNS = 132
PROMPT = "$ "
# Pixels of a character and of a line, and the space around.
ADVANCE, LINE, MARGIN = 7.8, 19, 16
# Seconds for a typed character, between two printed lines, and after a command has printed all.
TYPED, PRINTED, PAUSE = 0.03, 0.12, 1.2
STYLE = """
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d4dcdc; white-space: pre; \
animation: appear 1ms both }
text.typed { fill: #ffffff; font-weight: 600 }
@keyframes appear { from { opacity: 0 } }
@keyframes type { from { clip-path: inset(0 100% 0 0) } }
@media (prefers-reduced-motion: reduce) { text { animation: none !important } }
"""


def animated(session: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Draw commands, each with the lines that it printed; longer lines than the terminal is wide are wrapped."""
    moment, drawn = 0.5, []
    for command, printed in session:
        seconds = len(command) * TYPED
        drawn.append(
            _text(
                len(drawn), PROMPT + command, "typed",
                f"appear 1ms {moment:.2f}s both, type {seconds:.2f}s steps({len(command)}) {moment:.2f}s both",
            )
        )  # fmt: skip
        moment += seconds + PAUSE / 2
        for line in (part for each in printed for part in _wrapped(each)):
            drawn.append(_text(len(drawn), line, "", f"appear 1ms {moment:.2f}s both"))
            moment += PRINTED
        moment += PAUSE
    width, height = COLUMNS * ADVANCE + 2 * MARGIN, len(drawn) * LINE + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img">',
        f"<title>A terminal: {escape(', '.join(command for command, _ in session))}</title>",
        f"<style>{STYLE}</style>",
        '<rect width="100%" height="100%" rx="8" fill="#16282b"/>',
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, COLUMNS, subsequent_indent="  ", drop_whitespace=False) or [""]


def _text(row: int, line: str, name: str, animation: str) -> str:
    top = MARGIN + (row + 1) * LINE - 5
    return f'<text class="{name}" x="{MARGIN}" y="{top}" style="animation: {animation}">{escape(line)}</text>'
