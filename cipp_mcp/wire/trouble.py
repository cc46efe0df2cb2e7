"""Words for a connection that could not be opened or did not hold: the exception chain becomes a sentence and a hint.

Never another exception's text, and never the proxy's address, which may carry a password. No retry decisions here.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

Words = tuple[str, str]
"""A sentence and its hint."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we talk to, for sentences.

    Attributes:
        name: beginning of a sentence, such as `CIPP`.
        host: its host name.
        variable: the setting that holds its address.
        proxied: whether a proxy stands between.
    """

    name: str
    host: str
    variable: str
    proxied: bool


def opening(error: BaseException, peer: Peer, *, in_handshake: bool = False) -> Words:
    """Why nothing was sent."""
    chain = list(causes(error))
    if in_handshake or any(isinstance(e, ssl.SSLError) for e in chain):
        return _tls(chain, peer)
    if any(isinstance(e, httpx.ProxyError) for e in chain):
        return (
            f"The proxy did not let the request through to {peer.host}; nothing was sent.",
            "Check CIPP_PROXY, its user name and password, and whether the proxy allows this host.",
        )
    if any(isinstance(e, httpx.InvalidURL | httpx.UnsupportedProtocol) for e in chain):
        return f"The address of {peer.name} cannot be used; nothing was sent.", f"Check {peer.variable} and shorten the filter."
    whom, where = ("the proxy", "CIPP_PROXY") if peer.proxied else (f"{peer.name} at {peer.host}", peer.variable)
    if any(isinstance(e, socket.gaierror) for e in chain):
        return f"The name of {whom} cannot be found in DNS; nothing was sent.", f"Check {where} for a typing error, and DNS."
    if any(isinstance(e, ConnectionRefusedError) for e in chain):
        return (
            f"The connection was refused by {whom}; nothing was sent.",
            f"Check host and port in {where}, and whether a firewall is in between.",
        )
    if isinstance(error, httpx.PoolTimeout):
        return f"No connection to {whom} became free in time; nothing was sent.", "Wait for the other calls, then call again."
    if isinstance(error, httpx.TimeoutException):
        return (
            f"No connection to {whom} came about in time; nothing was sent.",
            f"Check {where}, the network, a firewall, and whether CIPP_PROXY is needed here.",
        )
    return (
        f"No connection to {whom} could be opened ({type(error).__name__}); nothing was sent.",
        f"Check {where}, the network, and whether CIPP_PROXY is needed here.",
    )


def losing(error: BaseException, peer: Peer, timeout: float) -> Words:
    """Why a request that had left has no usable answer."""
    if isinstance(error, httpx.TimeoutException):
        return f"{peer.name} did not answer within {timeout:g} s.", "It may still be working on the request."
    if isinstance(error, httpx.DecodingError):
        return f"{peer.name} answered with a body that cannot be decompressed.", "A proxy in between may have damaged it."
    if isinstance(error, httpx.ProtocolError):
        return f"The answer of {peer.name} was cut off or is not valid HTTP.", "It may have handled the request all the same."
    if isinstance(error, httpx.NetworkError):
        return (
            f"The connection to {peer.name} broke after the request was sent.",
            "It may have handled the request all the same.",
        )
    return (
        f"The answer of {peer.name} could not be read ({type(error).__name__}).",
        "It may have handled the request all the same.",
    )


def _tls(chain: list[BaseException], peer: Peer) -> Words:
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in chain):
        return (
            f"The TLS certificate of {peer.host} is not trusted; nothing was sent.",
            "If this network inspects TLS, add its root certificate to the operating system's store or name its PEM file in "
            f"CIPP_CA_BUNDLE; else check {peer.variable}.",
        )
    return (
        f"The TLS handshake with {peer.host} failed; nothing was sent.",
        f"Check that {peer.variable} names an https port. A firewall or TLS inspection in between is another possible cause.",
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, its causes, and the members of groups (one per address that was tried)."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        waiting.extend(e for e in (current.__cause__, current.__context__) if e is not None)
