"""What is made from code and YAML: the seed of thresholds, tables and reference in the docs, descriptions of columns.

`make catalogue` writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import reference
from dbt_host import ROOT
from reference import code, table

from mlbridge.catalogue.candidates import CANDIDATES
from mlbridge.catalogue.drift import DRIFT_METRICS
from mlbridge.catalogue.metrics import METRICS
from mlbridge.readiness.catalogue import GROUPS, REQUIREMENTS

DEVIATIONS = 3.0  # that are still usual


def candidates() -> str:
    return table(
        "name | task | what it is | what it does with the features | why",
        ((code(each.name), ", ".join(each.tasks), each.what, each.features, each.why) for each in CANDIDATES.values()),
    )


def metrics() -> str:
    rows = METRICS.values()
    return table(
        "metric | of | better | what it is | formula | in scikit-learn | naive baselines that compete",
        (
            (
                code(each.name), each.task, "higher" if each.greater_is_better else "lower", each.meaning, each.formula,
                code(each.source), code(*each.baselines),
            )
            for each in rows
        ),
    )  # fmt: skip


def skill() -> str:
    kinds = dict.fromkeys(each.skill for each in METRICS.values())
    return table(
        "metric | weak | moderate from | strong from | source",
        (
            (
                code(*(each.name for each in METRICS.values() if each.skill == kind)),
                "above 0", f"{kind.moderate:.0%}", f"{kind.strong:.0%}", kind.source,
            )
            for kind in kinds
        ),
    ).replace("%", " %")  # fmt: skip


def naive() -> str:
    return table("metric | baseline", ((code(each.name), each.naive) for each in METRICS.values()))


def drift() -> str:
    return table(
        "metric | of | formula | floor | usual up to",
        (
            (
                code(each.name), each.of, each.formula, f"{each.floor:g}" + (" per row" if each.relative else ""),
                "no bound" if each.greatest is None else f"{each.greatest * each.usual_share:.2g}",
            )
            for each in DRIFT_METRICS.values()
        ),
    )  # fmt: skip


def thresholds() -> str:
    rows: list[tuple[object, ...]] = [
        ("metric", "about", "floor", "relative", "deviations", "while_open", "greater_is_better")
    ]
    for metric in DRIFT_METRICS.values():
        rows.append((metric.name, "drift", metric.floor, metric.relative, DEVIATIONS, metric.while_open, False))
    for metric in METRICS.values():
        rows.append(
            (metric.name, "performance", metric.floor, metric.relative, DEVIATIONS, False, metric.greater_is_better)
        )
    return "".join(",".join(_cell(value) for value in row) + "\n" for row in rows)


def _cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def drift_metric_columns() -> str:
    rows = (
        f'      - {{name: {each.name}, description: "{_sentence(each.formula)}"}}' for each in DRIFT_METRICS.values()
    )
    return "\n".join(rows)


def requirements() -> str:
    parts = []
    for group, title in GROUPS.items():
        rows = (
            (code(each.code), each.asks, each.score, f"{each.threshold:g}", each.level)
            for each in REQUIREMENTS.values()
            if each.group == group
        )
        parts.append(f"### {title}\n\n" + table("code | what is asked | score | met from | if not", rows))
    return "\n\n".join(parts)


def drift_metric_names() -> str:
    *names, last = DRIFT_METRICS
    return f'        description: "{", ".join(names)} or {last}."'


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


@dataclass(frozen=True)
class Marks:
    """The comments around a block that is made, and what stands between them and the block."""

    begin: str
    end: str
    space: str


MARKS = {".md": Marks("<!-- made: {} -->\n", "<!-- end -->", "\n"), ".yml": Marks("# made: {}\n", " *# end", "")}
SEED = "seeds/ml_thresholds.csv"
BLOCKS = {
    "docs/assess.md": {"requirements": requirements},
    "docs/train.md": {"candidates": candidates, "metrics": metrics, "skill": skill},
    "docs/monitor.md": {"drift": drift, "naive": naive},
    "docs/reference/spec.md": {"spec": reference.spec_keys},
    "docs/reference/tables.md": {"tables": reference.tables},
    "docs/reference/macros.md": {"macros": reference.macros, "functions": reference.functions},
    "docs/reference/cli.md": {"commands": reference.commands},
    "docs/decisions/README.md": {"decisions": reference.decisions},
    "models/monitor/_monitor.yml": {"drift metric names": drift_metric_names},
    "models/monitor/steps/_steps.yml": {"drift metric columns": drift_metric_columns},
}


@cache
def made() -> dict[str, str]:
    """Give each file that is made, or has a block that is, by its path, as it must read."""
    files = {SEED: thresholds()}
    for path, blocks in BLOCKS.items():
        text, marks = (ROOT / path).read_text(), MARKS[Path(path).suffix]
        for name, write in blocks.items():
            begin = marks.begin.format(name)
            written = f"{marks.space}{write()}\n{marks.space}"
            text, found = re.subn(
                rf"(?<={begin}).*?(?={marks.end})", lambda _, written=written: written, text, flags=re.DOTALL
            )
            assert found == 1, f"{path} needs `{begin.strip()}` and its end once"
        files[path] = text
    return files


if __name__ == "__main__":
    for path, text in made().items():
        (ROOT / path).write_text(text)
