"""How to reach etcd, and why it cannot be reached: TLS, certificates, names and users in words that help.

gRPC says of a failed handshake hardly more than that it failed. `diagnose` shakes hands once more, by Python's own
TLS, and looks. Called by `connection` once a call has failed; never on the way of one that goes well.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from retia.config import Settings
from retia.errors import Problem, StoreRefused

PATIENCE = 1.0
_EXPIRED, _NOT_YET, _NAMES = 10, 9, (62, 64)
"""What OpenSSL finds wrong with a certificate."""


@dataclass(frozen=True)
class Access:
    """How to reach etcd. With `ca` the connection is TLS, with `certificate` and `key` it is mutual."""

    endpoints: tuple[str, ...]
    user: str = ""
    password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Access:
        return cls(
            settings.etcd,
            settings.etcd_user,
            settings.etcd_password,
            settings.etcd_ca,
            settings.etcd_cert,
            settings.etcd_key,
        )

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Read anew for every connection: files may be renewed at any time. Raises StoreRefused."""
        if not self.ca:
            return None
        self.context()
        files = [Path(name).read_bytes() if name else None for name in (self.ca, self.key, self.certificate)]
        return grpc.ssl_channel_credentials(*files)

    def context(self) -> ssl.SSLContext:
        """Raises StoreRefused for files that cannot be read or do not fit each other."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.set_alpn_protocols(["h2"])
        name = self.ca
        try:
            made.load_verify_locations(self.ca)
            if self.certificate or self.key:
                name = f"{self.certificate} and {self.key}"
                made.load_cert_chain(self.certificate, self.key or None)
        except FileNotFoundError:
            raise StoreRefused(
                "there is no such file", where=name, advice="check etcd_ca, etcd_cert, etcd_key"
            ) from None
        except (OSError, ssl.SSLError) as error:
            what = (
                "the key is another certificate's" if "KEY_VALUES_MISMATCH" in str(error) else "cannot be read as PEM"
            )
            raise StoreRefused(what, where=name, advice="check etcd_ca, etcd_cert and etcd_key") from None
        return made


async def diagnose(access: Access, endpoint: str) -> Problem | None:
    """What is wrong with TLS at an endpoint; None when it is not TLS, or nothing listens there."""
    host, _, port = endpoint.rpartition(":")
    if not port.isdigit() or host.startswith(("unix", "dns")):
        return None
    host = host.strip("[]")
    try:
        async with asyncio.timeout(PATIENCE):
            return await (_secured(access, host, port) if access.ca else _plain(host, port))
    except (OSError, TimeoutError):
        return None


async def _secured(access: Access, host: str, port: str) -> Problem | None:
    where = f"{host}:{port}"
    await _connect(host, port, None)  # nothing listens: that is no matter of TLS
    try:
        reader = await _connect(host, port, access.context())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE / 2):
                if not await reader.read(1):
                    return _refused(access, where)
    except ssl.SSLCertVerificationError as error:
        return _untrusted(access, error, where)
    except ssl.SSLError as error:
        if "ALERT" in str(error):
            return _refused(access, where)
        return Problem(where, f"no TLS is spoken there: {error.reason}", _PLAINTEXT)
    except ConnectionError:
        return Problem(where, "no TLS is spoken there", _PLAINTEXT)
    return None


_PLAINTEXT = "etcd listens without TLS: give it --cert-file and --key-file and https URLs, or leave etcd_ca out here"


async def _plain(host: str, port: str) -> Problem | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        await _connect(host, port, context)
    except ssl.SSLError as error:
        if "ALERT" not in str(error):
            return None
    except OSError:
        return None
    advice = "give etcd_ca, the file with the CA of its certificate, and etcd_cert and etcd_key if it wants them"
    return Problem(f"{host}:{port}", "TLS is spoken there, and no etcd_ca is set", advice)


async def _connect(host: str, port: str, context: ssl.SSLContext | None) -> asyncio.StreamReader:
    """What comes after the handshake. The connection is closed with its reader."""
    reader, writer = await asyncio.open_connection(
        host, int(port), ssl=context, server_hostname=host if context else None
    )
    if context is None:
        writer.close()
    else:
        asyncio.get_running_loop().call_later(PATIENCE, writer.close)
    return reader


def _untrusted(access: Access, error: ssl.SSLCertVerificationError, where: str) -> Problem:
    if error.verify_code == _EXPIRED:
        return Problem(where, "etcd's certificate has expired", "renew it there; Retia then connects by itself")
    if error.verify_code == _NOT_YET:
        return Problem(where, "etcd's certificate is not valid yet", "check the clocks of both machines")
    if error.verify_code in _NAMES:
        return Problem(where, f"etcd's certificate is for another name: {error.verify_message}", _NAMED)
    advice = f"{access.ca} must hold the CA that signed etcd's certificate"
    return Problem(where, f"etcd's certificate is of an unknown CA: {error.verify_message}", advice)


_NAMED = "reach etcd by a name or address that its certificate has (subjectAltName), or have it issued for this one"


def _refused(access: Access, where: str) -> Problem:
    if not access.certificate:
        advice = "set etcd_cert and etcd_key, signed by the CA that etcd trusts (--trusted-ca-file)"
        return Problem(where, "etcd wants a certificate of its clients, and none is set", advice)
    advice = (
        "has it expired, or is it of a CA that etcd does not trust (--trusted-ca-file)? Renewed files are read anew"
    )
    return Problem(where, f"etcd refuses our certificate {access.certificate}", advice)
