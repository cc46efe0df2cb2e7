"""How a command ends, whatever happens: one sentence, a status, and never a traceback nobody asked for.

Ctrl-C and a reader that has gone away are quiet. No command and no decision of a command may enter.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator

from cipp_mcp.errors import CippMcpError, Refused

FAILED, USAGE, REFUSED, STOPPED = 1, 2, 4, 130


def well_mannered(run: Callable[[], int], *, as_json: bool, debug: bool) -> int:
    """The command's status, or the one that stands for how it ended."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if debug:
        logging.getLogger("cipp_mcp").setLevel(logging.DEBUG)  # other libraries' logs could show what we do not
    try:
        code = run()
    except BaseException as error:
        code = _ended(error, as_json, debug)
    try:
        sys.stdout.flush()  # here, where a reader that has gone can still be met quietly
    except OSError as error:  # Windows says "invalid argument" for a reader that has gone
        _to_nowhere()
        code = _full(code) if _disk_full(error) else code
    return code


def _ended(error: BaseException, as_json: bool, debug: bool) -> int:
    causes = list(_leaves(error))
    if any(isinstance(e, KeyboardInterrupt) for e in causes):
        return STOPPED
    if any(_reader_gone(e) for e in causes):
        _to_nowhere()
        return 0
    if any(_disk_full(e) for e in causes):
        _to_nowhere()
        return _full(FAILED)
    if isinstance(error, SystemExit):  # argparse: help, or a wrong command line
        return error.code if isinstance(error.code, int) else 0
    ours = next((e for e in causes if isinstance(e, CippMcpError)), None)
    if ours is not None:
        return _say(ours, as_json)
    if debug:
        import traceback

        traceback.print_exception(error)
    name = type(causes[0]).__name__
    hint = "" if debug else " Add --debug to see where, and please report it."
    if as_json:
        with contextlib.suppress(OSError):
            print(json.dumps({"outcome": "failed", "message": f"An unexpected error ({name}).", "next_step": hint.strip()}))
    print(f"cipp-mcp: an unexpected error ({name}).{hint}", file=sys.stderr)
    return FAILED


def _say(error: CippMcpError, as_json: bool) -> int:
    refused = isinstance(error, Refused)
    if as_json:
        print(json.dumps({"outcome": "refused" if refused else "failed", "message": error.message, "next_step": error.hint}))
    print(f"cipp-mcp: {error}", file=sys.stderr)
    return REFUSED if refused else USAGE


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside groups, which task groups make of every error."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _reader_gone(error: BaseException) -> bool:
    if not isinstance(error, OSError):
        return False
    windows = sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None  # it has no word of its own
    return windows or error.errno == errno.EPIPE


def _disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def _full(code: int) -> int:
    print("cipp-mcp: the disk is full, so the output is not whole. Make room and look again.", file=sys.stderr)
    return code or FAILED


def _to_nowhere() -> None:
    """What is still buffered must not fail once more when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
