"""Paths and headers of the wire protocol, as docs/wire.md describes them."""

from __future__ import annotations

BATCHES = "/v1/batches"
"""POST a sealed batch (mTLS): 200 with a receipt, or a refusal."""
CHECKPOINT = "/checkpoint"
"""GET the newest signed note (C2SP tlog-tiles)."""
TILES = "/tile"
"""GET hash tiles and entry bundles (C2SP tlog-tiles)."""
NONCE = "/v1/nonce"
"""GET a nonce for enrolment or renewal: ``{"nonce": "…"}``."""
ENROL = "/v1/enrol"
"""POST an enrolment request."""
RENEW = "/v1/renew"
"""POST a renewal: on the ingest listener by certificate, on the enrolment listener by the host key."""
POLICY = "/v1/policy"
"""GET the policies offered to this agent (mTLS): envelopes, one a line; empty where nothing is new."""

KNOWN_POLICY = "vedette-known-policy"
"""Request header: hex SHA-256 of the policies that the agent fetched last."""
KNOWN_SIZE = "vedette-known-size"
"""Request header: size of the newest checkpoint watch verified; the receipt proves consistency from it."""
