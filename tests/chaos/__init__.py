"""Random changes and random kills on a real three-host lab; then everything must be as if nothing had happened.

model    what is declared and plugged, and so who must reach whom
harm     one random thing after the other: a change, a move, a kill, a break by hand
judge    at quiet points: flows equal a fresh compile, pings as expected, no change lost, no memory grown
run      the whole, from a seed; `python -m tests.chaos SECONDS SEED`, or `make chaos SECONDS=600 SEED=7`
"""
