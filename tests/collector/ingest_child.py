"""Run the ingest process by itself: STATE is the state folder, FD an inherited listening socket."""

from __future__ import annotations

import argparse
import logging
import os
import socket
from pathlib import Path

import msgspec

from collector.ingest import ingest_process
from collector.settings import Ingest, Settings


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("state", type=Path)
    parser.add_argument("fd", type=int)
    parser.add_argument("--core", type=int)
    parser.add_argument("--ingest", default="{}", help="limits as JSON")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    ingest = msgspec.json.decode(options.ingest, type=Ingest)
    settings = Settings(state=options.state, origin="test.local/log", ingest=ingest)
    listening = socket.socket(fileno=options.fd)
    ingest_process.serve(settings, listening, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
