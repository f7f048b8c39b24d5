"""The stages, in table order. Add one here, and flows for it in one feature file of `compile`.

LS in : ADMIT · HOOK · ARP_REQUEST · LOOKUP · DECIDE ────► TO_TUNNEL · RELAY · AROUND · ENCAP ═══► (other host: ADMIT)
           uplinks: UPLINK_ARP · UPLINK_ANSWER · HOLDER │  └─ (a router on edges: STICKY · DIRECT · CHOOSE · EDGE)
LS out: LOOPBACK · DELIVER ◄── (here, or from a tunnel) ┘
           │ router port  └─ (a port that moved away, or who has one is not known elsewhere: once more LOOKUP)
LR in : ZONES · UNSNAT · ANSWER · TTL · DNAT · ROUTE · ECMP
LR out: UNDNAT · SNAT · NEXT_HOP · RESOLVED · ROUTER_FORWARD ──(resubmit)──► HOOK of the next switch
shared: ADDRESS (datapath, ip → MAC) and NEIGHBOUR (router port, ip → MAC learned; both only ever resubmitted to),
        ARP_ANSWER, COMPLAIN (to the agent), DROP (counts)
not known here: LOOKUP, ARP_ANSWER, RESOLVED ─► REDIRECT · HELPER · ENCAP ═══► (a full host: DELIVER or ROUTE), and WANT
"""

from __future__ import annotations

from retia.pipeline.stage import Declared, Stage, by_length, number

