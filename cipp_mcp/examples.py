"""One example for each command, shown by its `--help`. Data only."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "demo": ("cipp-mcp demo", "cipp-mcp demo --yes"),
    "serve": ("cipp-mcp serve --demo", "cipp-mcp serve --profile main --tools lean"),
    "tools": ("cipp-mcp tools --groups user,group", "cipp-mcp tools --all", "cipp-mcp tools --json"),
    "call": (
        """cipp-mcp call list_users --demo --args '{"tenant_filter": "fabrikam.example"}'""",
        """cipp-mcp call list_mfa_users --demo --all --args '{"tenant_filter": "fabrikam.example"}'""",
        """'{"tenant_filter": "fabrikam.example"}' | cipp-mcp call list_users --demo --args -      (PowerShell)""",
    ),
    "plans": ("cipp-mcp plans",),
    "approve": ("cipp-mcp approve plan_0123456789abcdef0123456789abcdef",),
    "reveal": ("cipp-mcp reveal secret_0123456789abcdef0123456789abcdef",),
    "policy": ("cipp-mcp policy", """cipp-mcp policy remove_user --args '{"tenant_filter": "fabrikam.example"}'"""),
    "audit": ("cipp-mcp audit verify", "cipp-mcp audit export --format csv --only-ticket T-4711"),
    "breaker": ("cipp-mcp breaker show", "cipp-mcp breaker reset"),
    "new": ("cipp-mcp new ExecSomething --openapi openapi.json",),
    "drift": ("cipp-mcp drift openapi.json",),
    "facts": ("cipp-mcp facts openapi.json",),
    "handbook": ("cipp-mcp handbook --check",),
    "setup": ("cipp-mcp setup", "cipp-mcp setup --profile contoso"),
    "doctor": ("cipp-mcp doctor", "cipp-mcp doctor --profile contoso --json"),
    "install": ("cipp-mcp install claude-desktop --demo", "cipp-mcp install vscode --groups user,group,license"),
    "uninstall": ("cipp-mcp uninstall claude-desktop --demo",),
    "completion": ('eval "$(cipp-mcp completion bash)"', "cipp-mcp completion powershell | Out-String | Invoke-Expression"),
    "packages": ("cipp-mcp packages --check", "cipp-mcp packages --bundle cipp-mcp.mcpb"),
    "print": ("cipp-mcp print json", "cipp-mcp print cursor --demo"),
}


def epilog(command: str) -> str | None:
    """The end of a command's help."""
    lines = EXAMPLES.get(command)
    return "\n".join(["example:" if len(lines) == 1 else "examples:", *(f"  {line}" for line in lines)]) if lines else None
