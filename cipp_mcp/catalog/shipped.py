"""The shipped catalogue: `manifests/api.json`, one line for each operation of CIPP's API.

Facts (method, role, names, types) are taken over from CIPP's document; summary, words and marks are written by hand
and survive a new taking. A line is `[method and flags, role, names, summary, words]` and, where there is more, an
object; its `also` are further ways to say it, for the search alone, and endpoints with a manifest have them too.
The flags: `y` CIPP does not check the tenant, `a` it answers for AllTenants. In the names `?` is the query, `[]` a
body that is a list; then `:` type, `+` many, `!` required, `@` the review's mark, `=` choices, `{}` what an object has
inside. Only this file's grammar may enter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.endpoint import Endpoint, Name, reviewed
from cipp_mcp.catalog.manifests import shipped_folder
from cipp_mcp.errors import ManifestError

FILE = "api.json"
LONGEST_SUMMARY = 110

_CODES = {"text": "", "flag": "f", "number": "n", "object": "o", "option": "l"}
_TYPES = {code: word for word, code in _CODES.items()}
_TOKEN = re.compile(
    r"(\?|\[\])?([^\s:!@={}+?\[\]]+)(?::([fnol]))?(\+)?(!)?(?:@([a-zA-Z_~=]+))?(?:=([^{}\s]+))?(?:\{([^{}\s]*)\})?"
)
_ROOMS = {"": "body.", "?": "query.", "[]": "body[]."}


@cache
def read(file: Path | None = None) -> Mapping[str, Endpoint]:
    """Key (the name in small letters) -> endpoint.

    Raises:
        ManifestError: the file is missing or damaged.
    """
    try:
        raw = json.loads((file or shipped_folder() / FILE).read_text(encoding="utf-8"))
        made = [_endpoint(name, *line) for name, line in raw.items()]
    except OSError:
        raise ManifestError(f"{FILE} is not in this installation.") from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ManifestError(f"{FILE} is damaged.") from None
    return {e.key: e for e in made}


def taken(told: Iterable[Endpoint], known: Mapping[str, Endpoint], spoken: Iterable[str] = ()) -> str:
    """The text of the file for a document's endpoints: new facts, with the summary, words and marks that it has.

    Args:
        spoken: keys of endpoints whose manifests have their own words.
    """
    silent = set(spoken)
    lines = []
    for one in sorted(told, key=lambda e: e.key):
        whole = reviewed(one, known[one.key]) if one.key in known else replace(one, said="")
        whole = replace(whole, summary="", words=()) if one.key in silent else whole
        lines.append(f"{json.dumps(whole.name)}: {_line(whole)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _endpoint(
    name: str, how: str, role: str, names: str, summary: str, words: str, more: Mapping[str, Any] | None = None
) -> Endpoint:
    extra = more or {}
    return Endpoint(
        name,
        "GET" if how[0] == "G" else "POST",
        role,
        tuple(_name(token) for token in names.split()),
        summary,
        tuple(w for w in words.split(", ") if w),
        any_tenant="y" in how,
        all_tenants="a" in how,
        said=extra.get("also", ""),
        effect=Effect(extra.get("effect", "read")),
        secret=bool(extra.get("secret")),
        redact=tuple(extra.get("redact", ())),
        sends=extra.get("sends", {}),
    )


def _name(token: str) -> Name:
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise ManifestError(f"{FILE}: {token!r} is not a name.")
    room, name, code, many, must, mark, choices, inside = found.groups()
    values: tuple[str | int, ...] = tuple((choices or "").split("|")) if choices else ()
    return Name(
        _ROOMS[room or ""] + name,
        _TYPES[code or ""] + ("[]" if many else ""),
        bool(must),
        tuple(int(v) for v in values) if code == "n" else values,
        mark or "",
        tuple((inside or "").split(",")) if inside else (),
    )


def _line(one: Endpoint) -> str:
    how = one.method[0] + ("y" if one.any_tenant else "") + ("a" if one.all_tenants else "")
    extra: dict[str, Any] = {
        "also": one.said,
        "effect": one.effect.value if one.effect is not Effect.READ else "",
        "secret": one.secret,
        "redact": list(one.redact),
        "sends": dict(one.sends),
    }
    names = " ".join(_token(n) for n in one.names if _TOKEN.fullmatch(_token(n)))
    parts: list[Any] = [how, one.role, names, one.summary, ", ".join(one.words)]
    kept = {key: value for key, value in extra.items() if value}
    return json.dumps([*parts, kept] if kept else parts, ensure_ascii=False, separators=(",", ":"))


def _token(n: Name) -> str:
    room = "?" if n.place.startswith("query.") else "[]" if n.place.startswith("body[].") else ""
    code = _CODES[n.type.removesuffix("[]")]
    plain = all(re.fullmatch(r"[^{}\s|]+", str(c)) for c in n.choices)
    return "".join(
        [
            room,
            n.name,
            f":{code}" if code else "",
            "+" if n.type.endswith("[]") else "",
            "!" if n.required else "",
            f"@{n.mark}" if n.mark else "",
            f"={'|'.join(map(str, n.choices))}" if n.choices and plain else "",
            f"{{{','.join(n.inside)}}}" if n.inside else "",
        ]
    )
