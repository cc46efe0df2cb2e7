"""What can be wrong, as data: how it shows, what it is, how it is put right.

The one table of `cipp-mcp doctor` and of the README's troubleshooting. No code that looks for a fault may enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["fault", "warning", "note"]

WHERE = "CIPP > Integrations > CIPP-API"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row.

    Attributes:
        id: its name in `doctor --json`.
        shows: how a person meets it, for the troubleshooting table.
        says: what it is, one sentence; `{…}` is filled with what was found.
        fix: what to do.
        level: `fault` makes the exit status 1.
    """

    id: str
    shows: str
    says: str
    fix: str
    level: Level = "fault"


_ROWS = (
    Fault(
        "portal_address",
        "A redirect (302) or a sign-in page instead of data",
        "{host} is the portal's address, not the API's: it answers with a sign-in page.",
        f"Set CIPP_API_URL to the API address that CIPP shows under {WHERE} (often https://….azurewebsites.net).",
    ),
    Fault(
        "api_path",
        "The address was written without `/api`, or with it",
        "The address was given {form}; both forms work.",
        "Nothing to do.",
        "note",
    ),
    Fault(
        "not_cipp",
        "404 without a word from CIPP, or an answer that is not CIPP's",
        "{host} answers, but not as CIPP does ({status}).",
        "Check CIPP_API_URL: only host and `/api`. A function app that has just been deployed may take minutes to answer.",
    ),
    Fault(
        "kept_out",
        "403 with a web page",
        "{host} refuses (403) before CIPP runs: the function app is stopped, or its network rules keep this computer out.",
        "In Azure start the function app, or add this network's public address to its access restrictions.",
    ),
    Fault(
        "dns",
        "\"cannot be found in DNS\"",
        "{host} cannot be found in DNS.",
        "Check {variable} for a typing error; then DNS and the network (VPN).",
    ),
    Fault(
        "tls_inspection",
        "\"certificate is not trusted\"",
        "The TLS certificate of {host} is not trusted{issuer}: this network probably inspects TLS.",
        "Add the inspecting device's root certificate to the operating system's store, or name its PEM file in CIPP_CA_BUNDLE. "
        "Where nothing inspects TLS, {variable} names the wrong host.",
    ),
    Fault(
        "tls_handshake",
        "\"TLS handshake failed\"",
        "The TLS handshake with {host} failed.",
        "Check that {variable} names an https port; a firewall in between is another possible cause.",
    ),
    Fault(
        "proxy_needed",
        "No connection, on a network where the browser goes through a proxy",
        "No connection to {host} without a proxy, and this computer has one set ({proxy}).",
        "Set CIPP_PROXY to it (http://host:port). cipp-mcp uses no other proxy setting by itself.",
    ),
    Fault(
        "proxy_refused",
        "\"the proxy did not let the request through\"",
        "The proxy of CIPP_PROXY does not let the connection to {host} through.",
        "Check user name and password in CIPP_PROXY, and have {host} allowed on the proxy.",
    ),
    Fault(
        "unreachable",
        "Connection refused, or none in time",
        "No connection to {host}: {kind}.",
        "Check host and port in {variable}, the network, the firewall, and whether CIPP_PROXY is needed here.",
    ),
    Fault(
        "wrong_tenant",
        "AADSTS90002, AADSTS900023",
        "The tenant of CIPP_TENANT_ID does not exist ({code}).",
        f"Set CIPP_TENANT_ID to the partner (MSP) tenant, as {WHERE} shows it.",
    ),
    Fault(
        "wrong_client",
        "AADSTS700016",
        "The client id is not an application of this tenant ({code}).",
        f"Copy CIPP_CLIENT_ID and CIPP_TENANT_ID again from {WHERE}: the tenant is the partner's, never a customer's.",
    ),
    Fault(
        "wrong_secret",
        "AADSTS7000215",
        "The client secret is wrong ({code}).",
        "Run `cipp-mcp setup` and paste the secret's value (not its id); if it is lost, reset it at the API client in CIPP.",
    ),
    Fault(
        "expired_secret",
        "AADSTS7000222",
        "The client secret has expired ({code}).",
        "Reset the secret of the API client in CIPP, then run `cipp-mcp setup` and paste the new one.",
    ),
    Fault(
        "app_disabled",
        "AADSTS7000112",
        "The application is disabled in Entra ({code}).",
        "Enable the API client's enterprise application in the partner tenant.",
    ),
    Fault(
        "wrong_scope",
        "AADSTS500011, AADSTS70011, AADSTS1002012",
        "The scope {scope} is unknown in this tenant ({code}).",
        "If CIPP_SCOPE is set, remove it. Else the application has no Application ID URI: in CIPP open the API client and choose "
        "the repair of the URI, then press Save to Azure.",
    ),
    Fault(
        "conditional_access",
        "AADSTS53000 to 53004, AADSTS530032",
        "Conditional access blocks this sign-in ({code}).",
        "Exclude the application, or allow this place: see the service principal sign-ins in Entra of the partner tenant.",
    ),
    Fault(
        "sign_in",
        "Any other trouble of the token endpoint",
        "{message}",
        "{hint}",
    ),
    Fault(
        "not_enabled",
        "401 although the sign-in worked",
        "The host refuses the token (401) before CIPP runs: the API client is not enabled, or was not saved to Azure.",
        f"In {WHERE} switch the API client on and press Save to Azure; it counts after a minute or two.",
    ),
    Fault(
        "client_for_mcp",
        "401 with a token of version 2.0, or MCPAllowed at the API client",
        "This API client is reserved for CIPP's own MCP server{how}.",
        f"Make a second API client in {WHERE} with MCP switched off, press Save to Azure, and use its id and secret here.",
    ),
    Fault(
        "ip_range",
        "403 \"the API Client does not have the required permission\"",
        "CIPP refuses this computer's address: it is not in the IP ranges of the API client.",
        f"Add this network's public address to the API client's IP ranges in {WHERE}.",
    ),
    Fault(
        "no_role",
        "403 \"the user does not have the required permission\"",
        "The API client has no role that CIPP knows, so every call is refused.",
        "In CIPP make a custom role with these permissions and give it to the API client: {needs}.",
    ),
    Fault(
        "role_too_low",
        "403 \"does not have the required permission: …\"",
        "The role {role} is too low for {count} of {total} listed tools: {tools}.",
        "Give the API client these permissions: {lacks}. Or list only what it may do: CIPP_MCP_READ_ONLY=1, CIPP_MCP_GROUPS, or "
        "`refuse` in the policy file.",
    ),
    Fault(
        "blocked_endpoint",
        "403 \"has blocked this endpoint\"",
        "The custom role of the API client blocks {endpoint}.",
        "Unblock it in the role, or refuse the tools that need it in the policy file.",
    ),
    Fault(
        "no_tenants",
        "No tenant is listed, or 403 \"Access to this tenant is not allowed\"",
        "The custom role of the API client includes no tenant.",
        "Add the tenants to the role in CIPP (CIPP > Advanced > Super Admin > CIPP Roles).",
    ),
    Fault(
        "worker_host",
        "403 \"API calls are not accepted\"",
        "{host} is one of CIPP's background workers.",
        "Set CIPP_API_URL to the address of the main function app.",
    ),
    Fault("subscription_ended", "403 \"subscription has ended\"", "The hosted CIPP subscription has ended.", "Renew it."),
    Fault(
        "no_trail",
        "Every change is refused because of the folder of CIPP_MCP_HOME",
        "Plans and the audit trail cannot be kept on this computer, so every change is refused: {why}.",
        "Make the folder of CIPP_MCP_HOME writable for you; unlock the keyring (sign in to the desktop).",
    ),
    Fault(
        "too_old",
        "404 \"Endpoint not found\", or an old version",
        "This CIPP is older than the tools expect: {found}.",
        "Update CIPP (its API to {wanted} or newer).",
    ),
    Fault(
        "clock",
        "Times that make no sense, plans that expire at once",
        "Compared with CIPP's, this computer's clock is {off}.",
        "Set the clock by the network (time synchronisation), then try again.",
    ),
    Fault(
        "cold_start",
        "The first call takes long, the next ones do not",
        "The first answer took {seconds} seconds: CIPP was asleep.",
        "Nothing to do; the first call after a pause may be slow. If it times out, raise CIPP_TIMEOUT.",
        "warning",
    ),
    Fault(
        "no_answer",
        "\"did not answer within …\"",
        "CIPP gave no answer: {message}",
        "Try again in a minute: it may be starting. If it stays so, look at the function app in Azure.",
    ),
    Fault(
        "throttled",
        "429",
        "CIPP's host says that there were too many requests (429).",
        "Wait a minute. Another program may be using the same API client: give each its own.",
    ),
    Fault(
        "cipp_trouble",
        "500, 502, 503, 504",
        "CIPP or its host has trouble of its own ({status}).",
        "Try again in a minute; then look at the function app's log in Azure.",
    ),
    Fault(
        "more_rights",
        "The API client is admin or superadmin",
        "The API client has more rights than the listed tools need ({role}).",
        "In CIPP make a custom role with only these permissions, limit it to the tenants you administer, and give it to the API "
        "client: {needs}.",
        "warning",
    ),
    Fault(
        "secret_readable",
        "The secret's file has wide rights",
        "Other users of this computer can read the file that holds the client secret.",
        "chmod 600 {file} in the folder of CIPP_MCP_HOME, or run `cipp-mcp setup` again.",
    ),
)  # fmt: skip

