"""Made relations of many projects, of which target, entity, time and label time are known: do we propose them?

They stand in `tests/expected/proposals.txt`, in three parts: `tuned on`, on which the words of
`mlbridge/readiness/words.py` were chosen, `held out`, and `public`, with the names of published data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assessed import node, shop_of
from dbt_host import ROOT

from mlbridge.errors import MlbridgeError
from mlbridge.project.manifest import read_or_make
from mlbridge.readiness.assessment import Question
from mlbridge.readiness.examined import examine
from mlbridge.readiness.relations import relation_of
from mlbridge.readiness.source import open_source

ROWS = 3000
KEYS = ("target", "entity", "time", "label_time")
# A row begins at `t` and ends at `e`; `known`: its outcome `y` is. A panel has `m`, which recurs in each period.
BASE = f"""
select *, not open and hash(i, 11) % 25 > 0 as known from (
    select *, t + to_seconds(cast(hash(i, 12) % 500000 + 3000 as bigint)) as e,
        t > timestamp '2024-12-18' and hash(i, 14) % 3 > 0 as open, hash(i, 13) % 5 = 0 as y, hash(i, 15) % 1000 as n
    from (select i, i % 60 as m, timestamp '2024-03-05' + to_seconds(cast(i * 8500 + hash(i) % 4000 as bigint)) as t,
            date '2024-01-01' + cast(7 * (i // 60) as integer) as week from range({ROWS}) as rows(i))
)
"""
KINDS = {
    "key": "'k' || (i * 7919 % 1000003)",
    "intkey": "i + 100000",
    "parent": "'p' || hash(i, 1) % 150",
    "intparent": "cast(hash(i, 2) % 400 as integer)",
    "member": "'m' || m",
    # moments
    "begin": "t",
    "begin_date": "cast(t as date)",
    "begin_zoned": "cast(t as timestamptz)",
    "end": "case when known then e end",
    "end_date": "case when known then cast(e as date) end",
    "end_always": "e",
    "end_if": "case when known and y then e end",
    "middle": "case when hash(i, 3) % 30 > 0 then t + (e - t) / 2 end",
    "plan": "t + to_days(cast(2 + hash(i, 4) % 4 as integer))",
    "plan_sometimes": "case when hash(i, 5) % 3 > 0 then t + interval 3 days end",
    "changed": "case when known then e else t end + to_minutes(cast(hash(i, 6) % 90 as bigint))",
    "loaded": "date_trunc('day', t) + interval 27 hours",
    "local": "t + interval 9 hours",
    "earlier": "t - to_days(cast(20 + hash(i, 7) % 700 as integer))",
    "birth": "date '1950-01-01' + cast(hash(i, 8) % 18000 as integer)",
    "week": "week",
    "week_end": "week + 6",
    "week_known": "case when i < 2700 then week + 35 end",
    # outcomes
    "bool": "case when known then y end",
    "bool_always": "y",
    "int": "case when known then cast(y as integer) end",
    "int_always": "cast(y as integer)",
    "word": "case when known then case when y then 'bad' else 'good' end end",
    "word_always": "case when y then 'bad' else 'good' end",
    "stars": "case when known then cast(1 + hash(i, 16) % 5 as integer) end",
    "hours": "case when known then epoch(e - t) / 3600 end",
    "hours_always": "epoch(e - t) / 3600",
    "sum": "case when known then n * 1.7 + 3 end",
    "sum_always": "n * 1.7 + 3",
    "next": "case when i < 2700 then y end",
    "next_sum": "case when i < 2700 then n * 1.3 end",
    # what is known beforehand
    "flag": "hash(i, 21) % 4 = 0",
    "flag2": "hash(i, 22) % 9 = 0",
    "intflag": "cast(hash(i, 23) % 3 = 0 as integer)",
    "gap": "case when hash(i, 24) % 4 > 0 then cast(hash(i, 25) % 90 as integer) end",
    "count": "cast(hash(i, 26) % 12 as integer)",
    "number": "(hash(i, 27) % 10000) / 37.0",
    "group": "['a', 'b', 'c', 'd'][cast(1 + hash(i, 28) % 4 as bigint)]",
    "text": "'note ' || hash(i, 29)",
    "state": "case when open then 'open' else 'closed' end",
    "year": "cast(year(t) as integer)",
}


@dataclass(frozen=True)
class World:
    """A relation with its truth: by key of the spec the columns that are right, () where none is; `tested`: its key."""

    name: str
    columns: dict[str, str]
    truth: dict[str, tuple[str, ...]]
    tested: bool

    @property
    def sql(self) -> str:
        """Return the query that makes the relation."""
        chosen = ", ".join(f'{KINDS[kind]} as "{name}"' for name, kind in self.columns.items())
        return f"select {chosen} from ({BASE})"


def read_worlds() -> dict[str, list[World]]:
    """Read the worlds of `tests/expected/proposals.txt`, by the title of their part."""
    found: dict[str, list[World]] = {}
    for part in (ROOT / "tests" / "expected" / "proposals.txt").read_text().split("\n== ")[1:]:
        title, *paragraphs = part.strip().split("\n\n")
        found[title] = [_world(paragraph) for paragraph in paragraphs]
    return found


def _world(paragraph: str) -> World:
    described, truth = paragraph.split("->")
    name, *columns = described.split()
    right = [tuple(part.replace("~", " ").split("|")) if part != "-" else () for part in truth.split()]
    kinds = dict(column.replace("~", " ").rsplit(":", 1) for column in columns)
    return World(name.rstrip("*"), kinds, dict(zip(KEYS, right, strict=True)), name.endswith("*"))


def proposed(folder: Path, worlds: list[World]) -> Iterator[tuple[World, dict[str, tuple[str, ...]], str]]:
    """Ask each relation without naming a column; gives what is proposed, or nothing and the refusal."""
    tests = [_tested(world) for world in worlds if world.tested]
    project = shop_of(folder, {world.name: world.sql for world in worlds}, *tests)
    manifest = read_or_make(project)
    with open_source(project) as source:
        for world in worlds:
            try:
                settled = examine(Question(), relation_of(world.name, manifest), manifest, source).settled
                yield world, {key: getattr(settled, key).columns for key in KEYS}, ""
            except MlbridgeError as error:
                yield world, dict.fromkeys(KEYS, ()), str(error)


def verdicts(world: World, said: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Say of each key: right, wrong, or refused: nothing was proposed where there is something.

    A world without a target is to be refused as a whole, and only that is judged.
    """
    if not world.truth["target"]:
        return {"target": "wrong" if said["target"] else "right"}
    found: dict[str, str] = {}
    for key, right in world.truth.items():
        names = said[key]
        if key == "label_time" and not right:
            found[key] = "wrong" if names else "right"
        else:
            found[key] = "refused" if not names else "right" if set(names) <= set(right) else "wrong"
    return found


def _tested(world: World) -> dict[str, Any]:
    """Return dbt's test of a world's key."""
    (key,) = world.truth["entity"]
    name = f"unique_{world.name}_{key}"
    return node(
        name, "main", "shop", unique_id=f"test.shop.{name}", resource_type="test", config={"materialized": "test"},
        test_metadata={"name": "unique", "kwargs": {"column_name": key}},
        depends_on={"nodes": [f"model.shop.{world.name}"]},
    )  # fmt: skip
