"""What goes back whatever the plan: the headers of every page, and the pages that refuse a request.

No refusal says why an address is not there. Plans, stores and nonces may not enter.
"""

from __future__ import annotations

from cipp_mcp.approval_page import page
from cipp_mcp.approval_page.listener import Answer

_SAYS = {
    400: ("That was not understood", "The request is not one that this page sends."),
    403: ("Not from here", "This request did not come from the page that was opened."),
    404: ("Nothing here", "There is nothing at this address."),
    405: ("Not that way", "This address does not take that kind of request."),
    408: ("Too slow", "The request did not arrive in time."),
    413: ("Too large", "The request is larger than anything that this page sends."),
    415: ("Not a form", "Only the form of this page is taken here."),
    431: ("Too large", "The request is larger than anything that this page sends."),
    500: ("Something went wrong here", "No answer was taken. Use `cipp-mcp approve` in a terminal."),
    503: ("The answer could not be kept", "The folder of CIPP_MCP_HOME cannot be written, so nothing was approved."),
}


def refusal(status: int) -> Answer:
    return said(status, *_SAYS.get(status, _SAYS[400]))


def said(status: int, title: str, says: str) -> Answer:
    answer = shown(status, page.answered_page(title, says))
    return Answer(status, answer.body, (*answer.headers, ("Allow", "GET, POST"))) if status == 405 else answer


def shown(status: int, text: str) -> Answer:
    policy = f"default-src 'none'; style-src '{page.style_hash()}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    return Answer(
        status,
        text.encode("utf-8", "replace"),
        (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ),
    )
