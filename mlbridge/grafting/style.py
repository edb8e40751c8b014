"""The style of a project's files: how its YAML and its SQL are written, and what its files are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from mlbridge.project.yaml_style import YamlStyle


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
