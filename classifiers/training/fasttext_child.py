"""fastText trained in a process of its own.

With one thread fastText sets a tenth of its matrix at random and leaves the rest as the memory was, so that models
would differ from run to run, or be NaN. Here the C library (glibc) sets all memory that it gives out to zero.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_ZERO_MEMORY = {"MALLOC_PERTURB_": "255"}
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


def run_child(lines: Path, output: Path, kept: int, settings: Mapping[str, float]) -> subprocess.CompletedProcess[str]:
    """Trains on a file of labelled lines and writes the model; one that ends in .ftz is quantised and keeps ``kept``
    words and pairs. Returns how the process ended."""
    arguments = [str(lines), str(output), str(kept), json.dumps(settings)]
    command = [sys.executable, "-P", "-m", __name__, *arguments]
    paths = [_PACKAGE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | _ZERO_MEMORY | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def main(lines: str, output: str, kept: str, settings: str) -> None:
    from fasttext import train_supervised

    model = train_supervised(lines, verbose=0, **json.loads(settings))
    if output.endswith(".ftz"):
        model.quantize(cutoff=int(kept))
    model.save_model(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
