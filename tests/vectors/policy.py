"""Write policy.json: signed policies from known seeds. Run ``python -m tests.vectors.policy``."""

from __future__ import annotations

import json
from pathlib import Path

from evidence import dsse, policy
from evidence.keys import PrivateKey
from evidence.policy import POLICY_TYPE, Policy
from evidence.policy_settings import Filtered, Ignore, PolicySettings
from evidence.statement import PAYLOAD_TYPE

FILE = Path(__file__).with_name("policy.json")
SEED, NEXT_SEED = bytes(range(32)), bytes(range(32, 64))
SIMPLE = Policy(
    name="fleet",
    version=7,
    issued=1_790_000_000_000_000_000,
    from_=1_790_000_000_000_000_000,
    until=1_820_000_000_000_000_000,
    settings=PolicySettings(
        heartbeat=30.0,
        process=Filtered(ignore=Ignore(programs=("/opt/ci/bin/runner",), uids=((100_000, 165_535),))),
    ),
    selector={"env": "prod", "role": "web"},
    note="runners are told by their own log",
)


def made() -> dict[str, object]:
    """Return the vectors: what verifies, and what does not with the reason."""
    signer, following = PrivateKey(SEED), PrivateKey(NEXT_SEED)
    payload = policy.encode(SIMPLE)
    good = policy.sign(SIMPLE, signer)
    below = payload.replace(b"/opt/ci/bin/runner", b"/usr/bin/sudo")
    twice = payload.replace(b'"version":7,', b'"version":6,"version":7,')

    def envelope(body: bytes, kind: str = POLICY_TYPE, key: PrivateKey = signer) -> str:
        return dsse.encode(body, kind, key, policy.POLICY_LIMIT).decode()

    return {
        "seed": SEED.hex(),
        "public": policy.key_line(signer.public),
        "payload": payload.decode(),
        "digest": policy.digest(policy.parse(good)),
        "envelope": good.decode(),
        "refused": {
            "another key": envelope(payload, key=following),
            "bad signature": good.decode().replace('"sig":"', '"sig":"A')[:-5] + "=" * 2 + '"}]}',
            "another type": envelope(payload, PAYLOAD_TYPE),
            "below the floor": envelope(below),
            "a field twice": envelope(twice),
            "white space": envelope(payload.replace(b",", b", ", 1)),
            "an unknown setting": envelope(payload.replace(b'"heartbeat"', b'"heartbeet"')),
        },
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(made(), indent=1) + "\n")
