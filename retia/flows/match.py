"""What a flow matches, as a plain tuple: hashable, canonical, cheap to compare.

A `Match` is ((field, value, mask), ...) in the order of `fields.FIELDS`; field names are Open vSwitch's.
Made by `match()` (and by `pipeline.when()`, which also knows the pipeline's own names).
"""

from __future__ import annotations

from retia.flows.fields import FIELDS, ORDER, WIDE, Subfield

Match = tuple[tuple[str, int, int], ...]

ANYTHING: Match = ()


def match(**wanted: int | tuple[int, int]) -> Match:
    """`field=value` or `field=(value, mask)`. Raises KeyError for a field Retia does not know."""
    parts = []
    for name, value in wanted.items():
        full = FIELDS[name].full
        number, mask = value if isinstance(value, tuple) else (value, full)
        if name in WIDE:
            parts += _narrow(name, int(number), mask)
        elif mask:
            parts.append((name, int(number) & mask, mask))
    parts.sort(key=_order)
    return tuple(parts)


def merge(base: Match, *subfields: tuple[Subfield, int]) -> Match:
    """`base` with each subfield (a part of a register) also matched; parts of one register are joined."""
    parts = {name: (value, mask) for name, value, mask in base}
    for subfield, number in subfields:
        wide = match(**{subfield.field: (int(number) << subfield.start, subfield.mask)})
        for name, value, mask in wide:
            have, known = parts.get(name, (0, 0))
            parts[name] = (have | value, known | mask)
    return tuple(sorted(((name, value, mask) for name, (value, mask) in parts.items()), key=_order))


def meets_needs(wanted: Match, name: str) -> bool:
    """Whether `wanted` has what matching or changing the field `name` requires, in full."""
    needs = FIELDS[name].needs
    return not needs or any(
        all((field, value, FIELDS[field].full) in wanted for field, value in alternative) for alternative in needs
    )


def _narrow(name: str, number: int, mask: int) -> list[tuple[str, int, int]]:
    """A wide register as the 32-bit ones it is made of: that is how Open vSwitch shows a match."""
    parts = []
    for place, narrow in enumerate(reversed(WIDE[name])):
        value, bits = number >> 32 * place & 0xFFFFFFFF, mask >> 32 * place & 0xFFFFFFFF
        if bits:
            parts.append((narrow, value & bits, bits))
    return parts


def _order(part: tuple[str, int, int]) -> int:
    return ORDER[part[0]]
