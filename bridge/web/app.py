"""The ASGI application: /metrics, /healthz, /readyz.

/healthz answers 200 while the process turns its event loop; /readyz answers 200 only while every link has a session
that can send and one that can receive, else 503 with a line for each link that has not. These two are open to whoever
reaches the port, for load balancers have no tokens; /metrics asks for `Authorization: Bearer TOKEN` if there are any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.tokens import holder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

    from bridge.service import Service
    from bridge.tokens import Token

_PLAIN = b"text/plain; charset=utf-8"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"


def application(service: Service, tokens: Sequence[Token] | None = None) -> ASGIFramework:
    """Return the application for one service.

    Args:
        service: Whose state is shown.
        tokens: Who may read /metrics; None = everybody who reaches the port.
    """

    def answer(path: str, authorization: bytes) -> tuple[int, bytes, bytes]:
        if path == "/metrics":
            if tokens is not None and holder(tokens, authorization) is None:
                return 401, _PLAIN, b"a token is needed: Authorization: Bearer TOKEN\n"
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
                authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
                status, content_type, body = answer(scope["path"], authorization)
            else:
                status, content_type, body = 405, _PLAIN, b"only GET is served here\n"
            headers = [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
            ]
            if status == 401:
                headers.append((b"www-authenticate", b"Bearer"))  # RFC 9110 §11.6.1
            await send({"type": "http.response.start", "status": status, "headers": headers})
            content = b"" if scope["method"] == "HEAD" else body
            await send({"type": "http.response.body", "body": content, "more_body": False})

    return app
