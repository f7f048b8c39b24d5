"""docs/import-tuplenet.md: what a host that changes over runs, on an Open vSwitch as TupleNet leaves it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.ovs.server import OvsServer

PAGE = Path(__file__).parents[2] / "docs" / "import-tuplenet.md"


def script() -> str:
    """The block of the page that is marked to be run."""
    _, block = PAGE.read_text().split("<!-- run -->\n```sh\n")
    return block.split("```")[0]


def test_a_host_is_cleared_and_its_interfaces_get_their_new_names(own_ovs: OvsServer, tmp_path: Path) -> None:
    for bridge in ("br-int", "br0"):
        own_ovs.vsctl("add-br", bridge)
    for name, remote in (("tupleNet-flowbased", "flow"), ("tupleNet-3232261123", "192.168.100.3")):
        own_ovs.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, "type=geneve",
                      f"options:remote_ip={remote}", "options:key=flow")  # fmt: skip
    for bridge, name, peer in (("br-int", "to-br0", "to-int"), ("br0", "to-int", "to-br0")):
        own_ovs.vsctl("add-port", bridge, name, "--", "set", "Interface", name, "type=patch", f"options:peer={peer}")
    for name, port in (("tap1", "lsp-portA"), ("tap2", "port with spaces"), ("tap3", "another")):
        own_ovs.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, "type=internal",
                      f'external_ids:iface-id="{port}"')  # fmt: skip
    own_ovs.run("ovs-ofctl", "add-tlv-map", "br-int", "{class=0xffee,type=0,len=8}->tun_metadata0")
    rows = ("hv1\tlsp-portA\tLS-A/lsp-portA", "hv1\tport with spaces\tLS-A/port-with-spaces-1", "-\tgone\tLS-A/gone")
    (tmp_path / "ids.tsv").write_text("".join(f"{row}\n" for row in rows))
    subprocess.run(["bash", "-eu", "-c", script()], check=True, cwd=tmp_path, env=own_ovs.environment, timeout=60)
    assert own_ovs.vsctl("list-ports", "br-int").split() == ["tap1", "tap2", "tap3"]
    assert own_ovs.vsctl("list-ports", "br0") == ""
    ids = [
        own_ovs.vsctl("get", "Interface", name, "external_ids:iface-id").strip() for name in ("tap1", "tap2", "tap3")
    ]
    assert ids == ['"LS-A/lsp-portA"', '"LS-A/port-with-spaces-1"', "another"]
    assert "0xffee" not in own_ovs.run("ovs-ofctl", "dump-tlv-map", "br-int")
