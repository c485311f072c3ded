"""What every client does here, and how it is told and tells: JSON in, one line of JSON out.

Runs in each client's own environment: only the standard library is there for sure.
"""

import json
import os
import ssl
import statistics
import sys
import time

TOLD = json.loads(sys.argv[1])
"""host, port and ca of the server, and how many of what is measured."""

ACCOUNT = 1
"""ctidTraderAccountId."""


def ssl_context():
    return ssl.create_default_context(cafile=TOLD["ca"])


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


async def play(client):
    """Measure a connected client, and print what was found.

    `client.ask()` is a small request and its reply; `ask_many(count, at_once)` so many of them,
    `at_once` in flight; `spots(count, rate)` subscribes, and returns when user code has read
    symbol, bid and ask of so many events (a rate of 0: as fast as they can come); `bars()` and
    `ticks()` return the prices, as a list or a column. Every coroutine is of the client's own loop.
    """
    found = {"memory": resident()}
    for _ in range(TOLD["warm_up"]):
        await client.ask()
    found["p50"], found["p99"] = await latency(client)
    await client.ask_many(TOLD["at_once"], TOLD["at_once"])
    found["in_flight"] = await pace(client.ask_many, TOLD["pipelined"], TOLD["at_once"])
    await client.spots(TOLD["spots"] // 10, 0)
    found["spots"] = await pace(client.spots, TOLD["spots"], 0)
    begin = time.process_time()
    await client.spots(TOLD["lone"], TOLD["rate"])
    found["lone"] = (time.process_time() - begin) / TOLD["lone"] * 1e6
    for name, call in (("bars", client.bars), ("ticks", client.ticks)):
        took = []
        for _ in range(TOLD["histories"]):
            begin = time.perf_counter()
            prices = await call()
            took.append((time.perf_counter() - begin) * 1e3)
        found[name] = statistics.median(took)
        found[f"{name}_sum"] = int(
            sum(prices)
        )  # the same of every client, or one has read nonsense
    print(json.dumps(found), flush=True)


async def latency(client):
    """Microseconds from request to reply: median and 99th percentile."""
    took = []
    for _ in range(TOLD["requests"]):
        begin = time.perf_counter()
        await client.ask()
        took.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(took), percentile(took, 99)


async def pace(call, count, argument):
    """How many a second."""
    begin = time.perf_counter()
    await call(count, argument)
    return count / (time.perf_counter() - begin)


def resident():
    """MB of memory that this process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib is memory
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6
