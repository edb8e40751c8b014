"""Requirements of the columns that could be features: what no model can learn from, and what is hard to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlbridge.errors import listed, shown
from mlbridge.features.columns import TEXTS
from mlbridge.readiness.assessment import Requirement, scored
from mlbridge.readiness.sample import ColumnFacts, Sample, readable
from mlbridge.training.candidates import MAX_CARDINALITY

# A text of which more than this share of the values is distinct names rows, and says nothing about others.
NEARLY_UNIQUE = 0.5
MIN_FILLED = 0.05


def unusable_columns(columns: Mapping[str, str], sample: Sample, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the columns that no model can learn from, those of the key left out.

    By name: the code of the requirement that a column does not meet, and the reason.
    """
    found = {}
    for name, type_ in columns.items():
        if name in keys:
            continue
        if not readable(type_, sample.dialect):
            found[name] = "columns_readable", f"a {type_}, which no candidate can read"
        elif problem := _problem(sample.facts[name], sample.is_a(name, *TEXTS)):
            found[name] = problem
    return found


def _problem(facts: ColumnFacts, text: bool) -> tuple[str, str] | None:
    rows = f"{facts.rows:,} rows"
    if facts.known == 0:
        return "columns_filled", f"NULL in all of {rows}"
    if facts.distinct == 1 and facts.known == facts.rows:
        return "columns_vary", f"constant: {shown(facts.low)} in all of {rows}"
    if facts.known < MIN_FILLED * facts.rows:
        return "columns_filled", f"NULL in {100 * facts.null_share:.3g} % of {rows}"
    if text and facts.distinct > NEARLY_UNIQUE * facts.known:
        return "columns_repeat", f"nearly unique: {facts.distinct:,} distinct texts in {facts.known:,} rows"
    return None


def column_requirements(
    columns: Mapping[str, str], sample: Sample, keys: Sequence[str], unusable: Mapping[str, tuple[str, str]]
) -> Iterator[Requirement]:
    """Score the columns, those of the key and the target left out; `unusable` is what `unusable_columns` found."""
    names = [name for name in columns if name not in keys]
    texts = [name for name in names if name in sample.types and sample.is_a(name, *TEXTS)]
    asked = {"columns_readable": names, "columns_filled": names, "columns_vary": names, "columns_repeat": texts}
    for code, of in asked.items():
        wrong = {name: reason for name, (its, reason) in unusable.items() if its == code}
        said = "; ".join(f"'{name}' is {reason}" for name, reason in wrong.items())
        fine = f"all of {len(of):,} {'texts' if of is texts else 'columns'}"
        yield scored(code, _share(wrong, of), said or fine, columns=listed(wrong))
    many = [name for name in texts if sample.facts[name].distinct > MAX_CARDINALITY and name not in unusable]
    counts = ", ".join(f"'{name}' has {sample.facts[name].distinct:,} distinct values" for name in many)
    yield scored("columns_common", _share(many, texts), counts or f"all of {len(texts):,} texts", columns=listed(many))


def _share(wrong: Sequence[str] | Mapping[str, str], of: Sequence[str]) -> float:
    return 1 - len(wrong) / len(of) if of else 1.0
