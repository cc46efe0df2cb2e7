"""What is offered while a tenant or a user is typed."""

from __future__ import annotations

import mcp_types as t
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from cipp_mcp.demo.faults import Fault
from cipp_mcp.server.completion import MOST, ranked
from tests.server.conftest import Room, error_of

LEAVER = t.PromptReference(name="leaver")
USER = t.ResourceTemplateReference(uri="cipp://tenants/{tenant}/users/{user}")


@pytest.mark.anyio
@pytest.mark.parametrize("ref", [LEAVER, USER], ids=["prompt", "template"])
async def test_tenants_that_begin_so_come_before_those_that_hold_it(room: Room, ref: t.PromptReference) -> None:
    assert await room.offered(ref, "tenant", "fab") == ["fabrikam.example", "fabrlkam.example"]
    assert (await room.offered(ref, "tenant", "FABRIKAM"))[0] == "fabrikam.example"
    assert "fabrikam.example" in await room.offered(ref, "tenant", "rikam")
    every = await room.offered(ref, "tenant", "")
    assert len(every) > 3
    assert every == sorted(every, key=str.casefold)
    assert "AllTenants" not in every
    assert await room.offered(ref, "tenant", "no such tenant") == []
    assert room.requests("ListTenants") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("ref", [LEAVER, USER], ids=["prompt", "template"])
async def test_users_of_the_tenant_that_was_given(room: Room, ref: t.PromptReference) -> None:
    found = await room.offered(ref, "user", "ana", tenant="fabrikam")

    assert found == ["ana.ruiz2@fabrikam.example", "ana@fabrikam.example", "hana@fabrikam.example"]
    assert "ben@fabrikam.example" in await room.offered(ref, "user", "okafor", tenant="Fabrikam")
    assert room.requests("ListUsers") == 1, "kept for a minute"
    assert await room.offered(ref, "user", "ana") == [], "no tenant, no users"
    assert await room.offered(ref, "user", "ana", tenant="nobody") == []


@pytest.mark.anyio
async def test_offers_carry_no_hidden_text_and_do_not_count_as_seen_by_a_model(room: Room) -> None:
    offers = await room.offered(LEAVER, "user", "", tenant="fabrikam")

    assert "printer3@fabrikam.example" in offers
    assert all(o.isprintable() and "Ignore" not in o for o in offers)
    assert room.desk.session.tainted is False


@pytest.mark.anyio
async def test_other_arguments_have_none_and_unknown_ones_are_refused(room: Room) -> None:
    assert await room.offered(t.PromptReference(name="lost_device"), "device", "x") == []
    for ref, name in (
        (t.PromptReference(name="no_such"), "tenant"),
        (LEAVER, "no_such"),
        (t.ResourceTemplateReference(uri="cipp://no/{such}"), "such"),
    ):
        with pytest.raises(MCPError) as raised:
            await room.offered(ref, name, "")
        assert error_of(raised).code == t.INVALID_PARAMS


@pytest.mark.anyio
async def test_when_cipp_does_not_answer_nothing_is_offered_and_nothing_is_kept(room: Room) -> None:
    room.box.faults.add(Fault("gateway_502", "ListUsers", times=20))

    assert await room.offered(LEAVER, "user", "ana", tenant="fabrikam") == []
    room.box.faults.clear()
    assert await room.offered(LEAVER, "user", "ana", tenant="fabrikam") != []


@pytest.mark.anyio
async def test_in_a_large_tenant_cipp_is_asked_for_those_that_begin_so(room: Room) -> None:
    tenant = room.box.world.tenant("fabrikam.example")
    model = dict(tenant.user("ben@fabrikam.example") or {})
    with room.box.world.lock:
        for n in range(400):
            upn = f"many{n:03}@fabrikam.example"
            added = model | {
                "id": f"00000000-0000-4000-8000-{n:012}",
                "userPrincipalName": upn,
                "displayName": f"Many {n}",
                "mail": upn,
            }
            tenant.add("users", added)

    assert (await room.offered(LEAVER, "user", "many399", tenant="fabrikam"))[:1] == ["many399@fabrikam.example"]
    answer = await room.client.complete(LEAVER, {"name": "user", "value": "many"}, {"tenant": "fabrikam"})
    assert len(answer.completion.values) <= MOST
    assert await room.offered(LEAVER, "user", "x') or ('1' eq '1", tenant="fabrikam") == []


OFFERS = st.lists(st.tuples(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=3)), max_size=12)


@given(OFFERS, st.text(max_size=3))
def test_what_is_offered_fits_and_stands_once(raw: list[tuple[str, list[str]]], typed: str) -> None:
    typed = typed.casefold()
    offers = [(v, (v.casefold(), *(w.casefold() for w in words))) for v, words in raw]

    found = ranked(offers, typed)
    assert len(found) == len(set(found))
    begins = [v.casefold().startswith(typed) for v in found]
    assert begins == sorted(begins, reverse=True) or typed == ""
    assert set(found) == {v for v, words in offers if any(typed in w for w in words)}
