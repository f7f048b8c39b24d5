"""An incremental rule engine: typed relations, rules that read like Datalog, exact deltas, `why`. Usable alone.

It does no I/O, knows no clock but for its own timing, and imports nothing of the rest of Retia. See docs/rules.md.
"""

from retia.rules.errors import EvaluationError, RowError, RuleError
from retia.rules.explain import Explanation, Missing
from retia.rules.keyed import Conflict
from retia.rules.language import (
    COL,
    KEY,
    NOTE,
    NOTE_RULE,
    Relation,
    Rule,
    collect,
    count,
    fn,
    highest,
    lowest,
    rule,
)
from retia.rules.lint import Finding
from retia.rules.program import Change, Program

__all__ = [
    "COL",
    "KEY",
    "NOTE",
    "NOTE_RULE",
    "Change",
    "Conflict",
    "EvaluationError",
    "Explanation",
    "Finding",
    "Missing",
    "Program",
    "Relation",
    "RowError",
    "Rule",
    "RuleError",
    "collect",
    "count",
    "fn",
    "highest",
    "lowest",
    "rule",
]
