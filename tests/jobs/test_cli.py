"""The command line: what it refuses, in one sentence and with status 2; what it costs to ask for help; pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import COMMANDS, main

RUN_REFUSALS = {
    "unknown key": (["--set", "refine.near.band=3"], ["refine.near.band", "bands"]),
    "unknown key at the top": (["--set", "nope=3"], ["nope is no setting", "balance"]),
    "bad value": (["--set", "prepare.language.confidence=2"], ["prepare.language.confidence", "2"]),
    "malformed setting": (["--set", "rubbish"], ["rubbish", "key.path=value"]),
    "no workers": (["--workers", "0"], ["workers", "0"]),
    "unknown mix": (["--set", "balance.mix=nope"], ["nope", "balanced"]),
    "unknown field of a mix": (["--set", "balance.mix.nope=1"], ["nope", "max_repeats"]),
    "unknown threshold": (["--set", "refine.thresholds.en.nope=1"], ["nope", "gopher.too_few_words"]),
    "unknown extractor": (["--set", "prepare.extraction.extractor=nope"], ["nope", "trafilatura"]),
    "missing tokenizer": (["--set", "balance.tokens.tokenizer=/nowhere/t.json"], ["/nowhere/t.json"]),
    "missing embedder": (["--set", "balance.semantic.embedder=/nowhere/model"], ["/nowhere/model"]),
    "missing URL list": (["--set", "prepare.url.lists=[/nowhere/list]"], ["/nowhere/list"]),
    "missing site rules": (["--set", "refine.sites=[/nowhere/sites]"], ["/nowhere/sites"]),
    "missing earlier run": (["--set", "refine.lines.against=[/nowhere/run]"], ["/nowhere/run"]),
    "missing input": (["--input", "/nowhere/a.warc.gz"], ["/nowhere/a.warc.gz"]),
    "input of no known format": (["--input", __file__], [__file__, ".jsonl"]),
    "missing config": (["/nowhere/config.yaml"], ["/nowhere/config.yaml"]),
    "unknown protocol": (["--output", "s4://bucket/run"], ["s4"]),
    "unwritable output": (["--output", f"{__file__}/run"], [f"{__file__}/run", "write"]),
}

NO_RUN = {
    "status": ["status", "{}"],
    "explain": ["explain", "{}", "https://example.org/"],
    "sites": ["sites", "{}"],
    "mix": ["mix", "show", "{}"],
    "report": ["report", "{}"],
    "train": ["train", "{}", "--output", "{}/model"],
    "generate": ["generate", "{}", "Once"],
}


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The sentence that the command refuses these arguments with."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("crawlmix: ") and printed.err.count("\n") == 1
    return printed.err


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    file = tmp_path / "pages.jsonl"
    file.write_text(json.dumps({"url": "https://example.org/", "text": "A page."}))
    return file


@pytest.mark.parametrize("case", RUN_REFUSALS)
def test_run_refuses_in_one_sentence_and_leaves_nothing(
    case: str, crawl: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a traceback, a mistake that shows only after hours of work, and a run folder that stays behind."""
    options, words = RUN_REFUSALS[case]
    sentence = refused(capsys, ["run", "--input", str(crawl), "--output", str(tmp_path / "run"), *options])
    assert all(word in sentence for word in words)
    assert not (tmp_path / "run").exists()


def test_run_without_input_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Would catch an empty run that looks like a success."""
    assert "--input" in refused(capsys, ["run", "--output", str(tmp_path / "run")])


@pytest.mark.parametrize("command", NO_RUN)
def test_a_folder_without_a_run_is_refused(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a traceback on a mistyped folder, and an empty answer that looks like one."""
    assert str(tmp_path) in refused(capsys, [part.format(tmp_path) for part in NO_RUN[command]])


def test_a_run_of_other_inputs_is_refused(demo_run: Path, crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch two crawls mixed in one folder."""
    assert "other inputs" in refused(capsys, ["run", "--input", str(crawl), "--output", str(demo_run)])


def test_unknown_records_and_outputs_are_refused(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch an empty answer where a URL is mistyped."""
    assert "https://nowhere.example/" in refused(capsys, ["explain", str(demo_run), "https://nowhere.example/"])
    assert "/nowhere/report.html" in refused(capsys, ["report", str(demo_run), "--output", "/nowhere/report.html"])


def test_object_storage_without_access_is_refused(
    crawl: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch the storage library's traceback on credentials that are missing or wrong."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    s3fs.S3FileSystem.clear_instance_cache()
    assert "credentials" in refused(capsys, ["status", "s3://bucket/run"])
    assert "credentials" in refused(capsys, ["run", "--input", "s3://bucket/*.warc.gz", "--output", "memory://run"])
    assert "credentials" in refused(capsys, ["run", "--input", str(crawl), "--output", "s3://bucket/run"])


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_light(command: str) -> None:
    """Would catch an import at the top of a job that makes every command wait for seconds."""
    program = (
        "import sys\nfrom jobs.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as end: assert not end.code\n"
        "print({'ray', 'numba', 'torch', 'numpy', 'pyarrow', 'pydantic', 'rich'} & set(sys.modules), file=sys.stderr)"
    )
    arguments = [command, "--help"] if command else ["--help"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"
    assert "usage: crawlmix" in done.stdout


def test_a_reader_may_leave_early(demo_run: Path) -> None:
    """Would catch a BrokenPipeError shown to those who pipe into head."""
    for arguments in (["mix", "show", str(demo_run), "--json"], ["mix", "show", str(demo_run)]):
        command = [sys.executable, "-m", "jobs.cli", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.communicate()[1] == b""
