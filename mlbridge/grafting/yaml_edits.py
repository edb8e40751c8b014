"""Values added to a YAML file of the project by path, with all else of it left as it is to the byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from mlbridge.errors import GraftError, shown
from mlbridge.project.yaml_style import YamlStyle
from mlbridge.project.yaml_text import after, before, deepest, filled, newline_of, parsed
from mlbridge.typing import Json


@dataclass(frozen=True)
class YamlFile:
    """The text of a YAML file, empty for one that is not there, and what it is called in messages."""

    shown_as: str
    text: str

    @property
    def content(self) -> dict[str, Json]:
        """Return what the file holds; raises GraftError if that is no mapping."""
        try:
            found = parsed(self.text)
        except yaml.YAMLError as error:
            raise GraftError(f"'{self.shown_as}' is no YAML: {' '.join(str(error).split())}. Correct it.") from error
        content = found[0] if found else {}
        if not isinstance(content, dict):
            raise GraftError(f"'{self.shown_as}' holds {shown(content)}, where keys with values are expected.")
        return content

    def at(self, path: Sequence[str]) -> Json:
        """Return what stands under a path of keys, None where nothing does."""
        found: Json = self.content
        for key in path:
            if found is None:
                return None
            if not isinstance(found, dict):
                raise self._odd(path, found)
            found = found.get(key)
        return found

    def with_value(self, path: Sequence[str], value: Json) -> YamlFile:
        """Return the file with a value under a path where nothing, or something empty, stands; parents are added.

        Raises GraftError if the file is spelt in a way in which this cannot be said by an addition.
        """
        wanted = self.content
        if self.at(path):
            raise self._odd(path, self.at(path))
        parent = wanted
        for key in path[:-1]:
            parent[key] = parent.get(key) or {}
            parent = parent[key]
        parent[path[-1]] = value
        return self._first(self._with_value(path, value), wanted, path, value)

    def with_item(self, path: Sequence[str], value: Json) -> YamlFile:
        """Return the file with an item at the end of the list under a path, which need not be there yet."""
        there = self.at(path)
        if not there:
            return self.with_value(path, [value])
        if not isinstance(there, list):
            raise self._odd(path, there)
        wanted = self.content
        parent: Json = wanted
        for key in path:
            parent = parent[key]
        parent.append(value)
        return self._first(self._with_item(path, value), wanted, path, value)

    def _with_value(self, path: Sequence[str], value: Json) -> Iterator[str]:
        """Yield texts that may say it, the best one first."""
        style = YamlStyle.of([self.text])
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode) or not root.value:
            start = "" if not self.text or self.text.endswith("\n") else newline_of(self.text)
            yield self.text + start + self._lines(style.block(path[0], _nested(path[1:], value)))
            return
        depth, node, there = deepest(root, path)
        rest = _nested(path[depth + 1 :], value)
        if there is not None:
            yield filled(self.text, there, style.flow(rest))
            return
        if node.flow_style:
            yield after(self.text, node, f"{path[depth]}: {style.flow(rest)}")
            return
        lines = style.block(path[depth], rest)
        if depth == 0:
            yield from self._at_the_end(lines)
        yield after(self.text, node, *lines)
        yield before(self.text, node, *lines)

    def _at_the_end(self, lines: Sequence[str]) -> Iterator[str]:
        """Put lines at the end of the text, after a blank line if it has some elsewhere, or else without one."""
        newline, plain = newline_of(self.text), self.text.replace("\r", "")
        start = "" if plain.endswith("\n") else newline
        if "\n\n" in plain and not plain.endswith("\n\n"):
            yield self.text + start + newline + self._lines(lines)
        yield self.text + start + self._lines(lines)

    def _with_item(self, path: Sequence[str], value: Json) -> Iterator[str]:
        style = YamlStyle.of([self.text])
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        _, _, node = deepest(root, path) if isinstance(root, yaml.MappingNode) else (0, None, None)
        if not isinstance(node, yaml.SequenceNode):
            return
        lines = [style.flow(value)] if node.flow_style else style.item(value)
        yield after(self.text, node, *lines)
        if not node.flow_style:
            yield before(self.text, node, *lines)

    def _lines(self, lines: Sequence[str]) -> str:
        return "".join(line + newline_of(self.text) for line in lines)

    def _first(self, texts: Iterator[str], wanted: Json, path: Sequence[str], value: Json) -> YamlFile:
        """Return the first of the texts that holds what is wanted and nothing else."""
        for text in texts:
            try:
                if parsed(text) == [wanted]:
                    return YamlFile(self.shown_as, text)
            except yaml.YAMLError:
                continue
        raise GraftError(
            f"'{self.shown_as}' is spelt in a way in which `{'.'.join(path)}` cannot be added by itself. Write "
            f"{YamlStyle().flow(value)} there yourself, and run the command again."
        )

    def _odd(self, path: Sequence[str], found: Json) -> GraftError:
        return GraftError(
            f"'{self.shown_as}' says {shown(found)} at `{'.'.join(path)}`, to which nothing can be added. Write it as "
            "plain keys, or a list, of YAML."
        )


def _nested(path: Sequence[str], value: Json) -> Json:
    for key in reversed(path):
        value = {key: value}
    return value
