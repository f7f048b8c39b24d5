"""Flow records and packet samples are counted as the standards write them, whoever sent them."""

from __future__ import annotations

import struct

import pytest

from retia.errors import InvalidInput
from retia.lab.exports import IpfixReader, sflow_samples


def message(*sets: bytes, domain: int = 1, version: int = 10) -> bytes:
    body = b"".join(sets)
    return struct.pack("!HHIII", version, 16 + len(body), 0, 0, domain) + body


def set_of(number: int, body: bytes) -> bytes:
    return struct.pack("!HH", number, 4 + len(body)) + body


def template(number: int, *fields: tuple[int, int]) -> bytes:
    """RFC 7011, 3.4.1: an enterprise's field has its number behind it."""
    packed = [struct.pack("!HH", kind, size) + (b"\0\0\0\1" if kind & 0x8000 else b"") for kind, size in fields]
    return struct.pack("!HH", number, len(fields)) + b"".join(packed)


def test_records_are_counted_by_their_template_and_padding_is_none() -> None:
    reader = IpfixReader()
    assert reader.records(message(set_of(2, template(256, (8, 4), (12, 4), (0x8001, 2))))) == 0
    assert reader.records(message(set_of(256, bytes(10) * 3 + bytes(2)))) == 3


def test_fields_of_variable_length() -> None:
    reader = IpfixReader()
    fields = template(300, (8, 4), (0x8002, 0xFFFF))
    short, long = bytes(4) + b"\x03abc", bytes(4) + b"\xff\x01\x00" + bytes(256)
    assert reader.records(message(set_of(2, fields), set_of(300, short + long + short))) == 3


def test_two_templates_in_one_set_and_one_renewed() -> None:
    reader = IpfixReader()
    reader.records(message(set_of(2, template(256, (8, 4)) + template(257, (8, 8)))))
    assert reader.records(message(set_of(256, bytes(16)), set_of(257, bytes(16)))) == 4 + 2
    assert reader.records(message(set_of(2, template(256, (8, 16))), set_of(256, bytes(16)))) == 1


def test_options_are_no_flows_and_domains_are_apart() -> None:
    reader = IpfixReader()
    options = struct.pack("!HHH", 258, 2, 1) + struct.pack("!HHHH", 149, 4, 41, 8)
    assert reader.records(message(set_of(3, options), set_of(258, bytes(12)))) == 0
    reader.records(message(set_of(2, template(256, (8, 4)))))
    assert reader.records(message(set_of(256, bytes(8)))) == 2
    assert reader.records(message(set_of(256, bytes(8)), domain=2)) == 1, "a set has a record at least"


@pytest.mark.parametrize("data", [b"", message(version=9), message()[:-1], message(b"\0\2\0\0")])
def test_what_is_no_ipfix(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        IpfixReader().records(data)


def test_samples_of_flows_and_not_of_counters() -> None:
    head = struct.pack("!II4sIII", 5, 1, bytes(4), 0, 1, 1000)
    samples = [struct.pack("!II", kind, 8) + bytes(8) for kind in (1, 2, 3)]
    assert sflow_samples(head + struct.pack("!I", 3) + b"".join(samples)) == 2


def test_what_is_no_sflow() -> None:
    for data in (b"", bytes(100), struct.pack("!II4sIIII", 5, 1, bytes(4), 0, 1, 1000, 2)):
        with pytest.raises(InvalidInput):
            sflow_samples(data)
