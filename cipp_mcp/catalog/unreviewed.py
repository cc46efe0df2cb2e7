"""An `Endpoint` without a manifest -> an Action that takes the same walk as every other.

Nobody has reviewed what such an operation does, so the strictest reading of its facts holds: only a GET `List…` with
a `.Read` role is a read, all else asks a person. Where it acts and on whom is resolved like anywhere else, and what
CIPP would put into an address may not hold what bends an address. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from cipp_mcp.catalog.action import API, Action, Encoding
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.endpoint import Endpoint, Name, is_tenant

LOSES = "Not known: nobody has reviewed this operation for cipp-mcp."
CLAIMED = "the operation has no reviewed read-back"

_KEY = r"""^[^\s'"/?#&%\\]+$"""
_USER = r"""^([^\s'"/?#&%\\]|#EXT#)+$"""
_ID_NAME = re.compile(
    r"(?i:id|guid|rowkey|partitionkey|upn|userprincipalname|username)|.*[a-z0-9](Id|ID|GUID|Guid)|(user|group|device|site|app|key)id"
)
_USER_NAME = re.compile(r"userid|userprincipalname|upn", re.IGNORECASE)
_ECHO_NAME = re.compile(r"userid|userprincipalname|upn|username", re.IGNORECASE)
_SECRET = re.compile(r".*(password|secret|api_?key|(access|refresh)_?token|privatekey)(value)?", re.IGNORECASE)
_RESERVED = {"confirm", "request_options"}
_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_LIST_OF_ROWS = {"object", "object[]", "option[]"}


def action(one: Endpoint, denies: Sequence[str] = ()) -> Action:
    """The Action of an endpoint.

    Args:
        denies: Graph paths that no argument may ask for.
    """
    effect = effect_of(one)
    raw: dict[str, Any] = {
        "name": one.name,
        "group": API,
        "title": title(one.name),
        "summary": one.summary or f"{title(one.name)}. This operation is not known to cipp-mcp.",
        "endpoint": one.endpoint,
        "role": one.role,
        "effect": effect,
        "returns_secret": one.secret and effect is not Effect.READ,
        "all_tenants": one.all_tenants and effect is Effect.READ,
        "words": one.words,
        "redact": one.redact,
        "constants": {place: value for place, value in one.sends.items()},
        "fields": _fields(one, effect),
        "denies": tuple(denies),
    }
    if effect is not Effect.READ:
        raw |= {"loses": LOSES, "verify": [{"claimed": CLAIMED}]}
    # One that is needed is required; of several names for it, one.
    tenants = [f["name"] for f in raw["fields"] if f.pop("_where", False)]
    if len(tenants) == 1:
        next(f for f in raw["fields"] if f["name"] == tenants[0])["optional"] = False
    elif tenants:
        raw["rules"] = [{"one_of": tenants}]
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()
    return Action.model_validate({**raw, "digest": digest})


def effect_of(one: Endpoint) -> Effect:
    """The strictest reading: the word of the review where there is one, and never less than the facts say."""
    return max(_facts_say(one), one.effect, key=lambda e: e.strength)


def _facts_say(one: Endpoint) -> Effect:
    name, area, reads = one.key, one.role.partition(".")[0].casefold(), one.role.casefold().endswith(".read")
    if one.method == "GET" and name.startswith("list") and reads:
        return Effect.READ
    instance = {"superadmin", "appsettings"} & set(one.role.casefold().split("."))
    if area == "cipp" and (instance or not reads):
        return Effect.GOVERN
    return Effect.DESTROY if name.startswith(("remove", "delete", "execdelete")) else Effect.REMOVE


def title(name: str) -> str:
    """`ListMailboxRules` -> `List mailbox rules`, without the verb that says nothing; words in capitals stay."""
    words = _PIECE.findall(name.removeprefix("Exec")) or [name]
    return " ".join([words[0].capitalize(), *(w if w.isupper() and len(w) > 1 else w.lower() for w in words[1:])])


def _fields(one: Endpoint, effect: Effect) -> list[dict[str, Any]]:
    names = [n for n in one.names if n.place not in one.sends and n.mark != "drop"]
    lead = _leading_user(one, names)
    made: dict[str, dict[str, Any]] = {}
    for n in names:
        f = _field(n)
        if _is_where(n):
            f |= _tenant(n, one, effect)
        elif n is lead or _kind(n):
            f |= {"kind": _kind(n) or "user", "optional": n.mark.startswith("~") or (effect is Effect.READ and not n.required)}
            f |= {"pattern": _USER} if "format" not in f and f["type"] == "text" else {}
        elif lead is not None and effect is not Effect.READ and _is_echo(n):
            f["same_as"] = lead.name
        made.setdefault(f["name"], f)
    return list(made.values())


def _field(n: Name) -> dict[str, Any]:
    word = n.type.removesuffix("[]")
    name = f"{n.name}_" if n.name in _RESERVED else n.name
    f: dict[str, Any] = {"name": name, "type": "text" if word == "option" else word, "to": n.place, "optional": not n.required}
    f["many"] = n.type.endswith("[]")
    if word == "option" and not n.place.startswith("query."):
        f["as"] = Encoding.OPTION
    elif word == "flag" and n.place.startswith("query."):
        f["as"] = Encoding.SET  # many of CIPP's query flags count the text "false" as set
    if n.choices and word == "text":
        f |= {"type": "choice", "choices": n.choices}
    elif f["type"] == "text" and _is_id(n):
        f["pattern"] = _USER if _ECHO_NAME.fullmatch(_last(n)) else _KEY
    if f["type"] == "text" and _SECRET.fullmatch(_last(n)):
        f["secret"] = True
    if n.inside and word == "object":
        f["summary"] = f"{'Each has' if f['many'] else 'Has'} {', '.join(n.inside)}"
    return f


def _last(n: Name) -> str:
    return n.name.rpartition(".")[2]


def _kind(n: Name) -> str:
    """The kind of `kinds.toml` that the review gives."""
    mark = n.mark.removeprefix("~")
    return "" if mark in {"", "free", "tenant", "tenant_id"} or mark.startswith("=") else mark


def _is_id(n: Name) -> bool:
    """Exchange identities are left out: names with blanks, sent in a body."""
    return _ID_NAME.fullmatch(_last(n)) is not None


def _is_where(n: Name) -> bool:
    mark = n.mark.removeprefix("~")
    if n.type in {"flag", "number"} or mark == "free" or _kind(n) or mark.startswith("="):
        return False
    return mark in {"tenant", "tenant_id"} or is_tenant(n.name)


def _tenant(n: Name, one: Endpoint, effect: Effect) -> dict[str, Any]:
    """One tenant, or several in the rows that CIPP's pages send. A write always says where; a read may where CIPP allows."""
    last = _last(n).casefold()
    rows = last in {"selectedtenants", "assignedtenants", "excludedtenants"} or n.type in _LIST_OF_ROWS
    f: dict[str, Any] = {"kind": "tenant", "type": "text", "choices": (), "pattern": None}
    if n.place.startswith("query."):
        f["many"] = False
    elif rows:
        f |= {"many": True, "as": Encoding.TENANTS}
    if n.mark.endswith("tenant_id") or last == "customerid":
        f["sends"] = "id"
    aside = last.startswith("excluded") or n.mark.startswith("~")
    f["_where"] = not aside and (n.required or effect is not Effect.READ or not one.any_tenant)
    f["optional"] = True
    return f


def _leading_user(one: Endpoint, names: Sequence[Name]) -> Name | None:
    """The name that says on which user of the tenant the call acts; it is looked up."""
    if marked := next((n for n in names if n.mark == "user"), None):
        return marked
    if one.key.startswith(("add", "new")) or not any(_is_where(n) for n in names):
        return None
    found = [n for n in names if not n.mark and n.type in {"text", "option"} and _USER_NAME.fullmatch(_last(n))]
    return min(found, key=lambda n: _last(n).casefold() != "userid", default=None)


def _is_echo(n: Name) -> bool:
    """A second name of the same user, which must be that user's own: else CIPP's log would tell another story."""
    return n.mark.startswith("=") or (not n.mark and n.type == "text" and _ECHO_NAME.fullmatch(_last(n)) is not None)