FAULTS: Mapping[str, Fault] = {row.id: row for row in _ROWS}

SIGN_IN_CODES: Mapping[int, str] = {
    90002: "wrong_tenant",
    900023: "wrong_tenant",
    700016: "wrong_client",
    7000215: "wrong_secret",
    7000222: "expired_secret",
    7000112: "app_disabled",
    500011: "wrong_scope",
    70011: "wrong_scope",
    1002012: "wrong_scope",
    53000: "conditional_access",
    53001: "conditional_access",
    53002: "conditional_access",
    53003: "conditional_access",
    53004: "conditional_access",
    530032: "conditional_access",
}
"""The token endpoint's numbers -> the row."""

_ANYTHING: Mapping[str, str] = {
    "host": "the host", "variable": "CIPP_API_URL", "issuer": "", "proxy": "its name", "kind": "refused, or none in time",
    "code": "AADSTS…", "scope": "api://<client id>", "message": "it did not come in time, or broke off.", "how": "",
    "hint": "Do what the sentence says; a proxy's sign-in page and a wrong CIPP_TOKEN_URL are frequent causes.",
    "role": "of the API client", "count": "some", "total": "the", "tools": "doctor names them", "endpoint": "an endpoint",
    "lacks": "those that doctor names", "found": "its version, or a missing endpoint", "wanted": "10.8",
    "off": "minutes ahead or behind",
    "seconds": "many", "status": "the status", "needs": "those that `cipp-mcp doctor` prints", "file": "the file",
    "form": "with or without `/api`", "why": "the folder cannot be written, or the keyring is locked",
}  # fmt: skip
_IN_ROW: Mapping[str, Mapping[str, str]] = {
    "sign_in": {"message": "The sign-in failed in another way."},
    "more_rights": {"role": "admin, for instance"},
}


def troubleshooting_rows() -> Iterable[tuple[str, str, str]]:
    """(how it shows, what it is, fix) of every fault and warning: the README's table."""
    for row in _ROWS:
        if row.level != "note":
            words = {**_ANYTHING, **_IN_ROW.get(row.id, {})}
            says, fix = row.says.format_map(words), row.fix.format_map(words)
            yield row.shows, says[:1].upper() + says[1:], fix
