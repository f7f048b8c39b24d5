"""How often something may happen, as lab files write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retia.errors import InvalidInput


@dataclass(frozen=True)
class Count:
    """`3`: exactly so many. `1+`: at least. `0-1`: between, both included."""

    number: int
    more: bool = False
    most: int | None = None

    def __post_init__(self) -> None:
        if self.most is not None and self.most < self.number:
            raise InvalidInput(
                f"no count is between {self.number} and {self.most}", advice="write the smaller one first"
            )

    @classmethod
    def from_text(cls, text: str) -> Count:
        found = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
        if not found:
            advice = "write 3 for exactly three, 1+ for at least one, 0-1 for one at most"
            raise InvalidInput(f"{text!r} is no count", advice=advice)
        return cls(int(found[1]), found[2] == "+", int(found[3]) if found[3] else None)

    def allows(self, number: int) -> bool:
        if self.most is not None:
            return self.number <= number <= self.most
        return number >= self.number if self.more else number == self.number

    def __str__(self) -> str:
        if self.most is not None:
            return f"{self.number} to {self.most}"
        return f"at least {self.number}" if self.more else str(self.number)
