"""The shape of the switch, declared once: stages, registers, priorities. Pure; checked when imported."""
