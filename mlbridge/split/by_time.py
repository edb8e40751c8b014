"""The split by time over any relation, before there is a split node: the rule of `macros/split/by_time.sql` again.

A test compares it, row by row, with what the macro gives on the example.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlglot
from sqlglot import exp

from mlbridge.engines.warehouse import DIALECT, column, select
from mlbridge.spec.specification import Spec

MOMENT, KNOWN_AT, TARGET = "ml moment", "ml known at", "ml known target"

# Cut-offs are prediction moments such that the stated shares of the labelled rows come after them; shares are whole
# numbers of ten thousandths.
RULE = """
with moments as (
    select "ml moment" as moment, count(*) as labelled
    from known
    where "ml known target" is not null
    group by "ml moment"
),
counted as (
    select
        moment,
        sum(labelled) over (order by moment rows between unbounded preceding and current row) as so_far,
        sum(labelled) over () as labelled
    from moments
),
cutoffs as (
    select
        min(case when so_far * 10000 > labelled * :until_validation then moment end) as validation_from,
        min(case when so_far * 10000 > labelled * :until_test then moment end) as test_from
    from counted
)
select
    known.*,
    case
        when "ml known target" is null then 'score'
        when "ml moment" >= test_from then 'test'
        when "ml moment" >= validation_from
            then case when "ml known at" <= test_from and "ml moment" < test_from then 'validation' else 'score' end
        when "ml known at" <= validation_from and "ml moment" < validation_from then 'train'
        else 'score'
    end as ml_split
from known cross join cutoffs
"""


def split_by_time(columns: Mapping[str, exp.Expression], source: exp.Expr, spec: Spec, as_of: datetime) -> exp.Select:
    """Select columns and `ml_split` of the rows predicted up to `as_of` (UTC).

    `columns` gives expressions by name over `source`, those of target, time and label time among them. A target that is
    known later than `as_of` is NULL. The spec's split is by time and has no gap. Further columns, whose names begin
    with `ml `, are the rule's own.
    """
    clock = exp.cast(exp.Literal.string(as_of.isoformat(sep=" ")), "timestamp")
    moment = exp.cast(columns[spec.time], "timestamp")
    known_at = exp.cast(columns[spec.label_time or spec.time], "timestamp")
    target = exp.Case(ifs=[exp.If(this=known_at.copy() <= clock, true=columns[spec.target])])
    rows = {**columns, spec.target: target, MOMENT: moment, KNOWN_AT: known_at, TARGET: target.copy()}
    known = select(rows, source).where(moment.copy() <= clock.copy())
    test, validation = (round(share * 10000) for share in (spec.split.test, spec.split.validation))
    shares = {"until_validation": 10000 - test - validation, "until_test": 10000 - test}
    rule = sqlglot.parse_one(RULE, dialect=DIALECT, into=exp.Select)
    for each in list(rule.find_all(exp.Placeholder)):
        each.replace(exp.Literal.number(shares[each.name]))
    steps = rule.args["with_"]
    first = exp.CTE(this=known, alias=exp.TableAlias(this=exp.to_identifier("known")))
    steps.set("expressions", [first, *steps.expressions])
    return rule


def without_helpers(columns: Mapping[str, exp.Expression], split: exp.Select) -> exp.Select:
    """Return a split of `split_by_time` with its columns and `ml_split` only."""
    return select({name: column(name) for name in (*columns, "ml_split")}, split.subquery("split_rows"))
