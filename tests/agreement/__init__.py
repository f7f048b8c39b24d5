"""Random networks and packets, three ways: the packet walk, `ofproto/trace` on every host, and the guests that hear it.

    networks   a random document over a lab's fixed guests        packets   a random frame of one of them
    test_agreement   one real three-host lab; network after network applied, packet after packet sent

RETIA_RANDOM says how many networks (12), RETIA_SEED plays one run again.
"""
