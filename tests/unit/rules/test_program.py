"""What a user of the engine relies on, one claim a test."""

from __future__ import annotations

import pytest

from retia.rules import (
    COL,
    KEY,
    NOTE,
    NOTE_RULE,
    EvaluationError,
    Program,
    Relation,
    RowError,
    Rule,
    RuleError,
    collect,
    count,
    fn,
    highest,
    lowest,
    rule,
)


class Port(Relation):
    "A port of a switch."

    name: str = KEY
    switch: str = COL


class Down(Relation):
    name: str = KEY


class Link(Relation):
    one: str = KEY
    two: str = KEY


class Metric(Relation):
    route: str = KEY
    prefix: str = COL
    metric: int = COL


class Up(Relation):
    name: str = COL
    switch: str = COL


class Reach(Relation):
    switch: str = COL


class Best(Relation):
    prefix: str = COL
    metric: int = COL


class Worst(Relation):
    prefix: str = COL
    metric: int = COL


class Size(Relation):
    switch: str = COL
    ports: int = COL


class Members(Relation):
    switch: str = COL
    ports: tuple[str, ...] = COL


class Flow(Relation):
    table: str = KEY
    match: str = KEY
    action: str = COL
    origin: str = NOTE
    rule: str = NOTE_RULE


@rule
def up(p: str, s: str) -> Rule:
    "A port is up unless it is down."
    return Up(p, s) <= [Port(p, s), ~Down(p)]


@rule
def reach_start(s: str) -> Rule:
    "A switch with a port that is up is reached."
    return Reach(s) <= [Up(switch=s)]


@rule
def reach_on(s: str, t: str) -> Rule:
    "So is a switch linked to it."
    return Reach(t) <= [Reach(s), Link(s, t)]


@rule
def best(x: str, m: int) -> Rule:
    "The lowest metric."
    return Best(x, lowest(m)) <= [Metric(prefix=x, metric=m)]


@rule
def worst(x: str, m: int) -> Rule:
    "The highest metric."
    return Worst(x, highest(m)) <= [Metric(prefix=x, metric=m)]


@rule
def size(s: str, p: str) -> Rule:
    "How many ports."
    return Size(s, count(p)) <= [Port(p, s)]


@rule
def members(s: str, p: str) -> Rule:
    "Which ports."
    return Members(s, collect(p)) <= [Port(p, s)]


def program() -> Program:
    outputs = [Up, Reach, Best, Worst, Size, Members]
    return Program([up, reach_start, reach_on, best, worst, size, members], outputs=outputs)


def signed(change) -> list[str]:
    return sorted(("+" if sign > 0 else "-") + repr(row) for sign, row in change)


def test_a_put_replaces_the_row_with_its_key():
    net = program()
    net.transact(put=[Port("a", "web")])
    assert signed(net.transact(put=[Port("a", "db")]))[:2] == [
        "+Members(switch='db', ports=('a',))",
        "+Reach(switch='db')",
    ]
    assert net.lookup(Port, "a") == Port("a", "db")


def test_what_is_so_already_changes_nothing():
    net = program()
    net.transact(put=[Port("a", "web")])
    assert not net.transact(put=[Port("a", "web")], drop=[Port("b")])


def test_drops_come_before_puts_in_a_batch():
    net = program()
    net.transact(put=[Port("a", "web")])
    assert not net.transact(put=[Port("a", "web")], drop=[Port("a")])


def test_negation_takes_back_and_gives_again():
    net = program()
    net.transact(put=[Port("a", "web")])
    assert signed(net.transact(put=[Down("a")])) == ["-Reach(switch='web')", "-Up(name='a', switch='web')"]
    assert signed(net.transact(drop=[Down("a")])) == ["+Reach(switch='web')", "+Up(name='a', switch='web')"]


def test_recursion_ends_on_cycles_and_lets_go():
    net = program()
    net.transact(put=[Port("a", "s1"), Link("s1", "s2"), Link("s2", "s3"), Link("s3", "s1")])
    assert {row.switch for row in net.rows(Reach)} == {"s1", "s2", "s3"}
    net.transact(drop=[Port("a")])
    assert not list(net.rows(Reach)), "a cycle does not hold itself up"


