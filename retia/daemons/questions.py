"""What a running agent answers on its control socket: status, flows, drops, why. Reads, never changes."""

from __future__ import annotations

from typing import Any, NamedTuple

from retia import log
from retia.compile.compiler import Compiler
from retia.compile.cookies import rule_of
from retia.compile.explain import Labels, rule_and_origin, why_flow
from retia.compile.local import peer_name
from retia.compile.reasons import Reason
from retia.daemons.answerer import Answerer
from retia.daemons.control import Answers
from retia.daemons.duties import Duties
from retia.daemons.gateways import Gateways
from retia.daemons.loop import Loop
from retia.daemons.neighbours import COUNTS
from retia.daemons.wants import COUNTS as WANTS
from retia.daemons.wants import Wants
from retia.flows.text import show_actions, show_match
from retia.log import logger
from retia.model.state import FULL, ON_DEMAND, HostState
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import DROP, STAGES
from retia.rules import Explanation
from retia.store.sync import Sync
from retia.switch.contract import Switch

_STAGE_OF = {int(stage): name for name, stage in STAGES.items()}


class Parts(NamedTuple):
    """Of one agent, for those who ask."""

    compiler: Compiler
    switch: Switch
    sync: Sync
    duties: Duties
    loop: Loop
    answerer: Answerer
    gateways: Gateways
    wants: Wants | None = None
    """In on-demand mode."""


class Questions:
    def __init__(self, parts: Parts) -> None:
        self._compiler, self._switch, self._sync, self._duties, self._loop = parts[:5]
        self._answerer, self._gateways, self._wants = parts[5:]

    @property
    def answers(self) -> Answers:
        return {
            "status": self.status,
            "flows": self.flows,
            "drops": self.drops,
            "why": self.why,
            "log-level": self.log_level,
        }

    async def log_level(self, asked: dict[str, Any]) -> dict[str, str]:
        """The levels after setting one, if one is given: until the agent ends."""
        if asked.get("level"):
            log.set_level(str(asked["level"]), str(asked.get("logger", "")))
            logger("agent").info("log level", **log.levels())
        return log.levels()

    async def status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "host": self._compiler.host,
            "revision": self._loop.revision,
            "store": "connected" if self._sync.connected else "away",
            "switch": "connected" if self._switch.connected else "away",
            "flows": self._compiler.size,
            "log": log.levels(),
            "ports": sorted(map(self._labels().label, self._compiler.claims)),
            "peers": {host: str(address) for host, address in sorted(self._compiler.peers.items())},
            "answered": {kind.label: self._answerer.answered[kind] for kind in PuntKind},
            "mode": self._mode(),
            "gateways": self._of_gateways(),
            "conflicts": len(self._compiler.conflicts),
            "problems": [
                {"what": one.what, "where": one.where, "advice": one.advice} for one in self._duties.problems()
            ],
        }

    def _mode(self) -> dict[str, Any]:
        """What is read of the store, and what an on-demand host wants. `set`: what the setting says."""
        if self._wants is None:
            return {"set": FULL, "reads": "all"}
        sync = self._wants.sync
        counts = {name: self._wants.counts[name] for name in WANTS}
        reads = "all" if sync.full else "own and wanted"
        return {
            "set": ON_DEMAND,
            "reads": reads,
            "gateway": sync.interest.is_gateway,
            "wants": self._wants.number,
        } | counts

    def _of_gateways(self) -> dict[str, Any]:
        """Physical neighbours, zones, and the tunnels that are watched: hosts, by whether they are reached."""
        neighbours, announcer = self._gateways.neighbours, self._gateways.announcer
        keys = {peer_name(one.key): one.host for one in self._sync.view.values() if isinstance(one, HostState)}
        return {
            "neighbours": {str(standing): number for standing, number in sorted(neighbours.number().items())},
            "waiting": neighbours.waiting,
            **{name: neighbours.counts[name] for name in COUNTS},
            "zones": self._gateways.zones.in_use,
            "reached": {keys.get(name, name): live for name, live in sorted(self._gateways.edges.items())},
            "announcements": announcer.sent,
        }

    def _labels(self) -> Labels:
        return Labels(self._sync.view)

    async def flows(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Flows with their counters; `stage` and `rule` narrow them down."""
        labels = self._labels()
        found = []
        for seen in sorted(await self._switch.observed(), key=lambda one: (one.flow.table, -one.flow.priority)):
            stage = _STAGE_OF.get(seen.flow.table, str(seen.flow.table))
            if asked.get("stage") and stage != asked["stage"].upper():
                continue
            rule, origin = rule_and_origin(self._compiler, labels, seen.flow)
            if asked.get("rule") and rule != asked["rule"]:
                continue
            found.append(
                {
                    "stage": stage,
                    "table": seen.flow.table,
                    "priority": seen.flow.priority,
                    "match": show_match(seen.flow.match),
                    "actions": show_actions(seen.flow.actions),
                    "rule": rule,
                    "object": origin,
                    "packets": seen.packets,
                    "bytes": seen.octets,
                    "cookie": f"{seen.flow.cookie:#x}",
                }
            )
        return found

    async def drops(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        """Packets dropped on this host, by reason. Those too big are as many as the agent heard of: Open vSwitch
        counts a packet on both ways of a size check."""
        counted = {}
        for seen in await self._switch.observed(int(DROP)):
            if rule_of(seen.flow.cookie) == "count_reason":
                counted[seen.flow.match[0][1]] = seen.packets
        counted[Reason.TOO_BIG] = self._answerer.heard[PuntKind.TOO_BIG]
        return [
            {"reason": reason.label, "packets": counted.get(int(reason), 0), "means": reason.doc} for reason in Reason
        ]

    async def why(self, asked: dict[str, Any]) -> dict[str, Any]:
        story = why_flow(self._compiler, self._sync.view, str(asked.get("flow", "")))
        return {**story._asdict(), "tree": _tree(story.tree)}


def _tree(node: Explanation, told: set[int] | None = None) -> dict[str, Any]:
    """A derivation as data; a part that is shared is told once and then marked."""
    told = set() if told is None else told
    names = node.columns or tuple(map(str, range(len(node.row))))
    data: dict[str, Any] = {
        "relation": node.relation,
        "row": {name: str(value) for name, value in zip(names, node.row, strict=False)},
    }
    if id(node) in told:
        return {**data, "as_above": True}
    told.add(id(node))
    because = [_tree(child, told) for child in node.children]
    return {**data, "rule": node.rule, "absent": node.absent, "because": because}
