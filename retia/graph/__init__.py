"""The picture of a network: what is declared and what agents say of it, as boxes, rows and lines, and as DOT text.

    things ──► Standing ┐
    Network, Part ──────┴─► draw ──► Picture ──► dot.render ──► Graphviz (run by the CLI)

Called by `retia graph` and by the pages of docs/. Pure: it reads no store and runs no program.
"""
