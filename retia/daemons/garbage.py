"""When a process looks for garbage. Rows and flows are made by the ten thousand and hold no cycles, so looking through
them while they load takes as long as a third of the load, and later makes a change wait now and then.
"""

from __future__ import annotations

import gc


def loading() -> None:
    """From the start of a command: hardly ever, as modules, records and rules come in. (Never would let a store that is
    away for hours cost an agent memory.)"""
    gc.set_threshold(1_000_000, 50, 1000)


def serving() -> None:
    """What is loaded by now is looked at no more; what comes later is, often and so shortly."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