def test_aggregates_follow_their_group():
    net = program()
    net.transact(put=[Metric("r1", "p", 10), Metric("r2", "p", 5), Port("a", "web"), Port("b", "web")])
    assert net.find(Best) == [Best("p", 5)] and net.find(Worst) == [Worst("p", 10)]
    assert net.find(Size) == [Size("web", 2)] and net.find(Members) == [Members("web", ("a", "b"))]
    net.transact(drop=[Metric("r2"), Port("b")])
    assert net.find(Best) == [Best("p", 10)] and net.find(Size) == [Size("web", 1)]


def test_a_group_may_lose_its_best_two_at_once():
    net = program()
    net.transact(put=[Metric(f"r{n}", "p", n) for n in range(5)])
    net.transact(drop=[Metric(f"r{n}") for n in (0, 1, 3, 4)])
    assert net.find(Best) == [Best("p", 2)] and net.find(Worst) == [Worst("p", 2)]


def test_a_large_group_costs_its_logarithm():
    net = program()
    net.transact(put=[Metric(f"r{n}", "p", n) for n in range(20_000)])
    for n in range(2_000):
        net.transact(drop=[Metric(f"r{n}")])
    assert net.find(Best) == [Best("p", 2_000)]


class Wish(Relation):
    name: str = KEY
    match: str = COL
    action: str = COL


class Order(Relation):
    name: str = KEY
    match: str = COL
    action: str = COL


@rule
def ordered(n: str, m: str, a: str) -> Rule:
    "Orders come first."
    return Flow("t", m, a, origin=n) <= [Order(n, m, a)]


@rule
def wished(n: str, m: str, a: str) -> Rule:
    "Wishes come after."
    return Flow("t", m, a, origin=n) <= [Wish(n, m, a)]


def test_the_rule_declared_first_wins_and_a_loser_is_promoted():
    net = Program([ordered, wished], outputs=[Flow])
    net.transact(put=[Wish("w", "m", "drop")])
    change = net.transact(put=[Order("o", "m", "send")])
    assert [(old.action, new.action, new.rule) for old, new in change.of(Flow)] == [("drop", "send", "ordered")]
    (conflict,) = net.conflicts
    assert conflict.winner[2] == "send" and [loser[2] for loser in conflict.losers] == ["drop"]
    assert [new.action for _, new in net.transact(drop=[Order("o")]).of(Flow)] == ["drop"]
    assert net.conflicts == []


def test_rows_that_differ_only_in_notes_are_no_conflict():
    net = Program([ordered, wished], outputs=[Flow])
    net.transact(put=[Order("o", "m", "send"), Wish("w", "m", "send")])
    assert net.conflicts == [] and [row.rule for row in net.rows(Flow)] == ["ordered"]
    assert [new.rule for _, new in net.transact(drop=[Order("o")]).of(Flow)] == ["wished"]


def test_winners_do_not_depend_on_arrival():
    rows = [Wish("a", "m", "x"), Wish("b", "m", "y"), Wish("c", "m", "z")]
    winners = set()
    for order in (rows, rows[::-1], rows[1:] + rows[:1]):
        net = Program([ordered, wished], outputs=[Flow])
        for row in order:
            net.transact(put=[row])
        winners.add(next(iter(net.rows(Flow))).action)
    assert winners == {"x"}


def test_why_ends_at_given_rows_and_why_not_names_the_first_gap():
    net = program()
    net.transact(put=[Port("a", "s1"), Link("s1", "s2")])
    tree = net.why(Reach("s2"))
    assert {(leaf.relation, leaf.row) for leaf in tree.leaves()} == {("Port", ("a", "s1")), ("Link", ("s1", "s2"))}
    assert "reach_on: So is a switch linked to it." in str(tree) and "no Down(name='a')" in str(tree)
    assert net.why(Reach("s3")) is None
    net.transact(put=[Down("a")])
    assert "no Down('a')" in str(net.why_not(Up("a", "s1"))[0])


