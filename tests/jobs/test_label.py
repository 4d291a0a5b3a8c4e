"""crawlmix label against a real HTTP server: what is sent, what is stored, what fails, what a stop leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.tasks import TASKS, guide, labels_of
from classifiers.teacher import Failed, Teacher, parse
from jobs.cli import main
from jobs.pages import Page, choose
from pipeline.config import Config
from pipeline.documents import VERDICT, VERDICTS
from pipeline.run import Run, part_name
from pipeline.schema import DOCUMENTS

GOOD = '{"label": "article", "second": "forum", "sureness": 0.9}'
Reply = tuple[int, dict[str, str], str]


def completion(content: str) -> Reply:
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]})


class Endpoint(ThreadingHTTPServer):
    """A chat endpoint on loopback whose ``answer`` is told the number of the question (from 0) and its body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.answer: Callable[[int, dict[str, Any]], Reply] = lambda number, body: completion(GOOD)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def texts(self) -> list[str]:
        """The pages that were asked for, by the last line of the question."""
        return [body["messages"][1]["content"].splitlines()[-1] for body in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.asked)
            self.server.asked.append(body)
            self.server.headers.append({"path": self.path, **self.headers})
        status, headers, text = self.server.answer(number, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def write_pages(folder: Path, count: int, **fields: str) -> Path:
    path = folder / "pages.jsonl"
    rows = [
        {"record_id": f"{n:016x}", "text": f"first line\npage {n}", "url": f"http://s{n}.org/"} for n in range(count)
    ]
    path.write_text("".join(json.dumps(row | fields) + "\n" for row in rows))
    return path


def command(endpoint: str, source: Path, output: Path, *more: str) -> list[str]:
    options = ["--task", "webtype", "--endpoint", endpoint, "--model", "big", "--output", str(output), *more]
    return ["label", str(source), *options]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_labels_are_stored_with_who_gave_them(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a label without model or prompt, an order that changes, and a key that is not sent or is printed."""
    monkeypatch.setenv("MY_KEY", "secret")
    output = tmp_path / "out" / "labels.jsonl"
    assert main(command(endpoint.url, write_pages(tmp_path, 12), output, "--api-key-env", "MY_KEY")) == 0
    rows = rows_of(output)
    assert [row["record_id"] for row in rows] == [f"{n:016x}" for n in range(12)]
    prompt = (tmp_path / "out" / "labels.prompt.txt").read_text(encoding="utf-8")
    assert {"label": "article", "second": "forum", "sureness": 0.9, "model": "big", "task": "webtype"}.items() <= rows[
        3
    ].items()
    assert rows[3]["text"] == "first line\npage 3" and len({row["prompt_sha256"] for row in rows}) == 1
    assert prompt == guide("webtype") == endpoint.asked[0]["messages"][0]["content"]
    assert {one["Authorization"] for one in endpoint.headers} == {"Bearer secret"}
    assert {one["path"] for one in endpoint.headers} == {"/v1/chat/completions"}
    printed = capsys.readouterr()
    assert "12 pages labelled" in printed.out and "secret" not in printed.out + printed.err + output.read_text()


def test_what_is_labelled_is_not_asked_again(endpoint: Endpoint, tmp_path: Path) -> None:
    """Would catch pages paid for twice, and half a line of a killed writer that spoils the file."""
    source, output = write_pages(tmp_path, 6), tmp_path / "labels.jsonl"
    assert main(command(endpoint.url, source, output)) == 0
    whole = output.read_text()
    lines = whole.splitlines(keepends=True)
    output.write_text("".join(lines[:4]) + lines[4][:30])
    endpoint.asked.clear()
    assert main(command(endpoint.url, source, output)) == 0
    assert sorted(endpoint.texts()) == ["page 4", "page 5"]
    assert output.read_text() == whole


def test_labels_of_another_question_are_not_mixed(
    endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch two teachers, or two guides, in one file."""
    source, output = write_pages(tmp_path, 1), tmp_path / "labels.jsonl"
    assert main(command(endpoint.url, source, output)) == 0
    before = output.read_bytes()
    for change in (["--model", "other"], ["--task", "quality"]):
        assert main(command(endpoint.url, source, output, *change)) == 2
        assert f"another {change[0][2:]}" in capsys.readouterr().err
    assert main(command(endpoint.url, source, source)) == 2
    assert "no file of labels" in capsys.readouterr().err
    assert output.read_bytes() == before


def test_malformed_answers_are_asked_for_once_more(
    endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a label that is none, and a page without one that disappears without being counted."""
    broken = ["", "article", '{"label": "essay"}', '{"label": ["article"]}', "[1]", '{"second": "tool"}', "{" * 5000]

    def answer(number: int, body: dict[str, Any]) -> Reply:
        page = int(body["messages"][1]["content"].split("page ")[-1])
        second_time = len(body["messages"]) == 4
        if page < len(broken):
            return completion(broken[page])
        return completion(f"<think>{{tool}}</think>\n```json\n{GOOD}\n```" if second_time else "I think it is a forum")

    endpoint.answer = answer
    output = tmp_path / "labels.jsonl"
    assert main(command(endpoint.url, write_pages(tmp_path, 20), output)) == 0
    assert [row["record_id"] for row in rows_of(output)] == [f"{n:016x}" for n in range(len(broken), 20)]
    assert len(endpoint.asked) == 40
    printed = capsys.readouterr().out
    assert "13 pages labelled" in printed
    assert "5 without a label: answer.no_label" in printed and "2 without a label: answer.unknown_label" in printed


def test_a_busy_endpoint_is_waited_for(endpoint: Endpoint, tmp_path: Path) -> None:
    """Would catch pages that are lost to a limit on requests, or to a server that restarts."""
    refusals: list[Reply] = [(429, {"Retry-After": "0"}, "slow down"), (503, {}, ""), (500, {}, "{}")]
    endpoint.answer = lambda number, body: refusals[number] if number < len(refusals) else completion(GOOD)
    output = tmp_path / "labels.jsonl"
    assert main(command(endpoint.url, write_pages(tmp_path, 3), output, "--concurrency", "3")) == 0
    assert len(rows_of(output)) == 3 and len(endpoint.asked) == 6


def test_too_many_failures_end_it(endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a thousand requests to an endpoint that refuses each of them."""
    endpoint.answer = lambda number, body: (400, {}, "context is too long\x1b[31m")
    assert main(command(endpoint.url, write_pages(tmp_path, 500), tmp_path / "labels.jsonl")) == 2
    sentence = capsys.readouterr().err
    assert "http.400" in sentence and "context is too long" in sentence and "\x1b" not in sentence
    assert len(endpoint.asked) < 60


@pytest.mark.parametrize("status", [401, 404, 302])
def test_an_endpoint_that_refuses_ends_it_at_once(
    status: int, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch retries with a wrong key, and pages and key that follow a redirect elsewhere."""
    endpoint.answer = lambda number, body: (status, {"Location": f"{endpoint.url}/elsewhere"}, "no such thing")
    options = ["--concurrency", "1"]
    assert main(command(endpoint.url, write_pages(tmp_path, 50), tmp_path / "labels.jsonl", *options)) == 2
    assert f"HTTP {status}" in capsys.readouterr().err
    assert len(endpoint.asked) <= 3
    assert {one["path"] for one in endpoint.headers} == {"/v1/chat/completions"}


def test_an_endpoint_out_of_reach_is_said(tmp_path: Path) -> None:
    """Would catch a traceback, or pages that are counted as failed one by one."""
    from pipeline.errors import UserError

    server = Endpoint()
    url = server.url
    server.server_close()
    with pytest.raises(UserError, match="cannot be reached"):
        Teacher(url, "big", guide("webtype"), labels_of("webtype"), first_wait=0.001).label("text")


def test_a_stopped_command_goes_on(endpoint: Endpoint, tmp_path: Path) -> None:
    """Would catch labels that are lost at Ctrl-C, and a file that the next start cannot read."""
    release = threading.Event()

    def answer(number: int, body: dict[str, Any]) -> Reply:
        if number >= 10:
            release.wait(20)
        return completion(GOOD)

    endpoint.answer = answer
    source, output = write_pages(tmp_path, 40), tmp_path / "labels.jsonl"
    arguments = command(endpoint.url, source, output, "--concurrency", "2")
    process = subprocess.Popen([sys.executable, "-m", "jobs.cli", *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(endpoint.asked) < 12 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    release.set()
    assert "goes on" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    stored = [row["record_id"] for row in rows_of(output)]
    assert 0 < len(stored) < 40
    endpoint.asked.clear()
    assert main(arguments) == 0
    assert [row["record_id"] for row in rows_of(output)] == [f"{n:016x}" for n in range(40)]
    assert len(endpoint.asked) == 40 - len(stored)


def write_run(folder: Path) -> Path:
    """A finished run of one part: three pages, of which the rules dropped one and the models another."""
    run = Run(Config(output=str(folder)))
    run.folder.write_bytes("run.yaml", b"{}")
    run.folder.write_json("parts.json", [{"path": "a.jsonl", "start": 0, "end": None}])
    name = f"{part_name(0)}.parquet"
    texts = ["menu\nkept page", "menu\nrules page", "menu\nmodels page"]
    documents = [{"record_id": f"{n:016x}", "url": f"http://s{n}.org/", "text": text} for n, text in enumerate(texts)]
    run.folder.write_table(f"documents/{name}", pa.Table.from_pylist(documents, DOCUMENTS))
    run.folder.write_table(f"edits/lines/{name}", pa.table({"lines": pa.array([[0]] * 3, pa.list_(pa.int32()))}))
    run.folder.write_table(f"signals/prepare/{name}", pa.table({"language": ["en"] * 3}))
    run.folder.write_table(f"signals/models/{name}", pa.table({"category": ["music", None, "drinks"]}))
    run.folder.write_table(f"ledger/{name}", pa.table({"url": [""]}))
    for step in VERDICTS:
        rows = [{"reason": "x"} if step in text else {} for text in texts]
        run.folder.write_table(f"verdicts/{step}/{name}", pa.Table.from_pylist(rows, VERDICT))
    return folder


def test_a_run_gives_what_its_models_saw(endpoint: Endpoint, tmp_path: Path) -> None:
    """Would catch pages that rules dropped, none of those that models dropped, and lines that were cut."""
    run, output = write_run(tmp_path / "run"), tmp_path / "labels.jsonl"
    assert main(command(endpoint.url, run, output, "--sample", "5", "--by", "category")) == 0
    assert [(row["text"], row["language"]) for row in rows_of(output)] == [("kept page", "en"), ("models page", "en")]


def test_samples_are_nested_and_even() -> None:
    """Would catch a larger sample that pays for the smaller one again, and a rare category that is never drawn."""
    pages = [Page(f"{n:04x}", "", category="rare" if n % 50 == 0 else "usual") for n in range(500)]
    samples = [choose(pages, count) for count in (10, 50, 499)]
    assert [len(sample) for sample in samples] == [10, 50, 499] and samples[0] < samples[1] < samples[2]
    assert choose(reversed(pages), 50) == samples[1]
    even = choose(pages, 16, "category")
    assert sum(page.category == "rare" for page in pages if page.record_id in even) == 8
    assert len(choose(pages, 100, "category")) == 100


REFUSALS = {
    "no such variable": (["--api-key-env", "CRAWLMIX_NO_KEY"], "CRAWLMIX_NO_KEY"),
    "no web address": (["--endpoint", "file:///etc/passwd"], "web address"),
    "by without sample": (["--by", "language"], "--sample"),
    "by what is not known": (["--by", "language", "--sample", "1"], "language"),
    "no sample": (["--sample", "0"], "--sample"),
    "unwritable": (["--output", f"{__file__}/labels.jsonl"], "cannot write"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_wrong_options_send_nothing(
    case: str, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a request before all is checked, and a traceback."""
    options, words = REFUSALS[case]
    assert main(command(endpoint.url, write_pages(tmp_path, 2), tmp_path / "labels.jsonl", *options)) == 2
    assert words in capsys.readouterr().err
    assert not endpoint.asked


@pytest.mark.parametrize("content", ["no json\n", '{"url": "http://a.org/"}\n', "[]\n"])
def test_a_file_without_texts_is_refused(
    content: str, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch an empty label file that looks like a success."""
    (tmp_path / "bad.jsonl").write_text(content)
    assert main(command(endpoint.url, tmp_path / "bad.jsonl", tmp_path / "labels.jsonl")) == 2
    assert str(tmp_path / "bad.jsonl") in capsys.readouterr().err


@given(st.text())
def test_any_reply_is_an_answer_or_a_failure(reply: str) -> None:
    """Would catch a reply that ends the whole command."""
    try:
        assert parse(reply, ("a", "b")).label in ("a", "b")
    except Failed as failure:
        assert failure.reason.startswith("answer.")


@given(st.sampled_from("ab"), st.none() | st.integers() | st.floats() | st.text() | st.booleans() | st.lists(st.none()))
def test_odd_fields_of_an_answer_are_left_out(label: str, odd: Any) -> None:
    """Would catch a second choice or a sureness that is none."""
    answer = parse(
        "Well: " + json.dumps({"label": label, "second": odd, "sureness": odd, "why": [{"label": "c"}]}), ("a", "b")
    )
    assert answer.label == label and answer.second in (None, "a", "b")
    assert answer.sureness is None or 0 <= answer.sureness <= 1


@pytest.mark.parametrize("task", TASKS)
def test_guides_name_every_label(task: str) -> None:
    """Would catch a leaf or type that a teacher is never told of."""
    named = [label for label in labels_of(task) if f"\n{label}:" in guide(task)]
    assert named == (["0", "1", "2", "3"] if task == "quality" else list(labels_of(task)))
    assert "{leaves}" not in guide(task)
