"""Signing in: how often the endpoint is asked, when, and what a technician reads when it says no."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest

from cipp_mcp.errors import SignInFailed
from cipp_mcp.wire.budget import Budget
from cipp_mcp.wire.connections import Connections
from cipp_mcp.wire.token import SignIn
from tests.wire.conftest import SECRET, settings_for
from tests.wire.scripted_server import Play, ScriptedServer, answer, gate, grant, hang, late, raw, reset

pytestmark = pytest.mark.anyio

Make = Callable[..., SignIn]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make(server: ScriptedServer, clock: Clock) -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        def sign_in(timeout: float = 5.0, **settings: Any) -> SignIn:
            given = settings_for(server.url, **settings)
            connections = Connections(given)
            made = SignIn(given, connections, Budget(0.001), clock=clock, timeout=timeout)
            stack.push_async_callback(connections.aclose)
            stack.push_async_callback(made.aclose)
            return made

        yield sign_in


async def refusal(sign_in: SignIn) -> SignInFailed:
    with anyio.fail_after(10), pytest.raises(SignInFailed) as caught:
        await sign_in.token()
    assert not caught.value.sent
    assert caught.value.hint
    assert SECRET not in f"{caught.value} {caught.value!r}"
    return caught.value


async def test_the_form_is_that_of_client_credentials(server: ScriptedServer, make: Make) -> None:
    assert (await make().token()).text == "token-1"
    (heard,) = server.tokens_asked
    assert heard.method == "POST"
    assert heard.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(heard.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["11111111-2222-3333-4444-555555555555"],
        "client_secret": [SECRET],
        "scope": ["api://11111111-2222-3333-4444-555555555555/.default"],
    }


async def test_fifty_callers_at_once_make_one_token_request(server: ScriptedServer, make: Make) -> None:
    sign_in = make()
    server.token_script.append(late(0.05, grant("shared")))
    texts: list[str] = []

    async def caller() -> None:
        texts.append((await sign_in.token()).text)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(caller)
    assert texts == ["shared"] * 50
    assert len(server.tokens_asked) == 1


async def test_a_waiter_that_is_cancelled_does_not_end_the_refresh_of_the_others(server: ScriptedServer, make: Make) -> None:
    sign_in = make()
    opened = asyncio.Event()
    server.token_script.append(gate(opened, grant("shared")))
    texts: list[str] = []

    async def caller() -> None:
        texts.append((await sign_in.token()).text)

    with anyio.fail_after(10):
        with anyio.move_on_after(0.1) as first:
            await sign_in.token()  # the one that began the request
        assert first.cancelled_caught
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(caller)
            await anyio.sleep(0.02)
            opened.set()
    assert texts == ["shared"] * 5
    assert len(server.tokens_asked) == 1


async def test_when_every_waiter_gave_up_the_failure_bothers_nobody(server: ScriptedServer, make: Make) -> None:
    sign_in = make()
    opened = asyncio.Event()
    server.token_script.append(gate(opened, answer(500, "")))
    with anyio.fail_after(10):
        with anyio.move_on_after(0.03) as waiter:
            await sign_in.token()
        assert waiter.cancelled_caught
        refresh = sign_in._refresh
        assert refresh is not None
        opened.set()
        await asyncio.wait([refresh])
        assert (await sign_in.token()).text == "token-2"


async def test_all_waiters_of_a_failed_refresh_fail_and_the_next_call_asks_anew(server: ScriptedServer, make: Make) -> None:
    sign_in = make()
    server.token_script.append(late(0.05, answer(500, "")))
    failed = 0

    async def caller() -> None:
        nonlocal failed
        with pytest.raises(SignInFailed):
            await sign_in.token()
        failed += 1

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(caller)
        assert failed == 10 and len(server.tokens_asked) == 1
        assert (await sign_in.token()).text == "token-2"


@pytest.mark.parametrize(
    ("life", "kept_for", "gone_at"),
    [
        (3600, 3299, 3301),
        ("3599", 3298, 3300),
        (1500, 1199, 1201),
        (100, 79, 81),
        (1, 0.79, 0.81),
        (None, 239, 241),
        ("x", 239, 241),
    ],
)
async def test_a_token_is_renewed_five_minutes_early_or_a_fifth_of_a_short_life(
    server: ScriptedServer, make: Make, clock: Clock, life: object, kept_for: float, gone_at: float
) -> None:
    sign_in = make()
    server.token_script.append(grant("first", life))
    await sign_in.token()
    clock.now = 1000 + kept_for
    assert (await sign_in.token()).text == "first"
    clock.now = 1000 + gone_at
    assert (await sign_in.token()).text == "token-2"


async def test_an_early_renewal_that_fails_leaves_the_good_token_in_use_until_it_expires(
    server: ScriptedServer, make: Make, clock: Clock
) -> None:
    sign_in = make()
    await sign_in.token()
    clock.now += 3400
    server.token_script.extend([answer(503, ""), answer(503, "")])
    assert (await sign_in.token()).text == "token-1"
    clock.now += 10
    assert (await sign_in.token()).text == "token-1"
    assert len(server.tokens_asked) == 2  # the endpoint is left alone for half a minute
    clock.now = 1000 + 3600
    await refusal(sign_in)
    assert (await sign_in.token()).text == "token-4"


async def test_all_who_saw_the_same_stale_token_share_one_renewal(server: ScriptedServer, make: Make) -> None:
    sign_in = make()
    stale = await sign_in.token()
    # The endpoint may hand out the very same text again: still one renewal for all.
    server.token_script.append(late(0.03, grant("token-1")))
    fresh: list[object] = []

    async def caller(after: float) -> None:
        await anyio.sleep(after)
        fresh.append(await sign_in.renew(stale))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(caller, 0.002 * n)  # some while it runs, some after it
    assert len(server.tokens_asked) == 2
    assert len({id(token) for token in fresh}) == 1 and fresh[0] is not stale


async def test_a_token_that_was_refused_is_not_used_again_when_the_renewal_fails(server: ScriptedServer, make: Make) -> None:
    sign_in = make()
    stale = await sign_in.token()
    server.token_script.append(answer(503, ""))
    with pytest.raises(SignInFailed):
        await sign_in.renew(stale)
    assert (await sign_in.token()).text == "token-3"


def refused(code: int, status: int = 401, described: bool = True) -> Play:
    said: dict[str, object] = {"error": "invalid_client", "error_description": f"AADSTS{code}: canary text {SECRET}. Trace ID: x"}
    if not described:
        said = {"error": "invalid_client", "error_codes": [code]}
    return answer(status, json.dumps(said))


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize(
    ("code", "says", "hints"),
    [
        (7000215, "the client secret is wrong", "CIPP_CLIENT_SECRET"),
        (7000222, "the client secret has expired", "Reset the secret"),
        (700016, "the client id is unknown in this tenant", "CIPP_CLIENT_ID"),
        (90002, "the tenant does not exist", "CIPP_TENANT_ID"),
        (900023, "the tenant is neither an id nor a domain", "CIPP_TENANT_ID"),
        (500011, "the scope is unknown", "Application ID URI"),
        (53003, "conditional access blocks", "sign-in logs"),
        (123456, "the token endpoint refused (AADSTS123456)", "AADSTS123456"),
    ],
)
async def test_a_refusal_is_told_in_our_words_by_its_number(
    server: ScriptedServer, make: Make, code: int, says: str, hints: str, described: bool
) -> None:
    server.token_script.append(refused(code, described=described))
    error = await refusal(make())
    assert says in error.message and f"AADSTS{code}" in error.message and hints in error.hint
    assert "canary" not in str(error)
    assert len(server.tokens_asked) == 1


@pytest.mark.parametrize(
    ("play", "says"),
    [
        (answer(200, "<html>canary", "text/html"), "a web page came back instead of a token (HTTP 200)"),
        (answer(400, "<html>canary", "text/html"), "a web page came back instead of a token (HTTP 400)"),
        (answer(503, "<html>canary", "text/html"), "trouble of its own (HTTP 503)"),
        (answer(429, "canary", "text/plain"), "trouble of its own (HTTP 429)"),
        (answer(302, "", "", Location="https://canary.example"), "a redirect (HTTP 302)"),
        (answer(400, '{"error":"canary"}'), "the token endpoint refused (HTTP 400)"),
        (answer(200, "{}"), "holds no usable token"),
        (answer(200, '["canary"]'), "holds no usable token"),
        (answer(200, "[" * 100_000), "holds no usable token"),
        (grant("ca nary\r\nX-Evil: 1"), "holds no usable token"),
        (grant(""), "holds no usable token"),
        (answer(200, b" " * (2**20 + 1)), "holds no usable token"),
        (reset(), "broke off its answer"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), "broke off its answer"),
        (raw(b"junk\r\n\r\n"), "broke off its answer"),
        (answer(200, b"canary", Content_Encoding="gzip"), "broke off its answer"),
    ],
)
async def test_every_other_trouble_of_the_endpoint_has_its_own_sentence(
    server: ScriptedServer, make: Make, play: Play, says: str
) -> None:
    server.token_script.append(play)
    error = await refusal(make())
    assert says in error.message
    assert "canary" not in str(error)
    assert len(server.tokens_asked) == 1


async def test_an_endpoint_that_hangs_is_told_as_a_time_out(server: ScriptedServer, make: Make) -> None:
    server.token_script.append(hang)
    assert "did not answer within 0.1 s" in (await refusal(make(timeout=0.1))).message


async def test_an_endpoint_that_drips_ends_too(server: ScriptedServer, make: Make) -> None:
    from tests.wire.scripted_server import drip

    server.token_script.append(drip(0.02))
    assert "did not answer within 0.2 s" in (await refusal(make(timeout=0.2))).message


async def test_an_endpoint_that_is_away_is_told_as_refused(make: Make) -> None:
    error = await refusal(make(token_url="http://127.0.0.1:1/token"))
    assert "The connection was refused by the token endpoint at 127.0.0.1" in error.message
    assert "CIPP_TOKEN_URL" in error.hint


async def test_closing_ends_a_refresh_in_flight(server: ScriptedServer, make: Make) -> None:
    sign_in = make()
    server.token_script.append(hang)
    with anyio.move_on_after(0.05):
        await sign_in.token()
    with anyio.fail_after(5):
        await sign_in.aclose()
