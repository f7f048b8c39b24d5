"""What went wrong once, or would without an error: names, functions that raise, values that do not compare."""

from __future__ import annotations

from typing import Any, ClassVar

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


class Item(Relation):
    name: str = KEY
    kind: Any = COL
    size: Any = COL


class Pair(Relation):
    one: Any = COL
    two: Any = COL


class Chosen(Relation):
    key: str = KEY
    value: Any = COL
    note: str = NOTE
    rule: str = NOTE_RULE


@fn
def twice(value: int) -> int:
    return 2 * value


@fn
def half(value: int) -> float:
    return 10 / value


@fn
def nothing(value: int) -> Any:
    return None


def rows(net: Program, relation: type[Relation]) -> set[tuple[Any, ...]]:
    return {row.row for row in net.rows(relation)}


def state(net: Program) -> dict[str, Any]:
    """Everything the engine holds, so that an undone batch can be told from a half done one."""
    return {
        name: (
            dict(table.rows),
            {columns: {key: _bucket(value) for key, value in ix.items()} for columns, ix in table.indexes.items()},
            dict(table.stamps),
            table.aggregate and {key: set(group.values) for key, group in table.aggregate._groups.items()},
        )
        for name, table in net.engine.tables.items()
    }


def _bucket(value: Any) -> Any:
    return frozenset(value) if type(value) is set else frozenset([value])


def test_variables_may_be_called_like_builtins_and_like_generated_names():
    @rule
    def odd(type: str, set: int, k0: str, e1: int, rows_: int, x1_twice: int) -> Rule:
        "Names that generated code could use."
        return Pair(twice(set), x1_twice) <= [Item(type, k0, set), Item(type, k0, x1_twice), Item(k0, e1, rows_)]

    net = Program([odd], outputs=[Pair])
    net.transact(put=[Item("a", "b", 4), Item("b", "c", 7)])
    assert rows(net, Pair) == {(8, 4)}


def test_comparisons_are_guards():
    @rule
    def between(n: str, s: int) -> Rule:
        "Sizes between."
        return Pair(n, s) <= [Item(n, "x", s), s > 2, s <= 4, twice(s) != 6]

    net = Program([between], outputs=[Pair])
    net.transact(put=[Item(str(n), "x", n) for n in range(8)])
    assert rows(net, Pair) == {("4", 4)}


@pytest.mark.parametrize(
    "body",
    [
        lambda a, b: [Item(a, "x", b), a != "p" and b > 2],
        lambda a, b: [Item(a, "x", b), 1 < b < 3],
        lambda a, b: [Item(a, "x", b), b + 1],
        lambda a, b: [Item(a, "x", b, "too many")],
        lambda a, b: [Item(a, "x", b), a == "p"],
        lambda a, b: [Item(a, ("x", b), b)],
        lambda a, b: [Item(a, ["x"], b)],
        lambda a, b: [Item(a, "x", b), ~twice(b)],
    ],
)
def test_what_python_would_take_for_something_else_is_refused(body: Any):
    with pytest.raises(RuleError, match=r"test_hard_cases.py:\d+: rule mistaken"):

        @rule
        def mistaken(a: str, b: int) -> Rule:
            return Pair(a, b) <= body(a, b)

        Program([mistaken], outputs=[Pair])


def test_an_error_names_rule_place_and_values_and_the_batch_is_undone():
    @rule
    def halved(n: str, s: int) -> Rule:
        "Ten over it."
        return Pair(n, half(s)) <= [Item(n, "x", s)]

    net = Program([halved], outputs=[Pair])
    net.transact(put=[Item("a", "x", 5)])
    before = state(net)
    with pytest.raises(EvaluationError, match=r"test_hard_cases.py:\d+: rule halved, with n='b', s=0: ZeroDiv"):
        net.transact(put=[Item("c", "x", 1), Item("b", "x", 0)], drop=[Item("a")])
    assert state(net) == before
    assert [sign for sign, _ in net.transact(put=[Item("c", "x", 1)])] == [1]


