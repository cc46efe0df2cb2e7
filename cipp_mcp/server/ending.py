"""A request to terminate: what is on the wire is finished and recorded, then the process goes.

Cancelling is not enough: the thread that reads standard input cannot be interrupted. Windows has no such request.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import anyio

from cipp_mcp.call.desk import Desk
from cipp_mcp.errors import CippMcpError


async def stop_when_told(desk: Desk) -> None:
    """Wait for SIGTERM for as long as the server serves; does not return after one."""
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            desk.running.stop()
            await desk.running.drained()
            with contextlib.suppress(CippMcpError):
                await desk.record("stop", {})
            os._exit(0)
