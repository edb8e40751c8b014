"""What dbt works out anew in each process, remembered between processes; and what it makes for nobody, not made.

A build of the tests is small: half of its time goes into texts, templates and events that are those of the build
before. Nothing that a build says or writes is another for it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import marshal
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import CodeType
from typing import Any

# What differs in a text from build to build: moments, and the ids of builds.
VARYING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PLACE = re.compile("«([0-9]+)»")


def remember(folder: Path) -> None:
    """Change dbt in this process, and so in those that are forked from it; they share what is in the folder."""
    remember_injected(folder / "injected")
    remember_templates(folder / "templates")
    remember_types()
    sort_macros_quickly()
    write_json_at_once()
    write_macros_as_they_are()
    leave_out_unread_events()
    forget_secrets()


def _kept(folder: Path, key: str, make: Callable[[], bytes]) -> bytes:
    known = folder / hashlib.sha256(key.encode()).hexdigest()
    try:
        return known.read_bytes()
    except FileNotFoundError:
        made = make()
        unfinished = known.with_suffix(f".{os.getpid()}.{threading.get_ident()}")  # a process may be killed here
        unfinished.write_bytes(made)
        unfinished.replace(known)
        return made


def remember_injected(folder: Path) -> None:
    """Keep each SQL text into which dbt has put ephemeral models; their moments are put in afterwards."""
    from dbt import compilation

    inject = compilation.inject_ctes_into_sql
    folder.mkdir()

    def remembered(sql: str, ctes: list[Any]) -> str:
        texts = [sql, *(each.sql for each in ctes)]
        if any(PLACE.search(text) for text in texts):
            return inject(sql, ctes)
        varying = list(dict.fromkeys(found for text in texts for found in VARYING.findall(text)))
        places = {found: f"«{number}»" for number, found in enumerate(varying)}
        first, *others = (VARYING.sub(lambda found: places[found[0]], text) for text in texts)
        same = [replace(each, sql=text) for each, text in zip(ctes, others, strict=True)]
        made = _kept(folder, json.dumps([first, others]), lambda: inject(first, same).encode())
        return PLACE.sub(lambda found: varying[int(found[1])], made.decode())

    compilation.inject_ctes_into_sql = remembered


def remember_templates(folder: Path) -> None:
    """Keep the code into which Jinja compiles a text."""
    from jinja2 import Environment

    compile_ = Environment.compile
    folder.mkdir()

    def remembered(self: Environment, source: Any, *more: Any, **options: Any) -> Any:
        if not isinstance(source, str) or more or options:
            return compile_(self, source, *more, **options)  # type: ignore[call-overload]
        settings = [self.block_start_string, self.variable_start_string, self.comment_start_string, self.trim_blocks]
        settings += [self.lstrip_blocks, self.autoescape, sorted(self.extensions), sorted(self.filters)]
        key = f"{type(self).__module__}.{type(self).__qualname__} {settings} {source}"
        code: CodeType = marshal.loads(_kept(folder, key, lambda: marshal.dumps(compile_(self, source))))
        return code

    Environment.compile = remembered  # type: ignore[method-assign,assignment]


def remember_types() -> None:
    """Make what agate reads dates with once, not for each result of a query."""
    import parsedatetime

    parsedatetime.Constants = functools.cache(parsedatetime.Constants)


def sort_macros_quickly() -> None:
    """Sort macros into their namespaces by whole packages; dbt does it macro by macro for each text that it renders."""
    from dbt.clients.jinja import MacroGenerator
    from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder

    class Namespace(MacroNamespace):
        """One that looks up each name at once."""

        def __init__(self, *namespaces: dict[str, Any]) -> None:
            super().__init__(*namespaces)
            self.every: dict[str, Any] = {}
            for each in reversed(list(self._search_order())):
                self.every |= each

        def __iter__(self) -> Iterator[str]:
            return iter(self.every)

        def __len__(self) -> int:
            return len(self.every)

        def __getitem__(self, name: str) -> Any:
            return self.every[name]

    def made(self: Any, macro: Any, context: Any = None, node: Any = None, stack: Any = None) -> None:
        self.macro, self.context, self.node, self.stack = macro, context, node, stack

    def built(self: Any, macros_by_package: dict[str, dict[str, Any]], context: Any) -> MacroNamespace:
        every = {
            package: {
                name: MacroGenerator(macro, context, self.node, self.thread_ctx) for name, macro in macros.items()
            }
            for package, macros in macros_by_package.items()
        }
        of_adapters: dict[str, Any] = {}
        for package in reversed(self.internal_package_names_order):
            of_adapters |= every.get(package, {})
        others = {package: found for package, found in every.items() if package not in self.internal_package_names}
        own = others.get(self.search_package, {})
        of_root = {} if self.root_package == self.search_package else others.get(self.root_package, {})
        return Namespace(of_root, own, of_adapters, others)

    MacroGenerator.__init__, MacroNamespaceBuilder.build_namespace = made, built


def write_json_at_once() -> None:
    """Write a document in one piece, for which Python has faster code than for piece after piece."""
    from dbt_common.utils.encoding import JSONEncoder

    def whole(self: JSONEncoder, value: Any, _one_shot: bool = True) -> Iterator[str]:
        return json.JSONEncoder.iterencode(self, value, _one_shot=True)

    JSONEncoder.iterencode = whole  # type: ignore[method-assign]


def write_macros_as_they_are() -> None:
    """Put macros into the document of a manifest, not copies made of what each writes: there are a thousand of them."""
    from dbt.contracts.graph.nodes import Macro

    Macro.to_resource = lambda self: self  # type: ignore[method-assign] # it is one itself


def forget_secrets() -> None:
    """Look for secrets in the environment once from here on, not for each error that dbt makes and catches."""
    from dbt_common.exceptions import base

    base.env_secrets = functools.cache(getattr(base.env_secrets, "__wrapped__", base.env_secrets))


def leave_out_unread_events() -> None:
    """Make an event for debugging only where a log or a callback takes it."""
    from dbt.events.logging import track_behavior_change_warn
    from dbt_common.events.base_types import BaseEvent, DebugLevel, EventLevel
    from dbt_common.events.event_manager import EventManager

    dbts_own = track_behavior_change_warn  # it counts warnings only
    make, read, fire = BaseEvent.__init__, BaseEvent.__getattr__, EventManager.fire_event

    def put_off(self: Any, *args: Any, **fields: Any) -> None:
        if isinstance(self, DebugLevel):
            vars(self)["put_off"] = args, fields
        else:
            make(self, *args, **fields)

    def made(self: Any, name: str) -> Any:
        if "put_off" not in vars(self):
            return read(self, name)
        args, fields = vars(self).pop("put_off")
        make(self, *args, **fields)
        return getattr(self, name)

    def fired(self: Any, event: Any, level: Any = None, *args: Any, **more: Any) -> None:
        is_read = any(each is not dbts_own for each in self.callbacks)
        is_read = is_read or any(each.level == EventLevel.DEBUG for each in self.loggers)
        if is_read or (level or event.level_tag()) != EventLevel.DEBUG:
            fire(self, event, level, *args, **more)

    BaseEvent.__init__, BaseEvent.__getattr__, EventManager.fire_event = put_off, made, fired
