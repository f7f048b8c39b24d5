"""Answers Prometheus: what `metrics` declares, from the running parts of one agent. Started only where it is asked for.

    scrape ─► thread of the HTTP server ─► read on the agent's own loop ─► text       (prometheus-client does the rest)

Reads, never changes; a scrape while the loop works waits for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from retia import __version__, log
from retia.compile.cookies import rule_of
from retia.compile.reasons import Reason
from retia.daemons import metrics
from retia.daemons.metrics import BUCKETS, METRICS, PARTS, Histogram, Metric, Type
from retia.daemons.neighbours import COUNTS, Standing
from retia.daemons.questions import Parts
from retia.daemons.wants import COUNTS as WANTS
from retia.errors import Conflict, InvalidInput, SwitchAway
from retia.pipeline.punts import PuntKind
from retia.pipeline.stages import DROP, STAGES

PATIENCE = 10.0
"""Seconds a scrape waits for the agent's loop."""

Values = dict[tuple[str, ...], float]


class Exporter(Collector):
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._loop = asyncio.get_running_loop()

    def collect(self) -> Iterable[Family]:
        """Called in a thread of the HTTP server."""
        values = asyncio.run_coroutine_threadsafe(self.read(), self._loop).result(PATIENCE)
        return [_family(metric, values[metric]) for metric in METRICS if metric in values] + [
            _histogram(metric, histogram) for metric, histogram in self._parts.loop.tally.histograms.items()
        ]

    async def read(self) -> dict[Metric, Values]:
        """Every value but the histograms', by its labels."""
        found = self._states() | self._counts()
        found[metrics.FLOWS], found[metrics.DROPS] = await self._of_the_switch()
        return found

    def _states(self) -> dict[Metric, Values]:
        compiler, switch, sync, duties, loop, _, gateways, wants = self._parts
        live = Counter(gateways.edges.values())
        neighbours = gateways.neighbours.number()
        connected = (sync.connected, switch.connected, loop.tally.database)
        about = Counter(problem.about.rpartition("-")[0] or problem.about for problem in duties.problems())
        return {
            metrics.INFO: {(compiler.host, __version__): 1},
            metrics.CONNECTED: {(part,): float(is_so) for part, is_so in zip(PARTS, connected, strict=True)},
            metrics.REVISION_SEEN: {(): sync.revision},
            metrics.REVISION_APPLIED: {(): loop.revision},
            metrics.WANTS: {(): wants.number if wants is not None else 0},
            metrics.FLOWS_WANTED: {(): compiler.size},
            metrics.REFUSED: {(): len(switch.refused)},
            metrics.CONFLICTS: {(): len(compiler.conflicts)},
            metrics.PROBLEMS: {(kind,): number for kind, number in about.items()},
            metrics.BINDINGS: {(): duties.bound},
            metrics.CLAIMS: {(): len(compiler.claims)},
            metrics.PEERS: {(): len(compiler.peers)},
            metrics.NEIGHBOURS: {(standing,): neighbours[standing] for standing in Standing},
            metrics.WAITING: {(): gateways.neighbours.waiting},
            metrics.ZONES: {(): gateways.zones.in_use},
            metrics.REACHED: {("live",): live[True], ("dead",): live[False]},
        }

    def _counts(self) -> dict[Metric, Values]:
        counts, wants = self._parts.loop.tally.counts, self._parts.wants
        wanted = wants.counts if wants is not None else Counter[str]()
        lost = {part: counts[metrics.CONNECTIONS_LOST, part] for part in PARTS[1:]} | {"store": self._parts.sync.breaks}
        alone = (metrics.BATCHES, metrics.RECORDS, metrics.SNAPSHOTS, metrics.FOREIGN, metrics.REFUSALS)
        return {
            metrics.CONNECTIONS_LOST: {(part,): number for part, number in lost.items()},
            metrics.FLOW_CHANGES: {(kind,): counts[metrics.FLOW_CHANGES, kind] for kind in ("put", "delete")},
            metrics.ANSWERS: {(kind.label,): self._parts.answerer.answered[kind] for kind in PuntKind},
            metrics.NEIGHBOUR_EVENTS: {(name,): self._parts.gateways.neighbours.counts[name] for name in COUNTS},
            metrics.WANT_EVENTS: {(name,): wanted[name] for name in WANTS},
            metrics.ANNOUNCEMENTS: {(): self._parts.gateways.announcer.sent},
            metrics.LOGGED: {(level,): log.logged[level] for level in ("warning", "error")},
            **{metric: {(): counts[metric, ""]} for metric in alone},
        }

    async def _of_the_switch(self) -> tuple[Values, Values]:
        """Flows by stage and drops by reason; nothing while the switch is away."""
        switch = self._parts.switch
        try:
            sizes, dropping = await switch.sizes(), await switch.observed(int(DROP))
        except SwitchAway:
            return {}, {}
        stages: Values = {(name,): sizes.get(int(stage), 0) for name, stage in STAGES.items()}
        packets = {one.flow.match[0][1]: one.packets for one in dropping if rule_of(one.flow.cookie) == "count_reason"}
        packets[Reason.TOO_BIG] = self._parts.answerer.heard[PuntKind.TOO_BIG]
        return stages, {(reason.label,): packets[int(reason)] for reason in Reason if int(reason) in packets}


def _family(metric: Metric, values: Values) -> Family:
    kind = CounterMetricFamily if metric.type is Type.counter else GaugeMetricFamily
    family: Family = kind(metric.name, metric.means, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)  # type: ignore[attr-defined]
    return family


def _histogram(metric: Metric, histogram: Histogram) -> Family:
    names = [*map(str, BUCKETS), "+Inf"]
    family = HistogramMetricFamily(metric.name, metric.means)
    family.add_metric((), list(zip(names, map(float, accumulate(histogram.counts)), strict=True)), histogram.total)
    return family


def endpoint(text: str) -> tuple[str, int]:
    """HOST:PORT. Raises InvalidInput."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidInput(f"{text!r} is no address to listen at", where="metrics_address", advice="as 127.0.0.1:9273")
    return host.strip("[]"), int(port)


@asynccontextmanager
async def serving(text: str, parts: Parts) -> AsyncIterator[None]:
    """Answer scrapes at HOST:PORT meanwhile. Raises InvalidInput, or Conflict when the port is taken."""
    host, port = endpoint(text)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Exporter(parts))
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        what = f"metrics cannot be served there: {error.strerror or error}"
        raise Conflict(what, where=text, advice="choose another --metrics-address, or leave it out") from None
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
