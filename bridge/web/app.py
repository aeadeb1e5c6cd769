"""The ASGI application: /metrics, /healthz, /readyz.

/healthz answers 200 while the process turns its event loop; /readyz answers 200 only while every link has a session
that can send and one that can receive, else 503 with a line for each link that has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

    from bridge.service import Service

_PLAIN = b"text/plain; charset=utf-8"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"


def application(service: Service) -> ASGIFramework:
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

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
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
            content = b"" if scope["method"] == "HEAD" else body
            await send({"type": "http.response.body", "body": content, "more_body": False})

    return app
