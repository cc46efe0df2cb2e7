"""`Doubt`: what CIPP's answer to a read does not say about itself, as data, found by a review of each endpoint.

The sentences that a caller reads are `call/listing.py`'s; nothing that looks at an answer may enter.
"""

from __future__ import annotations

from cipp_mcp.catalog.effect import Model


class Doubt(Model):
    """Why a list may not be all there is although nothing in the answer tells.

    Attributes:
        empty: CIPP turns an error of its own into an empty list.
        most: CIPP cuts the list at so many rows; 0 means that it does not.
        parts: what CIPP leaves out where it cannot read it.
        see: the call that tells.
    """

    empty: bool = False
    most: int = 0
    parts: str = ""
    see: str = ""
