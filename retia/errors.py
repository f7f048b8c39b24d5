"""Every error Retia raises, as one tree. The CLI, the agent's log and `status` all render the same object.

    RetiaError                      what is wrong, where, and what to do next
    ├── InvalidInput                the user's document, name, address or option is wrong (exit 2)
    │   └── InvalidDocument         a whole document: carries all its problems, not the first
    ├── NotFound                    a name that nothing bears (exit 3)
    ├── Conflict                    it is taken, in use, or was changed meanwhile (exit 4)
    ├── Retry                       the world's fault; try again after `after` seconds (exit 5)
    │   ├── StoreAway               etcd does not answer
    │   ├── StoreRefused            etcd, or its TLS, will not have us: certificate, user, or a role too weak
    │   ├── StoreFull               etcd takes no more writes: alarm NOSPACE
    │   └── SwitchAway              Open vSwitch does not answer
    └── Fatal                       trying again cannot help (exit 6)
        ├── Unsupported             too old, or something Retia can't do yet
        ├── NotAllowed              not root, or not allowed
        └── SwitchRefused           Open vSwitch refused a message: carries its error type and code
    Timeout                         `--wait` ended first: who did not answer, and why (exit 7)

Retry policy is in the type: `Retry(after=)` may be tried again, everything else must not be.
This module never logs and never exits; `cli` maps `exit_code`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class RetiaError(Exception):
    """What is wrong (`what`), where (`where`: a file and path, an object, a host), what to do (`advice`)."""

    code = "error"
    exit_code = 1

    def __init__(self, what: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.advice = what, where, advice

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  {self.advice}" if self.advice else ""
        return f"{place}{self.what}{advice}"


class InvalidInput(RetiaError):
    code, exit_code = "invalid", 2


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a document: the file and YAML path, what is wrong, what to do."""

    where: str
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"\n  {self.advice}" if self.advice else "")


class InvalidDocument(InvalidInput):
    """All problems of a document at once."""

    code = "invalid-document"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''}, nothing was changed")

    def __str__(self) -> str:
        return "\n".join([*map(str, self.problems), self.what])


class NotFound(RetiaError):
    code, exit_code = "not-found", 3


class Conflict(RetiaError):
    code, exit_code = "conflict", 4


class Retry(RetiaError):
    code, exit_code = "retry", 5

    def __init__(self, what: str, *, where: str = "", advice: str = "", after: float = 1.0) -> None:
        super().__init__(what, where=where, advice=advice)
        self.after = after


class StoreAway(Retry):
    code = "store-away"


class StoreRefused(Retry):
    """Waiting helps: whoever can mend it does so at etcd, or renews a file."""

    code = "store-refused"


class StoreFull(Retry):
    code = "store-full"


class SwitchAway(Retry):
    code = "switch-away"


class Fatal(RetiaError):
    code, exit_code = "fatal", 6


class Unsupported(Fatal):
    code = "unsupported"


class NotAllowed(Fatal):
    code = "not-allowed"


class SwitchRefused(Fatal):
    """Open vSwitch refused a message. `type_` and `detail` are OpenFlow's error type and code."""

    code = "switch-refused"

    def __init__(self, what: str, *, where: str = "", advice: str = "", type_: int = 0, detail: int = 0) -> None:
        super().__init__(what, where=where, advice=advice)
        self.type_, self.detail = type_, detail


class Timeout(RetiaError):
    code, exit_code = "timeout", 7
