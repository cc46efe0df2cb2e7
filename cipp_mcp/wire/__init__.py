"""The HTTP edge: a `Request` goes in, a `Response` comes out. Alone imports httpx.

Import `cipp_mcp.wire.client` late: httpx costs start-up time that a session without a call never needs, so nothing
may be imported here. No knowledge of actions, tenants or outcomes may enter this room.
"""
