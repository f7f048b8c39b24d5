"""What a flow's cookie says: the pipeline's generation, the rule, and the object it is there for.

    63......56 55........40 39......32 31.........0
    generation     rule      reserved     object        all are digests of names, so stable over restarts

Rules' digests are checked for collisions when imported; two objects may share one (1 in 4 billion for a pair), so
`why` looks a flow up by its key as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from retia.compile.program import RULES
from retia.pipeline.generation import GENERATION
from retia.pipeline.stage import PipelineError


def _digest(text: str, bits: int) -> int:
    return zlib.crc32(text.encode()) % ((1 << bits) - 1) + 1


def _rule_numbers(names: Iterable[str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for name in dict.fromkeys(names):
        number = _digest(name, 16)
        if number in numbers.values():
            raise PipelineError(f"the digest of rule {name} is taken: rename it")
        numbers[name] = number
    return numbers


RULE_NUMBERS = _rule_numbers(rule.name for rule in RULES)
_RULE_NAMES = {number: name for name, number in RULE_NUMBERS.items()}
_RULE_PARTS = {name: GENERATION << 56 | number << 40 for name, number in RULE_NUMBERS.items()}


def cookie(rule: str, origin: str) -> int:
    return _RULE_PARTS[rule] | digest_of(origin)


def rule_of(number: int) -> str:
    """The rule a cookie names; "" when it is none of ours."""
    return _RULE_NAMES.get(number >> 40 & 0xFFFF, "") if number >> 56 == GENERATION else ""


def is_for(number: int, origin: str) -> bool:
    """Whether a cookie names the object with this id."""
    return object_in(number) == digest_of(origin)


def object_in(number: int) -> int:
    """What a cookie says of its object: the `digest_of` its id."""
    return number & 0xFFFFFFFF


def digest_of(origin: str) -> int:
    return zlib.crc32(origin.encode())
