"""Which guests can talk, and why not: asked of the flows that every host would have, with no switch and no packet.

    records (of the store, or of a document) ─► World: each host's flows ─► ask: there and back ─► Answer

Pure: the CLI reads the records and shows the answers.
"""
