"""What of a network is drawn: all of it, one project, or what lies within some steps of one object.

Steps lead from a port to its switch and its host, from a switch to its routers and uplinks' hosts, from a router to its
edges' hosts, and back. None leads on from a host, unless it is the one asked for: a host would join everything. A port
brings its switch, in which it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retia.errors import InvalidInput, NotFound
from retia.graph.standing import Standing
from retia.model.kinds import KINDS, Edge, Host, Object, Port, Project, Router, RouterPort, Switch, Uplink
from retia.model.names import did_you_mean, is_id
from retia.model.network import Network
from retia.model.shapes import depth


@dataclass(frozen=True)
class Part:
    """`things`: ids of switches, routers and ports; `hosts`: names. `marked`: the id, or host's name, asked for."""

    title: str
    things: frozenset[str]
    hosts: frozenset[str]
    marked: str = ""


@dataclass(frozen=True)
class HostNamed:
    """A host as a start of steps: one that registered need not be declared."""

    name: str


Place = Switch | Router | Port | HostNamed


def whole(network: Network, standing: Standing) -> Part:
    things = (item.id for item in network.objects.values() if isinstance(item, Switch | Router | Port))
    return Part("The whole network", frozenset(things), frozenset(standing.hosts))


def of_project(network: Network, standing: Standing, project: str) -> Part:
    """What a project has, the switches and routers of others it is joined to, and the hosts of all that.

    Raises NotFound.
    """
    known = {item.project for item in network.objects.values() if not item.shared}
    known |= {item.name for item in network.of(Project)}
    if project not in known:
        raise NotFound(
            f"there is no project {project}", advice=did_you_mean(project, known) or "see `retia get projects`"
        )
    own = [
        item
        for item in network.objects.values()
        if item.project == project and isinstance(item, Switch | Router | Port | Edge | Uplink)
    ]
    things, hosts = set[str](), set[str]()
    for item in own:
        if isinstance(item, Switch | Router | Port):
            things.add(item.id)
            near = list(_near(network, standing, item))
        else:
            near = [_host(network, item.host)]
        hosts |= {one.name for one in near if isinstance(one, HostNamed)}
        things |= {one.id for one in near if isinstance(one, Switch | Router)}
    return Part(f"Project {project}", frozenset(things), frozenset(hosts))


def around(network: Network, standing: Standing, start: Object | HostNamed, steps: int) -> Part:
    """What lies within `steps` of an object; all that a project has. Raises NotFound."""
    if isinstance(start, Project):
        return of_project(network, standing, start.name)
    seen: set[Place] = set()
    edge = list(_places(network, start))
    for left in range(steps, -1, -1):
        edge = [one for one in dict.fromkeys(edge) if one not in seen]
        seen |= set(edge)
        if left:
            walked = [one for one in edge if not isinstance(one, HostNamed) or left == steps]
            edge = [near for one in walked for near in _near(network, standing, one)]
    seen |= {near for one in seen if isinstance(one, Port) for near in _known(network.get(Switch, one.switch))}
    name = start.name if isinstance(start, HostNamed | Host) else network.path(start)
    kind = start.kind if isinstance(start, Object) else Host.kind
    things = frozenset(one.id for one in seen if not isinstance(one, HostNamed))
    hosts = frozenset(one.name for one in seen if isinstance(one, HostNamed))
    marked = name if kind == Host.kind else start.id if isinstance(start, Object) else ""
    title = f"{kind.capitalize()} {name}, and what is within {steps} step{'' if steps == 1 else 's'}"
    return Part(title, things, hosts, marked)


def _places(network: Network, start: Object | HostNamed) -> Iterator[Place]:
    """Where steps begin: what lives inside a box begins there."""
    if isinstance(start, Switch | Router | Port | HostNamed):
        yield start
    elif isinstance(start, Host):
        yield HostNamed(start.name)
    else:
        parent = network.objects.get(getattr(start, start.parent, ""))
        if isinstance(parent, Switch | Router):
            yield parent


def _near(network: Network, standing: Standing, place: Place) -> Iterator[Place]:
    if isinstance(place, Port):
        yield from _known(network.get(Switch, place.switch))
        if home := standing.homes.get(place.id):
            yield HostNamed(home)
    elif isinstance(place, Switch):
        yield from network.referrers(place.id, Port)
        for port in network.referrers(place.id, RouterPort):
            yield from _known(network.get(Router, port.router))
        yield from (_host(network, uplink.host) for uplink in network.referrers(place.id, Uplink))
    elif isinstance(place, Router):
        for port in network.referrers(place.id, RouterPort):
            yield from _known(network.get(Switch, port.switch))
        yield from (_host(network, edge.host) for edge in network.referrers(place.id, Edge))
    else:
        yield from _at_host(network, standing, place.name)


def _at_host(network: Network, standing: Standing, name: str) -> Iterator[Place]:
    for port in standing.ports.get(name, ()):
        yield from _known(network.get(Port, port))
    host = network.child(Host, "", name)
    if host is not None:
        for uplink in network.referrers(host.id, Uplink):
            yield from _known(network.get(Switch, uplink.switch))
        for edge in network.referrers(host.id, Edge):
            yield from _known(network.get(Router, edge.router))


def _known(place: Switch | Router | Port | None) -> Iterator[Place]:
    if place is not None:
        yield place


def _host(network: Network, id_: str) -> HostNamed:
    host = network.get(Host, id_)
    return HostNamed(host.name if host else id_)


def find(
    network: Network, standing: Standing, kind: type[Object] | None, text: str, project: str
) -> Object | HostNamed:
    """What a user names, of one kind or of any. Raises NotFound, InvalidInput."""
    if kind is not None and not (kind is Host and text in standing.hosts):
        return network.find(kind, text, project)
    found = list(_bearers(network, standing, kind, text, project))
    if len(found) == 1:
        return found[0]
    if found:
        names = [f"`{one.kind if isinstance(one, Object) else Host.kind} {text}`" for one in found]
        raise InvalidInput(f"several objects are called {text}", advice=f"name its kind too: {' or '.join(names)}")
    paths = [network.path(item, project) for item in network.objects.values()]
    inside = sorted(path for path in paths if path.endswith(f"/{text}"))
    advice = f"there is {', '.join(inside[:8])}" if inside else did_you_mean(text, [*paths, *standing.hosts])
    raise NotFound(f"nothing is called {text}", advice=advice or "see `retia get`")


def _bearers(
    network: Network, standing: Standing, kind: type[Object] | None, text: str, project: str
) -> Iterator[Object | HostNamed]:
    if is_id(text):
        if text in network.objects:
            yield network.objects[text]
        return
    prefix, _, rest = text.rpartition(":")
    names = tuple(rest.split("/"))
    for each in KINDS if kind is None else (kind,):
        if each is Host and text in standing.hosts:
            yield network.child(Host, "", text) or HostNamed(text)
        elif each not in (Host, Project) and depth(each) == len(names):
            item = network.named(each, prefix or project, names)
            if item is not None:
                yield item
