"""Both figures of the collector, one JSON row a line: durable acknowledgements, and events end to end.

The rows verify_us_before, _between and _after are the CPU of one Ed25519 verification beside them: by these,
runs on a machine that is now fast, now slow can be compared.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from evidence import keys
from evidence.keys import PrivateKey
from tests.bench import ack, pipeline

_VERIFICATIONS = 5000
_MESSAGE = b"a statement has about a kilobyte" * 32


def calibration(when: str) -> dict[str, object]:
    """Return the row of what one verification costs now, in microseconds of CPU."""
    key = PrivateKey(bytes(32))
    signature = key.sign(_MESSAGE)
    began = time.process_time()
    for _ in range(_VERIFICATIONS):
        keys.verify(key.public, _MESSAGE, signature)
    took = (time.process_time() - began) / _VERIFICATIONS
    return {"name": f"verify_us_{when}", "value": round(took * 1e6, 1), "unit": "us"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", default=Path("/dev/stdout"), help="where rows go"
    )
    options = parser.parse_args()
    found = [
        calibration("before"),
        *ack.rows(),
        calibration("between"),
        *pipeline.rows(sigma=True),
        calibration("after"),
    ]
    options.json.write_text("".join(json.dumps(row) + "\n" for row in found))


if __name__ == "__main__":
    main()
