"""A draft: the network as it would be, grown wish by wish from what is, completed, and judged as a whole at the end.

    before ──copy──► after ◄── want, change, remove      finish: allocate the rest, validate, name what changed

Given addresses are all set down before any is allocated, so that nobody is handed one that a later line asks for.
Made by the catalog for each plan; pure but for the random source.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from retia.errors import InvalidInput, NotFound, Problem
from retia.model.document import Document, Wanted
from retia.model.finding import Finding
from retia.model.gateways import is_outside
from retia.model.kinds import DEFAULT_PROJECT, KINDS, Object, Port, Project, RouterPort
from retia.model.network import Network, addresses_of, references_of
from retia.model.shapes import ALLOCATED, fields, keys, references
from retia.model.validate import check
from retia.store.allocation import Allocator
from retia.store.changes import Changes, Update
from retia.values import Cidr


class Draft:
    def __init__(self, before: Network, document: str, project: str, source: random.Random | None = None) -> None:
        self.before, self.after = before, before.copy()
        self.document, self.project = document, project
        self.allocator = Allocator(self.after, source or random.SystemRandom())
        self.problems: list[Problem] = []
        self._wanted: dict[str, Wanted] = {}
        self._changed: dict[str, None] = {}
        self._without_address: list[str] = []
        self._drawn: set[tuple[str, str]] = set()

    def prune(self, document: Document) -> None:
        """Remove what this document declared before and no longer does."""
        named = (self.after.named(each.kind, document.project, each.names) for each in document.wanted)
        kept = {item.id for item in named if item}
        for item in [item for item in self.after.objects.values() if item.document == document.name]:
            if item.id not in kept:
                self.remove(item)

    def remove(self, item: Object) -> None:
        self.after.remove(item)
        self._changed[item.id] = None

    def want(self, wanted: Wanted) -> None:
        """One object as it is wished for: what exists under its names, changed, or a new one."""
        project = DEFAULT_PROJECT if wanted.kind.shared else self.project
        existing = self.after.named(wanted.kind, project, wanted.names)
        if existing and existing.document not in ("", self.document):
            what = f"{self.after.label(existing)} is declared by document {existing.document}"
            return self._wrong(wanted, "", what, "change it there, or give this one another name")
        if wanted.kind is Project and wanted.names == (DEFAULT_PROJECT,):
            return self._wrong(wanted, "", f"project {DEFAULT_PROJECT} is always there", "leave it out")
        leads_to = self._resolve(_named_after(wanted), project)
        if leads_to is None:
            return None
        values = {name: wanted.fields.get(name, field.default) for name, field in fields(wanted.kind).items()}
        values |= {name: None for name in ALLOCATED & values.keys() - wanted.fields.keys()}
        made = {"name": wanted.names[-1], "project": project, "document": self.document}
        self._put(wanted, existing, made | values | leads_to)

    def change(self, item: Object, given: Mapping[str, Any]) -> None:
        """`item` with other values in the fields `given`."""
        parent = self.after.objects.get(references_of(item)[0]) if item.parent else None
        names = (parent.name, item.name) if parent else (item.name,)
        wanted = Wanted(type(item), names, given)
        leads_to = self._resolve(wanted, item.project)
        if leads_to is None:
            return
        old = {name: getattr(item, name) for name in item.__struct_fields__}
        if "switch" in leads_to and old["switch"] != leads_to["switch"]:
            old["addresses"] = None
        self._put(wanted, item, old | dict(given) | leads_to)

    def _resolve(self, wanted: Wanted, project: str) -> dict[str, str] | None:
        """The ids of the objects it lives in and leads to; None, with the problems noted, when one is missing."""
        ids: dict[str, str] = {}
        missing = False
        for field, kind in references(wanted.kind).items():
            text = wanted.names[0] if field == wanted.kind.parent else wanted.fields.get(field)
            if not text:
                continue
            try:
                ids[field] = self.after.find(kind, text, project).id
            except (InvalidInput, NotFound) as error:
                missing = True
                self._wrong(wanted, field, error.what, error.advice)
        return None if missing else ids

    def _put(self, wanted: Wanted, existing: Object | None, values: dict[str, Any]) -> None:
        kind = wanted.kind
        values["id"] = existing.id if existing else self._draw_id()
        try:
            self._complete(kind, existing, values)
        except InvalidInput as error:
            return self._wrong(wanted, "", error.what, error.advice)
        item = kind(**values)
        self.after.put(item)
        self._changed[item.id] = None
        self._wanted[item.id] = wanted

    def _complete(self, kind: type[Object], existing: Object | None, values: dict[str, Any]) -> None:
        """Keys, MAC and addresses: those given, else those it has, else new ones (a port's address: later)."""
        for name in keys(kind):
            home = name.removesuffix("_key") if name.endswith("_key") else kind.parent
            stays = existing is not None and (not home or getattr(existing, home) == values[home])
            values[name] = getattr(existing, name) if stays else 0
            if not values[name]:
                values[name] = self._key(name, values[home] if home else "")
                self._drawn.add((values["id"], name))
        if "mac" in fields(kind) and values["mac"] is None:
            values["mac"] = getattr(existing, "mac", None)
            if values["mac"] is None:
                values["mac"] = self.allocator.mac(values["switch"])
                self._drawn.add((values["id"], "mac"))
        if issubclass(kind, Port) and values["addresses"] is None:
            values["addresses"] = self._kept_addresses(existing, values["switch"])
            if not values["addresses"]:
                self._without_address.append(values["id"])
        if issubclass(kind, RouterPort) and values["addresses"] is None:
            values["addresses"] = self._gateways(values["switch"])

    def _gateways(self, switch: str) -> tuple[Cidr, ...]:
        """Of the subnets of a switch; on one with an uplink the gateway is somebody else's."""
        if is_outside(self.after, switch):
            return ()
        subnets = sorted(self.after.subnets(switch), key=lambda subnet: subnet.name)
        return tuple(Cidr(subnet.gateway, subnet.cidr.length) for subnet in subnets if subnet.gateway is not None)

    def _draw_id(self) -> str:
        id_ = self.allocator.new_id()
        self._drawn.add((id_, "id"))
        return id_

    def _key(self, name: str, home: str) -> int:
        if not home:
            return self.allocator.datapath_key()
        draw = self.allocator.slot if name == "slot" else self.allocator.port_key
        return draw(self.after.objects[home])

    def _kept_addresses(self, existing: Object | None, switch: str) -> tuple[Any, ...]:
        """Those an allocated port has, as long as they still lie in a subnet."""
        subnets = self.after.subnets(switch)
        had = addresses_of(existing) if existing else ()
        return tuple(address for address in had if any(address in subnet.cidr for subnet in subnets))

    def _allocate_addresses(self) -> None:
        for id_ in self._without_address:
            port = self.after.get(Port, id_)
            home = self.after.objects.get(port.switch) if port else None
            if port is None or home is None:
                continue
            try:
                values = {name: getattr(port, name) for name in port.__struct_fields__}
                self.after.put(Port(**values | {"addresses": self.allocator.address(home)}))
            except InvalidInput as error:
                self._wrong(self._wanted[id_], "", error.what, error.advice)

    def finish(self) -> Changes:
        """What the draft changes; `problems` says whether it may be."""
        self._allocate_addresses()
        left = self._left_behind()
        for finding in check(self.before, self.after, self._changed):
            if finding.about not in left and not (finding.field == "project" and self.problems):
                self.problems.append(self._problem(finding))
        self.problems.sort(key=lambda problem: _line(problem.where))
        return self._changes()

    def _left_behind(self) -> set[str]:
        """What would lose the object it lives in or leads to."""
        left: set[str] = set()
        for item in (self.before.objects[id_] for id_ in self._changed if id_ not in self.after.objects):
            users = self.after.referrers(item.id, Object)
            if users:
                names = ", ".join(self.before.label(each) for each in users[:8])
                advice = "delete these first, or leave it in the document"
                what = f"is no longer declared, but {names} still need{'s' if len(users) == 1 else ''} it"
                self.problems.append(Problem(self.before.label(item), what, advice))
            left |= {each.id for each in users}
        return left

    def project_exists(self, document: Document) -> None:
        """Say once, where it is written, that the document's project is missing; not at each of its objects."""
        if self.project == DEFAULT_PROJECT or self.after.child(Project, "", self.project):
            return
        advice = f"declare it (`projects: {{{self.project}: {{}}}}`) or run `retia create project {self.project}`"
        self.problems.append(Problem(document.places["project"], f"there is no project {self.project}", advice))

    def _wrong(self, wanted: Wanted, field: str, what: str, advice: str) -> None:
        where = wanted.place(field) or f"{wanted.kind.kind} {'/'.join(wanted.names)}"
        self.problems.append(Problem(where, what, advice))

    def _problem(self, finding: Finding) -> Problem:
        ids = (finding.about, *finding.others)
        spoken = next((id_ for id_ in ids if id_ in self._wanted), finding.about)
        item = self.after.objects[spoken]
        place = self._wanted[spoken].place(finding.field) if spoken in self._wanted else ""
        names = [self._mention(id_, apart=id_ != spoken) for id_ in ids]
        what = finding.what.format(*names) if finding.others else finding.what
        return Problem(place or f"{self.after.label(item)}: {finding.field}", what, finding.advice)

    def _mention(self, id_: str, apart: bool) -> str:
        """An object's name and, where it is not the one spoken of, the line or document that declares it."""
        item = self.after.objects[id_]
        label = self.after.label(item)
        place = self._wanted[id_].place().partition(": ")[0] if id_ in self._wanted else ""
        if apart and (place or item.document not in ("", self.document)):
            return f"{label} ({place or f'document {item.document}'})"
        return label

    def _changes(self) -> Changes:
        pairs = [(self.before.objects.get(id_), self.after.objects.get(id_)) for id_ in self._changed]
        rank = {kind: place for place, kind in enumerate(KINDS)}
        creates = sorted((new for old, new in pairs if new and not old), key=lambda item: rank[type(item)])
        deletes = sorted((old for old, new in pairs if old and not new), key=lambda item: -rank[type(item)])
        updates = [Update(old, new) for old, new in pairs if old and new and old != new]
        unchanged = [new for old, new in pairs if new and old == new]
        named = dict.fromkeys(id_ for pair in pairs for item in pair if item for id_ in (item.id, *references_of(item)))
        paths = {}
        for id_ in named:
            network = self.after if id_ in self.after.objects else self.before
            if id_ in network.objects:
                paths[id_] = network.path(network.objects[id_])
        return Changes(tuple(creates), tuple(updates), tuple(deletes), tuple(unchanged), paths, frozenset(self._drawn))


def _named_after(wanted: Wanted) -> Wanted:
    """With the reference that its kind takes from its name."""
    field = wanted.kind.named_after
    if not field or wanted.fields.get(field):
        return wanted
    return replace(wanted, fields={**wanted.fields, field: wanted.names[-1]})


def _line(where: str) -> int:
    """The line in FILE:LINE: PATH; what has none comes last."""
    found = re.search(r":(\d+)(: |$)", where)
    return int(found[1]) if found else 1 << 30