def test_a_function_may_not_give_none():
    @rule
    def nulled(n: str, s: int) -> Rule:
        "None."
        return Pair(n, nothing(s)) <= [Item(n, "x", s)]

    net = Program([nulled], outputs=[Pair])
    with pytest.raises(EvaluationError, match=r"nothing\(s\) gave None"):
        net.transact(put=[Item("b", "x", 0)])
    assert not rows(net, Item)


@pytest.mark.parametrize("aggregate", [lowest, highest, collect])
def test_values_that_do_not_compare_undo_the_batch(aggregate: Any):
    @rule
    def grouped(k: str, s: int) -> Rule:
        "By kind."
        return Pair(k, aggregate(s)) <= [Item(kind=k, size=s)]

    net = Program([grouped], outputs=[Pair])
    net.transact(put=[Item("a", "k", 3), Item("b", "k", 5), Item("z", "other", 1)])
    before = state(net)
    with pytest.raises(EvaluationError, match=r"in Pair: values of one group do not compare"):
        net.transact(put=[Item("c", "k", "text"), Item("d", "new", 1), Item("e", "k", 1)], drop=[Item("a")])
    assert state(net) == before
    net.transact(put=[Item("e", "k", 4)], drop=[Item("b")])
    wanted = {lowest: 3, highest: 4, collect: (3, 4)}[aggregate]
    assert ("k", wanted) in rows(net, Pair)


@pytest.mark.parametrize("aggregate", [lowest, highest])
def test_a_flapping_value_does_not_fill_the_heap(aggregate: Any):
    @rule
    def grouped(k: str, s: int) -> Rule:
        "By kind."
        return Pair(k, aggregate(s)) <= [Item(kind=k, size=s)]

    net = Program([grouped], outputs=[Pair])
    net.transact(put=[Item("a", "k", 1), Item("b", "k", 9)])
    for _ in range(1000):
        net.transact(put=[Item("f", "k", 5)])
        net.transact(drop=[Item("f")])
    (group,) = net.engine.tables["Pair"].aggregate._groups.values()
    assert len(group.heap) < 100
    assert rows(net, Pair) == {("k", 1 if aggregate is lowest else 9)}


@rule
def first(n: str, s: str) -> Rule:
    "Small ones."
    return Chosen("k", s, note=n) <= [Item(n, "first", s)]


@rule
def second(n: str, s: str) -> Rule:
    "Large ones."
    return Chosen("k", s, note=n) <= [Item(n, "second", s)]


def test_a_change_tells_of_conflicts_that_come_and_go():
    net = Program([first, second], outputs=[Chosen])
    net.transact(put=[Item("a", "second", 1)])
    change = net.transact(put=[Item("b", "first", 2)])
    (conflict,) = change.conflicts
    assert conflict.winner == ("k", 2, "b", "first") and conflict.losers == (("k", 1, "a", "second"),)
    assert not change.resolved and net.conflicts == [conflict]
    lost = net.transact(put=[Item("c", "second", 2)])
    assert not lost and not lost.conflicts, "a rival that agrees changes nothing"
    change = net.transact(drop=[Item("a")])
    assert change.resolved == [conflict] and not change.conflicts and not net.conflicts
    assert [(old.rule, new.rule) for old, new in net.transact(drop=[Item("b")]).delta(Chosen)] == [("first", "second")]


def test_values_order_rivals_as_values():
    net = Program([first], outputs=[Chosen])
    net.transact(put=[Item("a", "first", 10), Item("b", "first", 9)])
    assert net.lookup(Chosen, "k") == Chosen("k", 9, "b", "first")
    assert net.find(Chosen) == [Chosen("k", 9, "b", "first")], "the loser is no row of the output"


def test_many_rivals_of_one_key_cost_their_number():
    net = Program([first], outputs=[Chosen])
    net.transact(put=[Item(str(n), "first", n) for n in range(20_000)])
    assert net.lookup(Chosen, "k") == Chosen("k", 0, "0", "first")
    assert len(net.conflicts[0].losers) == 19_999


