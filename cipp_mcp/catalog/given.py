"""The API as it can be told without asking anybody: by the file that the operator names, else as shipped.

What is checked before anything is asked for (the policy, the lists of the terminal) reads this one. No network may
enter.
"""

from __future__ import annotations

from pathlib import Path

from cipp_mcp.catalog import manifests, openapi
from cipp_mcp.catalog.api import Api
from cipp_mcp.errors import SettingsError


def at_hand(place: str) -> Api:
    """The API by that file; by the shipped catalogue where the place is an address or empty.

    Raises:
        SettingsError: the file is no document.
    """
    if not place or is_address(place):
        return Api(manifests.load())
    return Api(manifests.load(), openapi.operations(from_file(place)), source="given")


def from_file(place: str) -> bytes:
    """The document in that file, one byte more than accepted at most.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        with Path(place).expanduser().open("rb") as file:
            return file.read(openapi.MOST_BYTES + 1)
    except OSError:
        raise SettingsError(f"{Path(place).name} cannot be read.", hint="Give the path of CIPP's openapi.json.") from None


def is_address(place: str) -> bool:
    return "://" in place
