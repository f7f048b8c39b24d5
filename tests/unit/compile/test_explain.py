"""A flow's reasons end at the user's objects, whether one asks by a dumped line or by its cookie alone."""

from __future__ import annotations

import pytest

from retia.compile.compiler import Compiler
from retia.compile.cookies import RULE_NUMBERS, cookie, is_for, rule_of
from retia.compile.explain import Labels, rule_and_origin, why_flow
from retia.compile.program import RULES, program
from retia.compile.reasons import Reason
from retia.errors import InvalidInput, NotFound
from retia.flows.text import show_flow
from retia.model.kinds import Switch
from retia.pipeline.generation import GENERATION
from retia.pipeline.stages import STAGES
from tests.unit.compile.base import THINGS, Lab, port


def test_a_remote_delivery_ends_at_the_objects() -> None:
    lab = Lab()
    flow = lab.flows("LOOKUP", "web2")[0]
    story = why_flow(lab.compiler, lab.things, show_flow(flow))
    assert (story.stage, story.rule, story.origin) == ("LOOKUP", "lookup_port", "port web/web2 (made by hand)")
    for part in ("PortFact(id=port web/web2", "BindingFact(port=port web/web2, host=h1)   (given)", "Tunnel(host=h1"):
        assert part in story.text
    assert why_flow(lab.compiler, lab.things, f"{flow.cookie:#x}").rule == "lookup_port"


def test_every_flow_can_be_explained() -> None:
    lab = Lab()
    for flow in lab.compiler.flows.values():
        by_line = why_flow(lab.compiler, lab.things, show_flow(flow))
        assert by_line.doc and by_line.text.count("(given)") + by_line.text.count("no ") >= 1
        assert rule_of(flow.cookie) == by_line.rule
        assert rule_and_origin(lab.compiler, Labels(lab.things), flow)[0] == by_line.rule


@pytest.mark.parametrize("asked", ["web1", "", "priority=7", "table=0 actions=frobnicate", "table=0,actions=drop(1"])
def test_what_is_no_flow(asked: str) -> None:
    with pytest.raises(InvalidInput):
        why_flow(Lab().compiler, {}, asked)


@pytest.mark.parametrize("asked", ["0x0", "0x1234567812345678", "cookie=0x0, table=3, priority=1 actions=drop"])
def test_a_flow_that_is_not_ours(asked: str) -> None:
    with pytest.raises(NotFound):
        why_flow(Lab().compiler, {}, asked)


def test_labels() -> None:
    document = Switch(id="s", name="web", project="acme", document="demo", key=5)
    labels = Labels({("switch", "s"): document, ("port", "p"): port("p", "s", 3)})
    assert labels.full("s") == "switch acme:web (document demo)"
    assert labels.full("p") == "port acme:web/p (made by hand)"
    assert labels.full("hv1") == "host hv1" and labels.label("hv1") == "hv1"


def test_cookies_are_stable_and_decode() -> None:
    one, other = Lab(), Lab(THINGS[::-1])
    assert {key: flow.cookie for key, flow in one.compiler.flows.items()} == {
        key: flow.cookie for key, flow in other.compiler.flows.items()
    }
    number = cookie("lookup_port", "web1")
    assert number >> 64 == 0 and number >> 56 == GENERATION and number >> 32 & 255 == 0
    assert rule_of(number) == "lookup_port" and is_for(number, "web1") and not is_for(number, "web2")
    assert not rule_of(number ^ 1 << 56) and not rule_of(0)
    assert len(set(RULE_NUMBERS.values())) == len(RULES) and 0 not in RULE_NUMBERS.values()


def test_the_program_is_clean() -> None:
    """No cross product, no rule that nothing needs, and a sentence for each."""
    assert not program().lint()


def test_every_reason_is_counted() -> None:
    flows = Lab().flows("DROP", rule="count_reason")
    assert len(flows) == len(Reason) and all(reason.doc.endswith(".") for reason in Reason)
    compiler = Compiler("x")
    assert sum(flow.table == STAGES["DROP"] for flow in compiler.flows.values()) == len(Reason) + 1
