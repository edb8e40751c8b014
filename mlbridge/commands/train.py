"""`mlbridge train`: answers the requests of training nodes in SQL, by the code that a Python training node runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mlbridge.engines.adapters import PYTHON_ENGINE, engine_of
from mlbridge.engines.opening import opened
from mlbridge.engines.reader import MissingRelationError, ReadError, message_of
from mlbridge.engines.warehouse import Place, Warehouse
from mlbridge.errors import MlbridgeError, SetupError, listed
from mlbridge.lineage.upstream import COMPILED
from mlbridge.nodes.training import LOGBOOK, new_rows
from mlbridge.project.project import Project, place_of
from mlbridge.project.served import request_folders
from mlbridge.registry.inbox import Request, answer, is_waiting, read_request
from mlbridge.registry.logbook import LogbookRow
from mlbridge.registry.project_logbook import training_node
from mlbridge.serving.recorded import load_recorded
from mlbridge.spec.reading import read_spec
from mlbridge.spec.run import Run
from mlbridge.typing import Document

REFUSED = "refused"
NOTHING_ASKED = "no build has asked for anything since the last answer was taken in: the next build asks"
WAITS = "the answer to the last build waits to be taken in: run `dbt build`"
OVERTAKEN = "another `mlbridge train` answered first, or a newer build has asked anew: this answer is dropped"


@dataclass(frozen=True)
class Answer:
    """What became of the request of one model, with the reason.

    `outcome` is that of the row that the logbook gets, `refused` if the training was refused as a Python node would
    refuse it, or None where there was nothing to answer. `version` is the number of a version that was trained.
    """

    model: str
    version: int | None
    outcome: str | None
    reason: str


def train(project: Project, models: Sequence[str]) -> list[Answer]:
    """Decide for each model whether to train, do it, and put the rows into its inbox; a build takes them in.

    `models` are names of declared models, all those with a training node in SQL where none is named. What is wrong with
    one model does not keep the others from their answers. Raises SetupError if there is no such model, or it has
    another kind of node, or the warehouse does not open.
    """
    chosen = [name for each in models for name in project.chosen(each)] or trained_in_sql(project, project.manifest)
    nodes = {model: training_node(project, model) for model in chosen}
    for node in nodes.values():
        if node["language"] != "sql":
            raise SetupError(
                f"{node['name']} is a Python model, which `dbt build` runs; this command is for SQL nodes."
            )
    load_requests(project)
    with chdir(project.start_folder), opened(project.credentials) as warehouse:
        return [_answer(project, warehouse, model, place_of(node)) for model, node in nodes.items()]


def load_requests(project: Project) -> None:
    """Load what `mlbridge serve --requests` has recorded for the models of requests, where SQL reads no files.

    A model whose schema is not there yet is left to a later call. Raises SetupError for a damaged file and a role that
    may not load.
    """
    if not engine_of(project.credentials.type).loads:
        return
    with chdir(project.start_folder):
        for place, folder in request_folders(project):
            with suppress(MissingRelationError):
                load_recorded(project.credentials, place, Path(folder))


def trained_in_sql(project: Project, manifest: Document) -> list[str]:
    """Return the declared models whose training node is SQL; raises SetupError if there is none."""
    languages = {node["name"]: node.get("language") for node in manifest["nodes"].values()}
    found = [model for model in project.chosen(None) if languages.get(f"{model}_training") == "sql"]
    if not found:
        raise SetupError(
            f"`dbt build` itself trains {listed(project.models)}: no training node is SQL. docs/engines.md says when "
            "one should be."
        )
    return found


def _answer(project: Project, warehouse: Warehouse, model: str, logbook: Place) -> Answer:
    try:
        request = read_request(warehouse, logbook)
        if request is None:
            return Answer(model, None, None, NOTHING_ASKED)
        if is_waiting(warehouse, logbook):
            return Answer(model, None, None, WAITS)
        rows = _rows(project, warehouse, logbook, request)
        if not answer(warehouse, project.credentials, logbook, request, rows):
            return Answer(model, None, None, OVERTAKEN)
    except (ReadError, PYTHON_ENGINE.error) as error:  # the latter while the rows of a server are copied
        return Answer(model, None, REFUSED, f"{model}_training: {message_of(error)}")
    except MlbridgeError as error:
        return Answer(model, None, REFUSED, str(error))
    (chosen,) = (row for row in rows if row.outcome != "runner_up")
    return Answer(model, chosen.version, chosen.outcome, chosen.reason)


def _rows(project: Project, warehouse: Warehouse, logbook: Place, request: Request) -> Sequence[LogbookRow]:
    run = Run.read(request.run)
    # dbt 2 does not tell a node where its code is.
    compiled = run.compiled_path or project.target_folder / COMPILED / f"{run.node}.sql"
    run = replace(run, compiled_path=str(project.path / compiled))
    table = warehouse.table(warehouse.relation(logbook), LOGBOOK)
    return new_rows(run, read_spec(run.node, run.spec), {}, warehouse, warehouse.relation(request.split), table)
