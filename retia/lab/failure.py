"""What a check says when the network does not do what it should."""

from __future__ import annotations

from retia.errors import RetiaError


class CheckFailed(RetiaError):
    """One step did not see what it expects, or (for the whole lab) at least one step failed."""

    code = "check-failed"
