"""What the attachments of a bridge come out as, and what is written for them: rows in, changes and operations out."""

from __future__ import annotations

from typing import Any

from retia.model.local import Attachment, AttachmentChange, WantedPeer, WantedUplink
from retia.switch.attachments import Attachments
from retia.switch.bridge import Wanted
from retia.switch.interfaces import MONITORED, Interfaces
from retia.switch.ovsdb import as_map

Rows = dict[str, dict[str, dict[str, Any]]]
UPLINK, PEER = WantedUplink("up-000001", "br-ex", 4), WantedPeer("bfd-00017", "192.0.2.17")
EMPTY = ["set", []]
STATUS = {"forwarding": "false", "state": "down", "flap_count": "0", "diagnostic": "No Diagnostic"}


def interface(name: str, mark: str = "", **columns: Any) -> dict[str, Any]:
    row = {column: EMPTY for column in MONITORED["Interface"]} | {"name": name, "type": "", "ofport": 5}
    maps = {"external_ids": {"retia": mark} if mark else {}, "options": {}, "bfd": {}, "bfd_status": {}}
    return row | {column: as_map(value) for column, value in maps.items()} | columns


def bridges(**held: list[dict[str, Any]]) -> Rows:
    """Bridges and the interfaces on them, each in a port of its own; `br_ex` is br-ex."""
    rows: Rows = {"Bridge": {}, "Port": {}, "Interface": {}}
    for bridge, interfaces in held.items():
        names = [one["name"] for one in interfaces]
        new = {
            "name": bridge.replace("_", "-"),
            "datapath_type": "",
            "ports": ["set", [["uuid", f"p-{n}"] for n in names]],
        }
        rows["Bridge"][bridge] = {"new": new}
        for one in interfaces:
            tag = 4 if one["name"] == UPLINK.other_end else EMPTY
            rows["Port"][f"p-{one['name']}"] = {
                "new": {"name": one["name"], "interfaces": ["uuid", f"i-{one['name']}"], "tag": tag}
            }
            rows["Interface"][f"i-{one['name']}"] = {"new": one}
    return rows


NEAR = interface(UPLINK.name, "uplink", type="patch", options=as_map({"peer": UPLINK.other_end}))
FAR = interface(UPLINK.other_end, "uplink", type="patch", options=as_map({"peer": UPLINK.name}))
TUNNEL = interface(
    PEER.name,
    "peer",
    type="geneve",
    options=as_map({"remote_ip": PEER.address, "key": "flow", "csum": "true"}),
    bfd=as_map({"enable": "true", "min_rx": "200", "min_tx": "200"}),
    bfd_status=as_map(STATUS),
    ofport=6,
)
UP = AttachmentChange(None, Attachment(UPLINK.name, 5))
DOWN = Attachment(PEER.name, 6, "down")


def right() -> Rows:
    return bridges(br_int=[NEAR, TUNNEL], br_ex=[FAR])


def made(rows: Rows | None = None) -> Attachments:
    one = Attachments(Wanted("br-int"))
    one.want([UPLINK], [PEER])
    one.update(right() if rows is None else rows, whole=True)
    return one


def change(uuid: str, old: dict[str, Any], **columns: Any) -> Rows:
    return {"Interface": {uuid: {"old": {name: old[name] for name in columns}, "new": old | columns}}}


def test_what_is_right_is_told_and_left_alone() -> None:
    one = Attachments(Wanted("br-int"))
    assert one.update(right(), whole=True) == [AttachmentChange(None, DOWN), UP]
    assert one.dirty and one.plan() == [], "nobody said what is wanted"
    one.want([UPLINK], [PEER])
    assert one.plan() == [] and not one.problems and not one.dirty


def test_the_session_is_told_of_when_it_matters() -> None:
    one = made()
    one.plan()

    def now(**status: str) -> list[AttachmentChange]:
        return one.update(change("i-bfd-00017", TUNNEL, bfd_status=as_map(STATUS | status)))

    assert now(diagnostic="Neighbor Signaled Session Down", state="init") == []
    live = Attachment(PEER.name, 6, "up", True)
    assert now(state="up", forwarding="true", flap_count="1") == [AttachmentChange(DOWN, live)]
    assert now(state="up", forwarding="true", flap_count="1", remote_state="up") == []
    dead = Attachment(PEER.name, 6, "down", True)
    assert now(flap_count="2") == [AttachmentChange(live, dead)]
    assert not one.dirty, "there is nothing to write"


