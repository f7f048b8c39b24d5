"""One packet's way through every stage and host: of a real packet that hosts report, or walked over compiled flows.

    live: reports of hosts ─► reported ─┐
                                        ├─► Story ─► verdict (what ended it) ─► telling: tree, lines, data
    what-if: walk of hosts ───► walked ─┘

Pure: `store.traces` and the agents carry the real packet, the CLI puts the two together.
"""
