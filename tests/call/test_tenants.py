"""What a caller writes becomes exactly one tenant of CIPP's list, or nothing is sent."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.tenants import EVERY_TENANT, Tenant, TenantBook
from cipp_mcp.call.text import clean
from cipp_mcp.errors import CippMcpError, UnknownTenant
from cipp_mcp.message import Request, Response
from tests.call.making import response, some


def row(number: int, default: str, initial: str, name: str, **more: Any) -> dict[str, Any]:
    customer = f"{number:08d}-aaaa-4aaa-8aaa-{number:012d}"
    return {"customerId": customer, "defaultDomainName": default, "initialDomainName": initial, "displayName": name} | more


LIST: list[dict[str, Any]] = [
    row(1, "fabrikam.example", "fabrikamdemo.onmicrosoft.com", "Fabrikam"),
    row(2, "contoso.example", "contosodemo.onmicrosoft.com", "Contoso"),
    row(3, "northwind.example", "northwinddemo.onmicrosoft.com", "Northwind Traders"),
    row(4, "northwind-uk.example", "northwindukdemo.onmicrosoft.com", "Northwind Traders"),
    row(5, "fabrlkam.example", "fabrlkamdemo.onmicrosoft.com", "Fabrlkam Logistics"),
    row(6, "tailspindemo.onmicrosoft.com", "tailspindemo.onmicrosoft.com", "Tailspin Toys"),
    row(7, "strasse.example", "strassedemo.onmicrosoft.com", "Straße"),
    row(8, "woodgrove.example", "woodgrovedemo.onmicrosoft.com", "Woodgrove Bank", Excluded=True),
    row(9, "", "nodomain.onmicrosoft.com", "No Default Domain"),
    row(10, "contoso.example.net", "contoso2.onmicrosoft.com", "contoso.example"),
    row(11, "hidden.example", "hiddendemo.onmicrosoft.com", "Hid\u200bden\u202e\nIgnore previous"),
    {"customerId": "AllTenants", "defaultDomainName": "AllTenants", "displayName": "*All Tenants"},
]
USABLE = [r for r in LIST if not r.get("Excluded") and r["defaultDomainName"] and r["customerId"] != "AllTenants"]

FOUND = [
    ("fabrikam.example", "fabrikam.example"),
    ("  fabrikam.example ", "fabrikam.example"),
    ("FABRIKAM.Example", "fabrikam.example"),
    ("fabrikamdemo.onmicrosoft.com", "fabrikam.example"),
    ("00000001-AAAA-4aaa-8aaa-000000000001", "fabrikam.example"),
    ("fabrikam", "fabrikam.example"),
    ("fabrlkam.example", "fabrlkam.example"),
    ("northwind-uk.example", "northwind-uk.example"),
    ("TailspinDemo.onmicrosoft.com", "tailspindemo.onmicrosoft.com"),
    ("STRASSE", "strasse.example"),
    ("hidden ignore previous", "hidden.example"),
]

REFUSED = [
    ("", "empty", ""),
    ("   ", "empty", ""),
    ("\t\n", "empty", ""),
    ("Northwind Traders", "2 tenants are called that", "northwind-uk.example"),
    ("contoso.example", "2 tenants are called that", "contoso.example.net"),
    ("AllTenants", "not allowed here", ""),
    ("alltenants", "not allowed here", ""),
    ("woodgrove.example", "No tenant", ""),
    ("Woodgrove Bank", "No tenant", ""),
    ("00000008-aaaa-4aaa-8aaa-000000000008", "No tenant", ""),
    ("nodomain.onmicrosoft.com", "No tenant", ""),
    ("fabrikam.exampl", "No tenant", "fabrikam.example"),
    ("fаbrikam.example", "No tenant", "fabrikam.example"),  # a Cyrillic а
    ("ｆabrikam.example", "No tenant", "fabrikam.example"),  # a full-width f
    ("*All Tenants", "No tenant", ""),
    ("fabrikam.example,contoso.example", "No tenant", "fabrikam.example"),
    ("fabrikam.example\x00", "No tenant", "fabrikam.example"),
    ("null", "No tenant", ""),
    ("x" * 100_000, "No tenant", ""),
]


class Cipp:
    """The far end of `send`: a tenant list that can be exchanged."""

    def __init__(self, body: Any = None, status: int = 200) -> None:
        self.answer = response(LIST if body is None else body, status)
        self.asked: list[Request] = []
        self.now = 0.0

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        await anyio.lowlevel.checkpoint()
        return self.answer

    def book(self) -> TenantBook:
        return TenantBook(self.send, lambda: self.now)


def resolve(written: Any, **options: Any) -> Tenant:
    cipp = Cipp()

    async def ask() -> Tenant:
        return await cipp.book().resolve(written, **options)

    return anyio.run(ask)


@pytest.mark.parametrize(("written", "domain"), FOUND)
def test_any_of_its_keys_in_any_letter_case_names_a_tenant(written: str, domain: str) -> None:
    assert resolve(written).default_domain == domain


@pytest.mark.parametrize(("written", "says", "candidate"), REFUSED)
def test_what_is_not_exactly_one_tenant_is_refused_with_candidates(written: str, says: str, candidate: str) -> None:
    with pytest.raises(UnknownTenant, match=says) as refused:
        resolve(written)
    assert not candidate or any(candidate in c for c in refused.value.candidates)
    assert "Nothing was sent" in str(refused.value)


def test_candidates_show_nothing_that_is_hidden() -> None:
    with pytest.raises(UnknownTenant) as refused:
        resolve("hidden.exampl")
    assert refused.value.candidates[0] == "Hidden Ignore previous (hidden.example)"


def test_all_tenants_is_taken_only_where_the_action_allows_it() -> None:
    assert resolve("ALLTENANTS", all_tenants=True) is EVERY_TENANT


KEYS = [str(r[k]) for r in LIST for k in ("customerId", "defaultDomainName", "initialDomainName", "displayName") if r.get(k)]


@st.composite
def nearly_a_key(draw: st.DrawFn) -> str:
    """A key of the list with its letter case changed and up to one character replaced."""
    key = draw(st.sampled_from(KEYS))
    key = "".join(c.upper() if up else c for c, up in zip(key, draw(st.lists(st.booleans(), min_size=80)), strict=False))
    if draw(st.booleans()):
        at = draw(st.integers(0, max(len(key) - 1, 0)))
        key = key[:at] + draw(st.characters()) + key[at + 1 :]
    return key


@some
@given(st.text() | nearly_a_key())
def test_only_an_exact_key_of_one_usable_tenant_ever_resolves(written: str) -> None:
    keys = ("customerId", "defaultDomainName", "initialDomainName", "displayName")
    wanted = written.strip().casefold()
    hits = [r for r in USABLE if wanted in {" ".join(clean(str(r[k])).split()).casefold() for k in keys if r[k]}]
    try:
        found = resolve(written)
    except UnknownTenant as refused:
        assert wanted in {"", "alltenants"} or len(hits) != 1
        assert len(refused.candidates) <= 5
        assert not any("woodgrove" in c for c in refused.candidates)
    else:
        assert [r["customerId"] for r in hits] == [found.customer_id]


BROKEN_LISTS = [
    (b"", 200),
    (b"<!DOCTYPE html><html></html>", 200),
    (b"[]", 200),
    (b"null", 200),
    (b"{", 200),
    ({"Results": "Failed to retrieve tenants: token expired"}, 200),
    ([{"Results": "Failed to retrieve tenants: x", "defaultDomainName": "", "customerId": "", "displayName": "Failed"}], 200),
    (b"Object reference not set to an instance of an object.", 500),
    (b"", 401),
    (b"", 302),
]


@pytest.mark.parametrize(("body", "status"), BROKEN_LISTS)
def test_without_a_usable_list_nobody_resolves(body: Any, status: int) -> None:
    cipp = Cipp(body, status)
    book = cipp.book()
    for _ in range(2):
        with pytest.raises(CippMcpError):
            anyio.run(book.resolve, "fabrikam.example")
    assert len(cipp.asked) == 2, "a failure is not kept"


def test_the_list_is_read_once_in_five_minutes_whoever_asks_at_the_same_time() -> None:
    cipp = Cipp()
    book = cipp.book()

    async def ask() -> None:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(book.resolve, "fabrikam.example")
        assert len(cipp.asked) == 1
        cipp.now = 299.0
        await book.resolve("contoso.example.net")
        assert len(cipp.asked) == 1
        cipp.now = 301.0
        await book.resolve("contoso.example.net")

    anyio.run(ask)
    assert [(r.path, dict(r.query)) for r in cipp.asked] == [("/api/ListTenants", {})] * 2


def test_a_tenant_that_left_the_list_is_gone_when_the_list_is_read_again() -> None:
    cipp = Cipp()
    book = cipp.book()

    async def ask() -> None:
        await book.resolve("fabrikam.example")
        cipp.answer, cipp.now = response(LIST[1:]), 301.0
        with pytest.raises(UnknownTenant):
            await book.resolve("fabrikam.example")

    anyio.run(ask)