def test_an_uplink_is_there_when_both_ends_are() -> None:
    one = made()
    gone = one.update(change("i-up-000001-p", FAR, ofport=EMPTY))
    assert gone == [AttachmentChange(UP.new, None)]
    assert one.update(change("i-up-000001-p", FAR | {"ofport": EMPTY}, ofport=9)) == [UP]


def test_after_a_gap_only_the_difference_comes_out() -> None:
    one = made()
    one.reset()
    assert one.update(right(), whole=True) == []
    one.reset()
    assert one.update(bridges(br_int=[NEAR, TUNNEL]), whole=True) == [AttachmentChange(UP.new, None)]


def test_a_session_of_which_nothing_is_said_is_as_it_was() -> None:
    one = made()
    live = TUNNEL | {"bfd_status": as_map(STATUS | {"forwarding": "true", "flap_count": "1"})}
    one.update(change("i-bfd-00017", TUNNEL, bfd_status=live["bfd_status"]))
    silent = TUNNEL | {"bfd_status": as_map({})}
    one.reset()
    assert one.update(bridges(br_int=[NEAR, silent], br_ex=[FAR]), whole=True) == []
    assert made(bridges(br_int=[NEAR, silent], br_ex=[FAR])).known[PEER.name] == DOWN
    renumbered = change("i-bfd-00017", silent, ofport=7)
    assert one.update(renumbered) == [
        AttachmentChange(Attachment(PEER.name, 6, "up", True), Attachment(PEER.name, 7, "down"))
    ]


def test_guests_come_and_go_at_no_cost() -> None:
    one = made()
    one.plan()
    guest = bridges(br_int=[NEAR, TUNNEL, interface("guest")])
    old = right()["Bridge"]["br_int"]["new"]
    rows = {
        "Bridge": {"br_int": {"old": {"ports": old["ports"]}, "new": guest["Bridge"]["br_int"]["new"]}},
        "Port": {"p-guest": guest["Port"]["p-guest"]},
        "Interface": {"i-guest": guest["Interface"]["i-guest"]},
    }
    assert one.update(rows) == [] and not one.dirty


def test_what_is_missing_is_made_with_the_number_it_had() -> None:
    one = made()
    one.plan()
    lost = right()
    gone = {"Port": {"p-bfd-00017": {"old": {}}}, "Interface": {"i-bfd-00017": {"old": TUNNEL}}}
    held = {"name": "br-int", "datapath_type": "", "ports": ["uuid", "p-up-000001"]}
    gone["Bridge"] = {"br_int": {"old": {"ports": lost["Bridge"]["br_int"]["new"]["ports"]}, "new": held}}
    assert one.update(gone) == [AttachmentChange(DOWN, None)] and one.dirty
    inserted = [change for change in one.plan() if change["op"] == "insert" and change["table"] == "Interface"]
    assert [(change["row"]["name"], change["row"]["ofport_request"]) for change in inserted] == [(PEER.name, 6)]


def test_nothing_is_an_interface_of_a_guest() -> None:
    interfaces = Interfaces("br-int")
    assert interfaces.update(right(), whole=True) == []
    assert interfaces.unrequested == {UPLINK.name: 5, PEER.name: 6}, "but they keep their numbers"


def test_what_cannot_be_made_is_said() -> None:
    failed = TUNNEL | {"ofport": -1, "error": "could not add network device"}
    one = made(bridges(br_int=[interface(UPLINK.name), failed], br_ex=[]))
    assert not {change["row"].get("name") for change in one.plan() if change["op"] == "insert"} & {
        UPLINK.name,
        PEER.name,
    }
    assert one.problems == {
        UPLINK.name: f"an interface {UPLINK.name} is there, and is not Retia's",
        PEER.name: "Open vSwitch cannot make bfd-00017: could not add network device",
    }


def test_what_the_database_refuses_is_said_of_what_is_not_there() -> None:
    one = made(bridges(br_int=[TUNNEL], br_ex=[]))
    assert one.plan() and not one.problems
    one.refused("ovsdb-server refuses a change")
    assert one.problems == {UPLINK.name: "ovsdb-server refuses a change"}
