"""Brings a network device of this host up, as `ip link set NAME up` does."""

from __future__ import annotations

import fcntl
import socket
import struct

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_REQUEST = struct.Struct("16sH14x")
"""Linux's struct ifreq: the device's name and its flags."""


def up(name: str) -> None:
    """Nothing for one that is up. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        _, flags = _REQUEST.unpack(fcntl.ioctl(any_socket, _GET_FLAGS, _REQUEST.pack(name.encode(), 0)))
        if not flags & _UP:
            fcntl.ioctl(any_socket, _SET_FLAGS, _REQUEST.pack(name.encode(), flags | _UP))
