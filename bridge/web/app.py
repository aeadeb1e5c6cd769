"""The ASGI application: health, metrics, the API under /api/v1, and the console.

/healthz answers 200 while turns are decided and committed, else 503; /readyz answers 200 only while every link has a
session that can send and one that can receive, and the store takes what comes, else 503 with a line for each reason.
These two are open to whoever reaches the port, for load balancers have no tokens, and so are the console's files, which
know nothing; all the rest asks for `Authorization: Bearer TOKEN` if there are any.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable
from importlib.resources import files
from typing import TYPE_CHECKING, Final, ParamSpec, cast

import msgspec
import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from bridge.live import survey
from bridge.metrics import Gauges
from bridge.web.access import Access, Problem
from bridge.web.memory import Memory
from bridge.web.openapi import BASE, document
from bridge.web.operations import OPERATIONS, Call, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercorn.typing import ASGIFramework
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from bridge.service import Service
    from bridge.tokens import Token
    from bridge.web.audit import Audit
    from bridge.web.stream import Live
    from bridge.web.views import Views

log = logging.getLogger("smppbridge")

_P = ParamSpec("_P")

MOST_OCTETS: Final = 65536
"""Of a request's body."""
_PATIENCE: Final = 10.0
"""Seconds in which the body has to come."""
_SURVEY_PATIENCE: Final = 4.0
"""Seconds: less than half of the time that Prometheus gives a scrape."""
_LONGEST_KEY: Final = 128
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain; charset=utf-8"
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STATIC: Final = {
    "/": ("console.html", "text/html; charset=utf-8"),
    "/console.css": ("console.css", "text/css; charset=utf-8"),
    "/console.js": ("console.js", "text/javascript; charset=utf-8"),
    "/console.svg": ("console.svg", "image/svg+xml"),
    "/plots.js": ("plots.js", "text/javascript; charset=utf-8"),
}


