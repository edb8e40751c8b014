"""What stands beside the logbook of a training node in SQL: the request of a build, and the inbox for the answer.

`macros/register/inbox.sql` makes both tables, takes the answer in, and asks anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from mlbridge.engines.reader import Credentials
from mlbridge.engines.records import read_document
from mlbridge.engines.warehouse import Place, Warehouse, column
from mlbridge.registry.logbook import LogbookRow, as_table
from mlbridge.typing import Document

REQUEST, INBOX = "_request", "_inbox"
ID = "invocation_id"


@dataclass(frozen=True)
class Request:
    """A build's request for a decision: its invocation, the facts that `Run` reads, and the place of the split."""

    invocation_id: str
    run: Document
    split: Place


def read_request(warehouse: Warehouse, logbook: Place) -> Request | None:
    """Return what the last build has asked for; None if it has asked for nothing.

    Raises RegistryError for a request that is no JSON.
    """
    place = _beside(logbook, REQUEST)
    if not warehouse.columns_of(*place):
        return None
    for row in warehouse.rows(exp.select(column(ID), column("request")).from_(_table(place))):
        read: Document = read_document(row["request"], f"the request in {place[2]}")
        database, schema, name = read["split"]
        return Request(row[ID], read["run"], (database or "", schema, name))
    return None


def is_waiting(warehouse: Warehouse, logbook: Place) -> bool:
    """Return whether an answer lies in the inbox that no build has taken in yet."""
    query = exp.select("1").from_(_table(_beside(logbook, INBOX))).limit(1)
    return bool(warehouse.rows(query))


def answer(
    warehouse: Warehouse, credentials: Credentials, logbook: Place, request: Request, rows: Sequence[LogbookRow]
) -> bool:
    """Put the rows that answer a request into the inbox; returns False if it is not the last one, or has an answer.

    All of them or none are there afterwards.
    """
    inbox = _beside(logbook, INBOX)
    waiting = exp.select("1").from_(_table(inbox))
    asked = exp.select("1").from_(_table(_beside(logbook, REQUEST)))
    asked = asked.where(column(ID).eq(exp.Literal.string(request.invocation_id)), exp.not_(exp.Exists(this=waiting)))
    return warehouse.append(credentials, inbox, as_table(rows), asked)


def _beside(logbook: Place, ending: str) -> Place:
    database, schema, name = logbook
    return database, schema, name + ending


def _table(place: Place) -> exp.Table:
    database, schema, name = place
    return exp.table_(name, db=schema, catalog=database, quoted=True)
