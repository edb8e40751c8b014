"""How an engine finds names: which spellings of a column or table mean the same one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy

# What an argument or a field that holds a secret is called, and what stands before one in a text.
CALLED = re.compile(r"(pass|pwd|secret|token|key|sig|credential)\w*", re.IGNORECASE)
SECRET = re.compile(CALLED.pattern + r"[\"']?\s*[=:]|://[^/]*@", re.IGNORECASE)
NAMED = (exp.Kwarg, exp.PropertyEQ, exp.EQ)
CASELESS = (NormalizationStrategy.CASE_INSENSITIVE, NormalizationStrategy.CASE_INSENSITIVE_UPPERCASE)


class Names:
    """The rules of a dialect, as sqlglot knows them."""

    def __init__(self, dialect: str) -> None:
        """Take the name of a dialect of sqlglot."""
        self.dialect = dialect
        self._strategy = Dialect.get_or_raise(dialect).normalization_strategy

    def key(self, identifier: exp.Expr | str) -> str:
        """Return what an identifier of a query is found by; a text counts as unquoted."""
        if isinstance(identifier, str):
            text, quoted = identifier, False
        else:
            text, quoted = identifier.name, bool(identifier.args.get("quoted"))
        if self._strategy in CASELESS:
            return text.lower()
        if quoted or self._strategy is NormalizationStrategy.CASE_SENSITIVE:
            return text
        return text.upper() if self._strategy is NormalizationStrategy.UPPERCASE else text.lower()

    def named(self, identifier: exp.Expr | str) -> str:
        """Return the name that the engine stores for an identifier; where case does not count, as it is written."""
        if self._strategy in CASELESS:
            return identifier if isinstance(identifier, str) else identifier.name
        return self.key(identifier)

    def outside(self, node: exp.Expr) -> str:
        """Return the name of a source that no node of dbt stands for: the call of a table function, or a file.

        Texts that may hold a secret are left out.
        """

        def without_secret(each: exp.Expr) -> exp.Expr:
            return exp.Literal.string("...") if isinstance(each, exp.Literal) and _is_secret(each) else each

        if isinstance(node, exp.Identifier):
            node = exp.Literal.string(node.name)
        return node.transform(without_secret).sql(self.dialect, normalize_functions="lower")

    def stored(self, name: str) -> str:
        """Return what a column is found by whose name the warehouse gives."""
        return self.key(exp.to_identifier(name, quoted=True))


def _is_secret(literal: exp.Literal) -> bool:
    return bool(SECRET.search(literal.name)) or any(map(CALLED.search, _called(literal)))


def _called(node: exp.Expr) -> Iterator[str]:
    """Yield the names of the arguments and fields that a value is given for."""
    while node.parent is not None:
        if isinstance(node.parent, NAMED) and node.arg_key == "expression":
            yield node.parent.this.name
        node = node.parent
