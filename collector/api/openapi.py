"""The OpenAPI 3.1 document of the API, made from the endpoints themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from ..version import VERSION
from .endpoint import Endpoint
from .errors import Problem
from .parameter import Parameter

_REF = "#/components/schemas/{name}"
_REFUSALS = {
    400: "a parameter or the query is wrong; field names it",
    401: "no valid token, or wrong credentials",
    403: "the role does not allow it",
    404: "there is no such thing",
    413: "the request is too large",
    429: "too many attempts; Retry-After says when to come back",
    503: "overloaded, or the store or the ledger cannot be reached",
}


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document as JSON types."""
    types: list[Any] = [Problem]
    for endpoint in endpoints:
        types += [kind for kind in (endpoint.body, endpoint.answer) if isinstance(kind, type)]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vedette", "version": VERSION, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": endpoint.verb,
        "summary": endpoint.summary,
        "security": [] if endpoint.role is None else [{"token": []}],
        "responses": _responses(endpoint),
    }
    if endpoint.role is not None:
        said["description"] = f"Needs the role {endpoint.role}."
    if endpoint.parameters:
        said["parameters"] = [_parameter(parameter) for parameter in endpoint.parameters]
    if endpoint.body is not None:
        said["requestBody"] = {"required": True, "content": {"application/json": _schema(endpoint.body)}}
    return said


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required or parameter.place == "path",
        "description": parameter.meaning,
        "schema": _parameter_schema(parameter),
    }


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any]
    match parameter.type:
        case "integer":
            schema = {"type": "integer", "minimum": parameter.low, "maximum": parameter.high}
        case "flag":
            schema = {"type": "boolean"}
        case _:
            schema = {"type": "string", "maxLength": parameter.high}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    if isinstance(endpoint.answer, type):
        content = {"application/json": _schema(endpoint.answer)}
    else:
        content = {media: {} for media in endpoint.answer}
    refused = {"application/json": _schema(Problem)}
    return {"200": {"description": endpoint.summary, "content": content}} | {
        str(status): {"description": why, "content": refused} for status, why in _REFUSALS.items()
    }


def _schema(kind: type) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(name=re.sub(r"[^a-zA-Z0-9.\-_]", "_", kind.__name__))}}
