"""crawlmix label: asks a large model behind a chat endpoint for labels that a small one can be trained on."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.tasks import TASKS

if TYPE_CHECKING:
    from classifiers.teacher import Answer, Teacher
    from jobs.pages import Page

HELP = "label pages by a large model behind an OpenAI-compatible endpoint, to train a small one on"
BUDGET = 0.05  # share of the pages that may get no label …
LEAST_BUDGET = 10  # … or so many


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN|FILE.jsonl", help="folder of a run, or JSON lines with a text each")
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--endpoint", required=True, metavar="URL", help="such as http://localhost:8000/v1")
    parser.add_argument("--model", required=True, metavar="NAME", help="of the model, as the endpoint calls it")
    parser.add_argument("--output", required=True, metavar="FILE", help="labels.jsonl; pages in it are not asked again")
    parser.add_argument("--sample", type=int, metavar="N", help="pages to label (default: all)")
    parser.add_argument("--by", choices=("category", "language"), help="draw as many of each in the sample")
    parser.add_argument("--api-key-env", metavar="NAME", help="environment variable that holds the endpoint's key")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N", help="questions at a time (default: 8)")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from classifiers.tasks import guide, labels_of
    from classifiers.teacher import Teacher
    from jobs.pages import choose, read_pages
    from pipeline.errors import UserError

    if (args.sample is not None and args.sample < 1) or args.concurrency < 1:
        raise UserError("--sample and --concurrency must be at least 1")
    if args.by and not args.sample:
        raise UserError("--by says how a sample is drawn: give --sample too")
    teacher = Teacher(args.endpoint, args.model, guide(args.task), labels_of(args.task), key=_key(args.api_key_env))
    output = Path(args.output)
    done = resume(output, {"task": args.task, "model": args.model, "prompt_sha256": teacher.prompt_sha256})
    pages: Iterable[Page] = read_pages(args.source)
    if args.sample:
        wanted = choose(pages, args.sample, args.by)
        pages = (page for page in read_pages(args.source) if page.record_id in wanted)
    output.with_suffix(".prompt.txt").write_text(teacher.prompt, encoding="utf-8")
    before, failures = len(done), Counter[str]()
    with output.open("a", encoding="utf-8") as file:
        for page, answer in ask_all(teacher, _new(pages, done), args.concurrency, failures):
            file.write(json.dumps(_row(args.task, teacher, page, answer), ensure_ascii=False) + "\n")
            file.flush()
    console = Console(highlight=False)
    console.print(f"{len(done) - before - failures.total():,} pages labelled, {before:,} were there already: {output}")
    for reason, pages_failed in failures.most_common():
        console.print(f"{pages_failed:,} without a label: {reason}; the same command asks for them again")
    return 0


def _key(variable: str | None) -> str | None:
    from pipeline.errors import UserError

    if variable and not os.environ.get(variable):
        raise UserError(f"the environment variable {variable} is not set: export the endpoint's key in it")
    return os.environ[variable] if variable else None


def resume(output: Path, identity: dict[str, str]) -> set[str]:
    """The ids that ``output`` has labels for; half a line at its end, of a writer that was killed, is cut off.

    Raises UserError where the labels are of another task, model or prompt, or the file cannot be used.
    """
    from pipeline.errors import UserError

    done: set[str] = set()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("a+b") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    file.truncate(file.tell() - len(line))
                    break
                row = json.loads(line)
                if other := [name for name, value in identity.items() if row[name] != value]:
                    raise UserError(f"{output} holds labels of another {other[0]}: give another --output")
                done.add(row["record_id"])
    except OSError as error:
        raise UserError(f"cannot write labels to {output}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{output} is no file of labels: give another --output") from None
    return done


def _new(pages: Iterable[Page], done: set[str]) -> Iterator[Page]:
    """The pages that are not done; each of them is from now on."""
    for page in pages:
        if page.record_id not in done:
            done.add(page.record_id)
            yield page


def ask_all(
    teacher: Teacher, pages: Iterable[Page], concurrency: int, failures: Counter[str]
) -> Iterator[tuple[Page, Answer]]:
    """The teacher's answers in the order of the pages; those that got none are counted by reason.

    Raises UserError where the endpoint is of no use, or gives no label to more pages than the budget allows.
    """
    from classifiers.teacher import Failed
    from pipeline.errors import UserError

    pool = ThreadPoolExecutor(concurrency)
    try:
        for number, (page, future) in enumerate(_asked(teacher, pages, pool, 2 * concurrency), 1):
            try:
                answer = future.result()
            except Failed as failure:
                failures[failure.reason] += 1
                if failures.total() > max(LEAST_BUDGET, BUDGET * number):
                    raise UserError(
                        f"{failures.total()} of {number} pages got no label, more than the budget allows; the last for "
                        f"{failure.reason} ({failure.detail}): mend the endpoint, then the same command goes on"
                    ) from None
            else:
                yield page, answer
    finally:
        teacher.stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _asked(
    teacher: Teacher, pages: Iterable[Page], pool: ThreadPoolExecutor, window: int
) -> Iterator[tuple[Page, Future[Answer]]]:
    """The pages in their order, each with its answer to come; no more than ``window`` are asked for ahead."""
    waiting: deque[tuple[Page, Future[Answer]]] = deque()
    for page in pages:
        waiting.append((page, pool.submit(teacher.label, page.text, page.url, page.title)))
        if len(waiting) == window:
            yield waiting.popleft()
    yield from waiting


def _row(task: str, teacher: Teacher, page: Page, answer: Answer) -> dict[str, Any]:
    """A line of the label file: the answer, who gave it to which question, and the text that was seen."""
    from classifiers.teacher import SHOWN

    return {
        "record_id": page.record_id,
        "task": task,
        "label": answer.label,
        "second": answer.second,
        "sureness": answer.sureness,
        "model": teacher.model,
        "prompt_sha256": teacher.prompt_sha256,
        "url": page.url,
        "title": page.title,
        "language": page.language,
        "text": page.text[:SHOWN],
    }
