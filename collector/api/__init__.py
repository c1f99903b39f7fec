"""The API for analysts, under /v1: what `vedette` speaks, described at /openapi.json."""
