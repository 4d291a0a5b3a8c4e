"""What a page costs in each step of crawlmix, and in datatrove's FineWeb recipe (bench/peer.py) on the same pages.

    python bench/pipeline.py [--json] [--pages N] WARC...

One worker, in this process and without Ray, by the functions that a run calls, on files that lie in the page cache. The
first 20 pages are run before the clock starts on either side. Compare CPU seconds: wall time depends on the neighbours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # as in the workers of a run; the peer's too
sys.path[0] = str(HERE.parent)  # this file's own folder would hide the package of its name

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.engine import Progress
    from pipeline.reading import Part
    from pipeline.run import Phase, Run, Step

WARM_UP = 20  # pages
PEER_MODULES = ("datatrove", "warcio", "cchardet", "magic", "tldextract", "ahocorasick", "fasteners", "ftfy", "spacy")
INSTALL = "The peer's packages are not all installed ({}): run `make bench-install` to time it as well."


@dataclass
class Cost:
    """Of a step, or of a timed part of it (``cpu_seconds`` is known of whole steps only)."""

    step: str
    seconds: float
    pages_per_second: float
    ms_per_page: float
    cpu_seconds: float | None = None


@dataclass
class Bench:
    """``pages``: HTML pages read; ``peak_mb``: resident memory of the process and of its extraction child."""

    pages: int
    documents: int
    kept: int
    wall_seconds: float
    cpu_seconds: float
    pages_per_cpu_second: float
    peak_mb: float
    steps: list[Cost]
    peer: dict[str, Any] | None = None
    peer_pages_per_cpu_second: float | None = None
    ratio: float | None = None


@dataclass
class InProcess:
    """Stands in for the Ray engine: performs one item after another here, and keeps what each step takes."""

    cpu: dict[str, float] = field(default_factory=dict)  # seconds of each step
    extraction_mb: float = 0.0  # peak of the child that pages are extracted in

    def fan_out(
        self,
        run: Run,
        step: Step,
        key: str,
        phase: Phase,
        items: Sequence[int],
        on_progress: Callable[[Progress], None],
    ) -> None:
        from pipeline import prepare
        from pipeline.run import perform

        start = cpu_seconds()
        for index in items:
            perform(run, step, key, phase, index)
        if step is prepare.DOCUMENTS_STEP:
            self.extraction_mb = max(map(_peak_mb, _children()), default=0.0)
            prepare.page_extractor(run.config.prepare.extraction).close()  # a child's time counts once it has ended
        self.cpu[step.name] = self.cpu.get(step.name, 0.0) + cpu_seconds() - start


def cpu_seconds() -> float:
    """Of this process and of the children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _children() -> list[str]:
    pid = os.getpid()
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _peak_mb(pid: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def first_pages(files: list[str], pages: int | None) -> list[Part]:
    """The parts of the files that hold the first ``pages`` HTML pages; all of them for None."""
    from pipeline.reading import Part, read

    parts, found = [], 0
    for file in files:
        end = None
        for record in read(Part(file, 0, None)):
            if found == pages:
                end = record.offset
                break
            found += record.reason is None
        parts.append(Part(file, 0, end))
        if end is not None:
            break
    return [part for part in parts if part.end != 0]


def measure(files: list[str], pages: int | None) -> Bench:
    """Runs all steps of crawlmix on the pages, after a short run that loads models and compiled kernels."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        _run(first_pages(files, WARM_UP), f"{folder}/warm-up")
        parts = first_pages(files, pages)
        start = time.perf_counter()
        run, engine = _run(parts, f"{folder}/run")
        return _account(run, engine, time.perf_counter() - start)


def _run(parts: list[Part], output: str) -> tuple[Run, InProcess]:
    from pipeline.run import start_run
    from pipeline.steps import Watcher, perform_run

    engine = InProcess()
    run = start_run(_config(output), parts)
    perform_run(run, engine, Watcher())  # type: ignore[arg-type]
    return run, engine


def _config(output: str) -> Config:
    from pipeline.config import Config

    return Config.model_validate({"output": output})


def _account(run: Run, engine: InProcess, wall: float) -> Bench:
    from pipeline.steps import STEPS

    manifests = {step.name: run.folder.read_json(f"steps/{step.name}.json") for step in STEPS}
    counts = manifests["documents"]["counts"]
    pages = counts["records"] - sum(counts["dropped"].get(reason, 0) for reason in _not_pages(counts["dropped"]))
    steps = []
    for name, manifest in manifests.items():
        seconds = manifest["counts"]["seconds"]
        steps.append(_cost(name, sum(seconds.values()), pages, engine.cpu[name]))
        steps += [_cost(f"  {part}", spent, pages) for part, spent in seconds.items() if part != name]
    total = sum(engine.cpu.values())
    return Bench(
        pages=pages,
        documents=counts["extra"].get("documents", 0),
        kept=manifests["ledger"]["counts"]["kept"],
        wall_seconds=wall,
        cpu_seconds=total,
        pages_per_cpu_second=pages / total,
        peak_mb=_peak_mb("self") + engine.extraction_mb,
        steps=steps,
    )


def _not_pages(reasons: dict[str, int]) -> list[str]:
    """Reasons that a reader gives: no HTML page came of the record."""
    return [reason for reason in reasons if reason.split(".")[0] in ("warc", "record_type", "http", "table", "text")]


def _cost(step: str, seconds: float, pages: int, cpu: float | None = None) -> Cost:
    return Cost(step, seconds, pages / seconds if seconds else 0.0, 1000 * seconds / max(1, pages), cpu)


def missing_for_peer() -> list[str]:
    return [name for name in PEER_MODULES if importlib.util.find_spec(name) is None]


def add_peer(bench: Bench, files: list[str]) -> None:
    """Times the peer on as many pages, in a process of its own."""
    command = [sys.executable, "-P", str(HERE / "peer.py"), "--pages", str(bench.pages), *files]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    bench.peer = json.loads(done.stdout.splitlines()[-1])
    bench.peer_pages_per_cpu_second = bench.peer["pages"] / bench.peer["cpu_seconds"]
    bench.ratio = bench.pages_per_cpu_second / bench.peer_pages_per_cpu_second


def show(bench: Bench) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "step", "seconds", "CPU seconds", "pages/s", "ms/page", title=f"crawlmix, {bench.pages:,} pages, one worker"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for cost in bench.steps:
        cpu = "" if cost.cpu_seconds is None else f"{cost.cpu_seconds:.2f}"
        table.add_row(cost.step, f"{cost.seconds:.2f}", cpu, f"{cost.pages_per_second:,.0f}", f"{cost.ms_per_page:.2f}")
    console = Console()
    console.print(table)
    ours = _speed(bench.pages, bench.cpu_seconds, bench.wall_seconds, bench.peak_mb)
    console.print(f"crawlmix: {ours}; {bench.documents:,} documents, {bench.kept:,} kept")
    if bench.peer:
        peer = bench.peer
        theirs = _speed(peer["pages"], peer["cpu_seconds"], peer["wall_seconds"], peer["peak_mb"])
        versions = ", ".join(f"{name} {number}" for name, number in peer["versions"].items())
        console.print(f"peer:     {theirs}; {peer['kept']:,} kept ({versions})")
        console.print(f"ratio:    {bench.ratio:.2f} in CPU seconds")


def _speed(pages: int, cpu_seconds: float, wall_seconds: float, peak_mb: float) -> str:
    return (
        f"{pages / cpu_seconds:,.1f} pages a CPU second, {pages / wall_seconds:,.1f} a second; peak {peak_mb:,.0f} MB"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="WARC")
    parser.add_argument("--pages", type=int, help="only the first N HTML pages")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    absent = [file for file in arguments.files if not Path(file).is_file()]
    if absent:
        parser.error(f"no such file: {absent[0]}")
    bench = measure(arguments.files, arguments.pages)
    missing = missing_for_peer()
    if missing:
        print(INSTALL.format(", ".join(missing)), file=sys.stderr)
    else:
        add_peer(bench, arguments.files)
    if arguments.json:
        print(json.dumps(asdict(bench)))
    else:
        show(bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
