"""The README's generated blocks: tools by group, counts, settings. Only what stands between two markers is replaced.

The block `transcript` is a screen of `cipp-mcp demo`: only a run can make it, so the test that plays the demo does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cipp_mcp import settings
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.errors import SettingsError


def filled(text: str, catalog: Catalog) -> str:
    """The README with its blocks up to date.

    Raises:
        SettingsError: a marker is missing.
    """
    for name, block in BLOCKS.items():
        text = replaced(text, name, block(catalog))
    return text


def replaced(text: str, name: str, inside: str) -> str:
    """The text with one block filled.

    Raises:
        SettingsError: a marker is missing.
    """
    start, end = _between(text, name)
    return f"{text[:start]}\n{inside}\n{text[end:]}"


def block_of(text: str, name: str) -> str:
    """What stands in a block.

    Raises:
        SettingsError: a marker is missing.
    """
    start, end = _between(text, name)
    return text[start:end].strip("\n")


def _between(text: str, name: str) -> tuple[int, int]:
    begin, end = f"<!-- BEGIN {name} -->", f"<!-- END {name} -->"
    for marker in (begin, end):
        if text.count(marker) != 1:
            raise SettingsError(
                f"README.md has {text.count(marker)} times the marker {marker}.", hint=f"Place {begin} and {end} once each."
            )
    start, stop = text.index(begin) + len(begin), text.index(end)
    if stop < start:
        raise SettingsError(f"README.md has {end} before {begin}.", hint="Put them in order.")
    return start, stop


def tools(catalog: Catalog) -> str:
    """One row a group; the tools themselves are in its page."""
    lines = ["| group | tools | read | may ask | what it is about |", "| --- | ---: | ---: | ---: | --- |"]
    for group in catalog.groups.values():
        own = [a for a in catalog if a.group == group.name]
        reads = sum(a.strongest is Effect.READ for a in own)
        asks = sum(a.may_ask for a in own)
        link = f"[{group.title}](.github/reference/{group.name}.md)"
        lines.append(f"| {link} | {len(own)} | {reads} | {asks} | {group.summary} |")
    return "\n".join(lines)


def counts(catalog: Catalog) -> str:
    """How many tools there are, and how many of them ask."""
    of_cipp = [a for a in catalog if not a.own]
    own = [f"`{a.name}`" for a in catalog if a.own]
    reads = sum(a.strongest is Effect.READ for a in of_cipp)
    always = sum(a.effect.asks for a in of_cipp)
    sometimes = sum(a.may_ask and not a.effect.asks for a in of_cipp)
    groups = len({a.group for a in of_cipp})
    said = (
        f"{len(of_cipp)} tools in {groups} groups: {reads} only read, {always} always ask a person first, "
        f"{sometimes} ask when the arguments make it weigh."
    )
    return f"{said} Of the server itself: {', '.join(own)}." if own else said


def settings_table(_: Catalog) -> str:
    """Every setting, from the one place where they are declared."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for variable, default, meaning in settings.variables():
        shown = f"`{default}`" if default else ""
        said = meaning.replace("|", "\\|")
        lines.append(f"| `{variable}` | {shown} | {said} |")
    return "\n".join(lines)


BLOCKS: Mapping[str, Callable[[Catalog], str]] = {"tools": tools, "counts": counts, "settings": settings_table}
