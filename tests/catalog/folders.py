"""Small catalog folders for tests: a few lines of TOML instead of the shipped manifests."""

from __future__ import annotations

from pathlib import Path

FIELDS = '[tenant]\ntype = "text"\nkind = "tenant"\n'
KINDS = """\
[user]
title = "user"
read  = "GET /api/ListUsers"
send  = { "query.tenantFilter" = "$tenant" }
keys  = ["id"]
name  = "upn"
"""
ACTION = """\
title    = "Block sign-in"
summary  = "Block it."
effect   = "remove"
endpoint = "POST /api/ExecDisableUser"
role     = "Identity.User.ReadWrite"

[fields]
tenant_filter = { use = "tenant", to = "body.tenantFilter" }
user_id       = { type = "text", kind = "user", to = "body.ID" }
"""


def write(folder: Path, files: dict[str, str] | None = None) -> Path:
    """A folder with one group and one action; `files` adds to it or replaces in it."""
    whole = {
        "fields.toml": FIELDS,
        "kinds.toml": KINDS,
        "actions/user/_group.toml": 'title = "Users"\nsummary = "Accounts."\n',
        "actions/user/block_user.toml": ACTION,
    }
    for name, text in {**whole, **(files or {})}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder
