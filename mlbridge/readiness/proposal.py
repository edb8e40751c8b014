"""Target, time, label time and task: named, or proposed from names, types and contents, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from mlbridge.engines.warehouse import column
from mlbridge.errors import listed
from mlbridge.features.columns import NUMBERS, TEMPORAL, TEXTS, Type
from mlbridge.readiness.assessment import Question, Relation
from mlbridge.readiness.relations import ReadinessError
from mlbridge.readiness.sample import Sample
from mlbridge.readiness.settled import Choice, Settled
from mlbridge.readiness.words import (
    BEGINNINGS,
    CHANGES,
    ENDS,
    OF_EARLIER_ROWS,
    OF_SOMETHING_ELSE,
    OUTCOMES,
    PLANS,
    names_a_key,
    says,
)

# A column is complete with at most this share of NULLs; a moment lies before others if it does in this share of rows.
COMPLETE, NEARLY_ALWAYS = 0.01, 0.99
# Two columns are NULL together if both are in this share of the rows in which one is.
NULL_TOGETHER = 0.95
MOST_CLASSES = 20


def settle(question: Question, relation: Relation, sample: Sample, entity: Choice) -> Settled:
    """Settle what is open beside the entity; raises ReadinessError where nothing can be proposed."""
    time = _time(question, relation, sample)
    target = _target(question, relation, sample, (*entity.columns, *time.columns))
    label_time = _label_time(question, relation, sample, time, target)
    others = tuple(name for name in entity.columns if name != time.column)
    entity = replace(entity, columns=others or entity.columns)  # the key of a row is entity and time
    return Settled(target, entity, time, label_time, _task(question, relation, sample, target))


def _moments(sample: Sample) -> list[str]:
    return [name for name in sample.types if sample.is_a(name, *TEMPORAL)]


def _check_moment(option: str, name: str, relation: Relation, sample: Sample) -> None:
    if name not in sample.types or not sample.is_a(name, *TEMPORAL):
        type_ = sample.types.get(name, "column of another type")
        raise ReadinessError(
            f"--{option}: '{name}' of '{relation.name}' is a {type_}; expected a timestamp or a date. Its moments: "
            f"{listed(_moments(sample))}."
        )


def _time(question: Question, relation: Relation, sample: Sample) -> Choice:
    if question.time is not None:
        _check_moment("time", question.time, relation, sample)
        return Choice((question.time,), "named", proposed=False)
    moments = [name for name in _moments(sample) if name != question.label_time]
    complete = [name for name in moments if sample.facts[name].null_share <= COMPLETE]
    if not complete:
        raise ReadinessError(
            f"'{relation.name}' has no timestamp or date without NULLs, so no time can be proposed: {listed(moments)}. "
            "Name it with --time."
        )

    def rank(name: str) -> tuple[bool, bool, bool, bool, float]:
        begins, earliest = says(name, BEGINNINGS), _share_not_after(name, moments, sample)
        return not _is_own(name), says(name, ENDS), says(name, PLANS) and not begins, not begins, -earliest

    best = min(complete, key=rank)
    share = _share_not_after(best, moments, sample)
    reasons = [f"a {sample.types[best]} in every row"]
    reasons += ["its name is that of a beginning"] if says(best, BEGINNINGS) else []
    reasons += [f"no other moment is earlier in {100 * share:.3g} % of the rows"] if share >= NEARLY_ALWAYS else []
    return Choice((best,), "; ".join(reasons), proposed=True)


def _is_own(name: str) -> bool:
    """Return whether a moment is one of the row itself, for all that its name says."""
    return not says(name, (*CHANGES, *OF_SOMETHING_ELSE))


def _share_not_after(name: str, moments: Sequence[str], sample: Sample) -> float:
    """Return the share of rows in which a moment lies before or at every other one."""
    others = [each for each in moments if each != name and _is_own(each)]
    conditions = [exp.func("coalesce", column(name) <= column(each), exp.true()) for each in others]
    return sample.share(exp.and_(*conditions)) if conditions else 1.0


def _target(question: Question, relation: Relation, sample: Sample, keys: Sequence[str]) -> Choice:
    if question.target is not None:
        if question.target not in sample.types:
            raise ReadinessError(
                f"--target: '{question.target}' of '{relation.name}' has a type that cannot be predicted; expected a "
                "number, a boolean or a text."
            )
        return Choice((question.target,), "named", proposed=False)
    later = {name: twin for name in sample.types if (twin := _twin(name, sample, keys)) is not None}
    found = [
        name
        for name in sample.types
        if name not in (*keys, question.label_time)
        and not sample.is_a(name, *TEMPORAL)
        and sample.facts[name].distinct > 1
        and not names_a_key(name)
        and (name in later or _is_outcome(name))
    ]
    if not found:
        raise ReadinessError(
            f"'{relation.name}': no column looks like an outcome, so no target can be proposed. Name it with --target."
        )

    def rank(name: str) -> tuple[bool, bool, bool, int]:
        return (
            name not in later,
            not _is_outcome(name),
            not sample.is_a(name, Type.BOOLEAN),
            -list(sample.types).index(name),
        )

    best = min(found, key=rank)
    facts = sample.facts[best]
    reasons = ["its name is that of an outcome"] if _is_outcome(best) else []
    if best in later:
        reasons.append(f"it is NULL in {100 * facts.null_share:.3g} % of the rows, those in which '{later[best]}' is")
    return Choice((best,), "; ".join(reasons), proposed=True)


def _is_outcome(name: str) -> bool:
    """Return whether the name of a column is that of an outcome, and not of one of earlier rows."""
    return says(name, OUTCOMES) and not says(name, OF_EARLIER_ROWS)


def _twin(name: str, sample: Sample, keys: Sequence[str]) -> str | None:
    """Return a moment that is NULL where a column is: of several one with the name of an end, and the last."""
    facts = sample.facts[name]
    if name in keys or not 0 < facts.known < facts.rows:
        return None
    moments = [
        each for each in _moments(sample) if each not in (name, *keys) and 0 < sample.facts[each].known < facts.rows
    ]
    alike = [each for each in moments if _null_together(name, each, sample) >= NULL_TOGETHER]

    def rank(each: str) -> tuple[bool, bool, object]:
        return says(each, ENDS), not says(each, BEGINNINGS), sample.facts[each].high

    return max(alike, key=rank, default=None)


def _null_together(one: str, other: str, sample: Sample) -> float:
    """Return the share of the rows in which two columns are both NULL, among those in which one of them is."""
    nulls = [column(name).is_(exp.null()) for name in (one, other)]
    counted = sample.row({"both": exp.CountIf(this=exp.and_(*nulls)), "one": exp.CountIf(this=exp.or_(*nulls))})
    return int(counted["both"]) / int(counted["one"]) if counted["one"] else 0.0


def _label_time(question: Question, relation: Relation, sample: Sample, time: Choice, target: Choice) -> Choice:
    if question.label_time is not None:
        _check_moment("label-time", question.label_time, relation, sample)
        return Choice((question.label_time,), "named", proposed=False)
    keys = (*time.columns, *target.columns)
    twin = _twin(str(target.column), sample, time.columns)
    if twin is not None:
        return Choice((twin,), f"it is NULL where '{target.column}' is", proposed=True)
    later = [
        name
        for name in _moments(sample)
        if name not in keys
        and says(name, ENDS)
        and not says(name, PLANS)
        and _is_own(name)
        and not _decides(name, str(target.column), sample)
        and sample.share(column(name) > column(str(time.column))) >= NEARLY_ALWAYS * (1 - sample.facts[name].null_share)
    ]
    if later:
        best = max(later, key=lambda name: sample.facts[name].known)
        return Choice((best,), f"it lies after '{time.column}', and its name is that of an end", proposed=True)
    facts = sample.facts[str(target.column)]
    if facts.known == facts.rows and facts.rows:
        raise ReadinessError(
            f"'{relation.name}': the target '{target.column}' is never NULL and no column says when it becomes known, "
            "so every outcome would count as known at the moment of its prediction. Name that moment with --label-time."
        )
    return Choice((), f"no moment is NULL where '{target.column}' is", proposed=True)


def _decides(moment: str, target: str, sample: Sample) -> bool:
    """Return whether a moment is there with one value of the target only, so that of others it says nothing."""
    there = exp.Case(ifs=[exp.If(this=column(moment).is_(exp.null()).not_(), true=column(target))])
    found = sample.row({"values": exp.Count(this=exp.Distinct(expressions=[there]))})
    return int(found["values"]) < 2


def _task(question: Question, relation: Relation, sample: Sample, target: Choice) -> Choice:
    name = str(target.column)
    facts = sample.facts[name]
    if question.task is not None:
        return Choice((question.task,), "named", proposed=False)
    if sample.is_a(name, Type.BOOLEAN, *TEXTS):
        return Choice(("classification",), f"'{name}' is of the type {facts.type}", proposed=True)
    whole = sample.is_a(name, *exp.DataType.INTEGER_TYPES)
    if whole and facts.distinct <= MOST_CLASSES:
        return Choice(("classification",), f"'{name}' has {facts.distinct} distinct whole numbers", proposed=True)
    if sample.is_a(name, *NUMBERS):
        return Choice(
            ("regression",),
            f"'{name}' is of the type {facts.type}, with {facts.distinct:,} distinct values",
            proposed=True,
        )
    raise ReadinessError(
        f"'{relation.name}': the target '{name}' is a {facts.type}; expected a number, a boolean or a text."
    )
