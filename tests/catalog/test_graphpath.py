"""A raw Graph query never reaches a credential, whatever the path wears."""

from __future__ import annotations

import time

import pytest

from cipp_mcp.catalog.graphpath import denied, normalised
from cipp_mcp.catalog.manifests import Catalog

DENIES = ("users/*/authentication", "deviceLocalCredentials", "users/*/messages", "applications?$select=passwordCredentials")


@pytest.mark.parametrize(
    "path",
    [
        "users/ana@fabrikam.example/authentication/methods",
        "/users/ana@fabrikam.example/authentication",
        "USERS/ana/Authentication/methods",
        "users//ana///authentication",
        "users/./ana/authentication",
        "users/x/../ana/authentication",
        "users('ana')/authentication",
        "users(ana)/authentication",
        "users('o''brien@fabrikam.example')/authentication",
        "users(userPrincipalName='ana@fabrikam.example')/authentication",
        "users(userPrincipalName='a(n)a/x')/authentication",
        "users((ana))/authentication",
        "users('ana)/authentication",
        "users/o'brien@fabrikam.example/authentication",
        "users/ana/%61uthentication",
        "users%2Fana%2Fauthentication",
        "users%252Fana%252Fauthentication",
        "users%25252Fana%25252Fauthentication",
        "v1.0/users/ana/authentication",
        "beta/users/ana/authentication",
        "/Beta/users/ana/authentication",
        "https://graph.microsoft.com/beta/users/ana/authentication/methods",
        "//graph.microsoft.com/v1.0/users/ana/authentication",
        "HTTPS://GRAPH.MICROSOFT.COM/v1.0/users/ana/authentication",
        "users\\ana\\authentication",
        "users/ana/authentication?$top=1",
        " users/ana/authentication ",
        "users/ana/microsoft.graph.authentication",
        "groups/1/members/microsoft.graph.user/users/ana/messages",
    ],
)
def test_a_disguised_path_is_denied(path: str) -> None:
    assert denied([path], DENIES) is not None


@pytest.mark.parametrize("part", ["(", "('", "(a", "('a'", "a/", "users/x/", "..", "//"])
def test_no_path_keeps_it_busy(part: str) -> None:
    began = time.monotonic()
    denied([part * (100_000 // len(part)), "id"], DENIES)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("path", ["$batch", "/$batch", "beta/$batch", "%24batch", "https://graph.microsoft.com/v1.0/$batch"])
def test_a_batch_is_denied_because_it_can_hold_anything(path: str) -> None:
    assert denied([path], DENIES) == "$batch"


@pytest.mark.parametrize(
    "texts",
    [
        ["applications", "id,passwordCredentials"],
        ["applications", "PASSWORDCREDENTIALS"],
        ["applications", "password%43redentials"],
        ["applications?$select=passwordCredentials"],
        ["devices", "id", "deviceLocalCredentials"],
        ["devices?$expand=deviceLocalCredentials"],
        ["applications(appId='6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c01')", "passwordCredentials"],
        ["users/ana", "messages"],
        ["users", "id", "messages($top=5)"],
        ["users/ana?$expand=messages"],
    ],
)
def test_a_select_or_expand_beside_the_path_is_looked_at_too(texts: list[str]) -> None:
    assert denied(texts, DENIES) is not None


@pytest.mark.parametrize(
    "texts",
    [
        ["users"],
        ["users/ana@fabrikam.example"],
        ["users", "displayName,userPrincipalName"],
        ["applications", "id,displayName"],
        ["servicePrincipals", "passwordCredentials"],
        ["policies/authenticationMethodsPolicy"],
        ["reports/authenticationMethods/userRegistrationDetails"],
        ["deviceManagement/managedDevices"],
        ["security/secureScores", "id", "title eq 'messages'"],
    ],
)
def test_what_holds_no_secret_passes(texts: list[str]) -> None:
    assert denied(texts, DENIES) is None


def test_a_path_is_compared_in_one_form() -> None:
    assert normalised("https://graph.microsoft.com/beta//Users('Ana%40x')/./Manager?$select=id") == "users/ana@x/manager"


@pytest.mark.parametrize(
    "path",
    [
        "users/ana/drive/root/children",
        "users/ana/drive?$expand=root($expand=children)",
        "users/ana/drive/search(q='pay')",
        "users('o''brien@fabrikam.example')/messages",
        "groups/1/drive/items",
        "groups/1/threads/2/posts",
        "drives/b!1/root/children",
        "drives/b!1/items/2",
        "shares/u!x/driveItem",
        "teams/1/channels",
    ],
)
def test_mail_and_files_stay_away_from_a_query_of_the_tool(catalog: Catalog, path: str) -> None:
    asked = [path, "messages"] if path.startswith("teams") else [path]
    assert denied(asked, catalog.get("query_graph").denies) is not None


@pytest.mark.parametrize(
    "path",
    [
        "users/ana/memberOf",
        "users/ana/drive?$select=quota",
        "groups/1/members",
        "sites/root",
        "drives",
        "reports/getSharePointSiteUsage",
    ],
)
def test_what_the_tool_is_for_passes(catalog: Catalog, path: str) -> None:
    assert denied([path, "id,displayName"], catalog.get("query_graph").denies) is None
