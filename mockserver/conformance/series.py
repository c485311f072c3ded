"""Trials one after the other, or some at a time; verdicts are told in order. Stops at a signal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable

import trio

from .holding import Client, Setting, hold
from .trials import Trial
from .verdict import Verdict


async def hold_all(
    trials: Iterable[Trial],
    client: Client,
    setting: Setting,
    *,
    jobs: int = 1,
    tell: Callable[[Verdict], None] = lambda _: None,
) -> tuple[list[Verdict], int | None]:
    """The verdicts, as far as no SIGINT or SIGTERM came; and the number of that signal.

    An OSError, such as a command that cannot be run, comes out in a group.
    """
    held: dict[int, Verdict] = {}
    told: list[Verdict] = []
    stopped: list[int] = []
    waiting = iter(enumerate(trials))

    async def work() -> None:
        for number, trial in waiting:
            held[number] = await hold(trial, client, setting)
            while len(told) in held:
                told.append(held[len(told)])
                tell(told[-1])

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                stopped.append(await anext(signals))
                nursery.cancel_scope.cancel()

            nursery.start_soon(stop)
            async with trio.open_nursery() as workers:
                for _ in range(jobs):
                    workers.start_soon(work)
            nursery.cancel_scope.cancel()
    return told, stopped[0] if stopped else None
