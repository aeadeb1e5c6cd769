"""HTTP: health and metrics, as an ASGI application that the command line gives to the service; no message logic."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio
from hypercorn.config import Config
from hypercorn.trio import serve as serve_asgi

from bridge.web.app import application

if TYPE_CHECKING:
    from bridge.service import Service


async def serve(service: Service, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve the application on [http] listen until cancelled.

    Raises:
        OSError: The address cannot be listened on.
    """
    listen = service.config.http.listen
    config = Config()
    config.bind = [str(listen)]
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    app = partial(serve_asgi, application(service), config, shutdown_trigger=trio.sleep_forever)
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(app)
        except* OSError as group:
            reason = next(iter(group.exceptions))
            raise OSError(f"http.listen: {listen} cannot be listened on ({reason}); set another port") from group
        task_status.started()
