"""The style of a project's files: how its YAML is indented and quoted, and how its SQL is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

import yaml


@dataclass(frozen=True)
class YamlStyle:
    """How YAML is written: columns by which mappings (`step`) and lists (`dash`) are indented, quotes, brackets."""

    step: int = 2
    dash: int = 2
    quote: str = '"'
    brackets: bool = True

    @property
    def of_block(self) -> tuple[int, int, str]:
        """Return what `mlbridge.project.yaml_text.block` asks for."""
        return self.step, self.dash, self.quote

    @classmethod
    def of(cls, texts: Iterable[str]) -> YamlStyle:
        """Return the style that most places of the texts have; texts that are no YAML are passed over."""
        steps, dashes, quotes, brackets = (Counter[int](), Counter[int](), Counter[str](), Counter[bool]())
        for text in texts:
            with suppress(yaml.YAMLError):
                for parent, node in _pairs(yaml.compose(text, Loader=yaml.SafeLoader)):
                    if isinstance(node, yaml.ScalarNode):
                        quotes[node.style or ""] += 1
                        continue
                    if isinstance(node, yaml.MappingNode):
                        brackets[bool(node.flow_style)] += bool(node.value)
                    column = node.start_mark.column - parent.start_mark.column
                    if not node.flow_style and isinstance(parent, yaml.MappingNode):
                        (steps if isinstance(node, yaml.MappingNode) else dashes)[column] += 1
        step = _most(steps, 2)
        return cls(step, _most(dashes, step), "'" if quotes["'"] > quotes['"'] else '"', brackets[True] > 0)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.CollectionNode, yaml.Node]]:
    """Yield each value of a tree of YAML nodes with the list or mapping that it stands in."""
    if isinstance(node, yaml.CollectionNode):
        for part in node.value:
            value = part[1] if isinstance(part, tuple) else part
            yield node, value
            yield from _pairs(value)


def _most(found: Counter[int], otherwise: int) -> int:
    return found.most_common(1)[0][0] if found else otherwise


@dataclass(frozen=True)
class SqlStyle:
    """How SQL is written: indentation, case of the keywords, where commas stand, and the quotes in calls of `ref`."""

    indent: str = "    "
    upper: bool = False
    leading_commas: bool = False
    quote: str = "'"

    def word(self, text: str) -> str:
        """Write a keyword."""
        return text.upper() if self.upper else text

    @classmethod
    def of(cls, texts: Sequence[str]) -> SqlStyle:
        """Return the style that most lines of the texts have."""
        lines = [line for text in texts for line in text.splitlines()]

        def count(pattern: str) -> int:
            return sum(bool(re.search(pattern, line)) for line in lines)

        columns = [line for line in lines if re.match(r"[ \t]+\w", line)]
        indents = Counter(re.match(r"[ \t]+", line)[0] for line in columns)  # type: ignore[index] # it has matched
        single = [indent for indent in indents if indent in ("\t", "  ", "    ")]
        return cls(
            max(single, key=lambda each: (indents[each], len(each)), default="    "),
            count(r"^\s*(SELECT|FROM)\b") > count(r"^\s*(select|from)\b"),
            count(r"^\s*,") > count(r",\s*$"),
            '"' if count(r'ref\(\s*"') > count(r"ref\(\s*'") else "'",
        )


@dataclass(frozen=True)
class Style:
    """The style of a project, and how it names its YAML files: `yml` or `yaml`, with an underscore or without."""

    yaml: YamlStyle
    sql: SqlStyle
    extension: str
    underscore: bool

    @classmethod
    def of(cls, files: Iterable[str], read: Callable[[str], str]) -> Style:
        """Look at the models' files, given by their paths in the project."""
        paths = [PurePosixPath(file) for file in files]
        described = [path for path in paths if path.suffix in (".yml", ".yaml")]
        longer = sum(path.suffix == ".yaml" for path in described)
        marked = sum(path.name.startswith("_") for path in described)
        return cls(
            YamlStyle.of([read(str(path)) for path in described]),
            SqlStyle.of([read(str(path)) for path in paths if path.suffix == ".sql"]),
            "yaml" if 2 * longer > len(described) else "yml",
            2 * marked >= len(described),
        )
