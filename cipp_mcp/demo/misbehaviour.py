"""The kinds of fault by name: for each its number in the catalogue, its usual effect, and what it sends.

A kind is one line of KINDS; whatever varies between two uses of a kind is a field of Fault. Nothing here sends a byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from cipp_mcp.demo.dialect import Reply
from cipp_mcp.demo.faults import Close, Cut, Fault, Http, Kind, Move, Play, Wait

SIGN_IN = b"<!DOCTYPE html><html><head><title>Sign in to your account</title></head><body><form>Sign in</form></body></html>"
GATEWAY = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr><center>Gateway</center></body></html>"
HTML = "text/html; charset=utf-8"


def encode(reply: Reply) -> Http:
    """A reply as App Service sends it: text as text, anything else as JSON, nothing as nothing."""
    if reply.body is None:
        return Http(reply.status, b"", None)
    if isinstance(reply.body, str):
        return Http(reply.status, reply.body.encode(), "text/plain; charset=utf-8")
    return Http(reply.status, json.dumps(reply.body, ensure_ascii=False).encode())


def _text(fault: Fault, default: str, status: int) -> list[Move]:
    return [encode(Reply(fault.text or default, fault.status or status))]


def _json(fault: Fault, default: Any, status: int = 200) -> list[Move]:
    return [encode(Reply(default if fault.body is None else fault.body, fault.status or status))]


def _plain(status: int, default: str) -> Play:
    return lambda fault, reply, tenants: _text(fault, default, status)


def _results(default: Any, status: int = 200) -> Play:
    return lambda fault, reply, tenants: _json(fault, {"Results": fault.text or default}, status)


def _bare(status: int, body: bytes = b"", content_type: str | None = None) -> Play:
    """A page or nothing at all from the platform in front of CIPP."""

    def play(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
        headers = (("Retry-After", fault.retry_after),) if fault.retry_after is not None else ()
        return [Http(fault.status or status, body, content_type, headers)]

    return play


def _gateway(status: int) -> Play:
    def play(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
        return [Wait(fault.seconds), Http(status, GATEWAY % (status, status), HTML)]

    return play


def _late(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    return [Wait(fault.seconds), encode(reply)]


def _redirect(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    return [Http(fault.status or 302, b"", None, (("Location", fault.text or "/.auth/login/aad"),))]


def _queued(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    metadata = {
        "Queued": True,
        "QueueMessage": fault.text or "Loading data for all tenants. Ask again later",
        "QueueId": "queue-1",
    }
    return _json(fault, {"Results": [], "Metadata": metadata})


def _rows(reply: Reply) -> list[Any]:
    body = reply.body.get("Results", []) if isinstance(reply.body, dict) else reply.body
    return body if isinstance(body, list) else [body]


def _tenant_errors(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    lost = list(tenants)[: fault.count]
    kept = [{**row, "CippStatus": "Good"} for row in _rows(reply) if isinstance(row, dict) and row.get("Tenant") not in lost]
    kept += [{"Tenant": name, "CippStatus": "Could not connect to tenant. " + (fault.text or "AADSTS65001")} for name in lost]
    return [encode(Reply({"Results": kept, "Metadata": {}} if isinstance(reply.body, dict) else kept))]


def _stale(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    old = fault.text or "2020-01-01T00:00:00Z"
    rows = [{**row, "CacheTimestamp": old, "Timestamp": old} if isinstance(row, dict) else row for row in _rows(reply)]
    return [encode(Reply({"Results": rows, "Metadata": {}} if isinstance(reply.body, dict) else rows))]


def _next_page(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    link = fault.text or "https://graph.microsoft.com/beta/users?$skiptoken=demo"
    return [encode(Reply({"Results": _rows(reply)[: fault.count], "Metadata": {"nextLink": link}}))]


def _many(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    """The rows again and again, each with an id and names of its own, made while they leave."""
    rows = _rows(reply) if fault.body is None else fault.body

    def row(n: int) -> str:
        given = rows[n % len(rows)]
        own = {"id": f"00000000-0000-4000-8000-{n:012}", "userPrincipalName": f"user{n}@fabrikam.example"}
        return json.dumps({**given, **{k: v for k, v in own.items() if k in given}}, ensure_ascii=False)

    parts = (",".join(map(row, range(at, min(at + 500, fault.count)))).encode() for at in range(0, fault.count, 500))
    ends = (b"[", b"]") if not isinstance(reply.body, dict) else (b'{"Results": [', b'], "Metadata": {}}')
    return [Http(200, ends[0], parts=chain((part if n == 0 else b"," + part for n, part in enumerate(parts)), ends[1:]))]


def _truncated(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    """Half of the body under the right length, then the end of the connection."""
    whole = encode(reply)
    return [Http(whole.status, whole.body[: len(whole.body) // 2], whole.content_type, claimed_length=len(whole.body)), Cut()]


def _malformed(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    whole = encode(reply)
    return [Http(whole.status, whole.body[: max(1, len(whole.body) - 1)] + b",,", whole.content_type)]


def _wrong_length(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    whole = encode(reply)
    return [Http(whole.status, whole.body, whole.content_type, claimed_length=len(whole.body) + 64), Close()]


def _wrong_charset(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    return [Http(200, b'{"Results": "Successfully ' + b"\xff\xfe\xe9" + b'"}')]


def _deep(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    depth = max(fault.count, 100_000 if fault.count == 1 else 1)
    return [Http(200, b'{"Results":' + b"[" * depth + b"]" * depth + b"}")]


def _huge(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    megabytes = 50 if fault.count == 1 else fault.count
    return [Http(200, b'{"Results": "' + b"x" * (megabytes * 1024 * 1024) + b'"}')]


def _drip(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    whole = encode(reply)
    return [Http(whole.status, whole.body, whole.content_type, drip=fault.seconds)]


def _scheduled(fault: Fault, reply: Reply, tenants: Sequence[str]) -> list[Move]:
    text = fault.text or "Scheduled job with id 7f0c2a60-5b1a-4a2e-9a5e-3f6d2b1c0d9e as Graph API was too busy."
    return _json(fault, {"Results": text})


def _oauth(code: int, error: str, text: str, status: int = 401) -> Play:
    body = {
        "error": error,
        "error_description": f"AADSTS{code}: {text}",
        "error_codes": [code],
        "trace_id": "demo",
        "correlation_id": "demo",
    }
    return lambda fault, reply, tenants: _json(fault, body, status)


MIXED = [
    {"resultText": "Successfully did the first part", "copyField": "", "state": "Success"},
    {"resultText": "Failed to do the second part", "copyField": "", "state": "ERROR"},
    {"resultText": "The third part needs a look", "copyField": "", "state": "Warning"},
    "Successfully did the fourth part",
]
PART = "Failed to remove all. Removed: microsoftAuthenticator. Could not remove: phone."
ROLE = (
    "Access to this CIPP API endpoint is not allowed, the 'readonly' base role does not have the required permission: "
    "Identity.User.ReadWrite"
)

KINDS: dict[str, Kind] = {
    "cut_after": Kind("F02", "done", lambda f, r, t: [Cut()]),
    "cut_before": Kind("F03", "none", lambda f, r, t: [Cut()]),
    "idle_close": Kind("F04", "done", lambda f, r, t: [encode(r), Close()]),
    "late": Kind("F05", "done", _late),
    "gateway_504": Kind("F06", "after", _gateway(504)),
    "gateway_502": Kind("F06", "after", _gateway(502)),
    "hang": Kind("F07", "done", lambda f, r, t: [Wait(None)]),
    "cold_start": Kind("F08", "done", _late),
    "cold_404": Kind("F09", "none", _bare(404)),
    "cold_502": Kind("F09", "none", _bare(502, GATEWAY % (502, 502), HTML)),
    "unauthorized": Kind("F10 F11", "none", _bare(401)),
    "redirect": Kind("F12", "none", _redirect),
    "html": Kind("F13", "none", _bare(200, SIGN_IN, HTML)),
    "too_many": Kind("F14 F15", "none", _bare(429)),
    "unavailable": Kind("F16", "none", _bare(503)),
    "feature_off": Kind("F17", "none", _plain(503, "This feature has been disabled: by the demo")),
    "server_error": Kind("F18", "none", _plain(500, "Object reference not set to an instance of an object.")),
    "part_500": Kind("F19", "done", _results(PART, 500)),
    "role_403": Kind("F20", "none", _plain(403, ROLE)),
    "failed_403": Kind(
        "F21", "none", _results("Failed to do it. Error: Insufficient privileges to complete the operation.", 403)
    ),
    "success_400": Kind("F22", "none", _results("Task removed successfully.", 400)),
    "failed_200": Kind("F23", "none", _results("Could not do it: the mailbox is busy")),
    "mixed_200": Kind("F24", "done", _results(MIXED)),
    "lost": Kind("F25", "forgotten", lambda f, r, t: [encode(r)]),
    "empty": Kind("F27", "done", lambda f, r, t: [Http(f.status or 200, b"", None)]),
    "null": Kind("F27", "done", lambda f, r, t: [Http(f.status or 200, b"null")]),
    "empty_results": Kind("F27", "done", lambda f, r, t: _json(f, {"Results": ""})),
    "queued": Kind("F28", "none", _queued),
    "waiting": Kind("F28", "none", lambda f, r, t: _json(f, {"Waiting": True, "GUID": "waiting-1"})),
    "busy_graph": Kind("F29", "deferred", _scheduled),
    "tenant_errors": Kind("F30", "done", _tenant_errors),
    "stale_rows": Kind("F31", "done", _stale),
    "next_page": Kind("F31", "done", _next_page),
    "many": Kind("", "done", _many),
    "malformed": Kind("F32", "done", _malformed),
    "truncated": Kind("F32", "done", _truncated),
    "wrong_length": Kind("F32", "done", _wrong_length),
    "wrong_charset": Kind("F32", "done", _wrong_charset),
    "deep": Kind("F32", "done", _deep),
    "huge": Kind("F32", "done", _huge),
    "drip": Kind("F33", "done", _drip),
    "token_down": Kind("F40", "none", lambda f, r, t: [Cut()], "token"),
    "token_slow": Kind("F40", "done", _late, "token"),
    "token_hang": Kind("F40", "none", lambda f, r, t: [Wait(None)], "token"),
    "token_html": Kind("F40", "none", _bare(200, SIGN_IN, HTML), "token"),
    "token_500": Kind("F40", "none", _bare(500, GATEWAY % (500, 500), HTML), "token"),
    "token_429": Kind("F40", "none", _bare(429), "token"),
    "token_nonsense": Kind("F40", "none", lambda f, r, t: _json(f, {"token_type": "Bearer"}), "token"),
    "token_bad_secret": Kind("F40", "none", _oauth(7000215, "invalid_client", "Invalid client secret provided."), "token"),
    "token_old_secret": Kind(
        "F40", "none", _oauth(7000222, "invalid_client", "The provided client secret keys are expired."), "token"
    ),
    "token_no_app": Kind(
        "F40", "none", _oauth(700016, "unauthorized_client", "Application was not found in the directory.", 400), "token"
    ),
    "token_no_resource": Kind(
        "F40", "none", _oauth(500011, "invalid_resource", "The resource principal was not found.", 400), "token"
    ),
    "token_no_tenant": Kind("F40", "none", _oauth(90002, "invalid_request", "Tenant not found.", 400), "token"),
}
