"""A lab that cannot fail shows nothing: every kind of step and condition, expecting what is not so, must say so."""

from __future__ import annotations

from pathlib import Path

from retia.lab import commands

TRUE = """
  - {id: true-ping, ping: {from: a, to: b}}
  - {id: true-run, run: {in: hv1, command: ovs-vsctl br-exists br-int}}
"""
FALSE = """
  - {id: ping-answered, ping: {from: a, to: b, expect: silence}}
  - {id: ping-silent, ping: {from: a, to: 10.0.0.99}}
  - {id: ping-ttl, ping: {from: a, to: b, reply-ttl: 63}}
  - {id: frame-lost, frame: {from: a, to-mac: 02:00:00:00:99:99, received: {b: same}}}
  - {id: frame-heard, frame: {from: a, to-mac: b}}
  - {id: frame-changed, frame: {from: a, to-mac: b, ip: b, received: {b: {ttl: 63}}}}
  - {id: arp-answered, arp: {from: a, asks: b, expect: silence}}
  - {id: arp-silent, arp: {from: a, asks: 10.0.0.99, answer: b}}
  - {id: arp-other, arp: {from: a, asks: b, answer: a}}
  - {id: tcp-nowhere, do: [{unplug: b}, {tcp: {from: a, to: b, limit: 1}}]}
  - {id: pinging-lost, wait: 0.1, pinging: {from: a, to: 10.0.0.99}}
  - {id: plug, plug: b, drops: {hv1: {ttl-expired: 1}}}
  - {id: tunnel-none, ping: {from: a, to: b}, tunnel: {hv1: 0}, within: 1}
  - {id: tunnel-some, wait: 0, tunnel: {hv1: 1+}}
  - {id: pinging-lossy, do: [{unplug: b}, {wait: 0.5}, {plug: b}], pinging: {from: a, to: b}}
  - {id: not-refused, apply: {network: {switches: {more: {}}}, refused: nonsense}}
  - {id: refused, apply: {network: {routers: {r1: {ports: {p: {switch: nowhere}}}}}}}
  - {id: flows-touched, run: {in: hv1, command: ovs-ofctl del-flows br-int}, flows: untouched}
  - {id: flows-not-kept, run: {in: hv1, command: ovs-ofctl del-flows br-int}, flows: kept}
  - {id: ports-not-kept, remove-tunnel: hv1, ports: kept}
  - {id: store-touched, apply: {network: {switches: {another: {}}}}, store: untouched}
  - {id: run-exit, run: {in: a, command: 'true', exit: 1}}
  - {id: run-prints, run: {in: a, command: echo hello, prints: bye}}
  - {id: no-such-object, withdraw: port web/nobody}
  - {id: flows-gone, withdraw: port web/b, flows: same}
  - {id: true-restored, do: [{restore: {}}, {ping: {from: a, to: b}, within: 3}]}
  - {id: tunnel-not-back, do: [{stop-agent: hv2}, {remove-tunnel: {host: hv2, mended: 0.2}}]}
  - {id: flow-not-gone, add-flow: {host: hv2, stage: LOOKUP, flow: 'priority=7,actions=drop', mended: 0.2}}
  - {id: flows-not-mended, remove-flows: {host: hv2, mended: 0.2}}
  - {id: switch-runs, start-switch: hv1}
  - {id: database-runs, start-database: hv1}
  - {id: database-off, do: [{stop-database: hv1}, {stop-database: hv1}]}
  - {id: database-on, do: [{start-database: hv1}, {wait: 0.5}, {run: {in: hv1, command: 'false'}}]}
  - id: pinging-unexcused
    do: [{stop-switch: {host: hv1, how: kill}}, {wait: 0.3}, {start-switch: hv1}]
    pinging: {from: a, to: b, every: 0.05, lost-at-most: 2}
  - id: pinging-long-unexcused
    do: [{unplug: b}, {wait: 0.3}, {plug: b}]
    pinging: {from: a, to: b, every: 0.05, excuse: 0}
  - {id: bridge-not-back, remove-bridge: {host: hv2, mended: 0.2}}
  - {id: no-agent-after-boot, do: [{boot: hv2}, {start-agent: hv2}]}
"""
LAB = f"""
lab: honesty
hosts: [hv1, hv2]
guests: {{a: {{host: hv1, port: web/a}}, b: {{host: hv2, port: web/b}}}}
network:
  switches: {{web: {{subnets: {{web4: {{cidr: 10.0.0.0/24}}}}, ports: {{a: {{}}, b: {{}}}}}}}}
checks:{TRUE}{FALSE}"""


def test_what_is_not_so_fails(tmp_path: Path) -> None:
    file = tmp_path / "honesty.yaml"
    file.write_text(LAB)
    result = commands.check(file)
    assert not result.ok
    assert {step.id for step in result.steps if step.ok} == {"true-ping", "true-run", "true-restored"}
    assert all(step.error for step in result.steps if not step.ok)
