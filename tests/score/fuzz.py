"""Run schemathesis on a running host: ``python -m tests.score.fuzz --schemathesis PROGRAM [-- FURTHER OPTIONS]``.

Schemathesis lives in an environment of its own, as it needs other versions than the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

from tests.score.conftest import ENTRY, write_model
from tests.score.hosts import host
from tests.score.openapi import narrowed

KEY = "fuzzing"
FLAT = 1e5
"""Regularisation that makes the coefficients so small that no finite row has an infinite prediction."""
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 413, 414, 415, 431]
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 414]
"""
"""Schemathesis does not expect the answers to what is too long: 413, 414, 431."""


def main() -> int:
    """Start the host with keys, run schemathesis, say what the host's log has to say about it."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--schemathesis", type=Path, required=True, help="the program of its environment")
    flags.add_argument("--examples", type=int, default=100, help="requests an operation")
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("more", nargs="*")
    given = flags.parse_args()
    rows, target = load_diabetes(return_X_y=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder / "models" / "diabetes", Ridge(alpha=FLAT).fit(rows, target), rows[:2])
        keys = folder / "keys.json"
        keys.write_text(json.dumps({"primary": KEY, "secondary": "other"}))
        document = folder / "openapi.json"
        document.write_text(json.dumps(narrowed(rows.shape[1], rows=None, limit=None)))
        (folder / "schemathesis.toml").write_text(CONFIG)
        arguments = ("--entry-script", ENTRY, "--model-dir", str(folder / "models"), "--keys-file", str(keys))
        with host(*arguments) as running:
            command = [
                str(given.schemathesis.resolve()), "run", str(document), "--url", f"http://127.0.0.1:{running.port}",
                "--header", f"Authorization: Bearer {KEY}",
                "--max-examples", str(given.examples), "--seed", str(given.seed), "--continue-on-failure", *given.more,
            ]  # fmt: skip
            hooks = Path(__file__).with_name("fuzz_hooks.py")
            status = subprocess.run(
                command, env={**os.environ, "SCHEMATHESIS_HOOKS": str(hooks)}, cwd=folder
            ).returncode
            faults = [line for line in running.logs() if line["level"] == "error"]
            answered = len(running.events("request"))
    for line in faults[:20]:
        print(json.dumps(line))
    print(f"{answered} requests answered, {len(faults)} errors in the host's log, schemathesis ended with {status}")
    return status or int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
