"""What ended a packet's way: the sentence, and the host, stage, reason, rule and object to blame.

The flows say where and why it ended; what is declared often says more (a route that is missing, a port that is down):
then that is what counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from retia.compile.compiler import Compiler
from retia.compile.explain import Labels, Things
from retia.compile.path import why_pair
from retia.compile.reasons import Reason
from retia.model.kinds import Host, Port, Router, Switch
from retia.model.state import alive_hosts
from retia.pipeline.stages import COMPLAIN, DROP
from retia.reach.answers import Obstacle
from retia.trace.story import End, Ending, Point, Story
from retia.values import Ip

SENT_BACK = "it would leave by the port it came by, and a switch never sends a packet back there"
_ENDS = frozenset({COMPLAIN.name, DROP.name})


class Judge:
    """`facts` makes a compiler that knows all that is declared between two ends; it is asked for only when needed."""

    def __init__(self, things: Things, facts: Callable[[], Compiler]) -> None:
        self._things, self._facts = things, facts
        self._labels = Labels(things)
        self._datapaths = {
            thing.key: self._labels.label(thing.id) for thing in things.values() if isinstance(thing, Switch | Router)
        }
        self._hosts = {thing.name for thing in things.values() if isinstance(thing, Host)}

    def obstacle(self, story: Story, source: Port | None = None, target: Port | Ip | None = None) -> Obstacle | None:
        """What is in the way; None when it arrived. With both ends also what of that is declared."""
        if story.arrived:
            return None
        found = self._by_flows(story)
        if source is None or target is None:
            return found
        verdict = why_pair(self._facts(), self._things, source.id, target.id if isinstance(target, Port) else target)
        if not verdict.missing or story.end.reason is Reason.TTL_EXPIRED:
            return found
        return replace(found, what=verdict.missing, advice=verdict.advice)

    def _by_flows(self, story: Story) -> Obstacle:
        end = story.end
        if end.ending is Ending.unreported:
            return self._silent(end)
        points = story.passages[-1].points if story.passages else ()
        point = next((one for one in reversed(points) if one.stage not in _ENDS), Point(""))
        label = end.reason.label if end.reason else str(end.ending)
        return Obstacle(_what(end), end.host, point.stage, label, point.rule, self._blamed(end, point))

    def _silent(self, end: End) -> Obstacle:
        what = f"no report from {end.host}" + (f": {end.detail}" if end.detail else "")
        advice = "look at that host's log, and at the network that joins the hosts"
        if end.host not in alive_hosts(self._things.values()):
            what, advice = f"no report from {end.host}: its agent is not alive", "start its agent, or use --what-if"
        return Obstacle(what, end.host, reason=str(end.ending), advice=advice)

    def _blamed(self, end: End, point: Point) -> str:
        """Of a flow that is there for all packets, the switch or router it was in."""
        origin = self._labels.label(point.origin)
        if origin and point.origin not in self._hosts and origin != point.origin:
            return origin
        key = end.router if end.reason is Reason.NO_EDGE else point.datapath
        return self._datapaths.get(key, "")


def _what(end: End) -> str:
    if end.reason is not None:
        return end.reason.doc
    return {
        Ending.suppressed: SENT_BACK,
        Ending.missed: "no flow takes it on: these are not the flows that Retia wants",
        Ending.lost: f"it was sent to tunnel address {end.detail}, which no host has",
        Ending.endless: "it goes round in circles between hosts",
        Ending.limit: end.detail,
    }.get(end.ending, f"it is {end.ending}")
