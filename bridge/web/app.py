"""The ASGI application: /metrics, /healthz, /readyz.

/healthz answers 200 while the process turns its event loop; /readyz answers 200 only while every link has a session that can send and
one that can receive, else 503 with a line for each link that has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from bridge.service import Service

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PLAIN = b"text/plain; charset=utf-8"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"


def application(service: Service) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the application for one service."""

    def answer(path: str) -> tuple[int, bytes, bytes]:
        if path == "/metrics":
            return 200, _METRICS, service.metrics_text()
        if path == "/healthz":
            return 200, _PLAIN, b"ok\n"
        if path == "/readyz":
            problems = service.not_ready()
            return (503 if problems else 200), _PLAIN, ("\n".join(problems or ["ready"]) + "\n").encode()
        return 404, _PLAIN, b"not found: /metrics, /healthz and /readyz are here\n"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            return
        if scope["method"] in ("GET", "HEAD"):
            status, content_type, body = answer(scope["path"])
        else:
            status, content_type, body = 405, _PLAIN, b"only GET is served here\n"
        headers = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app
