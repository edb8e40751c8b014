"""How a project writes YAML: found in its files, and kept in what is added to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import yaml

from mlbridge.typing import Json

# Keys whose values are never written in brackets, however short they are.
OPEN = ("columns", "meta", "mlbridge")


@dataclass(frozen=True)
class YamlStyle:
    """How YAML is written.

    `step` and `dash` are the columns by which mappings and lists are indented, `item_step` those from a dash to what it
    stands before, `quote` the quotes, `brackets` whether there are any.
    """

    step: int = 2
    dash: int = 2
    quote: str = '"'
    brackets: bool = True
    item_step: int = 2

    @classmethod
    def of(cls, texts: Iterable[str]) -> YamlStyle:
        """Return the style that most places of the texts have; texts that are no YAML are passed over."""
        steps, dashes, items = Counter[int](), Counter[int](), Counter[int]()
        quotes, brackets = Counter[str](), Counter[bool]()
        for text in texts:
            with suppress(yaml.YAMLError):
                for parent, node in _pairs(yaml.compose(text, Loader=yaml.SafeLoader)):
                    if isinstance(parent, yaml.SequenceNode) and not parent.flow_style:
                        items[node.start_mark.column - parent.start_mark.column] += 1
                    if isinstance(node, yaml.ScalarNode):
                        quotes[node.style or ""] += 1
                        continue
                    brackets[bool(node.flow_style)] += isinstance(node, yaml.MappingNode) and bool(node.value)
                    if not node.flow_style and isinstance(parent, yaml.MappingNode):
                        column = node.start_mark.column - parent.start_mark.column
                        (steps if isinstance(node, yaml.MappingNode) else dashes)[column] += 1
        step = _most(steps, _most(dashes, 2) or 2)
        quote = "'" if quotes["'"] > quotes['"'] else '"'
        return cls(step, _most(dashes, step), quote, brackets[True] > 0 or not brackets[False], _most(items, 2))

    def flow(self, value: Json) -> str:
        """Write a value in one line, as it may stand between brackets too."""
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.flow(key)}: {self.flow(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        text = yaml.safe_dump([value], default_flow_style=True, width=10**9, allow_unicode=True).strip()[1:-1]
        if text.startswith("'") and self.quote == '"':
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        return text

    def plain(self, text: str) -> str:
        """Write a text as it may stand in a line of its own, in quotes only where it needs them."""
        line = yaml.safe_dump(text, width=10**9, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
        return self.flow(text) if line[0] in "'\"" else line

    def block(self, key: str, value: Json, width: int = 0) -> list[str]:
        """Write a key with its value in lines; what fits into `width` columns is written in brackets.

        That is, where the project writes so at all; a list of words is always in brackets.
        """
        line = f"{self.flow(key)}: {self.plain(value) if isinstance(value, str) else self.flow(value)}"
        if not value or not isinstance(value, dict | list) or self._in_brackets(key, value, len(line) <= width):
            return [line]
        if isinstance(value, dict):
            inner = [part for each, of in value.items() for part in self.block(each, of, width - self.step)]
            return [f"{self.flow(key)}:", *(" " * self.step + part for part in inner)]
        items = [part for each in value for part in self.item(each, width - self.dash)]
        return [f"{self.flow(key)}:", *(" " * self.dash + part for part in items)]

    def item(self, value: Json, width: int = 0) -> list[str]:
        """Write an item of a list in lines, beginning with its dash."""
        start = "-".ljust(self.item_step)
        line = f"{start}{self.flow(value)}"
        if not isinstance(value, dict) or self._in_brackets("", value, len(line) <= width):
            return [line]
        lines = [part for each, of in value.items() for part in self.block(each, of, width - self.item_step)]
        return [f"{start}{lines[0]}", *(" " * self.item_step + each for each in lines[1:])]

    def _in_brackets(self, key: str, value: Json, fits: bool) -> bool:
        if isinstance(value, list) and not any(isinstance(each, dict) for each in value):
            return True
        return fits and self.brackets and not {key, *_keys(value)} & {*OPEN}


def _keys(value: Json) -> Iterator[str]:
    """Yield the keys of all mappings in a value."""
    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    if isinstance(value, dict):
        yield from value
    for each in parts:
        yield from _keys(each)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.CollectionNode, yaml.CollectionNode | yaml.ScalarNode]]:
    """Yield each value of a tree of YAML nodes with the list or mapping that it stands in."""
    if isinstance(node, yaml.CollectionNode):
        for part in node.value:
            value = part[1] if isinstance(part, tuple) else part
            yield node, value
            yield from _pairs(value)


def _most(found: Counter[int], otherwise: int) -> int:
    return found.most_common(1)[0][0] if found else otherwise
