"""Splits by category: one bit per number where a table decides it, ranges for any other number."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from sqlglot import exp

from mlbridge.compile.sql.columns import Column, Mapped, number_of
from mlbridge.compile.sql.expressions import Lookup, Node, above, at_most, both, double, either, ref, whole
from mlbridge.compile.sql.number import Number
from mlbridge.compile.trees.tree import Split
from mlbridge.errors import CompileError

BITS = 62

# Numbers above the first and at most the second; an infinite end is open.
Range = tuple[float, float]


class Bits:
    """Tests of a column that one value decides. Each number that it can take is one bit, and so is NaN."""

    def __init__(self, column: Mapped) -> None:
        """Give the numbers their indices, in the order of the table."""
        self._column = column
        self._places: dict[float | None, int] = {}
        for number in column.table:
            self._places.setdefault(_key(number), len(self._places))
        self._words: dict[int, Node] = {}

    def split(self, holds: Callable[[float], bool], children: tuple[int, int]) -> Split:
        """Part the rows whose number, NaN where it is missing, is one of those for which `holds`, from the others."""
        masks: dict[int, int] = defaultdict(int)
        for number, index in self._places.items():
            if holds(math.nan if number is None else number):
                masks[index // BITS] |= 1 << index % BITS
        bits = tuple((self._word(word), mask) for word, mask in sorted(masks.items()))

        def test() -> exp.Expression:
            return either([_any_bit(word, mask) for word, mask in bits]) if bits else exp.false()

        return Split(test, *children, bits=bits)

    def _word(self, word: int) -> Node:
        """Give the row's number as one bit among those of the word, 0 for those of other words."""
        if word not in self._words:
            column = self._column
            *bits, missing, other = [self._bit(number, word) for number in column.table]
            entries = tuple((key, bit) for key, bit in zip(column.keys, bits, strict=True) if bit != other)
            self._words[word] = Lookup(f"{column.hint}_bit", column.source, entries, missing, other, integer=True)
        return self._words[word]

    def _bit(self, number: float, word: int) -> float:
        index = self._places[_key(number)]
        return float(1 << index % BITS) if index // BITS == word else 0.0


def _key(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


def _any_bit(word: Node, mask: int) -> exp.Expression:
    both_have = exp.BitwiseAnd(this=ref(word), expression=whole(mask))
    return exp.NEQ(this=exp.Paren(this=both_have), expression=whole(0))


class Inputs:
    """The columns of a boosted tree: each as a number, or as the bits of its category."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Take the columns; what no tree asks for is not read."""
        self._columns = columns
        self._numbers: dict[int, Number] = {}
        self._bits: dict[int, Bits] = {}

    def number(self, index: int) -> Number:
        """Read a column as a number."""
        if index not in self._numbers:
            self._numbers[index] = number_of(self._columns[index])
        return self._numbers[index]

    def bits(self, index: int) -> Bits:
        """Read a column that one value decides as bits."""
        column = self._columns[index]
        if not isinstance(column, Mapped):
            raise CompileError(f"a categorical feature is not encoded by a table: column {index}.")
        return self._bits.setdefault(index, Bits(column))

    def split(self, index: int, ranges: Sequence[Range], children: tuple[int, int], missing_inside: bool) -> Split:
        """Part the numbers in any of the ranges, which go to the first child, from the others."""
        if not isinstance(self._columns[index], Mapped):
            return _by_ranges(self.number(index), ranges, children, missing_inside)
        bits = self.bits(index)

        def inside(number: float) -> bool:
            return missing_inside if math.isnan(number) else any(low < number <= high for low, high in ranges)

        return bits.split(inside, children)


def _by_ranges(number: Number, ranges: Sequence[Range], children: tuple[int, int], missing_inside: bool) -> Split:
    inside, outside = children

    def test() -> exp.Expression:
        return either([_within(number, each) for each in ranges])

    if missing_inside:
        return Split(lambda: exp.Not(this=exp.Paren(this=test())), outside, inside)
    return Split(test, inside, outside)


def _within(number: Number, bounds: Range) -> exp.Expression:
    low, high = bounds
    tests = [above(ref(number.node), double(low))] if low > -math.inf else []
    if high < math.inf:
        tests.append(at_most(ref(number.node), double(high)))
    return both(tests)


def runs(codes: Iterable[int], below: Callable[[int], float]) -> list[Range]:
    """Give the ranges of some categories; `below` is the greatest double that belongs to a smaller category."""
    ranges: list[Range] = []
    end = None
    for code in sorted(codes):
        low = ranges.pop()[0] if code == end else below(code)
        end = code + 1
        ranges.append((low, below(end)))
    return ranges
