"""What a software lab says when it is asked for what only a real host can do."""

from __future__ import annotations

from retia.errors import Fatal


class NotForSoftware(Fatal):
    """Steps that declare it in their `needs` are left out before it comes to this."""

    code = "not-for-software"
