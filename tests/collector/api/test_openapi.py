"""The OpenAPI document is what the routes are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import pytest
import requests

from collector.api import endpoints, openapi

from .live import Live, serve


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serve(tmp_path_factory.mktemp("openapi")) as running:
        yield running


def test_the_served_document_has_exactly_the_routes(live: Live) -> None:
    document = requests.get(live.url + "/openapi.json", timeout=30).json()
    assert document["openapi"].startswith("3.1")
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    mounted = {
        (route.path, method.lower())
        for route in live.routes
        if route.path != "/openapi.json"
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == mounted


def test_every_reference_and_path_parameter_resolves() -> None:
    document = openapi.document(endpoints.load())
    text = msgspec.json.encode(document).decode()
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names <= set(document["components"]["schemas"])
    for path, item in document["paths"].items():
        for operation in item.values():
            given = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert given == set(re.findall(r"{(\w+)}", path))
            assert operation["summary"]


def test_operations_have_names_of_their_own() -> None:
    verbs = [endpoint.verb for endpoint in endpoints.load()]
    assert len(verbs) == len(set(verbs))


def test_only_login_and_the_document_need_no_token(live: Live) -> None:
    open_ones = [endpoint.verb for endpoint in endpoints.load() if endpoint.role is None]
    assert open_ones == ["login"]
    for endpoint in endpoints.load():
        if endpoint.role is not None:
            path = re.sub(r"{\w+}", "x", endpoint.path)
            reply = requests.request(endpoint.method, live.url + path, timeout=30)
            assert (endpoint.verb, reply.status_code) == (endpoint.verb, 401)
