"""crawlmix classify: text, HTML and standard input, what is refused, what is printed."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from classifiers import category, quality, webtype
from classifiers.taxonomy import KINDS
from jobs.cli import main

PROOF = (
    "Theorem 2. Every finite field has prime power order. Proof. Let F be a finite field and p its characteristic. "
    "Then F is a vector space over the field with p elements, so that its number of elements is a power of p."
)
PAGE = f"""<!DOCTYPE html><html><head><title>Finite fields</title></head><body><nav><a href="/">Home</a></nav>
<article><h1>Finite fields</h1><p>{PROOF}</p><p>{PROOF.replace("2", "3")}</p></article></body></html>"""


def classified(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["classify", "--json", *arguments]) == 0
    judged: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return judged


def test_a_text_is_what_the_models_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a figure that is not that of the models which a run uses."""
    (tmp_path / "proof.txt").write_text(PROOF)
    (judged,) = classified(capsys, str(tmp_path / "proof.txt"))
    assert judged["languages"][0][0] == "en"
    assert [leaf for leaf, _ in judged["categories"]] == [leaf for leaf, _ in category.classify([PROOF])[0]]
    assert judged["webtypes"][0] == pytest.approx(webtype.web_type([PROOF])[0])
    assert judged["quality"] == pytest.approx(quality.good_probability([PROOF])[0])
    assert judged["unsure"] == bool(category.unsure(category.probabilities([PROOF]))[0])
    assert {kind for kind, _ in judged["kinds"]} == set(KINDS)
    assert sum(share for _, share in judged["kinds"]) == pytest.approx(1, abs=1e-3)


def test_html_is_extracted_and_its_facts_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch markup that is taken for text, and facts or address that do not reach the models."""
    page = tmp_path / "page.html"
    page.write_text(PAGE)
    (tmp_path / "proof.txt").write_text(f"Finite fields\n{PROOF}\n{PROOF.replace('2', '3')}")
    (judged,) = classified(capsys, str(page))
    assert judged["characters"] < len(PAGE) - 100
    (as_text,) = classified(capsys, str(tmp_path / "proof.txt"))
    assert judged["webtypes"] != as_text["webtypes"]
    (of_shop,) = classified(capsys, str(page), "--url", "https://example.org/shop/product/item-3")
    assert of_shop["webtypes"] != judged["webtypes"]


def test_standard_input_in_any_charset(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch bytes that are read as UTF-8 whatever they are."""
    text = "电子在磁场中运动时受到洛伦兹力的作用。量子力学指出,微观粒子具有波粒二象性,其状态由波函数描述。"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode("gb18030"))))
    (judged,) = classified(capsys, "-")
    assert (judged["file"], judged["languages"][0][0]) == ("-", "zh")


def test_what_is_printed_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a file name with an escape sequence, and a figure that is left out."""
    name = "evil\x1b[31m[red].txt"
    (tmp_path / name).write_text(PROOF)
    assert main(["classify", str(tmp_path / name)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "[red]" in printed
    assert all(word in printed for word in ("language", "web type", "quality", "category", "kind", "knowledge"))


@pytest.mark.parametrize("content", [b"", b" \n", b"\x00\x01\x02" * 100, b"<html><body></body></html>"])
def test_a_file_without_text_is_refused(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a category for nothing at all."""
    (tmp_path / "file").write_bytes(content)
    assert main(["classify", str(tmp_path / "file")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_missing_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a traceback on a mistyped name."""
    assert main(["classify", "/nowhere/page.html"]) == 2
    assert "/nowhere/page.html" in capsys.readouterr().err