STAGES: dict[str, Stage] = number(
    [
        Declared(
            "ADMIT",
            "Which port or tunnel a packet came by, and so which datapath it is in.",
            priorities=("traced", "local", "tunnel"),
            next=("HOOK", "LOOPBACK", "ROUTE", "DROP"),
        ),
        Declared(
            "HOOK",
            "Other programs' own: flows they put here are left alone. Each resubmits to the next stage, or drops.",
            next=("ARP_REQUEST",),
        ),
        Declared(
            "ARP_REQUEST",
            "ARP requests ask the address table; everything else goes on.",
            priorities=("uplink", "own", "request"),
            asks=("ADDRESS",),
            next=("UPLINK_ARP", "ARP_ANSWER", "LOOKUP", "DROP"),
        ),
        Declared(
            "UPLINK_ARP",
            "What neighbours on the physical network say of themselves goes up to the agent as well.",
            priorities=("heard",),
            next=("UPLINK_ANSWER",),
        ),
        Declared(
            "UPLINK_ANSWER",
            "The physical network is answered for what is on this host.",
            priorities=("mine", "request"),
            next=("HOLDER", "ARP_ANSWER", "LOOKUP", "DROP"),
        ),
        Declared(
            "HOLDER",
            "An edge answers for translated addresses while none before it lives.",
            priorities=("alone",),
            next=("ARP_ANSWER", "DROP"),
        ),
        Declared(
            "ARP_ANSWER",
            "Turns an ARP request with a known target into its reply, back to the asker.",
            priorities=("outside", "redirect", "unknown"),
            next=("LOOPBACK", "WANT", "DROP"),
            asks=("REDIRECT",),
        ),
        Declared(
            "LOOKUP",
            "Destination MAC to port key, and to the host it lives on.",
            priorities=("floating", "port", "multicast", "outside", "redirect"),
            next=("DECIDE", "WANT", "DROP"),
            asks=("REDIRECT",),
        ),
        Declared(
            "DECIDE",
            "Destinations here are delivered, all others go to their host; for a router on edges one is chosen.",
            priorities=("here", "edges"),
            next=("STICKY", "LOOPBACK", "TO_TUNNEL"),
        ),
        Declared(
            "STICKY",
            "What only one edge can translate goes to that one.",
            priorities=("own", "port", "here", "address"),
            next=("DIRECT", "EDGE", "LOOPBACK", "TO_TUNNEL"),
        ),
        Declared(
            "DIRECT",
            "Where the host wants it, what is for the outside leaves by the host's own stack.",
            priorities=("inside", "out"),
            next=("CHOOSE",),
        ),
        Declared(
            "CHOOSE",
            "Spreads packets for a router over its edges that live.",
            priorities=("router",),
            next=("EDGE", "LOOPBACK", "TO_TUNNEL", "DROP"),
        ),
        Declared(
            "EDGE",
            "The chosen tunnel port to the host at its end.",
            priorities=("peer", "here"),
            next=("LOOPBACK", "TO_TUNNEL", "DROP"),
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
            priorities=("port", "asked", "moved"),
            next=("ZONES", "DROP"),
            backwards=("ARP_REQUEST", "LOOKUP"),
        ),
        Declared(
            "ZONES",
            "A router with NAT has two zones of connection tracking; others go past all of that.",
            priorities=("router",),
            next=("UNSNAT", "ANSWER"),
        ),
        Declared(
            "UNSNAT",
            "Answers to what left under a translated source go back to it.",
            priorities=("address",),
            next=("ANSWER",),
        ),
        Declared(
            "ANSWER",
            "A router answers pings to its addresses; other packets to them are refused.",
            priorities=("translated", "ping", "own", "ip"),
            next=("TTL", "COMPLAIN", "DROP"),
        ),
        Declared(
            "TTL",
            "Expired packets are dropped, others lose one hop.",
            priorities=("expired", "ip"),
            next=("DNAT", "COMPLAIN"),
        ),
        Declared(
            "DNAT",
            "Destinations outside become those inside.",
            priorities=("port", "address"),
            next=("ROUTE",),
        ),
        Declared(
            "ROUTE",
            "Longest prefix to router port and next hop; a connected prefix before a policy before a static one.",
            priorities=("never", *by_length("connected", "policy", "static")),
            ranged=("policy-",),
            next=("ECMP", "UNDNAT", "COMPLAIN", "DROP"),
        ),
        Declared(
            "ECMP",
            "Of several next hops the one that was chosen.",
            priorities=by_length("policy", "static"),
            ranged=("policy-",),
            next=("UNDNAT", "DROP"),
        ),
        Declared(
            "UNDNAT",
            "Answers of what is known outside by another address get it back as their source.",
            priorities=("redirected", "port", "address"),
            next=("SNAT", "NEXT_HOP"),
        ),
        Declared(
            "SNAT",
            "Sources become addresses outside: of what leaves, and of what comes back in to another guest.",
            priorities=("answer", "floating", *by_length("prefix"), "entered", "hairpin"),
            next=("NEXT_HOP",),
        ),
        Declared(
            "NEXT_HOP",
            "Asks the address table for the next hop's MAC, towards the physical network also what was learned.",
            priorities=("floating", "outside"),
            next=("RESOLVED",),
            asks=("ADDRESS", "NEIGHBOUR"),
        ),
        Declared(
            "RESOLVED",
            "A known next hop becomes the destination MAC; what goes into a narrower switch is measured.",
            priorities=("redirected", "ask", "tracked", "redirect", "unknown", "narrow"),
            next=("ROUTER_FORWARD", "REDIRECT", "WANT", "COMPLAIN", "DROP"),
            asks=("REDIRECT",),
        ),
        Declared(
            "ROUTER_FORWARD",
            "Out of the router port, into its switch, unless it is too big for that.",
            priorities=("large", "port"),
            next=("COMPLAIN", "DROP"),
            backwards=("HOOK",),
        ),
        Declared(
            "TO_TUNNEL",
            "Host key to tunnel address; on an edge, to the port that knows whether the way there lives.",
            priorities=("watched", "host"),
            next=("RELAY", "ENCAP", "DROP"),
        ),
        Declared(
            "RELAY",
            "A living tunnel port to the tunnel address at its end; where it does not live, another edge is chosen.",
            priorities=("peer", "dead"),
            next=("AROUND", "ENCAP", "DROP"),
        ),
        Declared(
            "AROUND",
            "The port of the edge that was chosen to its tunnel address.",
            priorities=("edge",),
            next=("ENCAP", "DROP"),
        ),
        Declared(
            "REDIRECT",
            "What is not known here goes to a host that may know it, which does not send it on to another one.",
            priorities=("router", "host"),
            next=("HELPER", "ENCAP", "DROP"),
        ),
        Declared(
            "HELPER",
            "The port of the host that was chosen to its tunnel address.",
            priorities=("peer",),
            next=("ENCAP", "COMPLAIN"),
        ),
        Declared("ENCAP", "Writes the Geneve key and options whole, and sends.", next=()),
        Declared("ADDRESS", "(datapath, address) to MAC, for ARP replies and next hops.", priorities=("port",)),
        Declared(
            "NEIGHBOUR",
            "(router port, address) to MAC, as learned by ARP from the physical network.",
            priorities=("learned",),
        ),
        Declared("WANT", "The agent hears of what was not known on this host, and asks the store for it.", next=()),
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
HOOK = STAGES["HOOK"]
ARP_REQUEST = STAGES["ARP_REQUEST"]
UPLINK_ARP = STAGES["UPLINK_ARP"]
UPLINK_ANSWER = STAGES["UPLINK_ANSWER"]
HOLDER = STAGES["HOLDER"]
ARP_ANSWER = STAGES["ARP_ANSWER"]
LOOKUP = STAGES["LOOKUP"]
DECIDE = STAGES["DECIDE"]
STICKY = STAGES["STICKY"]
DIRECT = STAGES["DIRECT"]
CHOOSE = STAGES["CHOOSE"]
EDGE = STAGES["EDGE"]
LOOPBACK_JUDGE = STAGES["LOOPBACK"]
DELIVER = STAGES["DELIVER"]
ZONES = STAGES["ZONES"]
UNSNAT = STAGES["UNSNAT"]
ANSWER = STAGES["ANSWER"]
TTL = STAGES["TTL"]
DNAT = STAGES["DNAT"]
ROUTE = STAGES["ROUTE"]
ECMP = STAGES["ECMP"]
UNDNAT = STAGES["UNDNAT"]
SNAT = STAGES["SNAT"]
NEXT_HOP = STAGES["NEXT_HOP"]
RESOLVED = STAGES["RESOLVED"]
ROUTER_FORWARD = STAGES["ROUTER_FORWARD"]
TO_TUNNEL = STAGES["TO_TUNNEL"]
RELAY = STAGES["RELAY"]
AROUND = STAGES["AROUND"]
REDIRECT = STAGES["REDIRECT"]
HELPER = STAGES["HELPER"]
ENCAP = STAGES["ENCAP"]
ADDRESS = STAGES["ADDRESS"]
NEIGHBOUR = STAGES["NEIGHBOUR"]
WANT = STAGES["WANT"]
COMPLAIN = STAGES["COMPLAIN"]
DROP = STAGES["DROP"]

BESIDE = frozenset({int(WANT)})
"""Stages that a packet's way does not lead through: it has gone on, or ended, when a copy of it comes there."""
