"""The OpenAPI document, made from the table of operations."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.web.operations import Operation

BASE = "/api/v1"
_REFS = "#/components/schemas/{name}"
_REFUSALS = {
    "400": "The request is wrong; `problem` says what",
    "401": "A token is needed",
    "403": "The token's role does not allow it",
    "404": "There is no such thing",
    "408": "The body did not come in time",
    "409": "It cannot be done as things stand; `problem` says why",
    "413": "The body is too long",
    "415": "What changes anything needs application/json",
    "421": "Without a token file only this machine is served",
    "422": "The Idempotency-Key was used for another request",
    "429": "Too many requests; see Retry-After",
    "503": "Not now; `problem` says why",
}


def document(operations: Sequence[Operation]) -> dict[str, object]:
    """Return the document (OpenAPI 3.1).

    Args:
        operations: All of them.
    """
    types = [kind for op in operations for kind in (op.args, op.body) if kind is not None]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REFS)
    schemas["Problem"] = {
        "type": "object",
        "required": ["problem"],
        "properties": {"problem": {"type": "string", "description": "Why, in one line"}},
    }
    paths: dict[str, dict[str, object]] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smppbridge",
            "version": version("smppbridge"),
            "description": "Two-way SMS over direct carrier links. What is personal in texts is masked. A list comes "
            "in pages: `items`, and `next`, the cursor of the page behind it.",
        },
        "servers": [{"url": BASE}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(op: Operation, schemas: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    parameters: list[object] = []
    if op.args is not None:
        schema = schemas[op.args.__name__]
        properties = schema["properties"]
        assert isinstance(properties, dict)  # noqa: S101  of a Struct
        for name, about in properties.items():
            in_path = f"{{{name}}}" in op.path
            parameter = {"name": name, "in": "path" if in_path else "query", "required": in_path, "schema": about}
            parameters.append(parameter)
    if op.method != "GET" and op.changes:
        schema_of_key = {"type": "string", "minLength": 1, "maxLength": 128}
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": schema_of_key,
                "description": "The same key within a day is answered alike and nothing is done twice.",
            }
        )
    refusals = {
        status: {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, text in _REFUSALS.items()
    }
    shown: dict[str, object] = {
        "operationId": op.name,
        "summary": op.summary,
        "description": f"Needs the role {op.role}.",
        "tags": [op.path.split("/")[1]],
        "parameters": parameters,
        "responses": {"200": {"description": "Done", "content": {"application/json": {"schema": {}}}}, **refusals},
    }
    if op.body is not None:
        body = {"$ref": f"#/components/schemas/{op.body.__name__}"}
        shown["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return shown
