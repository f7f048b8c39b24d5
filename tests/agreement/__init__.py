"""Random networks and packets, three ways: the packet walk, `ofproto/trace` on every host, and the guests that hear it.

    networks   a random document over a lab's fixed guests        packets   a random frame of one of them
    outside    its way out: uplinks, edges, NAT, routes, and the node that is there
    travel     the walk over the lab's hosts and the physical segment between them
    test_traces      one real three-host lab too; each packet traced live and what-if, and heard
    test_agreement   one real three-host lab; network after network applied, packet after packet sent

Each packet is of a connection of its own, or answers one that came; so walks and switches know the same connections.

RETIA_RANDOM says how many networks (12, of traces 10 with 20 packets each), RETIA_SEED plays one run again.
"""
