"""A node that is lost in the middle of a run costs its items one attempt and the results nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Digests = Callable[[Path], dict[str, str]]

# In a process of its own, as a process joins one cluster and the tests' own lives in theirs.
SCRIPT = """
import sys

import ray
from ray.cluster_utils import Cluster

from pipeline.config import load_config
from pipeline.engine import cluster
from pipeline.steps import Watcher, perform_run, plan_run

crawl, output, *settings = sys.argv[1:]
soon = {"health_check_period_ms": 500, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 5}
head = {"num_cpus": 0, "include_dashboard": False, "_system_config": soon}
nodes = Cluster(initialize_head=True, head_node_args=head)
doomed = nodes.add_node(num_cpus=2)


class Saboteur(Watcher):
    "Takes the only node that works away while it does, and gives another."

    lost = False

    def start(self, step, number, steps):
        self.step = step

    def progress(self, phase, progress):
        if self.step.name == "shards" and not self.lost and 0 < progress.done < progress.items:
            self.lost = True
            nodes.remove_node(doomed, allow_graceful=False)
            nodes.add_node(num_cpus=2)


watcher = Saboteur()
config = load_config(None, {"input": [crawl + "/*.warc.gz"], "output": output}, settings)
with cluster(nodes.address, 2) as engine:
    perform_run(plan_run(config), engine, watcher)
nodes.shutdown()
assert watcher.lost, "the node was never taken away"
"""


def test_a_lost_node_changes_nothing(
    demo_run: Path, demo_crawl: Path, demo_settings: list[str], tmp_path: Path, digests: Digests
) -> None:
    """Would catch an item that is lost or counted twice with its node, and a run that hangs or fails with it."""
    output = tmp_path / "run"
    command = [sys.executable, "-c", SCRIPT, str(demo_crawl), str(output), *demo_settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(output) == digests(demo_run)
