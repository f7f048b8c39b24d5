"""`retia demo`: the main job told as a story: three hosts, five guests, pings, a live move, and why a flow is there."""

from __future__ import annotations

from pathlib import Path

import retia
from retia.errors import NotFound
from retia.lab import commands, story
from retia.lab.failure import CheckFailed

FILE = Path(retia.__file__).parents[1] / "labs" / "demo.yaml"

INTRO = """\
Retia's demo: a whole cluster on this machine, in network namespaces of its own.

        web1  db1          web2  db2          web3         guests
           \\  /              \\  /              |
          [ hv1 ]════════════[ hv2 ]════════════[ hv3 ]     Geneve between all of them

Three hosts, each with its own Open vSwitch and Retia agent; one etcd; five guests on two switches, which a router
joins. The network is declared in labs/demo.yaml; the agents make it flows. All packets below are real.
"""
OUTRO = """
Everything is cleaned up: no process, namespace or file is left. Next: `retia lab up labs/demo.yaml` leaves it running
for you to play with, README.md has a tour, and `retia --help` lists the commands.
"""


def demo() -> None:
    """Show the main job on this machine, in namespaces of its own, and clean up. Needs root."""
    if not FILE.is_file():
        raise NotFound("the demo's lab file is not installed", where=str(FILE), advice="run it from a clone: make demo")
    print(INTRO, flush=True)
    result = commands.check(FILE, report=lambda event: print("\n".join(story.lines(event)), flush=True))
    if not result.ok:
        failed = ", ".join(step.name for step in result.steps if not step.ok)
        raise CheckFailed(
            f"not everything worked: {failed}", where="demo", advice="run it again; if it stays, report it"
        )
    print(OUTRO, end="")
