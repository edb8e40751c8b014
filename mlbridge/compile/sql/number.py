"""A number that flows through a pipeline, and the range of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sqlglot import exp

from mlbridge.compile.sql.expressions import Named, Node, NotNan, above, at_least, double, is_null, ref
from mlbridge.compile.sql.intervals import range_of
from mlbridge.compile.sql.ranges import GREATEST, Range

# From here on a double becomes infinite as a float: half a step beyond the greatest one.
FLOAT_OVERFLOW = float(2.0**128 - 2.0**103)
GREATEST_SINGLE = float(np.nextafter(FLOAT_OVERFLOW, 0))


@dataclass(frozen=True, eq=False)
class Number:
    """A number, and the range of its values; `whole`: a small whole number, exact as a float of 32 bits."""

    node: Node
    range: Range
    whole: bool = False

    @property
    def missing(self) -> bool:
        """Say whether it may be NULL."""
        return self.range.null

    @property
    def infinite(self) -> bool:
        """Say whether it may be infinite."""
        return self.range.infinite

    @property
    def small(self) -> bool:
        """Say whether a float of 32 bits can hold it, rounded."""
        return self.range.size < FLOAT_OVERFLOW

    @cached_property
    def is_infinite(self) -> Named:
        """Give the condition under which scikit-learn refuses the row: the number is infinite."""
        return Named("infinite", above(exp.Abs(this=ref(self.node)), double(GREATEST)))

    @cached_property
    def is_no_float(self) -> Named:
        """Give the condition under which scikit-learn's trees refuse the row: too large for a float."""
        return Named("too_large", at_least(exp.Abs(this=ref(self.node)), double(FLOAT_OVERFLOW)))

    @cached_property
    def is_missing(self) -> Named:
        """Give the condition under which an estimator without missing values refuses the row."""
        return Named("missing", is_null(ref(self.node)))

    def checked(self, missing: bool, most: float) -> Number:
        """Return the number after rows beyond `most` in size, and without `missing` also NULLs, have been refused."""
        left = self.range.within(most)
        return replace(self, range=left if missing else replace(left, null=False))


def computed(
    hint: str,
    expression: exp.Expression,
    inputs: Sequence[Number] = (),
    within: tuple[float, float] | None = None,
    whole: bool = False,
) -> Number:
    """Make a number of an expression over `inputs`: its range follows from theirs.

    NaN becomes NULL. `within` are ends that are known for another reason; then it is NULL only where an input is.
    """
    return number_from(Named(hint, expression), inputs, within, whole)


def number_from(
    node: Node, inputs: Sequence[Number] = (), within: tuple[float, float] | None = None, whole: bool = False
) -> Number:
    """Make a number of a node, as `computed` does of an expression."""
    if within is not None:
        return Number(node, Range(*within, null=any(each.missing for each in inputs)), whole)
    found = range_of(ref(node), {each.node: each.range for each in inputs})
    if found.nan:
        node = Named(node.hint, NotNan(this=ref(node)))
        found = replace(found, null=True, nan=False)
    return Number(node, found, whole)
