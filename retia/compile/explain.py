"""Why a flow is there, and whether two ports can talk: answers that end at the user's objects. Pure, on demand.

`why_flow` starts from a line of `ovs-ofctl dump-flows` or a cookie and ends at what was declared; `why_pair`
follows the way from one port to another and back over the facts, and names the first thing that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from retia.compile.compiler import Compiler
from retia.compile.cookies import is_for, rule_of
from retia.compile.facts import InterfaceFact, TunnelPort
from retia.compile.local import PeerPort, UplinkPort, peer_name
from retia.compile.outputs import FlowRow
from retia.errors import InvalidInput, NotFound
from retia.flows.actions import Action
from retia.flows.flow import Flow, FlowKey
from retia.flows.text import parse_flow, show_actions, show_match
from retia.model.kinds import DEFAULT_PROJECT, Object
from retia.model.local import TUNNEL_PORT
from retia.model.state import State
from retia.rules import Explanation
from retia.rules.lowering import GROUP
from retia.rules.terms import Var

Things = Mapping[tuple[str, str], Object | State]
"""What the store holds, by (kind, id): `store.sync.Sync.view`."""


class FlowStory(NamedTuple):
    """A flow of this host, the rule that made it, the object it is for, and the derivation."""

    stage: str
    match: str
    actions: str
    rule: str
    doc: str
    origin: str
    tree: Explanation
    text: str


class Labels:
    """Names of objects by id, as people write them: `port web/web1 (document demo)`."""

    def __init__(self, things: Things) -> None:
        self._things = things
        self._by_id = {thing.id: thing for thing in things.values() if isinstance(thing, Object)}

    def label(self, identifier: str) -> str:
        thing = self._by_id.get(identifier)
        return f"{thing.kind} {self.path(thing)}" if thing is not None else identifier

    def full(self, identifier: str) -> str:
        thing = self._by_id.get(identifier)
        if thing is None:
            return f"host {identifier}" if identifier else "nothing"
        return self.label(identifier) + (f" (document {thing.document})" if thing.document else " (made by hand)")

    def path(self, thing: Object) -> str:
        """The name with its parent's, and before a colon the project unless it is the default one."""
        parent = self._by_id.get(getattr(thing, thing.parent, "")) if thing.parent else None
        if parent is not None:
            return f"{self.path(parent)}/{thing.name}"
        project = "" if thing.shared or thing.project == DEFAULT_PROJECT else f"{thing.project}:"
        return f"{project}{thing.name}"

    def path_of(self, identifier: str) -> str:
        """The same by id; the id of what is gone."""
        thing = self._by_id.get(identifier)
        return self.path(thing) if thing is not None else identifier

    def rewrite_ids(self, text: str) -> str:
        """Problems with names in place of ids."""
        return " ".join(
            self.label(word.rstrip(",")) if word.rstrip(",") in self._by_id else word for word in text.split()
        )

    def value(self, value: object) -> str:
        """A value of a row as people write it: names in place of ids, actions as a dump shows them."""
        if isinstance(value, tuple) and value and all(isinstance(one, Action) for one in value):
            return show_actions(value)
        if isinstance(value, tuple):
            return f"({', '.join(self.value(one) for one in value)})"
        return self.label(value) if isinstance(value, str) else str(value)


def why_flow(compiler: Compiler, things: Things, asked: str) -> FlowStory:
    """`asked`: a line of dump-flows, or a cookie as 0x... Raises InvalidInput or NotFound."""
    row = _find(compiler, asked)
    tree = compiler.program.why(row)
    if tree is None:
        raise NotFound(
            "no rule wants this flow any more", where=asked.strip(), advice="ask again for the current flows"
        )
    labels = Labels(things)
    doc = tree.doc
    text = "\n".join(
        [
            f"{row.stage}: {show_match(row.match) or 'everything'} => {show_actions(row.actions)}",
            f"for {labels.full(row.origin)}, by rule {row.rule}: {doc}",
            "",
            *_Telling(labels).lines(tree.children),
        ]
    )
    story = (str(row.stage), show_match(row.match), show_actions(row.actions), row.rule, doc, labels.full(row.origin))
    return FlowStory(*story, tree, text)


class _Telling:
    """A derivation in lines: what is told already is not told again, and an aggregate only shows what decided."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._told: set[tuple[str, tuple[object, ...]]] = set()

    def lines(self, nodes: Iterable[Explanation], depth: int = 0) -> list[str]:
        return [line for node in nodes for line in self._node(node, depth)]

    def _node(self, node: Explanation, depth: int) -> list[str]:
        head = "  " * depth + self._row(node)
        known = (node.relation, node.row)
        if node.absent:
            return [head]
        if known in self._told:
            return [f"{head}, as above"] if not node.given else []
        self._told.add(known)
        if node.given:
            return [f"{head}   (given)"]
        children = node.children
        if all(child.relation.endswith(GROUP) for child in children):
            children = tuple(below for child in children for below in child.children)
        return [f"{head}   <- {node.doc}", *self.lines(children, depth + 1)]

    def _row(self, node: Explanation) -> str:
        pairs = zip(node.columns, node.row, strict=False)
        shown = ", ".join(f"{n}={self._labels.value(v)}" for n, v in pairs if n != "rule" and not isinstance(v, Var))
        return f"{'no ' if node.absent else ''}{node.relation}({shown})"


def _find(compiler: Compiler, asked: str) -> FlowRow:
    text = asked.strip()
    if "actions=" in text:
        flow = parse_flow(text, _port_names(compiler)).flow
        row = compiler.program.lookup(FlowRow, *flow.key)
        if row is not None:
            return row
        return _by_cookie(compiler, flow.cookie, flow.key)
    try:
        return _by_cookie(compiler, int(text.removeprefix("cookie=").rstrip(","), 0), None)
    except ValueError:
        advice = "give a line of `ovs-ofctl dump-flows`, a cookie (0x...), or two ports (SWITCH/PORT SWITCH/PORT)"
        raise InvalidInput(f"{text!r} is no flow and no cookie", advice=advice) from None


def _port_names(compiler: Compiler) -> dict[str, int]:
    """Ports as a terminal's `dump-flows` calls them."""
    rows = compiler.program.rows
    names = dict((TUNNEL_PORT, row.ofport) for row in rows(TunnelPort))
    names |= {peer_name(row.peer): row.ofport for row in rows(PeerPort)}
    names |= {row.name: row.ofport for row in rows(UplinkPort)}
    return names | {row.name: row.ofport for row in rows(InterfaceFact)}


def _by_cookie(compiler: Compiler, cookie: int, key: FlowKey | None) -> FlowRow:
    rule = rule_of(cookie)
    found = [
        row
        for row in (compiler.program.rows(FlowRow) if rule else ())
        if row.rule == rule and is_for(cookie, row.origin) and (key is None or int(row.stage) == key.table)
    ]
    if not found:
        advice = "it may be older than this agent, or another program's: the agent removes those it did not make"
        raise NotFound(f"no rule made a flow with cookie {cookie:#x}", advice=advice)
    return found[0]


def made_by(compiler: Compiler, flow: Flow) -> tuple[str, str]:
    """The rule of a flow, and the id of the object it is for; "" where that is not known."""
    row = compiler.program.by_key(FlowRow).get(flow.key)
    return (row[5], row[4]) if row is not None else (rule_of(flow.cookie), "")


def rule_and_origin(compiler: Compiler, labels: Labels, flow: Flow) -> tuple[str, str]:
    """What a list of flows says of each: its rule, and the object it is for."""
    rule, origin = made_by(compiler, flow)
    return rule or "(foreign)", labels.label(origin)
