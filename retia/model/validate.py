"""Whether objects fit each other: every finding that a change brings about, in the whole resulting state.

    before, after ──► what the change touches ──► each kind's checks ──► findings that were not there before

What was wrong already and has nothing to do with the change does not hinder it. Pure; the catalog calls this for
documents and for single objects made by hand alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from retia.model.finding import Check, Finding, Findings
from retia.model.gateways import EDGE_CHECKS, UPLINK_CHECKS
from retia.model.kinds import (
    BY_KIND,
    DEFAULT_PROJECT,
    Edge,
    Nat,
    Object,
    Port,
    Project,
    Route,
    RouterPort,
    Subnet,
    Switch,
    Uplink,
)
from retia.model.nat import NAT_CHECKS, address_is_not_translated, port_not_too_often
from retia.model.network import Network, references_of
from retia.model.routing import ROUTE_CHECKS, ROUTER_PORT_CHECKS
from retia.model.shapes import references
from retia.model.switching import PORT_CHECKS, SUBNET_CHECKS, SWITCH_CHECKS
from retia.values import Cidr, Ip

CHECKS: Mapping[type[Object], tuple[Check, ...]] = {  # a kind that is not here has none of its own
    Switch: SWITCH_CHECKS,
    Subnet: SUBNET_CHECKS,
    Port: (*PORT_CHECKS, address_is_not_translated),
    RouterPort: (*ROUTER_PORT_CHECKS, address_is_not_translated, port_not_too_often),
    Route: ROUTE_CHECKS,
    Uplink: UPLINK_CHECKS,
    Edge: EDGE_CHECKS,
    Nat: NAT_CHECKS,
}


def check(before: Network, after: Network, changed: Iterable[str]) -> list[Finding]:
    """The findings in `after` that the change of the objects `changed` (put or removed) brought about."""
    touched = _touched(before, after, list(dict.fromkeys(changed)))
    found: dict[object, Finding] = {}
    for item in touched:
        for finding in examine(after, item):
            if not finding.shared or finding.same not in found:  # what changed comes first
                found[finding.same] = finding  # of two ends the later one tells it
    if found:
        known = {
            finding.same for item in touched if (old := before.objects.get(item.id)) for finding in examine(before, old)
        }
        found = {same: finding for same, finding in found.items() if same not in known}
    return list(found.values())


def examine(network: Network, item: Object) -> Findings:
    """Everything wrong with one object. What can't be carried at all is not judged further."""
    families = list(chain(project_exists(network, item), parents_exist(network, item), only_ipv4(network, item)))
    yield from families
    if not families:
        for each in CHECKS.get(type(item), ()):
            yield from each(network, item)


def _touched(before: Network, after: Network, changed: list[str]) -> list[Object]:
    """Changed objects first, then what stands beside them and may mind: a port minds its switch's subnets."""
    ids = dict.fromkeys(changed)
    for id_ in changed:
        for network in (before, after):
            item = network.objects.get(id_)
            if item is None or isinstance(item, (Port, Nat)):
                continue
            near = [id_, *references_of(item)]
            if isinstance(item, (Uplink, Subnet)):  # what routers on the switch translate hangs on both
                near += [port.router for port in network.referrers(item.switch, RouterPort)]
            ids.update((other.id, None) for each in near for other in network.referrers(each, Object))
    return [after.objects[id_] for id_ in ids if id_ in after.objects]


def project_exists(network: Network, item: Object) -> Findings:
    """An object's project is declared; `default` always is."""
    if item.shared or item.project == DEFAULT_PROJECT or network.child(Project, "", item.project):
        return
    advice = f"declare it (`projects: {{{item.project}: {{}}}}`) or run `retia create project {item.project}`"
    yield Finding(item.id, "project", f"there is no project {item.project}", advice)


def parents_exist(network: Network, item: Object) -> Findings:
    """What an object lives in or leads to exists."""
    for field, kind in references(type(item)).items():
        id_ = getattr(item, field)
        if (id_ or field == item.parent) and not isinstance(network.objects.get(id_), BY_KIND[kind.kind]):
            yield Finding(item.id, field, f"its {kind.kind} does not exist", f"create the {kind.kind} first")


def only_ipv4(network: Network, item: Object) -> Findings:
    """IPv6 is parsed and refused: no stage carries it yet."""
    for field in item.__struct_fields__:
        for address in _addresses(getattr(item, field)):
            if address.family == 6:
                what = f"{address}: IPv6 {item.kind.replace('-', ' ')}s are not carried yet"
                yield Finding(item.id, field, what, "use IPv4 for now")
                break


def _addresses(value: object) -> Iterator[Ip | Cidr]:
    if isinstance(value, (Ip, Cidr)):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _addresses(each)
