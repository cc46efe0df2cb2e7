"""Where every start begins: `cipp-mcp` and `python -m cipp_mcp`. Only what must be met before the rest is imported."""

import gc
import sys


def main() -> int:
    """Run one command; the exit code is the outcome's."""
    gc.disable()  # imports make no garbage, and looking for it costs a tenth of the start; who works on for long enables it
    try:
        from cipp_mcp.cli import main as run
    except KeyboardInterrupt:  # a person who changes his mind sees no traceback of an import
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
