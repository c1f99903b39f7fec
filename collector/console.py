"""The process behind the second listener: enrolment, the API and its pages, over TLS 1.3."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 5


def serve(
    routes: Sequence[BaseRoute],
    listener: socket.socket,
    context: ssl.SSLContext,
    duties: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    ready: Callable[[], None],
) -> None:
    """Serve routes on a bound socket until SIGTERM. duties run beside it, ready is called once it serves."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(duty()) for duty in duties]
        ready()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    app = Starlette(routes=list(routes), lifespan=lifespan)
    uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            interface="asgi3",
            ssl_context_factory=lambda _config, _default: context,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    ).run(sockets=[listener])
