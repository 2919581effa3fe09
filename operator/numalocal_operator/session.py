"""kopf's HTTP session, which asks for the next page once the last has been worked off.

kopf reads a list as fast as it comes, and keeps every object of it until that object's task has had
its turn: with thousands of nodes that is all of them at once, as mappings.
"""

import asyncio
from types import SimpleNamespace
from typing import Final

import aiohttp
import kopf

MOST_TASKS: Final = 200
"""Tasks of the event loop above which kopf has objects to work off; a page is half as many."""
LONGEST_S: Final = 10.0
"""How long a request waits at most: what is slow must not end in silence."""
_LOOK_S: Final = 0.02


def paced(found: kopf.ConnectionInfo) -> kopf.AiohttpSession:
    """Give a session that connects as kopf's own would, and waits before each request."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(_wait)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
        headers=found.as_http_headers(),
        proxy=found.proxy_url,
        trust_env=found.trust_env,
        trace_configs=[tracing],
    )
    return kopf.AiohttpSession(
        server=found.server,
        default_namespace=found.default_namespace,
        priority=found.priority,
        expiration=found.expiration,
        aiohttp_session=session,
    )


async def _wait(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    _start: aiohttp.TraceRequestStartParams,
) -> None:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + LONGEST_S
    while len(asyncio.all_tasks()) > MOST_TASKS and loop.time() < until_s:
        await asyncio.sleep(_LOOK_S)
