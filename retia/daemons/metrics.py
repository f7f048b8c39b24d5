"""What an agent counts and measures, declared once: the exporter, `docs/metrics.md` and the dashboard's test read it.

The loop counts into a `Tally` as it works: plain numbers, a microsecond a batch, whether anyone scrapes or not. What
is a state (connections, revisions, flows) is read when asked: `daemons/exporter.py`. Never opens a socket.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Type(StrEnum):
    counter = "counter"
    gauge = "gauge"
    histogram = "histogram"


class Metric(NamedTuple):
    name: str
    type: Type
    means: str
    labels: tuple[str, ...] = ()


BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds. A change takes some milliseconds; what takes more than a second is a load or a fault."""

INFO = Metric("retia_agent_info", Type.gauge, "Always 1; says which agent this is.", ("host", "version"))
CONNECTED = Metric("retia_connected", Type.gauge, "1 while the agent is connected to this part, else 0.", ("part",))
CONNECTIONS_LOST = Metric("retia_connections_lost_total", Type.counter, "Connections that ended.", ("part",))
REVISION_SEEN = Metric("retia_revision_seen", Type.gauge, "The store's newest revision that reached the agent.")
REVISION_APPLIED = Metric("retia_revision_applied", Type.gauge, "The store's newest revision whose flows were sent.")
CHANGE = Metric(
    "retia_change_seconds",
    Type.histogram,
    "From the arrival of a change of the store to its flows confirmed by Open vSwitch; changes without flows here and "
    "first loads are not counted.",
)
COMPILE = Metric("retia_compile_seconds", Type.histogram, "What the rules took for one batch.")
BATCHES = Metric("retia_batches_total", Type.counter, "Batches of changes taken from the queue.")
RECORDS = Metric("retia_record_changes_total", Type.counter, "Records of the store that came, changed or went.")
SNAPSHOTS = Metric("retia_snapshots_total", Type.counter, "Whole reads of the store: one at the start, one a break.")
WANT = Metric(
    "retia_want_seconds",
    Type.histogram,
    "On an on-demand host, from the first packet for a destination to its flows confirmed by Open vSwitch.",
)
WANTS = Metric("retia_wants", Type.gauge, "Ports of other hosts that an on-demand host has flows for.")
WANT_EVENTS = Metric(
    "retia_want_events_total",
    Type.counter,
    "Destinations that an on-demand host looked up, those unknown to the store, those no packet was for any more "
    "(aged out), and those that others crowded out.",
    ("event",),
)
FLOWS_WANTED = Metric("retia_flows_wanted", Type.gauge, "Flows the rules ask for on this host.")
FLOWS = Metric("retia_flows", Type.gauge, "Flows Open vSwitch has, by stage of the pipeline.", ("stage",))
FLOW_CHANGES = Metric("retia_flow_changes_total", Type.counter, "Flows put and deleted after the load.", ("change",))
FOREIGN = Metric("retia_foreign_flows_total", Type.counter, "Flows that someone else changed, and that were put right.")
REFUSALS = Metric("retia_flow_refusals_total", Type.counter, "Times Open vSwitch refused a flow.")
REFUSED = Metric("retia_flows_refused", Type.gauge, "Flows that Open vSwitch does not take now.")
CONFLICTS = Metric("retia_conflicts", Type.gauge, "Matches on which rules disagree now: a fault of the rules.")
PROBLEMS = Metric("retia_problems", Type.gauge, "Problems of this host now, as in `retia status`.", ("about",))
BINDINGS = Metric("retia_bindings", Type.gauge, "Ports that live on this host.")
CLAIMS = Metric("retia_claims", Type.gauge, "Ports that an interface of this host names.")
PEERS = Metric("retia_peers", Type.gauge, "Hosts that this one has tunnels to.")
DROPS = Metric("retia_packets_dropped_total", Type.counter, "Packets dropped on this host, by reason.", ("reason",))
ANSWERS = Metric("retia_answers_total", Type.counter, "Packets that routers here answered, by what for.", ("kind",))
NEIGHBOURS = Metric(
    "retia_neighbours", Type.gauge, "Physical neighbours of routers here: asked, known, failed.", ("standing",)
)
WAITING = Metric("retia_packets_waiting", Type.gauge, "Packets that wait for a physical neighbour's answer now.")
NEIGHBOUR_EVENTS = Metric(
    "retia_neighbour_events_total",
    Type.counter,
    "Packets held for a physical neighbour; neighbours given up, aged out, and crowded out by too many others.",
    ("event",),
)
ZONES = Metric("retia_zones", Type.gauge, "Zones of connection tracking that routers here use: two for each with NAT.")
REACHED = Metric("retia_watched_tunnels", Type.gauge, "Tunnels watched by BFD from here, by how they are.", ("state",))
ANNOUNCEMENTS = Metric("retia_announcements_total", Type.counter, "Gratuitous ARP sent to the physical network.")
LOGGED = Metric("retia_log_messages_total", Type.counter, "Messages logged, of warning and worse.", ("level",))

METRICS: tuple[Metric, ...] = tuple(one for one in list(globals().values()) if isinstance(one, Metric))
"""All of them, in this order."""

OF_THE_PROCESS = (
    Metric("process_cpu_seconds_total", Type.counter, "Processor time the agent has used."),
    Metric("process_resident_memory_bytes", Type.gauge, "Memory the agent has now."),
    Metric("process_virtual_memory_bytes", Type.gauge, "Address space the agent has now."),
    Metric("process_start_time_seconds", Type.gauge, "When the agent started: a change is a restart."),
    Metric("process_open_fds", Type.gauge, "Files and sockets the agent has open."),
    Metric("process_max_fds", Type.gauge, "How many it may have open."),
)
"""From prometheus-client itself."""

PARTS = ("store", "openflow", "ovsdb")


@dataclass
class Histogram:
    """How many fell into each bucket, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Tally:
    """What the agent's loop counts as it goes."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[Metric, str]] = Counter()
        self.histograms = {CHANGE: Histogram(), COMPILE: Histogram(), WANT: Histogram()}
        self.database = False

    def count(self, metric: Metric, number: int = 1, label: str = "") -> None:
        self.counts[metric, label] += number

    def since(self, metric: Metric, moment: float) -> None:
        """`moment`: of `time.monotonic`."""
        self.histograms[metric].add(time.monotonic() - moment)


def page() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "An agent with `metrics_address` set (as in `127.0.0.1:9273`) answers Prometheus at `http://ADDRESS/metrics`.",
        "Off by default. There is no password: give it a loopback or management address, never one that guests reach.",
        "A scrape costs some milliseconds however many flows there are: tables are counted by Open vSwitch itself, and",
        "only the flows of the DROP stage are read. Packets by rule and port: `retia flows`.",
        "",
        "A dashboard for Grafana lies in `deploy/grafana/retia.json`: import it and choose the data source.",
        "",
        "| name | type | labels | what it is |",
        "|---|---|---|---|",
    ]
    for one in (*METRICS, *OF_THE_PROCESS):
        lines.append(f"| `{one.name}` | {one.type} | {', '.join(one.labels)} | {one.means} |")
    return "\n".join(lines) + "\n"