def test_without_a_key_all_but_the_notes_is_the_key():
    class Noted(Relation):
        value: str = COL
        rule: str = NOTE_RULE

    @rule
    def one(n: str) -> Rule:
        "One."
        return Noted(n) <= [Item(n)]

    @rule
    def two(n: str) -> Rule:
        "Two."
        return Noted(n) <= [Item(n)]

    net = Program([one, two], outputs=[Noted])
    assert [repr(row) for _, row in net.transact(put=[Item("a", 1, 2)])] == ["Noted(value='a', rule='one')"]
    assert not net.conflicts


class Mac(int):
    def __repr__(self) -> str:
        return f"mac<{int(self)}>"


def test_constants_that_print_oddly_are_passed_by_reference():
    @rule
    def marked(n: str) -> Rule:
        "Marked."
        return Pair(n, Mac(7)) <= [Item(n, Mac(3), (Mac(4), b"x"))]

    net = Program([marked], outputs=[Pair])
    net.transact(put=[Item("a", Mac(3), (Mac(4), b"x")), Item("b", Mac(5), 1)])
    ((_, value),) = rows(net, Pair)
    assert value == 7 and type(value) is Mac


def test_two_rules_of_one_name_are_refused():
    def again() -> Rule:
        @rule
        def twin(n: str) -> Rule:
            "Twin."
            return Pair(n, n) <= [Item(n)]

        return twin

    with pytest.raises(RuleError, match="rule twin: there is another of that name"):
        Program([again(), again()], outputs=[Pair])


def test_an_aggregate_shares_its_relation_with_no_plain_rule():
    @rule
    def counted(k: str, n: str) -> Rule:
        "Counted."
        return Pair(k, count(n)) <= [Item(n, k)]

    @rule
    def plain(n: str) -> Rule:
        "Plain."
        return Pair(n, 1) <= [Item(n)]

    for rules in ([counted, plain], [plain, counted]):
        with pytest.raises(RuleError, match=r"test_hard_cases.py:\d+: rule .*Pair is aggregated"):
            Program(rules, outputs=[Pair])


def test_a_cycle_through_an_aggregate_names_its_rule():
    @rule
    def cyclic(k: str, n: str) -> Rule:
        "Cyclic."
        return Pair(k, count(n)) <= [Pair(k, n)]

    with pytest.raises(RuleError, match=r"test_hard_cases.py:\d+: rule cyclic: not stratified"):
        Program([cyclic], outputs=[Pair])


def bare() -> None:
    class Bare(Relation):
        name: str


def reserved() -> None:
    class Reserved(Relation):
        columns: str = KEY  # type: ignore[assignment, misc]


def extended() -> None:
    class Extended(Item):
        more: str = COL


def only_notes() -> None:
    class OnlyNotes(Relation):
        note: str = NOTE


@pytest.mark.parametrize("declare", [bare, reserved, extended, only_notes])
def test_a_wrong_relation_names_its_place(declare: Any):
    with pytest.raises(RuleError, match=rf"(?i)test_hard_cases.py:\d+: .*{declare.__name__.replace('_', '')}"):
        declare()


def test_class_variables_are_no_columns():
    class Marked(Relation):
        limit: ClassVar[int] = 3
        name: str = KEY

    assert Marked.columns == ("name",)


def test_a_namesake_is_another_relation():
    here = Item

    def namesake() -> Relation:
        class Item(Relation):
            name: str = KEY
            kind: str = COL
            size: str = COL

        return Item("a", "first", "1")

    net = Program([first], outputs=[Chosen])
    with pytest.raises(RowError, match="stands in no rule"):
        net.transact(put=[namesake()])
    assert here.__name__ == "Item" and not net.find(here)


@pytest.mark.parametrize(
    "batch",
    [{"put": [Item("a", "first", [1])]}, {"drop": [Item()]}, {"drop": [Item(None)]}, {"put": [Item(["a"], 1, 2)]}],
)
def test_rows_that_cannot_be_are_refused_before_anything_changes(batch: Any):
    net = Program([first], outputs=[Chosen])
    before = state(net)
    with pytest.raises(RowError):
        net.transact(**{"put": [Item("ok", "first", "1"), *batch.get("put", [])], "drop": batch.get("drop", [])})
    assert state(net) == before


