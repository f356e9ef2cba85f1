"""Changes that come together go together, in order, and fail alone."""

from __future__ import annotations

import asyncio

import pytest

from nodeagent.network.errors import NetworkError
from nodeagent.network.nft import Nft


class Kernel:
    """Refuses what contains ``bad``, whole transactions at a time."""

    def __init__(self) -> None:
        self.transactions: list[str] = []
        self.state: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def transact(self, text: str) -> None:
        await self.gate.wait()
        self.transactions.append(text)
        if "bad" in text:
            raise NetworkError(f"nft: {text}")
        self.state += text.split()


async def heard(work: asyncio.Task[None]) -> str:
    try:
        await work
    except NetworkError:
        return "refused"
    return "done"


async def begin(nft: Nft, *texts: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(nft(text)) for text in texts]
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_while_one_runs_shares_the_next_transaction() -> None:
    kernel = Kernel()
    nft = Nft(kernel.transact)
    kernel.gate.clear()
    tasks = await begin(nft, "one")
    tasks += await begin(nft, "two", "three", "four")
    kernel.gate.set()
    assert [await heard(each) for each in tasks] == ["done"] * 4
    assert kernel.transactions == ["one", "two\nthree\nfour\n"]


async def test_nobody_fails_for_somebody_elses_fault() -> None:
    kernel = Kernel()
    nft = Nft(kernel.transact)
    kernel.gate.clear()
    tasks = await begin(nft, "one")
    tasks += await begin(nft, "two", "bad", "three")
    kernel.gate.set()
    assert [await heard(each) for each in tasks] == ["done", "done", "refused", "done"]
    assert kernel.state == ["one", "two", "three"]


@pytest.mark.parametrize("leaver", [0, 1, 2])
async def test_one_that_is_cancelled_takes_nobody_along(leaver: int) -> None:
    kernel = Kernel()
    nft = Nft(kernel.transact)
    kernel.gate.clear()
    tasks = await begin(nft, "one")
    tasks += await begin(nft, "two", "three")
    tasks[leaver].cancel()
    await asyncio.sleep(0)
    kernel.gate.set()
    left = [each for number, each in enumerate(tasks) if number != leaver]
    assert [await heard(each) for each in left] == ["done", "done"]
    wanted = [text for number, text in enumerate(("one", "two", "three")) if number != leaver]
    assert [text for text in kernel.state if text in wanted] == wanted


async def test_much_is_taken_in_turns() -> None:
    kernel = Kernel()
    nft = Nft(kernel.transact)
    kernel.gate.clear()
    tasks = await begin(nft, *(f"t{number}" for number in range(200)))
    kernel.gate.set()
    assert [await heard(each) for each in tasks] == ["done"] * 200
    assert kernel.state == [f"t{number}" for number in range(200)]
    assert len(kernel.transactions) < 10
