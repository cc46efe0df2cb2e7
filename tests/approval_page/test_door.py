"""Who gets in: headers, hosts, origins, nonces, methods, sizes and time, over plain sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from cipp_mcp.approval_page.listener import MOST_CONNECTIONS
from cipp_mcp.approval_page.page import style
from tests.approval_page import plans
from tests.approval_page.conftest import NOON, House, Visitor

pytestmark = pytest.mark.anyio

Visit = Callable[[str], Visitor]


def port_of(address: str) -> int:
    return int(address.split("/")[2].partition(":")[2])


async def raw(address: str, sent: bytes) -> bytes:
    """Send these bytes, read until the other side closes."""
    async with await anyio.connect_tcp("127.0.0.1", port_of(address)) as stream:
        await stream.send(sent)
        return await rest(stream)


async def rest(stream: SocketStream) -> bytes:
    got = b""
    with anyio.fail_after(10):
        while True:
            try:
                got += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return got


async def opened(house: House, site: Any) -> str:
    await site.open_for(house.save(plans.wipe(NOON)))
    return house.opened[-1]


async def test_every_answer_carries_the_headers_that_keep_it_here(house: House, visit: Visit) -> None:
    async with house.site() as site:
        person = visit(await opened(house, site))
        good, missing = await person.look(), await person.http.get(f"{person.root}/nothing")
    for reply in (good, missing):
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert all(rule in policy for rule in ("form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"))
        assert "unsafe" not in policy and "script-src" not in policy
        kept = {
            "cache-control": "no-store",
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "cross-origin-opener-policy": "same-origin",
            "content-type": "text/html; charset=utf-8",
        }
        assert {name: reply.headers[name] for name in kept} == kept
    assert f"<style>{style()}</style>" in good.text
    cookie = good.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and f"Path={person.address.removeprefix(person.root)};" in cookie
    assert "set-cookie" not in missing.headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1:{port}.evil.example", "[::1]:{port}", "LOCALHOST:80"],
)
async def test_another_host_name_is_refused(house: House, host: str) -> None:
    async with house.site() as site:
        address = await opened(house, site)
        async with httpx.AsyncClient(trust_env=False) as http:
            reply = await http.get(address, headers={"Host": host.format(port=port_of(address))})
            local = await http.get(address, headers={"Host": f"localhost:{port_of(address)}"})
    assert (reply.status_code, local.status_code) == (403, 200)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_post_from_elsewhere_is_refused(house: House, visit: Visit, headers: dict[str, str]) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        sent = {name: value.format(port=port_of(person.address)) for name, value in headers.items()}
        reply = await person.post("approve", person.form(plan) | {"phrase": plan.phrase}, **sent)
        nowhere = await person.http.post(f"{person.root}/wrong/approve", data={}, headers=sent)
    assert (reply.status_code, nowhere.status_code, house.store.approval(plan)) == (403, 403, None)


async def test_a_post_without_an_origin_is_refused(house: House, visit: Visit) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        reply = await person.http.post(f"{person.link}/approve", data=person.form(plan) | {"phrase": plan.phrase})
    assert (reply.status_code, house.records) == (403, [])


async def test_whoever_learns_the_address_later_is_not_let_in(house: House, visit: Visit) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person, eavesdropper = visit(house.opened[0]), visit(house.opened[0])
        await person.look()
        seen = await eavesdropper.look()
        assert (seen.status_code, plan.short in seen.text) == (403, False)
        eavesdropper.page = person.page
        assert (await eavesdropper.approve(plan, plan.phrase)).status_code == 403
        assert (await person.look()).status_code == 200
        assert (await person.approve(plan, plan.phrase)).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECTED"])
async def test_other_methods_are_refused_whatever_the_address(house: House, visit: Visit, method: str) -> None:
    async with house.site() as site:
        person = visit(await opened(house, site))
        statuses = [(await person.http.request(method, f"{person.root}{path}")).status_code for path in ("/", "/x/approve")]
        statuses.append((await person.http.request(method, person.address)).status_code)
    assert statuses == [405, 405, 405]


async def test_a_known_address_takes_its_own_method_only(house: House, visit: Visit) -> None:
    async with house.site() as site:
        person = visit(await opened(house, site))
        await person.look()
        wrong = [await person.http.get(f"{person.link}/approve"), await person.post("", {})]
    assert [(r.status_code, r.headers["allow"]) for r in wrong] == [(405, "GET, POST")] * 2


async def test_an_unknown_address_says_nothing(house: House, visit: Visit) -> None:
    async with house.site() as site:
        person = visit(await opened(house, site))
        link = person.link
        unknown = [
            f"{person.root}/", f"{person.root}/favicon.ico", link, f"{link}//", f"{link}/x", f"{link}/?a=1", f"{link[:-1]}/",
            f"{link}x/", f"{person.root}//{link.rpartition('/')[2]}/", f"{link}/secret/h1", f"{link}/%2e%2e/", f"{link.upper()}/",
        ]  # fmt: skip
        replies = [await person.http.get(address) for address in unknown]
    assert {r.status_code for r in replies} == {404}
    assert len({r.text for r in replies}) == 1


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/plain", b"plan=x", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"plan=x", 415),
        ("application/x-www-form-urlencoded", b"plan=\xff", 400),
        ("application/x-www-form-urlencoded", b"plan=%ff", 400),
        ("application/x-www-form-urlencoded", b"a=1&" * 20, 400),
        ("application/x-www-form-urlencoded", b"plan=x&csrf=y", 403),
        ("application/x-www-form-urlencoded", b"", 403),
        ("application/x-www-form-urlencoded", b"plan=" + b"x" * 17_000, 413),
    ],
)
async def test_only_a_small_form_is_read(house: House, visit: Visit, content_type: str, body: bytes, status: int) -> None:
    async with house.site() as site:
        person = visit(await opened(house, site))
        await person.look()
        headers = {"Origin": person.root, "Content-Type": content_type}
        reply = await person.http.post(f"{person.link}/approve", content=body, headers=headers)
    assert (reply.status_code, house.records) == (status, [])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000, b"431"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\n\r\n", b"403"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"POST /x/approve HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n" + b"x" * 0x5000, b"413"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"400"),
    ],
)
async def test_what_is_no_proper_request_gets_a_short_answer(house: House, sent: bytes, status: bytes) -> None:
    async with house.site() as site:
        answer = await raw(await opened(house, site), sent)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer or b"connection: close" in answer


async def test_a_large_sender_still_hears_why(house: House) -> None:
    """Closing with unread bytes resets the connection, which on some systems eats the answer; so it must end in order."""
    head = b"POST /x/approve HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    async with house.site() as site:
        address = await opened(house, site)
        for _ in range(5):
            async with await anyio.connect_tcp("127.0.0.1", port_of(address)) as stream:
                await stream.send(head + b"x" * 1_000_000)
                got = b""
                with pytest.raises(anyio.EndOfStream):
                    while True:
                        got += await stream.receive()
            assert got.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("sent", [b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"])
async def test_a_slow_client_is_sent_away(house: House, sent: bytes) -> None:
    async with house.site(read_within=0.3) as site:
        answer = await raw(await opened(house, site), sent)
    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_silent_connection_is_closed_without_a_word(house: House) -> None:
    async with house.site(read_within=0.05) as site:
        assert await raw(await opened(house, site), b"") == b""


async def test_connections_are_counted_and_given_back(house: House, visit: Visit) -> None:
    async with house.site() as site:
        address = await opened(house, site)
        held = [await anyio.connect_tcp("127.0.0.1", port_of(address)) for _ in range(MOST_CONNECTIONS)]
        for stream in held:
            await stream.send(b"GET")
        assert await raw(address, b"") == b""
        for stream in held:
            await stream.aclose()
        person = visit(address)
        with anyio.fail_after(10):
            while True:
                try:
                    assert (await person.look()).status_code == 200
                    return
                except httpx.TransportError:
                    await anyio.lowlevel.checkpoint()


async def test_the_port_is_gone_with_the_site(house: House) -> None:
    async with house.site() as site:
        address = await opened(house, site)
        held = await anyio.connect_tcp("127.0.0.1", port_of(address))
    assert await rest(held) == b""
    await held.aclose()
    with pytest.raises(OSError):
        await anyio.connect_tcp("127.0.0.1", port_of(address))


async def test_nothing_listens_before_the_first_opening(house: House) -> None:
    async with house.site() as site:
        assert site.port is None
