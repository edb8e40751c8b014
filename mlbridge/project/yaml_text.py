"""Changes of a YAML text at one place, with all else of it left as it is: comments, order, spelling, line ends."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from mlbridge.typing import Json


def newline_of(text: str) -> str:
    """Return the line end that a text uses; that of Unix where it has none."""
    return "\r\n" if "\r\n" in text else "\n"


def apart(value: Json) -> Json:
    """Copy what YAML holds, so that what an alias repeats is there twice and changes once."""
    if isinstance(value, dict):
        return {key: apart(each) for key, each in value.items()}
    return [apart(each) for each in value] if isinstance(value, list) else value


def value_of(mapping: yaml.MappingNode, key: str) -> yaml.CollectionNode | yaml.ScalarNode | None:
    """Return the node under a key; the last of several, as loaders take it. None without one."""
    found: list[yaml.CollectionNode | yaml.ScalarNode] = [value for name, value in mapping.value if name.value == key]
    return found[-1] if found else None


def deepest(
    root: yaml.MappingNode, path: Sequence[str]
) -> tuple[int, yaml.MappingNode, yaml.CollectionNode | yaml.ScalarNode | None]:
    """Follow a path of keys through mappings that hold something.

    Returns how many keys lead to the last of them, that mapping, and what it has under the next key, None without one.
    """
    for depth, key in enumerate(path):
        there = value_of(root, key)
        if not isinstance(there, yaml.MappingNode) or not there.value or depth + 1 == len(path):
            return depth, root, there
        root = there
    raise ValueError("the path has no key")


def is_empty(node: yaml.Node) -> bool:
    """Return whether a node is an empty list or mapping, or null."""
    if isinstance(node, yaml.CollectionNode):
        return not node.value
    return bool(node.tag == "tag:yaml.org,2002:null")


def end_of(text: str, part: yaml.Node | tuple[yaml.Node, yaml.Node]) -> int:
    """Return where the text of a part ends; that of a block ends with its last part, before comments that follow."""
    node = part[1] if isinstance(part, tuple) else part
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return end_of(text, node.value[-1])
    end = int(node.end_mark.index)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):  # its mark stands where the next token begins
        return len(text[:end].rstrip())
    return end


def after(text: str, node: yaml.CollectionNode, *lines: str) -> str:
    """Return the text with a part added to a list or mapping that has parts: in lines of its own if they have.

    In brackets the lines are one.
    """
    end = end_of(text, node.value[-1])
    if node.flow_style:
        return f"{text[:end]}, {' '.join(line.strip() for line in lines)}{text[end:]}"
    newline = newline_of(text)
    block = "".join(" " * node.start_mark.column + line + newline for line in lines)
    ends = text.find("\n", end) + 1
    return text[:ends] + block + text[ends:] if ends else text + newline + block


def before(text: str, node: yaml.CollectionNode, *lines: str) -> str:
    """Return the text with a part put in front of the others of a block, in lines of its own."""
    start, column = node.start_mark.index, node.start_mark.column
    newline = newline_of(text)
    return text[:start] + (newline + " " * column).join(lines) + newline + " " * column + text[start:]


def filled(text: str, node: yaml.Node, value: str) -> str:
    """Return the text with a value in place of an empty one."""
    start, end = node.start_mark.index, node.end_mark.index
    space = "" if start == 0 or text[start - 1].isspace() else " "
    return f"{text[:start]}{space}{value}{text[end:]}"


def parsed(text: str) -> Sequence[Json]:
    """Return the only document of a text in a list, which is empty where the text holds none.

    Raises yaml.YAMLError.
    """
    found = yaml.safe_load(text)
    return [] if found is None else [apart(found)]
