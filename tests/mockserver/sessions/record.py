"""`python -m tests.mockserver.sessions.record`: records the shipped sessions anew, in place.

Our client talks to the simulated broker through the recorder, on a clock of its own and with a
fixed seed, so that the same programs give the same sessions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio
from trio.testing import MockClock, memory_stream_pair

from ctrader_typed import connect_over
from ctrader_typed.proto import SCHEMA
from mockserver.box import Box
from mockserver.composition import mock_server
from mockserver.faults.scenario_files import scenario
from mockserver.replay.recording_proxy import recording_proxy
from tests.mockserver.sessions.programs import PROGRAMS, SCENARIOS

HERE = Path(__file__).parent
SEED = 4


def path(name: str) -> Path:
    """The file of this session."""
    return HERE / f"{name}.session.jsonl"


def recorded(name: str) -> str:
    """The session of this program, recorded now."""
    lines: list[str] = []

    async def record() -> None:
        plan = scenario(SCENARIOS[name]).plan(SEED) if name in SCENARIOS else None
        note = (PROGRAMS[name].__doc__ or "").strip()
        async with mock_server(Box(seed=SEED), port=None, faults=plan) as server:
            near, client = memory_stream_pair()
            async with trio.open_nursery() as nursery:
                upstream = server.memory_client()
                nursery.start_soon(recording_proxy, client, upstream, SCHEMA, lines.append, note)
                async with connect_over(near) as api:
                    await PROGRAMS[name](api)

    trio.run(record, clock=MockClock(autojump_threshold=0))
    return "".join(lines)


if __name__ == "__main__":
    for name in sys.argv[1:] or PROGRAMS:
        path(name).write_text(recorded(name), encoding="utf-8")
