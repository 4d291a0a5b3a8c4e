"""What a person sees while a run goes: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.engine import Progress
from pipeline.run import Counts, Phase, Run, Step
from pipeline.steps import Watcher

PLAIN_SECONDS = 15.0  # between two plain lines of one step


class Display(Watcher):
    """Follows a run on the terminal."""

    def __init__(self, run: Run) -> None:
        self.console = Console()
        self.live = (
            Live(console=self.console, refresh_per_second=4, transient=True) if self.console.is_terminal else None
        )
        files = len({part.path for part in run.parts})
        self.console.print(
            f"crawlmix: {files:,} input files in {len(run.parts):,} parts → {run.config.output}", highlight=False
        )

    def __enter__(self) -> Display:
        if self.live:
            self.live.start()
            self.live.update(Text("starting Ray"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def start(self, step: Step, number: int, steps: int) -> None:
        self.step, self.place = step, f"{number}/{steps}"
        self.phase: Phase | None = None
        self.began = self.told = time.monotonic()
        if self.live:
            self.live.update(Text(self._title(), style="bold"))

    def progress(self, phase: Phase, progress: Progress) -> None:
        if phase is not self.phase:
            self.phase, self.phase_began = phase, time.monotonic()
        if self.live:
            self.live.update(self._view(phase, progress))
        elif time.monotonic() - self.told > PLAIN_SECONDS:
            self.told = time.monotonic()
            told = (f"{phase.name} {progress.done}/{progress.items}", self._speed(progress), self._left(progress))
            self._line(", ".join(part for part in told if part))

    def end(self, step: Step, counts: Counts, fresh: bool) -> None:
        took = f"{time.monotonic() - self.began:.1f} s" if fresh else "done before"
        dropped = counts.dropped.total()
        kept = f"{counts.kept:,} of {counts.records:,} kept" if counts.records else ""
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.dropped.most_common(3)) if dropped else ""
        self._line("  ".join(part for part in (took, kept, reasons) if part))

    def _line(self, text: str) -> None:
        line = Text(f"{self._title():<28} {text}")
        if self.live:  # a line that is longer than the terminal is cut
            self.console.print(line, highlight=False, no_wrap=True, overflow="ellipsis")
        else:
            self.console.print(line, highlight=False, soft_wrap=True)

    def _title(self) -> str:
        return f"[{self.place:>5}] {self.step.stage} · {self.step.name}"

    def _speed(self, progress: Progress) -> str:
        if not progress.counts.records:
            return ""
        return f"{progress.counts.records / max(0.001, time.monotonic() - self.phase_began):,.0f} records/s"

    def _left(self, progress: Progress) -> str:
        if not progress.done or progress.done == progress.items:
            return "time left unknown" if progress.done < progress.items else "ending"
        elapsed = time.monotonic() - self.phase_began
        return f"about {elapsed / progress.done * (progress.items - progress.done):,.0f} s left"

    def _view(self, phase: Phase, progress: Progress) -> Group:
        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=max(1, progress.items), completed=progress.done, width=30),
            f"{progress.done:,}/{progress.items:,}",
            self._speed(progress),
            self._left(progress),
        )
        reasons = Table.grid(padding=(0, 2))
        counts = progress.counts
        if counts.records:
            dropped = counts.dropped.total()
            reasons.add_row("records", f"{counts.records:,}", "dropped", f"{dropped:,}")
        for reason, count in counts.dropped.most_common(8):
            reasons.add_row(Text(f"  {reason}", style="dim"), f"{count:,}")
        return Group(Text(f"{self._title()} · {phase.name}", style="bold"), head, reasons)
