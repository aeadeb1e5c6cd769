"""HTTP: health, metrics, the API and the console; an ASGI application that the command line gives to the service."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio
from hypercorn.config import Config
from hypercorn.trio import serve as serve_asgi

from bridge.tokens import parse_tokens
from bridge.web.app import application
from bridge.web.audit import Audit
from bridge.web.stream import Live
from bridge.web.views import Views

if TYPE_CHECKING:
    from bridge.service import Service


async def serve(service: Service, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve the application on [http] listen until cancelled.

    Raises:
        OSError: The address cannot be listened on, or the token file not be read.
    """
    listen, token_file = service.config.http.listen, service.config.http.token_file
    tokens = parse_tokens(token_file.read_text(encoding="utf-8")) if token_file else None
    try:
        listeners = await trio.open_tcp_listeners(listen.port, host=listen.host or None)
    except OSError as exc:
        raise OSError(f"http.listen: {listen} cannot be listened on ({exc.strerror}); set another port") from exc
    config = Config()
    # hypercorn resolves no names, and leaves its socket open when it cannot bind it.
    config.bind = [f"fd://{listener.socket.detach()}" for listener in listeners]
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    views = Views(service.config.bridge.data_dir)
    live = Live(service, views)
    app = application(service, tokens, views, live, Audit(service.config.bridge.data_dir))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(live.run)
            await nursery.start(partial(serve_asgi, app, config, shutdown_trigger=trio.sleep_forever))
            task_status.started()
    finally:
        views.close()
