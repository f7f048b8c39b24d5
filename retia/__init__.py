"""Retia: a virtual network for a cluster of hosts, declared in YAML and kept true by rules."""

__version__ = "0.1.0"
