"""What an action does to the world, and the conditions on its arguments that decide it.

The reviewed word is the one source of MCP hints, approval, retries, audit level and documentation, so that they
cannot disagree. Nothing that reads a request, a file or a clock may enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Effect(StrEnum):
    """One reviewed word per action, weakest first. The order is the order of strength."""

    READ = "read"
    PROBE = "probe"
    SET = "set"
    CREATE = "create"
    REVEAL = "reveal"
    REMOVE = "remove"
    DESTROY = "destroy"
    GOVERN = "govern"

    @property
    def strength(self) -> int:
        return _STRENGTH[self]

    @property
    def asks(self) -> bool:
        """Always needs a person's yes."""
        return self in {Effect.REVEAL, Effect.REMOVE, Effect.DESTROY, Effect.GOVERN}

    @property
    def types_name(self) -> bool:
        """The person types the target's name instead of `yes`."""
        return self in {Effect.DESTROY, Effect.GOVERN}


_STRENGTH = {effect: n for n, effect in enumerate(Effect)}


class When(Model):
    """A condition on one argument; several keys must all hold.

    Attributes:
        argument: the field it looks at.
        among: the value is one of these (`is` in a manifest).
        holds: the value is a list that has one of these, in any letter case, as CIPP compares.
        has: the value is a text that contains this.
        given: the argument is given and neither false nor empty.
        present: the argument is there, false and empty included.
        also: a further condition, on another argument.
    """

    argument: str
    among: tuple[Any, ...] | None = Field(None, alias="is")
    holds: tuple[Any, ...] | None = None
    has: str | None = None
    given: bool = False
    present: bool = False
    also: When | None = None

    def met(self, arguments: Mapping[str, Any]) -> bool:
        value = arguments.get(self.argument)
        if (self.present and value is None) or (self.also is not None and not self.also.met(arguments)):
            return False
        if self.among is not None and not any(_same(value, a) for a in self.among):
            return False
        if self.holds is not None and not (isinstance(value, list | tuple) and _folded(value) & _folded(self.holds)):
            return False
        if self.has is not None and self.has not in str(value or ""):
            return False
        return not self.given or is_given(value)

    def __str__(self) -> str:
        return f"{self._own()} and {self.also}" if self.also is not None else self._own()

    def _own(self) -> str:
        if self.among is not None:
            return f"{self.argument} is {' or '.join(_said(a) for a in self.among)}"
        if self.holds is not None:
            return f"{self.argument} has {' or '.join(map(_said, self.holds))}"
        return f"{self.argument} contains {self.has}" if self.has else f"{self.argument} is given"


def _same(value: Any, wanted: Any) -> bool:
    """Equal in value and type; a flag that is left out counts as false, because that is how CIPP takes it."""
    if wanted is False and value is None:
        return True
    return type(value) is type(wanted) and bool(value == wanted)


def _folded(values: Iterable[Any]) -> set[str]:
    return {str(v).casefold() for v in values}


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_given(value: Any) -> bool:
    """Whether an argument says something: present, not false, not empty."""
    return value is not None and value is not False and value != "" and value != [] and value != {}


class Raise(When):
    """Raises the action's effect when the condition is met."""

    to: Effect


class Rule(Model):
    """What JSON Schema's `required` cannot say without top-level combinators, which clients reject.

    Attributes:
        one_of: arguments of which one must say something.
        ignored: arguments that CIPP does not look at while `when` holds; the plan and the answer say so.
        refused: what then happens is so far from what was asked for that the call does not go out.
    """

    needs: tuple[str, ...] = ()
    when: When | None = None
    one_of: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    refused: bool = False
    says: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Rule:
        if sum(map(bool, (self.needs, self.one_of, self.ignored))) != 1 or (self.ignored and self.when is None):
            raise ValueError("a rule has needs, one_of, or ignored with its condition")
        if self.refused and not (self.ignored and self.says):
            raise ValueError("refused goes with ignored, and says what else would happen")
        return self

    def problem(self, arguments: Mapping[str, Any]) -> str | None:
        """The sentence for the caller when the rule is broken."""
        if self.when is not None and not self.when.met(arguments):
            return None
        if self.one_of:
            if any(is_given(v) for v in map(arguments.get, self.one_of)):
                return None
            return f"Give at least one of: {', '.join(self.one_of)}{f'; {self.when}' if self.when else ''}."
        if self.ignored:
            return self.says if self.refused and self.idle(arguments) else None
        missing = [n for n in self.needs if arguments.get(n) in (None, "", [])]
        return f"{', '.join(missing)} must be given when {self.when}." if missing else None

    def remark(self, arguments: Mapping[str, Any]) -> str | None:
        """The sentence about what was given and CIPP does not look at."""
        idle = self.idle(arguments)
        return (self.says or f"CIPP ignores {', '.join(idle)} when {self.when}.") if idle else None

    def idle(self, arguments: Mapping[str, Any]) -> list[str]:
        """What was given of the arguments that CIPP does not look at."""
        met = self.when is not None and self.when.met(arguments)
        return [n for n in self.ignored if met and is_given(arguments.get(n))]

    def __str__(self) -> str:
        if self.says:
            return self.says
        if self.ignored:
            return f"CIPP ignores {', '.join(self.ignored)} when {self.when}."
        wanted = f"one of: {', '.join(self.one_of)}" if self.one_of else ", ".join(self.needs)
        return f"Needs {wanted}{f' when {self.when}' if self.when else ''}."
