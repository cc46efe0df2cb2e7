"""cipp-mcp: Microsoft 365 tenants through CIPP, for AI assistants.

One noun (`Action`), two sources of it (TOML manifests, CIPP's OpenAPI document), one walk
that every call takes (`cipp_mcp.call.perform`), and two edges that never mix: only `wire/`
imports httpx, only `server/` imports mcp.
"""

__version__ = "0.1.0"
