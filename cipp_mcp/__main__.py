"""`python -m cipp_mcp`: the same as the `cipp-mcp` command."""

import sys

from cipp_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main())
