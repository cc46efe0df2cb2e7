"""Every error of ours, split by who can fix it.

    CippMcpError
    ├── SettingsError            the operator: a setting, the policy file, a manifest
    │   └── ManifestError
    ├── Refused                  the caller: nothing was sent, ask differently
    │   ├── UnknownAction
    │   ├── InvalidArguments     all problems at once
    │   ├── UnknownTenant        with the nearest candidates
    │   ├── UnknownTarget
    │   ├── PolicyRefused        a rule said no; approval cannot override it
    │   ├── PlanRefused          a plan id that is unknown, foreign, expired, used, stale
    │   └── AuditUnavailable     the trail cannot be written, so no write goes out
    └── WireError                the network, the sign-in or CIPP's host
        ├── NotSent              proven: no byte of the request reached CIPP's code
        │   ├── SignInFailed     the token endpoint said no
        │   └── Withdrawn        whoever asked for it gave up before it left
        ├── Lost                 the request left, no usable answer came back
        └── TooLarge             the answer is larger than we accept

A class carries a `hint`: the next step, in words for a technician. No message may contain another
exception's text, a token, a secret or a path of the machine's user.
"""


class CippMcpError(Exception):
    """Root of the tree.

    Args:
        message: what happened, one sentence.
        hint: what to do next; falls back to the class's own.
    """

    hint = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SettingsError(CippMcpError):
    """A setting is missing or wrong; the start ends."""


class ManifestError(SettingsError):
    """A manifest does not follow the grammar; names the file."""

    hint = "Correct the manifest file or remove it from the folder."


class Refused(CippMcpError):
    """Our own gate: nothing was sent."""


class UnknownAction(Refused):
    """No tool has that name."""


class InvalidArguments(Refused):
    """The arguments break the listed schema or a rule of the tool.

    Args:
        problems: one sentence per problem, each naming its argument. Of very many the first are named.
    """

    hint = "Nothing was sent. Correct the arguments and call again."
    most = 20

    def __init__(self, problems: list[str]) -> None:
        if len(problems) > self.most:
            problems = [*problems[: self.most], f"There are {len(problems) - self.most} more."]
        self.problems = problems
        super().__init__(" ".join(f"({n}) {p}" for n, p in enumerate(problems, 1)) if len(problems) > 1 else problems[0])


class UnknownTenant(Refused):
    """What the caller wrote is not exactly one tenant that CIPP lists."""

    def __init__(self, message: str, candidates: list[str]) -> None:
        self.candidates = candidates
        shown = ", ".join(candidates)
        super().__init__(message, hint=f"Nothing was sent. Nearest: {shown}." if shown else "Nothing was sent. See list_tenants.")


class UnknownTarget(Refused):
    """The object that a write names cannot be read, so it is not written either."""

    hint = "Nothing was sent."


class PolicyRefused(Refused):
    """A rule of the policy, a ceiling or a protection said no."""

    hint = "Nothing was sent. Only the operator can change this."


class PlanRefused(Refused):
    """`confirm` does not lead to a plan that may run."""

    hint = "Nothing was sent. Call again without confirm to get a new plan."


class AuditUnavailable(Refused):
    """The audit trail cannot be written."""

    hint = "Nothing was sent. Make the folder of CIPP_MCP_HOME writable, then call again."


class WireError(CippMcpError):
    """Trouble between us and CIPP.

    Attributes:
        sent: False when it is proven that CIPP's code never saw the request.
    """

    sent = True


class NotSent(WireError):
    """Connect, DNS, TLS, proxy or pool trouble before the first byte."""

    sent = False


class SignInFailed(NotSent):
    """The token endpoint refused or did not answer usefully.

    Attributes:
        code: the AADSTS number that it gave, or None.
    """

    code: int | None = None


class Withdrawn(NotSent):
    """The call was cancelled while its request still waited for its turn."""


class Lost(WireError):
    """Time-out, reset or cut body after the request had left."""


class TooLarge(WireError):
    """The answer exceeds the size that we accept."""
