"""Both figures of the collector, one JSON row a line: durable acknowledgements, and events end to end."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.bench import ack, pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", default=Path("/dev/stdout"), help="where rows go"
    )
    options = parser.parse_args()
    found = [*ack.rows(), *pipeline.rows()]
    options.json.write_text("".join(json.dumps(row) + "\n" for row in found))


if __name__ == "__main__":
    main()
