"""What tests share: one Ray cluster, the demo crawl, and the development data where it is present."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data beside the checkout, which users do not have."""
    path = REPOSITORY.parent / "shared"
    if not path.is_dir():
        pytest.skip("the development data beside the checkout is absent")
    return path


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """One Ray cluster of two workers for the whole session."""
    from pipeline.engine import cluster

    with cluster(None, 2) as engine:
        yield engine


@pytest.fixture(scope="session")
def demo_crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo crawl's WARC files, built by its own builder."""
    folder = tmp_path_factory.mktemp("demo") / "crawl"
    subprocess.run([sys.executable, REPOSITORY / "examples/demo_crawl/build.py", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def demo_settings() -> list[str]:
    """What examples/demo.yaml sets beside input and output."""
    return ["refine.lines.keep=20", "balance.tokens.vocabulary=4096"]


@pytest.fixture(scope="session")
def demo_run(engine: Any, demo_crawl: Path, demo_settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the demo crawl. Tests read it and never write to it."""
    from pipeline.config import load_config
    from pipeline.steps import Watcher, perform_run, plan_run

    output = tmp_path_factory.mktemp("demo") / "run"
    config = load_config(None, {"input": [f"{demo_crawl}/*.warc.gz"], "output": str(output)}, demo_settings)
    perform_run(plan_run(config), engine, Watcher())
    return output
