"""1,000 forced disconnects, in virtual time and over sockets with TLS: how soon all was back.

The second one takes minutes: pauses before attempts are real there.
"""

import pytest

from tests.ctrader_typed.net.test_disconnects import cut_again_and_again, cut_sockets


def report(what: str, waits: list[float]) -> None:
    median, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    print(
        f"\n{len(waits)} disconnects {what}, all recovered with their subscriptions: median "
        f"{median:.2f} s, p99 {p99:.2f} s, longest {waits[-1]:.2f} s after the server was back"
    )
    assert p99 < 2


async def test_a_thousand_disconnects_in_virtual_time(autojump_clock) -> None:
    report("in virtual time", await cut_again_and_again(1000))


@pytest.mark.parametrize("part", range(1, 6))
async def test_a_thousand_disconnects_over_sockets(part: int) -> None:
    """In five parts: the whole of it takes longer than a test may hang."""
    report(f"over sockets, part {part} of 5", await cut_sockets(200))