def test_why_of_an_aggregate_shows_what_decided():
    net = program()
    net.transact(put=[Metric("r1", "p", 10), Metric("r2", "p", 5)])
    assert [leaf.row for leaf in net.why(Best("p", 5)).leaves()] == [("r2", "p", 5)]


class Number(Relation):
    value: int = KEY


class Inverse(Relation):
    value: int = COL
    inverse: float = COL


@fn
def invert(value: int) -> float:
    return 1 / value


@rule
def inverted(n: int) -> Rule:
    "One over the number."
    return Inverse(n, invert(n)) <= [Number(n)]


def test_a_function_that_raises_undoes_the_batch():
    net = Program([inverted], outputs=[Inverse])
    net.transact(put=[Number(2)])
    with pytest.raises(EvaluationError, match="ZeroDivisionError"):
        net.transact(put=[Number(4), Number(0)], drop=[Number(2)])
    assert {row.value for row in net.rows(Inverse)} == {2} and net.lookup(Number, 4) is None
    assert len(net.transact(put=[Number(4)]).of(Inverse)) == 1


def test_lint_names_cross_products_and_useless_rules():
    @rule
    def pairs(p: str, q: str) -> Rule:
        "Every pair."
        return Link(p, q) <= [Down(p), Number(q)]  # type: ignore[arg-type]

    findings = [str(one) for one in Program([up, pairs], outputs=[Up]).lint()]
    assert any("share no variable" in one for one in findings) and any(
        "no output needs Link" in one for one in findings
    )
    assert program().lint() == []


def test_a_relation_may_stand_four_times_in_a_body():
    @rule
    def walk(a: str, b: str, c: str, d: str, e: str) -> Rule:
        "Four steps."
        return Up(a, e) <= [Link(a, b), Link(b, c), Link(c, d), Link(d, e)]

    net = Program([walk], outputs=[Up])
    for n in range(5):
        net.transact(put=[Link(str(n), str(n + 1))])
    assert {row.row for row in net.rows(Up)} == {("0", "4"), ("1", "5")}
    net.transact(drop=[Link("4", "5")])
    assert {row.row for row in net.rows(Up)} == {("0", "4")}


WRONG = {
    "unbound-head": lambda p: Up(p, Var("s")) <= [Down(p)],
    "unbound-guard": lambda p: Up(p, p) <= [Down(p), p != Var("z")],
    "unbound-negation": lambda p: Up(p, p) <= [Port(p), ~Link(Var("y"), p)],
    "missing-head-column": lambda p: Up(p) <= [Port(p)],
    "wrong-constant": lambda p: Up(p, 7) <= [Port(p)],
    "none": lambda p: Up(p, None) <= [Port(p)],
    "no-condition": lambda p: Up(p, "x") <= [Port(p), 3],
    "negation-cycle": lambda p: Up(p, "x") <= [Port(p), ~Up(p, "x")],
    "aggregate-in-body": lambda p: Up(p, "x") <= [Port(lowest(p))],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_names_itself_and_its_line(name: str):
    made = WRONG[name](Var("p"))
    made.name, made.where = "wrong", "net.py:12"
    with pytest.raises(RuleError, match=r"net\.py:12: rule wrong"):
        Program([made], outputs=[Up])


def test_a_misspelt_column_gets_a_suggestion():
    with pytest.raises(RuleError, match="did you mean switch"):

        @rule
        def misspelt(p: str) -> Rule:
            return Up(p, p) <= [Port(p, swich=p)]  # type: ignore[call-arg]


def test_a_column_may_not_hide_what_every_relation_has():
    with pytest.raises(RuleError, match="may not be called row"):
        type("Bad", (Relation,), {"row": COL, "__annotations__": {"row": str}})


@pytest.mark.parametrize("row", [Port("a"), Up("a", "b"), Link("a", None)], ids=["incomplete", "derived", "none"])
def test_a_wrong_row_is_refused(row: Relation):
    with pytest.raises(RowError):
        program().transact(put=[row])


from retia.rules.language import Var  # noqa: E402 - placeholders, for rules no one should write
