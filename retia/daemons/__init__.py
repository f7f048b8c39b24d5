"""Retia's processes: wiring one can read on a screen, and the control socket people ask a process through."""
