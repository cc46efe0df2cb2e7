"""The troubleshooting page, made of doctor's own table, so that page and doctor cannot disagree."""

from __future__ import annotations

from cipp_mcp.doctor.faults import troubleshooting_rows

_HEAD = """\
<!-- Made by `python -m cipp_mcp handbook` from cipp_mcp/doctor/faults.py; change that. -->

# When something is wrong

Run `cipp-mcp doctor`. It only reads: the network, the sign-in, CIPP, the tenants and the role of the API client. It names the
row of this table that you have met, with names and numbers filled in. `cipp-mcp doctor --json` says the same to a program.

| what you see | what it is | what to do |
| --- | --- | --- |
"""


def page() -> str:
    """The page in Markdown."""
    return _HEAD + "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in troubleshooting_rows())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
