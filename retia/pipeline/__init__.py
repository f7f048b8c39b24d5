"""The shape of the switch, declared once: stages, registers, priorities. Pure; checked when imported."""

from retia.pipeline.fields import *  # noqa: F403
from retia.pipeline.stages import *  # noqa: F403
