"""dbt in warm processes: one server imports dbt once and forks a child for each command.

A child is a process of its own, so it can be killed, limited, or run beside another one; it starts in a tenth of a
second where `dbt` itself needs seconds. The server has parsed a project before, so that its children inherit what dbt
works out anew in each process, and children leave each other what they have worked out (`remembered`). It never builds
or fits: a child that is forked from a process with threads may hang.
"""

from __future__ import annotations

import faulthandler
import functools
import gc
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from remembered import forget_secrets, remember

ROOT = Path(__file__).resolve().parents[2]
PARSED = "parsed.msgpack"
# Seconds after which a command is taken to hang; a busy machine needs a tenth of it for the longest one.
PATIENCE = 600
# A child of a process with threads may hang: none for OpenMP, and none for the allocator of pyarrow.
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
# What the server parses: the package, and nothing of a host's own.
PROJECT = {
    "dbt_project.yml": "{name: warm, version: 1.0.0, profile: warm, flags: {send_anonymous_usage_stats: false}}",
    "packages.yml": f"packages: [{{local: {ROOT}}}]",
    "profiles.yml": "warm: {target: dev, outputs: {dev: {type: duckdb, path: never_built.duckdb}}}",
}
WARM = (
    "skops.io",  # first: it looks through all modules that are there already
    "dbt.adapters.duckdb",
    "dbt.task.build",
    "mlbridge.nodes.predictions",
    "mlbridge.nodes.new_version",
    "mlbridge.nodes.training",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sqlglot.dialects.duckdb",
)


@dataclass(frozen=True)
class Command:
    """A dbt command that was started in a child; `log` is what it prints, `errors` its standard error."""

    server: Warm
    pid: int
    log: Path
    errors: Path

    def kill(self) -> None:
        """End it without a word of warning."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; gives 0, 1 or 2 as dbt does, or the negative number of the signal that ended it."""
        return int(self.server.ask({"wait": self.pid}))

    @property
    def output(self) -> str:
        """Its output so far."""
        return self.log.read_text()


class Warm:
    """The server; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def __enter__(self) -> Warm:
        for name, text in PROJECT.items():
            (self.folder / name).write_text(text)
        command = [sys.executable, "-W", "ignore", __file__, str(self.folder)]
        quiet = {"DO_NOT_TRACK": "1", "DBT_LOG_LEVEL_FILE": "none", "PYTHONWARNINGS": "ignore"}
        environment = {**os.environ, **quiet, **SINGLE_THREADED}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.kill()  # it has nothing to finish, and may still be learning if nobody asked it anything
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, order: dict[str, Any]) -> Any:
        """Send an order and read the answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def parse(self, project: Path) -> None:
        """Parse a project once; `start(..., parsed=True)` then saves its commands that second."""
        self.dbt(project, "parse")
        shutil.copy(project / "target" / "partial_parse.msgpack", project / PARSED)

    def start(self, project: Path, *args: str, **limits: Any) -> Command:
        """Start a dbt command in a project.

        `kill_at=(pattern, when)` ends it `before` or `after` the first SQL statement that matches, `kill_in` inside
        the first of the functions that are given as `module.name`; `file_size` is the largest file that it may write,
        in bytes; `parsed` takes what `parse` found, `env` adds environment variables. `cli`: a command of mlbridge.
        `apart`: standard error goes to a file of its own.
        """
        self.count += 1
        log = self.folder / f"{self.count}.log"
        errors = log.with_suffix(".err") if limits.pop("apart", False) else log
        log.touch()
        errors.touch()
        order = {"project": str(project), "args": args, "log": str(log), "errors": str(errors), **limits}
        return Command(self, self.ask(order), log, errors)

    def mlbridge(self, project: Path, *args: str, code: int = 0, **limits: Any) -> str:
        """Run a command of mlbridge in a project to its end, which must be this one, and return its output."""
        command = self.start(project, *args, cli=True, **limits)
        ended = command.wait()
        assert ended == code, command.output[-8000:]
        return command.output

    def dbt(self, project: Path, *args: str, ok: bool | None = True, **limits: Any) -> str:
        """Run a dbt command to its end and return its output; `ok=None` accepts any end."""
        command = self.start(project, *args, **limits)
        code = command.wait()
        assert ok is None or (code == 0) is ok, command.output[-8000:]
        return command.output


