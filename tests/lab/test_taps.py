"""A tap hears its own link, and nothing of others: not even in the moment it is made."""

from __future__ import annotations

import contextlib
import os
import threading

from retia.lab import netns
from retia.lab.frames import TRIAL, ethernet
from retia.lab.wire import Tap
from retia.values import Mac

TAPS = 50
FRAME = ethernet(Mac((1 << 48) - 1), Mac(0x02_00_00_00_00_01), TRIAL, b"other link")


async def test_a_tap_hears_no_other_link() -> None:
    space, env = f"retia-taps-{os.getpid()}", dict(os.environ)
    pairs = [f"link add {one} type veth peer name peer-{one}" for one in ("busy", "quiet")]
    up = [f"link set dev {end}{one} up" for one in ("busy", "quiet") for end in ("", "peer-")]
    async with contextlib.AsyncExitStack() as stack:
        await netns.batch([f"netns add {space}"], env)
        stack.push_async_callback(netns.batch, [f"netns del {space}"], env)
        netns.within(space, netns.silence)
        await netns.batch([*pairs, *up], env, space)
        busy, over = stack.enter_context(Tap(space, "busy")), threading.Event()
        sender = threading.Thread(target=_send, args=(busy, over))
        sender.start()
        try:
            heard = [frame for _ in range(TAPS) for frame in _heard(space, "quiet")]
            while not _heard(space, "peer-busy"):
                pass
        finally:
            over.set()
            sender.join()
    assert not heard


def _send(tap: Tap, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(BlockingIOError):
            tap.send(FRAME)


def _heard(space: str, link: str) -> list[bytes]:
    with Tap(space, link) as tap:
        return list(tap.received())