def application(
    service: Service, tokens: Sequence[Token] | None, views: Views, live: Live, audit: Audit
) -> ASGIFramework:
    """Return the application for one service.

    Args:
        service: That it shows and steers.
        tokens: Who may ask; None = everybody who reaches the port, which is a loopback then.
        views: Reads the store.
        live: Tells what goes on.
        audit: Notes what is changed.
    """
    access = Access(tokens, trio.current_time)
    memory = Memory()

    async def metrics(request: Request) -> Response:
        access.admit(request.headers, "viewer", changes=False)
        surveyed: Gauges | None = None
        # What is not there in time is left out: a scrape that fails is an alert that the service is down.
        with trio.move_on_after(_SURVEY_PATIENCE), contextlib.suppress(Problem):
            found = await views.get(survey, links=service.config.link, queues=service.rules.queues(), now=time.time())
            surveyed = msgspec.json.decode(found, type=Gauges)
        return _response(200, _METRICS, service.metrics_text(surveyed))

    def health(_request: Request) -> Response:
        if silent := service.stalled():
            return _response(503, _PLAIN, b"nothing has been committed for %d s\n" % silent)
        return _response(200, _PLAIN, b"ok\n")

    def ready(_request: Request) -> Response:
        problems = service.not_ready()
        return _response(503 if problems else 200, _PLAIN, ("\n".join(problems or ["ready"]) + "\n").encode())

    def described(request: Request) -> Response:
        access.admit(request.headers, "viewer", changes=False)
        return _response(200, _JSON, msgspec.json.encode(document(OPERATIONS)))

    def endpoint(op: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            changes = op.method != "GET" and op.changes
            # A DELETE has no body, and a foreign page cannot send one without being asked first.
            caller = access.admit(request.headers, op.role, changes=op.method in ("POST", "PATCH"))
            octets = await _octets(request)
            key = request.headers.get("idempotency-key", "") if changes else ""
            if len(key) > _LONGEST_KEY:
                raise Problem(400, f"an Idempotency-Key has at most {_LONGEST_KEY} characters")
            given = [one for one in (_args(op, request), _body(op, octets)) if one is not None]
            what = b"\0".join((op.method.encode(), str(request.url).encode(), octets))
            if key and (known := memory.begin(caller.name, key, what, trio.current_time())) is not None:
                return _response(known[0], _JSON, known[1])
            status, answered = 500, None
            try:
                said = op.does(Call(service, views, caller, key), *given)
                if isinstance(said, Awaitable):
                    said = await said
                body = said if isinstance(said, bytes) else msgspec.json.encode(said)
                status, answered = 200, (200, body)
            except Problem as exc:
                status = exc.status
                raise
            finally:
                if key:
                    memory.end(caller.name, key, answered)
                if changes:
                    with trio.CancelScope(shield=True):
                        await audit.note(time.time(), caller.name, caller.role, op.method, request.url.path, status)
            return _response(200, _JSON, body)

        return answer

    class Events:
        """The stream, which answers by itself."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            try:
                access.admit(headers, "viewer", changes=False)
                await live.serve(receive, send)
            except Problem as exc:
                await _refusal(exc)(scope, receive, send)

    # A path that two methods share is one route: Starlette would answer 405 for the second.
    routes = [
        Route("/healthz", _soon(health)),
        Route("/readyz", _soon(ready)),
        Route("/metrics", metrics),
        Route(f"{BASE}/openapi.json", _soon(described)),
        Route(f"{BASE}/live", Events(), methods=["GET"]),
        *(Route(path, _static(*about)) for path, about in _STATIC.items()),
    ]
    by_path: dict[str, dict[str, Callable[[Request], Awaitable[Response]]]] = {}
    for op in OPERATIONS:
        by_path.setdefault(op.path, {})[op.method] = endpoint(op)
    for path, methods in by_path.items():
        routes.append(Route(BASE + path, _by_method(methods), methods=list(methods)))

    def problem(_request: Request, exc: Exception) -> Response:
        return _refusal(cast("Problem", exc))

    def refused(request: Request, exc: Exception) -> Response:
        error = cast("HTTPException", exc)
        texts = {404: f"{request.url.path} is not here", 405: f"{request.method} is not for {request.url.path}"}
        return _refusal(Problem(error.status_code, texts.get(error.status_code, error.detail), error.headers))

    def failed(request: Request, exc: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
        return _refusal(Problem(500, "that is a fault of the service; its log says more"))

    handlers = {Problem: _soon(problem), HTTPException: _soon(refused), Exception: _soon(failed)}
    return cast("ASGIFramework", Starlette(routes=routes, exception_handlers=handlers))


def _by_method(
    methods: dict[str, Callable[[Request], Awaitable[Response]]],
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return answer


def _static(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    octets = files("bridge.web").joinpath("static", name).read_bytes()
    return _soon(lambda _request: _response(200, kind, octets))


def _soon(make: Callable[_P, Response]) -> Callable[_P, Awaitable[Response]]:
    """Return a function as Starlette wants it, which has what is not async called in a thread."""

    async def answer(*args: _P.args, **kwargs: _P.kwargs) -> Response:
        await trio.lowlevel.checkpoint()
        return make(*args, **kwargs)

    return answer


def _response(status: int, kind: str, body: bytes) -> Response:
    return Response(body, status, {**_HEADERS, "Content-Type": kind})


def _refusal(problem: Problem) -> Response:
    response = _response(problem.status, _JSON, msgspec.json.encode({"problem": problem.text}))
    response.headers.update(problem.headers)
    return response


async def _octets(request: Request) -> bytes:
    octets = bytearray()
    with trio.move_on_after(_PATIENCE):
        more = True
        while more:
            message = await request.receive()
            octets += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
            if len(octets) > MOST_OCTETS:
                raise Problem(413, f"a request has at most {MOST_OCTETS} octets")
        return bytes(octets)
    raise Problem(408, f"the request did not come whole within {_PATIENCE:g} s")


def _args(op: Operation, request: Request) -> object:
    given = {**dict(request.query_params), **request.path_params}
    if op.args is None:
        if given:
            raise Problem(400, f"there is no parameter `{next(iter(given))}`")
        return None
    try:
        return msgspec.convert(given, op.args, strict=False)
    except msgspec.ValidationError as exc:
        raise Problem(400, str(exc)) from exc


def _body(op: Operation, octets: bytes) -> object:
    if op.body is None:
        return None
    try:
        return msgspec.json.decode(octets, type=op.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Problem(400, f"the body: {exc}") from exc
