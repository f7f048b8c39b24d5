"""When a process looks for garbage, and what it gives back.

Rows and flows are made by the ten thousand and hold no cycles, so looking through them while they load takes as long as
a third of the load, and later makes a change wait now and then.
"""

from __future__ import annotations

import gc


def loading() -> None:
    """From the start of a command: hardly ever, as modules, records and rules come in. (Never would let a store that is
    away for hours cost an agent memory.)"""
    gc.set_threshold(1_000_000, 50, 1000)


def serving() -> None:
    """What is loaded by now is looked at no more; what comes later is, often and so shortly."""
    _give_back()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _give_back() -> None:
    """What loading needed for a moment, to the system; the C library would keep it. Measured: 4 of 66 MB at 10,000
    ports, 0.4 of 3.4 MB for an on-demand host of 10."""
    import ctypes  # only agents need it

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)