def test_a_key_of_the_wrong_width_is_refused():
    net = Program([first], outputs=[Chosen])
    with pytest.raises(RowError, match=r"the key of Item is \(name\)"):
        net.lookup(Item, "a", "b")


class Link(Relation):
    one: int = KEY
    two: int = KEY


class Start(Relation):
    at: int = KEY


class Reach(Relation):
    at: int = COL


@rule
def start(a: int) -> Rule:
    "Here."
    return Reach(a) <= [Start(a)]


@rule
def onward(a: int, b: int) -> Rule:
    "Along a link."
    return Reach(b) <= [Reach(a), Link(a, b)]


def test_an_explanation_may_be_deep():
    net = Program([start, onward], outputs=[Reach])
    net.transact(put=[Start(0), *[Link(n, n + 1) for n in range(5000)]])
    tree = net.why(Reach(5000))
    assert tree is not None and len(list(tree.leaves())) == 5001
    assert len(str(tree).splitlines()) == 10_002


def test_an_explanation_that_shares_its_parts_is_not_repeated():
    class Level(Relation):
        at: int = COL

    @rule
    def both(a: int, b: int, c: int) -> Rule:
        "Twice the one below."
        return Level(a) <= [Link(b, a), Level(b), Link(c, a), Level(c)]

    @rule
    def ground(a: int) -> Rule:
        "The ground."
        return Level(a) <= [Start(a)]

    net = Program([ground, both], outputs=[Level])
    net.transact(put=[Start(0), *[Link(n, n + 1) for n in range(60)]])
    text = str(net.why(Level(60)))
    assert len(text.splitlines()) < 500 and "as above" in text


def test_why_and_why_not_take_rows_with_columns_left_out():
    net = Program([first, second], outputs=[Chosen])
    net.transact(put=[Item("a", "first", 1)])
    tree = net.why(Chosen("k"))
    assert tree is not None and tree.rule == "first" and tree.row == ("k", 1, "a", "first")
    assert net.why(Chosen("other")) is None
    assert [missing.rule for missing in net.why_not(Chosen("k", 2))] == ["first", "second"]


def test_lint_finds_variables_that_bind_nothing():
    @rule
    def loose(n: str, k: str, unused: str) -> Rule:
        "Loose."
        return Pair(n, n) <= [Item(n, k)]

    found = {one.what for one in Program([loose], outputs=[Pair]).lint()}
    assert found == {"variable k stands only once: leave its column out", "variable unused is not used"}


def test_stats_count_rows_and_firings():
    net = Program([first, second], outputs=[Chosen])
    net.engine.timing = True
    net.transact(put=[Item("a", "first", 1)])
    stats = net.stats()
    assert stats["rows"] == {"Item": 1, "Chosen": 1} and stats["fired"] == {"first": 1, "second": 1}
    assert all(seconds > 0 for seconds in stats["seconds"].values())


@pytest.mark.parametrize("aggregate", [lowest, highest, count, collect])
def test_a_failure_behind_an_aggregate_undoes_the_aggregate(aggregate: Any):
    class Group(Relation):
        kind: str = COL
        value: Any = COL

    @rule
    def grouped(k: str, s: int) -> Rule:
        "By kind."
        return Group(k, aggregate(s)) <= [Item(kind=k, size=s)]

    @rule
    def after(k: str, v: int) -> Rule:
        "Behind it."
        return Pair(k, half_unless_zero(k)) <= [Group(k, v)]

    net = Program([grouped, after], outputs=[Pair])
    net.transact(put=[Item("a", "k", 1), Item("b", "k", 2)])
    before = state(net)
    with pytest.raises(EvaluationError, match="rule after, with k='bad'"):
        net.transact(put=[Item("c", "bad", 1), Item("d", "k", 0), Item("e", "k", 7)], drop=[Item("a")])
    assert state(net) == before


@fn
def half_unless_zero(kind: str) -> str:
    if kind == "bad":
        raise ValueError(kind)
    return kind
