"""The reference in the docs, as Markdown, made from what it is about: spec, models, macros, functions, command line.

`made` puts it into the pages.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import click
import yaml
from dbt_host import ROOT

import mlbridge
from mlbridge.cli import main
from mlbridge.spec.reading import KEYS, read_spec
from mlbridge.spec.specification import TASKS, Spec

REQUIRED = {"target": "outcome", "entity": "key", "time": "moment"}
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
# The models and seeds that people read, in the order of the stages; the steps of the monitor are no part of it.
TABLES = (
    "models/register/_register.yml", "models/register/_leaks.yml", "models/register/_lineage.yml",
    "models/train/_train.yml", "models/score/_score.yml",
    "models/monitor/_monitor.yml", "models/monitor/_access.yml", "models/monitor/_requests.yml",
    "seeds/_seeds.yml",
)  # fmt: skip
WIDTH = 100


def table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Write a Markdown table; `head` names the columns, with a bar between them."""
    columns = head.count("|") + 1
    lines = [f"| {head} |", "|" + "---|" * columns]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)


def spec_keys() -> str:
    """Every key of the spec with its type, its default and what it means."""
    defaults = {task: read_spec("", {"task": task, **REQUIRED}) for task in TASKS}
    return table("key | type | default | meaning", _keys(Spec, "", defaults))


def _keys(part: type, path: str, defaults: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    hints = get_type_hints(part, include_extras=True)
    for name in KEYS if part is Spec else [field.name for field in fields(part)]:
        values = {task: getattr(spec, name) for task, spec in defaults.items()}
        if is_dataclass(hints[name]):
            yield from _keys(hints[name], f"{path}{name}.", values)
            continue
        of, meaning = get_args(hints[name])
        default = "required" if name == "task" or name in REQUIRED else _default(values)
        yield f"`{path}{name}`", _type(of), default, _linked(meaning)


def _type(of: Any) -> str:
    if get_origin(of) in (Union, UnionType):
        (of,) = (each for each in get_args(of) if each is not type(None))
    if of in WORDS:
        return WORDS[of]
    if get_origin(of) is tuple:
        return "a name, or a list of names" if get_args(of)[0] is str else f"list of {WORDS[get_args(of)[0]]}s"
    return "a mapping from names"


def _default(values: Mapping[str, object]) -> str:
    shown = {task: _value(value) for task, value in values.items()}
    first, *others = dict.fromkeys(shown.values())
    return first if not others else "; ".join(f"{task}: {value}" for task, value in shown.items())


def _value(value: object) -> str:
    if value in (None, (), {}):
        return "none"
    return code(*map(str, value)) if isinstance(value, tuple) else code(str(value).lower())


def tables() -> str:
    """Every table with its grain, and its columns with their types."""
    found = [each for path in TABLES for key in ("models", "seeds") for each in _yaml(path).get(key, ())]
    index = table(
        "table | one row per | what it is",
        ((f"[`{each['name']}`](#{each['name']})", *_grain(_flat(each["description"]))) for each in found),
    )
    return "\n\n".join([index, *map(_table, found)])


def _grain(description: str) -> tuple[str, str]:
    grain = re.search(r"One row per ([^.;:]+)", description)
    assert grain, f"the description of a table says what a row is: {description}"
    return grain[1], description.split(". ")[0].rstrip(".") + "."


def _table(model: Mapping[str, Any]) -> str:
    columns = ((f"`{each['name']}`", each["data_type"], _flat(each["description"])) for each in model["columns"])
    return f"## {model['name']}\n\n{_flat(model['description'])}\n\n{table('column | type | meaning', columns)}"


def macros() -> str:
    """Every public macro with its arguments."""
    return "\n\n".join(map(_macro, _yaml("macros/_macros.yml")["macros"]))


def _macro(macro: Mapping[str, Any]) -> str:
    name = macro["name"]
    title = f"## {name.removeprefix('test_')}" + (" (a data test)" if name.startswith("test_") else "")
    rows = ((f"`{each['name']}`", each["type"], _flat(each["description"])) for each in macro["arguments"])
    return f"{title}\n\n{_flat(macro['description'])}\n\n{table('argument | type | meaning', rows)}"


def functions() -> str:
    """The Python functions that nodes and notebooks call."""
    return "\n\n".join(_function(getattr(mlbridge, name)) for name in ("train", "predict", "to_sql"))


def _function(function: Callable[..., object]) -> str:
    name = f"mlbridge.{function.__name__}"
    parameters = inspect.signature(function).parameters.values()
    bare = inspect.Signature([each.replace(annotation=inspect.Parameter.empty) for each in parameters])
    call = f"{name}{bare}".replace("'", '"')
    return f"### {name}\n\n```python\n{call}\n```\n\n{_linked(inspect.getdoc(function) or '')}"


def commands() -> str:
    """What `--help` says of every command."""
    said = ((name, _help(each, name)) for name, each in sorted(main.commands.items()))
    return "\n\n".join(f"## {name}\n\n```text\n{text}\n```" for name, text in said)


def _help(command: click.Command, name: str) -> str:
    program = click.Context(
        main, info_name="mlbridge", terminal_width=WIDTH, max_content_width=WIDTH, **main.context_settings
    )
    return command.get_help(click.Context(command, parent=program, info_name=name))


def decisions() -> str:
    """The titles of the decisions."""
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    titles = ((page.name, page.read_text().split("\n")[0].removeprefix("# ")) for page in pages)
    return "\n".join(f"- [{title}]({name})" for name, title in titles)


def _yaml(path: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return read


def _flat(text: str) -> str:
    return _linked(" ".join(text.split()))


def _linked(text: str) -> str:
    """Make links of the pages that a text names by their path in the repository."""
    return re.sub(r"(?<!\()docs/([\w-]+)\.md", r"[\1](../\1.md)", text).replace("](docs/", "](../")
