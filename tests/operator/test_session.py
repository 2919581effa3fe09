import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import kopf
from aiohttp import web

from numalocal_operator.session import MOST_TASKS, paced

from .waiting import PATIENCE_S


@asynccontextmanager
async def serving(heard: list[str]) -> AsyncIterator[str]:
    """Answer on loopback, and note with which credentials it was asked."""

    async def answer(request: web.Request) -> web.Response:
        heard.append(request.headers["Authorization"])
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_a_page_is_asked_for_once_the_last_is_worked_off() -> None:
    heard: list[str] = []

    async def scenario() -> int:
        async with serving(heard) as url:
            session = paced(kopf.ConnectionInfo(server=url, token="t-1")).aiohttp_session
            worked_off = asyncio.Event()
            objects = [asyncio.create_task(worked_off.wait()) for _ in range(MOST_TASKS)]
            async with session:
                page = asyncio.create_task(session.get(url))
                await asyncio.sleep(0.3)
                early = len(heard)
                worked_off.set()
                async with await page as response:
                    assert response.status == 200
            await asyncio.gather(*objects)
            return early

    assert asyncio.run(scenario()) == 0
    assert heard == ["Bearer t-1"]


def test_a_few_objects_hold_nothing_up() -> None:
    heard: list[str] = []

    async def scenario() -> None:
        async with serving(heard) as url:
            session = paced(kopf.ConnectionInfo(server=url, token="t-1")).aiohttp_session
            async with session, asyncio.timeout(PATIENCE_S), session.get(url):
                pass

    asyncio.run(scenario())

    assert heard == ["Bearer t-1"]
