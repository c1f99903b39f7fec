"""A validator of OCSF objects against the compiled schema: types, requirements, enums, constraints, names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = json.loads((Path(__file__).parents[1] / "vectors" / "ocsf-1.8.0.json").read_text())
CLASSES = {described["uid"]: described for described in SCHEMA["classes"].values()}
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string_t": (str,),
    "integer_t": (int,),
    "long_t": (int,),
    "float_t": (int, float),
    "boolean_t": (bool,),
}


def violations(event: dict[str, Any]) -> list[str]:
    """Return what is wrong with an OCSF event, a line each."""
    described = CLASSES.get(event.get("class_uid", -1))
    if described is None:
        return [f"class_uid: {event.get('class_uid')} is no class"]
    profiles = frozenset(event.get("metadata", {}).get("profiles", []))
    wrong = list(_check(event, described, "", profiles))
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        wrong.append("type_uid: is not class_uid * 100 + activity_id")
    if event["category_uid"] != described["category_uid"]:
        wrong.append("category_uid: is not the class's")
    return wrong


def _check(
    value: dict[str, Any], described: dict[str, Any], path: str, profiles: frozenset[str]
) -> Iterator[str]:
    attributes = described["attributes"]
    for name in value.keys() - attributes.keys():
        yield f"{path}{name}: unknown attribute"
    for name, attribute in attributes.items():
        applies = not attribute.get("profiles") or profiles & set(attribute["profiles"])
        if attribute["requirement"] == "required" and applies and name not in value:
            yield f"{path}{name}: required"
        if name in value:
            if not applies:
                yield f"{path}{name}: needs one of the profiles {attribute['profiles']}"
            yield from _check_attribute(value[name], attribute, f"{path}{name}", profiles)
    for constraint, names in (described.get("constraints") or {}).items():
        present = sum(name in value for name in names)
        if (constraint == "at_least_one" and present < 1) or (constraint == "just_one" and present != 1):
            yield f"{path}: {constraint} of {names}"


def _check_attribute(
    value: object, attribute: dict[str, Any], path: str, profiles: frozenset[str]
) -> Iterator[str]:
    if attribute.get("is_array"):
        if not isinstance(value, list):
            yield f"{path}: not an array"
            return
        for index, item in enumerate(value):
            yield from _check_value(item, attribute, f"{path}[{index}]", profiles)
    else:
        yield from _check_value(value, attribute, path, profiles)


def _check_value(
    value: object, attribute: dict[str, Any], path: str, profiles: frozenset[str]
) -> Iterator[str]:
    if attribute["type"] == "object_t":
        if not isinstance(value, dict):
            yield f"{path}: not an object"
        elif attribute["object_type"] != "object":
            yield from _check(value, SCHEMA["objects"][attribute["object_type"]], path + ".", profiles)
        return
    yield from _check_type(value, attribute["type"], path)
    if attribute.get("enum") and str(value) not in attribute["enum"]:
        yield f"{path}: {value!r} is not in the enum"


def _check_type(value: object, name: str, path: str) -> Iterator[str]:
    if name == "json_t":
        return
    described = SCHEMA["types"][name]
    base = described.get("type", name)
    if not isinstance(value, PYTHON_TYPES[base]) or (isinstance(value, bool) and base != "boolean_t"):
        yield f"{path}: {value!r} is no {name}"
        return
    if "regex" in described and not re.search(described["regex"], str(value)):
        yield f"{path}: {value!r} does not match {name}"
    if "max_len" in described and len(str(value)) > described["max_len"]:
        yield f"{path}: longer than {described['max_len']}"
    if "range" in described and isinstance(value, int):
        low, high = described["range"]
        if not low <= value <= high:
            yield f"{path}: {value} is not in {low}..{high}"
