"""A request to terminate, or Ctrl-C: what is on the wire is finished and recorded, then the process goes.

Cancelling is not enough: the thread that reads standard input cannot be interrupted. Windows has no such request.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import anyio
from anyio.abc import TaskStatus

from cipp_mcp.call.desk import Desk
from cipp_mcp.errors import CippMcpError

BY_KEYBOARD = 130


async def stop_when_told(desk: Desk, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Wait for SIGTERM or SIGINT for as long as the server serves; does not return after one."""
    if sys.platform == "win32":
        task_status.started()
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for told in signals:
            desk.running.stop()
            await desk.running.drained()
            with contextlib.suppress(CippMcpError):
                await desk.record("stop", {})
            os._exit(BY_KEYBOARD if told is signal.SIGINT else 0)
