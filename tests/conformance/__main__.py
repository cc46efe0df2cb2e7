"""`python -m tests.conformance`: the official suite, both protocol years, and the Inspector, by one command.

Exit 0: everything is as it should be, or it cannot run here and that is said. Exit 1: something is not.
"""

from __future__ import annotations

import logging
import sys

import anyio

from tests.conformance.npm import Skipped, installed
from tests.conformance.suite import Verdict, run_all


def main() -> int:
    """Install, run, tell."""
    logging.disable(logging.CRITICAL)  # the suite sends wrong requests on purpose, and each would be logged
    try:
        npm = installed()
    except Skipped as why:
        print(f"conformance: skipped, because {why}")
        return 0
    verdicts = anyio.run(run_all, npm, _tell)
    failed = sum(not v.passed for v in verdicts)
    print(f"conformance: {len(verdicts) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _tell(verdict: Verdict) -> None:
    print(f"{'ok  ' if verdict.passed else 'FAIL'}  {verdict.name}: {verdict.figures}", flush=True)
    if not verdict.passed:
        print(verdict.output, flush=True)


if __name__ == "__main__":
    sys.exit(main())