def _serve() -> None:
    for module in WARM:
        importlib.import_module(module)
    remember(Path(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _learn(sys.argv[1])
    gc.freeze()
    gc.disable()  # it would look through all that is there again and again; a child lives for seconds
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            parsed = _parsed(Path(order["project"])) if order.get("parsed") else None
            answer = os.fork()
            if answer == 0:
                _run(order, parsed)
        answers.write(f"{answer}\n")
        answers.flush()


def _learn(project: str) -> None:
    """Let dbt generate the code that reads and writes its classes, and compile every macro: a second or two."""
    from dbt.cli.main import dbtRunner
    from dbt_common.clients.jinja import template_cache
    from dbt_common.tests import enable_test_caching

    enable_test_caching()  # dbt then reads the text of a macro once
    _enter(project)
    for command in ("deps", "parse"):
        result = dbtRunner().invoke(["--quiet", command])
        assert result.success, result.exception
    shutil.copy("target/partial_parse.msgpack", PARSED)
    manifest = _parsed(Path(project))
    manifest.write("target/manifest.json")  # dbt generates the code that writes each class the first time
    for macro in manifest.macros.values():
        template_cache.get_node_template(macro)
    assert threading.active_count() == 1, "a child of a process with threads may hang"


def _enter(project: str) -> None:
    os.chdir(project)
    os.environ["DBT_PROFILES_DIR"] = project


def _run(order: dict[str, Any], parsed: Any) -> None:
    code = 2
    try:
        log, errors = (os.open(order[each], os.O_WRONLY | os.O_APPEND) for each in ("log", "errors"))
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, end in enumerate((nothing, log, errors)):
            os.dup2(end, number)
        faulthandler.dump_traceback_later(PATIENCE, exit=True, file=log)  # the server would wait for it for ever
        _enter(order["project"])
        os.environ.update(order.get("env", {}))
        forget_secrets()
        time.tzset()
        if "kill_at" in order:
            _kill_at(*order["kill_at"])
        if "kill_in" in order:
            _kill_in(*order["kill_in"])
        if "file_size" in order:
            _limit(order["file_size"])
        if order.get("cli"):
            code = _mlbridge(order["args"])
            return
        from dbt.cli.main import dbtRunner

        result = dbtRunner(manifest=parsed).invoke(["--no-use-colors", *order["args"]])
        _close()
        code = 0 if result.success else 1 if result.exception is None else 2
        if result.exception is not None:
            sys.stdout.write(f"{result.exception}\n")
    except BaseException:
        sys.stdout.write(traceback.format_exc())
    finally:
        sys.stdout.flush()
        os._exit(code)


def _close() -> None:
    """Close the warehouse as Python does at its end, so that the file alone holds everything."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()


def _mlbridge(args: list[str]) -> int:
    from mlbridge.cli import main

    try:
        main.main(args, prog_name="mlbridge")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _parsed(project: Path) -> Any:
    return _manifest((project / PARSED).read_bytes())


@functools.lru_cache(maxsize=4)
def _manifest(written: bytes) -> Any:
    """Read what dbt parsed; copies of a host share it."""
    from dbt.contracts.graph.manifest import Manifest

    manifest = Manifest.from_msgpack(written)
    manifest.build_flat_graph()  # what macros see as `graph`
    return manifest


def _kill_at(pattern: str, when: str) -> None:
    """End this process where a statement goes to the database; only what the database has done by then is done."""
    from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
    from dbt.adapters.postgres.connections import PostgresConnectionManager
    from duckdb import extract_statements

    execute = DuckDBCursorWrapper.execute

    def watched(self: Any, sql: str, bindings: Any = None) -> Any:
        several = [each.query for each in extract_statements(sql)] if bindings is None else []
        for statement in several if len(several) > 1 else [sql]:
            matches = re.search(pattern, statement, re.IGNORECASE) is not None
            if matches and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            done = execute(self, statement, bindings)
            if matches:
                os.kill(os.getpid(), signal.SIGKILL)
        return done

    DuckDBCursorWrapper.execute = watched
    add_query = PostgresConnectionManager.add_query

    def watched_query(self: Any, sql: str, *args: Any, **more: Any) -> Any:
        matches = re.search(pattern, sql, re.IGNORECASE) is not None
        if matches and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = add_query(self, sql, *args, **more)
        if matches:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    PostgresConnectionManager.add_query = watched_query


def _kill_in(*functions: str) -> None:
    """End this process when it calls one of the functions."""
    for function in functions:
        module, name = function.rsplit(".", 1)
        setattr(importlib.import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))


def _limit(size: int) -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write then fails, as it does on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    _serve()
