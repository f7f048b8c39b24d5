"""How Open vSwitch spells ports, fields and protocols in text. Read by `text` and `reading`; holds no logic.

Sources: ovs-fields(7), ovs-actions(7), `match_format` of lib/match.c.
"""

from __future__ import annotations

from retia.flows.actions import CONTROLLER, IN_PORT, LOCAL
from retia.flows.fields import ARP, ICMP, IPV4, IPV6, TCP, UDP

PORT_NAMES = {IN_PORT: "IN_PORT", LOCAL: "LOCAL", CONTROLLER: "CONTROLLER", 0xFFFFFFFB: "FLOOD", 0xFFFFFFFA: "NORMAL"}
RESERVED_PORTS = {name: port for port, name in PORT_NAMES.items()}
MACS = ("eth_src", "eth_dst", "arp_sha", "arp_tha")
ADDRESSES = ("ip_src", "ip_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst")
DECIMAL = (
    *("ct_zone", "nw_proto", "nw_ttl", "icmp_type", "icmp_code", "arp_op"),
    *("tcp_src", "tcp_dst", "udp_src", "udp_dst"),
)
OLD_NAMES = {"dl_src": "eth_src", "dl_dst": "eth_dst", "dl_type": "eth_type", "nw_src": "ip_src", "nw_dst": "ip_dst"}
SHORTHANDS: dict[str, dict[str, int]] = {
    "ip": {"eth_type": IPV4},
    "ipv6": {"eth_type": IPV6},
    "arp": {"eth_type": ARP},
    "icmp": {"eth_type": IPV4, "nw_proto": ICMP},
    "tcp": {"eth_type": IPV4, "nw_proto": TCP},
    "udp": {"eth_type": IPV4, "nw_proto": UDP},
    "sctp": {"eth_type": IPV4, "nw_proto": 132},
    "icmp6": {"eth_type": IPV6, "nw_proto": 58},
    "tcp6": {"eth_type": IPV6, "nw_proto": TCP},
    "udp6": {"eth_type": IPV6, "nw_proto": UDP},
    "sctp6": {"eth_type": IPV6, "nw_proto": 132},
    "rarp": {"eth_type": 0x8035},
    "mpls": {"eth_type": 0x8847},
    "mplsm": {"eth_type": 0x8848},
}

QUOTED = r'"(?:[^"\\]|\\.)*"'
"""The form of a port's name that could be taken for something else."""

NXM_NAMES = {
    "in_port": "OXM_OF_IN_PORT",
    "metadata": "OXM_OF_METADATA",
    "tun_id": "NXM_NX_TUN_ID",
    "tun_src": "NXM_NX_TUN_IPV4_SRC",
    "tun_dst": "NXM_NX_TUN_IPV4_DST",
    "tun_metadata0": "NXM_NX_TUN_METADATA0",
    "ct_state": "NXM_NX_CT_STATE",
    "ct_zone": "NXM_NX_CT_ZONE",
    "eth_dst": "NXM_OF_ETH_DST",
    "eth_src": "NXM_OF_ETH_SRC",
    "eth_type": "NXM_OF_ETH_TYPE",
    "nw_proto": "NXM_OF_IP_PROTO",
    "nw_ttl": "NXM_NX_IP_TTL",
    "ip_src": "NXM_OF_IP_SRC",
    "ip_dst": "NXM_OF_IP_DST",
    "tcp_src": "NXM_OF_TCP_SRC",
    "tcp_dst": "NXM_OF_TCP_DST",
    "udp_src": "NXM_OF_UDP_SRC",
    "udp_dst": "NXM_OF_UDP_DST",
    "icmp_type": "NXM_OF_ICMP_TYPE",
    "icmp_code": "NXM_OF_ICMP_CODE",
    "arp_op": "NXM_OF_ARP_OP",
    "arp_spa": "NXM_OF_ARP_SPA",
    "arp_tpa": "NXM_OF_ARP_TPA",
    "arp_sha": "NXM_NX_ARP_SHA",
    "arp_tha": "NXM_NX_ARP_THA",
    **{f"reg{n}": f"NXM_NX_REG{n}" for n in range(16)},
    **{f"xreg{n}": f"OXM_OF_PKT_REG{n}" for n in range(8)},
    **{f"xxreg{n}": f"NXM_NX_XXREG{n}" for n in range(4)},
}
FROM_NXM = {nxm: name for name, nxm in NXM_NAMES.items()}
