"""The ladder of approval channels: who says yes, and the rule that nobody silently falls to a weaker one.

Interfaces only. How a client, a page or a terminal asks lives at the edges; this room never talks to anybody itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.guard.store import PlanStore


class Reply(StrEnum):
    """What a channel brought back."""

    YES = "yes"
    NO = "no"
    LATER = "later"  # nobody answered yet; the plan waits


@dataclass(frozen=True, slots=True)
class Ruling:
    """The end of asking.

    Attributes:
        waited: time passed since the plan was computed, so its state must be read again.
        recorded: the channel has put it into the trail itself.
        why: for a no, in our words.
    """

    reply: Reply
    channel: str = ""
    waited: bool = False
    recorded: bool = False
    why: str = ""


class Channel(Protocol):
    """One way to ask a person, out of the model's reach.

    Attributes:
        name: for the audit record.
    """

    name: str

    async def ask(self, plan: Plan) -> Ruling:
        """Put the plan to a person."""
        ...


async def rule(
    plan: Plan,
    store: PlanStore,
    channels: Sequence[Channel],
    *,
    flag: bool,
    wait_for_stored: Callable[[], Awaitable[bool]] | None,
) -> Ruling:
    """Yes, no or later, by the first channel that there is.

    Args:
        flag: the operator lets `confirm` alone decide this case, and it was given.
        wait_for_stored: waits for a yes given beside the client (page, terminal); None where waiting makes no sense.
    """
    if (stored := store.approval(plan)) is not None:
        return Ruling(Reply.YES, stored.channel, recorded=True)
    if flag:
        return Ruling(Reply.YES, "flag")
    if channels:
        return await channels[0].ask(plan)
    if wait_for_stored is not None and await wait_for_stored():
        stored = store.approval(plan)
        if stored is not None:
            return Ruling(Reply.YES, stored.channel, waited=True, recorded=True)
        return Ruling(Reply.NO, "page", recorded=True, why="The person declined.") if store.is_used(plan) else Ruling(Reply.LATER)
    return Ruling(Reply.LATER)
