"""What can be wrong with a program of rules. Free of the rest of Retia, as the whole package is."""

from __future__ import annotations


class RuleError(Exception):
    """A rule or a relation is declared wrongly: names the rule, its file and line."""


class RowError(Exception):
    """A row that cannot be: wrong number of columns, None in it, or a relation that is derived."""


class EvaluationError(Exception):
    """A function used in a rule raised. The batch was undone; the state is as before it."""
