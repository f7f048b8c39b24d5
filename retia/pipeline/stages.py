"""The stages, in table order. Add one here, and flows for it in one feature file of `compile`.

LS in : ADMIT · ARP_REQUEST · LOOKUP · DECIDE ─────────────► TO_TUNNEL · ENCAP ═══► (other host: ADMIT)
LS out: LOOPBACK · DELIVER ◄── (here, or from a tunnel)
           │ router port  └─ (a port that moved away: once more LOOKUP)
LR in : ANSWER · TTL · ROUTE
LR out: NEXT_HOP · RESOLVED · ROUTER_FORWARD ──(resubmit)──► ARP_REQUEST of the next switch
shared: ADDRESS (datapath, ip → MAC; only ever resubmitted to), ARP_ANSWER, COMPLAIN (to the agent), DROP (counts)
"""

from __future__ import annotations

from retia.pipeline.stage import Declared, Stage, by_length, number

STAGES: dict[str, Stage] = number(
    [
        Declared(
            "ADMIT",
            "Which port or tunnel a packet came by, and so which datapath it is in.",
            priorities=("local", "tunnel"),
            next=("ARP_REQUEST", "LOOPBACK", "DROP"),
        ),
        Declared(
            "ARP_REQUEST",
            "ARP requests ask the address table; everything else goes on.",
            priorities=("own", "request"),
            asks=("ADDRESS",),
            next=("ARP_ANSWER", "LOOKUP", "DROP"),
        ),
        Declared(
            "ARP_ANSWER",
            "Turns an ARP request with a known target into its reply, back to the asker.",
            priorities=("unknown",),
            next=("LOOPBACK", "DROP"),
        ),
        Declared(
            "LOOKUP",
            "Destination MAC to port key, and to the host it lives on.",
            priorities=("port", "multicast"),
            next=("DECIDE", "DROP"),
        ),
        Declared(
            "DECIDE",
            "Destinations here are delivered, all others go to their host.",
            priorities=("here",),
            next=("LOOPBACK", "TO_TUNNEL"),
        ),
        Declared(
            "LOOPBACK",
            "Lets a packet leave by the port it came by where a flow asked for that.",
            priorities=("wanted",),
            next=("DELIVER",),
        ),
        Declared(
            "DELIVER",
            "Port key to interface, or into the router the port leads to.",
            priorities=("port", "moved"),
            next=("ANSWER", "DROP"),
            backwards=("LOOKUP",),
        ),
        Declared(
            "ANSWER",
            "A router answers pings to its addresses; other packets to them are refused.",
            priorities=("ping", "own", "ip"),
            next=("TTL", "COMPLAIN", "DROP"),
        ),
        Declared(
            "TTL",
            "Expired packets are dropped, others lose one hop.",
            priorities=("expired", "ip"),
            next=("ROUTE", "COMPLAIN"),
        ),
        Declared(
            "ROUTE",
            "Longest prefix to router port and next hop; a connected prefix before a static one.",
            priorities=("never", *by_length("connected", "static")),
            next=("NEXT_HOP", "COMPLAIN", "DROP"),
        ),
        Declared("NEXT_HOP", "Asks the address table for the next hop's MAC.", next=("RESOLVED",), asks=("ADDRESS",)),
        Declared(
            "RESOLVED",
            "A known next hop becomes the destination MAC; what goes into a narrower switch is measured.",
            priorities=("unknown", "narrow"),
            next=("ROUTER_FORWARD", "COMPLAIN"),
        ),
        Declared(
            "ROUTER_FORWARD",
            "Out of the router port, into its switch, unless it is too big for that.",
            priorities=("large", "port"),
            next=("COMPLAIN", "DROP"),
            backwards=("ARP_REQUEST",),
        ),
        Declared("TO_TUNNEL", "Host key to tunnel address.", priorities=("host",), next=("ENCAP", "DROP")),
        Declared("ENCAP", "Writes the Geneve key and options whole, and sends.", next=()),
        Declared("ADDRESS", "(datapath, address) to MAC, for ARP replies and next hops.", priorities=("port",)),
        Declared(
            "COMPLAIN",
            "What a router cannot carry goes up to the agent, which answers the sender; then it is dropped.",
            priorities=("silent", "reason"),
            next=("DROP",),
        ),
        Declared(
            "DROP",
            "The end of a dropped packet: one flow for each reason, so that reasons are counted.",
            priorities=("reason",),
        ),
    ]
)

ADMIT = STAGES["ADMIT"]
ARP_REQUEST = STAGES["ARP_REQUEST"]
ARP_ANSWER = STAGES["ARP_ANSWER"]
LOOKUP = STAGES["LOOKUP"]
DECIDE = STAGES["DECIDE"]
LOOPBACK_JUDGE = STAGES["LOOPBACK"]
DELIVER = STAGES["DELIVER"]
ANSWER = STAGES["ANSWER"]
TTL = STAGES["TTL"]
ROUTE = STAGES["ROUTE"]
NEXT_HOP = STAGES["NEXT_HOP"]
RESOLVED = STAGES["RESOLVED"]
ROUTER_FORWARD = STAGES["ROUTER_FORWARD"]
TO_TUNNEL = STAGES["TO_TUNNEL"]
ENCAP = STAGES["ENCAP"]
ADDRESS = STAGES["ADDRESS"]
COMPLAIN = STAGES["COMPLAIN"]
DROP = STAGES["DROP"]
