"""Small breaks of the product, each with the named test that must notice it: `make mutants`.

A break that no test notices is a missing test. `make test` only checks that every break still fits the code.
"""

from __future__ import annotations

from tests.mutants import agent, agreement, engine, gateways, graph, network, on_demand, pipeline, store, sync, trace

AREAS = (engine, network, gateways, on_demand, pipeline, store, sync, agreement, agent, graph, trace)
MUTANTS = [mutant for area in AREAS for mutant in area.MUTANTS]
