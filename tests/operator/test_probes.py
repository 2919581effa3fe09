"""What the kubelet is told of a process."""

import asyncio

import aiohttp
import pytest

from numalocal_operator.probes import Probes


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("", (200, "ok: follows operator-a_1")),
        ("the thread lease is dead", (503, "the thread lease is dead")),
    ],
)
def test_a_process_lives_while_its_threads_do_whoever_leads(
    faults: str, expected: tuple[int, str]
) -> None:
    async def run() -> tuple[int, str]:
        probes = Probes(lambda: faults, lambda: "follows operator-a_1", "127.0.0.1", 0)
        await probes.start()
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{probes.port}/healthz") as answer,
            ):
                return answer.status, await answer.text()
        finally:
            await probes.stop()

    assert asyncio.run(run()) == expected
