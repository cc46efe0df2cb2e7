"""F38: a child process makes the call and is killed; whoever comes after it knows that its end is unknown.

Run as a script this file is that child.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream

from cipp_mcp import settings, wiring
from cipp_mcp.call import perform
from cipp_mcp.call.desk import Caller
from cipp_mcp.catalog import manifests
from cipp_mcp.message import Outcome, Word
from tests.faults.acts import Ends, Play, fault_of, settle, until
from tests.faults.scenes import Scene
from tests.faults.stage import Person, Stage

ROOT = Path(__file__).parents[2]


async def kill(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """A call that a SIGKILL ends somewhere, and a server that starts afterwards in the same folder."""
    if "kind" in play:
        stage.box.faults.add(fault_of(play, scene.endpoint))
    await _killed(stage, scene, play, dice)
    async with stage.desk(serves=True) as desk:
        wrong = []
        intents = stage.records("intent")
        if not intents:
            nothing = Outcome(Word.UNKNOWN, "killed before it was decided", writes=True, changed="unknown")
            return Ends(nothing, nothing, ("it was sent without an intent",) if scene.count(stage) else ())
        operation = str(intents[-1]["operation"])
        await until(lambda: {r["operation"] for r in stage.records("outcome")} >= {operation})
        ended = stage.records("outcome")[-1]["outcome"]
        first = await stage.check(desk, operation)
        if first.word is Word.UNKNOWN:
            again = await stage.call(desk, scene.tool, scene.arguments)
            if again.facts.get("operation_id") != operation and again.word is not Word.REFUSED:
                wrong.append(f"after the crash the same call was not held back: {again.word}")
        if ended != "unknown" and "kind" in play:
            wrong.append(f"the trail says {ended} of a call that was killed")
        told = Outcome(Word.UNKNOWN, "", writes=True, changed="unknown") if ended == "unknown" else first
        return Ends(told, await settle(stage, desk, first), tuple(wrong))


async def _killed(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CIPP_")} | stage.environment()
    call = json.dumps([scene.tool, dict(scene.arguments)])
    command = [sys.executable, "-m", "tests.faults.killing", call]
    async with await anyio.open_process(command, stdin=None, stderr=None, env=environment, cwd=ROOT) as child:
        assert child.stdout is not None
        with anyio.fail_after(60):
            if "kind" in play:
                await until(lambda: stage.sent_to(scene.endpoint) > 0, 40)
            else:
                await _line(child.stdout, dice.choice([b"plan", b"intent"]))
                await anyio.sleep(dice.random() * 0.1)
        child.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        await child.wait()


async def _line(stream: ByteReceiveStream, wanted: bytes) -> None:
    """Wait until the child says so, or has nothing more to say."""
    heard = b""
    try:
        while wanted not in heard:
            heard += await stream.receive()
    except anyio.EndOfStream:
        return


async def _child(tool: str, arguments: dict[str, object]) -> None:
    from dataclasses import replace

    async with wiring.open_desk(settings.read(), manifests.load(), answer_within=30) as desk:

        async def record(kind: str, facts: object) -> None:
            await desk.record(kind, facts)  # type: ignore[arg-type]
            print(kind, flush=True)

        print("plan", flush=True)
        await perform(replace(desk, record=record), tool, arguments, Caller(channels=[Person()], client="test"))


if __name__ == "__main__":
    anyio.run(_child, *json.loads(sys.argv[1]))
