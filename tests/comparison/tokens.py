"""Tokens by npm's `@anthropic-ai/tokenizer` 0.0.4, the one that the figures of the project's issues were counted with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from tests.conformance.npm import Npm

_SCRIPT = """
const {countTokens} = require(process.argv[1]);
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(text => countTokens(text))));
"""


def count(npm: Npm, texts: Sequence[str]) -> list[int]:
    """The tokens of each text."""
    package = str(npm.folder / "node_modules" / "@anthropic-ai" / "tokenizer")
    done = subprocess.run(
        [npm.node, "-e", _SCRIPT, package],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    return list(json.loads(done.stdout))
