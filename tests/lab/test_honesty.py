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
  - {id: true-trace, trace: {from: a, to: b, hosts: [hv1, hv2], back: [hv2, hv1], deliver: true}}
  - {id: trace-hosts, trace: {from: a, to: b, hosts: hv1}}
  - {id: trace-back, trace: {from: a, to: b, back: [hv1, hv2]}}
  - {id: trace-ends, trace: {from: a, to: b, ends: left}}
  - {id: trace-unanswered, trace: {from: a, to: b, arp: true, back: hv1}}
  - {id: true-trace-dropped, trace: {from: a, to: 10.0.0.99, ends: dropped, reason: arp-unknown, object: switch web}}
  - {id: trace-reason, trace: {from: a, to: 10.0.0.99, ends: dropped, reason: no-route}}
  - {id: trace-stage, trace: {from: a, to: 10.0.0.99, ends: dropped, stage: LOOKUP}}
  - {id: trace-object, trace: {from: a, to: 10.0.0.99, ends: dropped, object: port web/b}}
  - {id: trace-says, trace: {from: a, to: 10.0.0.99, ends: dropped, says: port b is down}}
  - {id: trace-lines, trace: {from: a, to: b, lines: 'type:LS,pipeline:web,from:a,to:b,stage:ADMIT,chassis:hv1'}}
  - {id: trace-reported, trace: {from: a, to: b, ends: unreported}}
  - {id: tcp-nowhere, do: [{unplug: b}, {tcp: {from: a, to: b, limit: 1}}]}
  - {id: pinging-lost, wait: 0.1, pinging: {from: a, to: 10.0.0.99}}
  - {id: plug, plug: b, drops: {hv1: {ttl-expired: 1}}}
  - {id: tunnel-none, ping: {from: a, to: b}, tunnel: {hv1: 0}, within: 1}
  - {id: tunnel-some, wait: 0, tunnel: {hv1: 1+}}
  - {id: pinging-lossy, do: [{unplug: b}, {wait: 0.5}, {plug: b}], pinging: {from: a, to: b}}
  - {id: ping-at-another, ping: {from: a, to: b, at: a}}
  - {id: ping-seen-else, ping: {from: world, to: gw, sees: 203.0.113.9}}
  - {id: ping-far, ping: {from: world, to: 192.0.2.99}}
  - {id: frame-outside, frame: {from: world, to-mac: gw, received: {a: same}}}
  - {id: download-nowhere, download: {from: a, to: world, limit: 1}}
  - {id: download-seen-else, download: {from: gw, to: world, sees: 203.0.113.9}}
  - {id: download-other-port, download: {from: gw, to: world, at: '203.0.113.1:81', limit: 1}}
  - {id: udp-nowhere, udp: {from: a, to: world}}
  - {id: udp-seen-else, udp: {from: gw, to: world, sees: 203.0.113.9}}
  - {id: spread-nothing, spread: {from: gw, to: world, flows: 20, over: {hv1: 100}}}
  - {id: spread-too-little, spread: {from: gw, to: world, flows: 20, over: {hv1: 50-100}, lost-at-most: 20}}
  - {id: spread-by-another, spread: {from: a, to: b, flows: 20, via: {world: 1-100}}}
  - {id: true-spread, spread: {from: a, to: b, flows: 20, via: {a: 100}}}
  - {id: downloading-nowhere, wait: 0, downloading: {from: a, to: world}}
  - id: downloading-stalled
    do: [{isolate: hv2}, {wait: 0.6}, {join: hv2}]
    downloading: {from: a, to: b, stalled-at-most: 0.3, rate: 100000}
  - {id: collected-nothing, wait: 0, collects: {on: world, kind: ipfix}}
  - id: true-collected
    do:
      - run:
          in: hv1
          command: >-
            ovs-vsctl -- --id=@i create IPFIX 'targets="203.0.113.1:4739"' sampling=1 cache_active_timeout=1
            -- --id=@s create sFlow 'targets="203.0.113.1:6343"' sampling=1 agent=br-ex
            -- set bridge br-phys ipfix=@i sflow=@s
      - {ping: {from: a, to: b, count: 10}, within: 1, collects: {on: world, kind: sflow, count: 5+, within: 3}}
    collects: {on: world, kind: ipfix, count: 1+, within: 5}
  - {id: collected-too-much, ping: {from: a, to: b, count: 10}, collects: {on: world, kind: ipfix, count: 1, within: 2}}
  - {id: not-announced, announce: {from: world}, announced: {to: gw, address: world, mac: gw, within: 0.2}}
  - {id: true-announced, announce: {from: world}, announced: {to: gw, address: world, mac: world, count: 1}}
  - {id: frame-from-another, frame: {from: world, to-mac: gw, ip: gw, received: {gw: {source-ip: 203.0.113.9}}}}
  - {id: arrived-none, ping: {from: a, to: b}, arrived: {hv2: 0}, within: 3}
  - {id: arrived-more, wait: 0, arrived: {hv2: 1-2}}
  - {id: true-cut, do: [{ping: {from: a, to: b}, within: 10}, {cut: {between: [hv1, hv2]}}]}
  - {id: cut-off, ping: {from: a, to: b}}
  - {id: true-mended, do: [{mend: {between: [hv1, hv2]}}, {ping: {from: a, to: b}, within: 10}]}
  - {id: isolated, do: [{isolate: hv1}, {ping: {from: a, to: b}}]}
  - {id: true-joined, do: [{join: hv1}, {ping: {from: a, to: b}, within: 10}]}
  - id: segment-down
    do: [{isolate: {host: hv1, what: physical}}, {run: {in: hv1, command: ping -c 1 -W 1 203.0.113.1}}]
  - {id: killed, do: [{kill-host: hv2}, {ping: {from: a, to: b}}]}
  - {id: true-booted, do: [{boot: hv2}, {ping: {from: a, to: b}, within: 10}]}
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
  - {id: true-restored, do: [{restore: {}}, {ping: {from: a, to: b}, within: 10}]}
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
outside:
  world: {{segment: ext, address: 203.0.113.1/24, routes: {{192.0.2.0/24: 203.0.113.2}}}}
  gw: {{segments: {{ext: 203.0.113.2/24, far: 192.0.2.1/24}}}}
physical: {{hv1: {{br-ex: {{segment: ext, address: 203.0.113.11/24}}}}}}
network:
  switches: {{web: {{subnets: {{web4: {{cidr: 10.0.0.0/24}}}}, ports: {{a: {{}}, b: {{}}}}}}}}
checks:{TRUE}{FALSE}"""


def test_what_is_not_so_fails(tmp_path: Path) -> None:
    file = tmp_path / "honesty.yaml"
    file.write_text(LAB)
    result = commands.check(file)
    assert not result.ok
    true = {step.id for step in result.steps if step.ok}
    assert true == {step.id for step in result.steps if step.id.startswith("true-")}
    assert all(step.error for step in result.steps if not step.ok)
