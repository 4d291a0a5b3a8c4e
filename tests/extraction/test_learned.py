"""The learned backend with the model that comes with the package."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.extraction import Source, make_extractor
from pipeline.extraction.blocks import parse
from pipeline.extraction.learned import Learned, load_model

PARAGRAPHS = [
    "The old harbour wall was built in two winters, when the fishing boats lay idle and their crews had time to spare. "
    "Stones came down the river on rafts, and each family set the ones that it had brought.",
    "Nobody drew a plan. The wall follows the line of the reef below it, which is why it bends twice, and why it has "
    "outlived the straight breakwater that engineers put up beside it a century later.",
    "When the storm of that autumn came, the breakwater broke in three places. The wall lost eleven stones, and they "
    "were back in their places by the spring, set by the grandchildren of those who had carried them first.",
]
ROWS = [f"<tr><td>{1801 + n}</td><td>{400 + n} stones by the families of the harbour</td></tr>" for n in range(6)]
PAGE = f"""<!DOCTYPE html><html><head><title>The harbour wall</title></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/news">News</a></li><li><a href="/shop">Shop</a></li></ul></nav>
<div class="cookie-banner">We use cookies. <button>Accept all</button></div>
<article><h1>The harbour wall</h1>{"".join(f"<p>{text}</p>" for text in PARAGRAPHS)}
<pre><code>for stone in wall:
    set(stone)
</code></pre>
<table><tr><th>Year</th><th>Stones set in that year</th></tr>{"".join(ROWS)}</table>
<p>The weight of a stone is <math><semantics><mi>m</mi><annotation encoding="application/x-tex">m = \\rho V</annotation>
</semantics></math>, as everybody on the coast had learned by carrying them.</p></article>
<aside class="related"><h3>Read more</h3><ul><li><a href="/1">Ten beaches</a></li><li><a href="/2">Tides</a></li></ul>
</aside>
<footer>© Harbour News. <a href="/privacy">Privacy</a> <a href="/imprint">Imprint</a></footer></body></html>"""

SOUP = [
    "<p>",
    "</p>",
    "<div>",
    "<table>",
    "<td>",
    "<li>",
    "<pre>",
    "<!--",
    "-->",
    "<script>",
    "&amp;",
    "&#x;",
    "<a href=",
    ">",
]


def source(page: str) -> Source:
    html = page.encode()
    return Source(html, parse(html))


def test_article_stays_and_clutter_goes() -> None:
    """Would catch a model, or a choice of blocks, that is broken as a whole."""
    text, removed = Learned()(source(PAGE))
    assert all(paragraph in text for paragraph in PARAGRAPHS)
    assert not any(clutter in text for clutter in ("cookies", "Shop", "Privacy", "Ten beaches"))
    assert any("cookies" in left_out for left_out in removed().texts)
    assert all(why.startswith("clutter 0.") or why == "clutter 1.00" for why in removed().reasons)


def test_what_was_left_out_has_its_place_in_the_text() -> None:
    """Would catch clutter that ``explain`` shows in the wrong place."""
    text, removed = Learned()(source(PAGE))
    places = {left_out.split()[0]: line for left_out, _, line in removed().rows()}
    lines = text.split("\n")
    assert places["Home"] == 0
    assert places["Ten"] >= len(lines) - 1
    assert all(0 <= line <= len(lines) for line in places.values())


def test_structure_survives() -> None:
    """Would catch code whose lines are joined, cells run together, and formulas lost or doubled."""
    text, _ = Learned()(source(PAGE))
    assert "for stone in wall:\n    set(stone)" in text
    assert "1803 | 402 stones by the families" in text
    assert text.count("m = \\rho V") == 1


def test_plain_text_has_no_marks() -> None:
    """Would catch Markdown in the text format."""
    text, _ = Learned(markdown=False)(source(PAGE))
    assert "```" not in text
    assert "# The harbour wall" not in text


def test_every_block_is_told_with_its_score() -> None:
    """Would catch blocks that are neither kept nor removed."""
    blocks = Learned().blocks(source(PAGE))
    assert all(0 <= score <= 1 for score, _, _ in blocks)
    assert {chosen for _, chosen, _ in blocks} == {True, False}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SOUP)))
def test_tag_soup_never_raises(pieces: list[str]) -> None:
    """Would catch an index out of range in a kernel."""
    text, removed = Learned()(source(" ".join(pieces)))
    assert "\0" not in text
    assert all(line <= text.count("\n") + 1 for line in removed().lines)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_never_raise(data: bytes) -> None:
    """Would catch a page that stops a run."""
    page = make_extractor().extract(b"<html><body>" + data)
    assert bool(page.text.strip()) == (page.reason is None)


def test_same_page_same_text() -> None:
    """Would catch buffers that carry something from one page to the next."""
    learned = Learned()
    first, _ = learned(source(PAGE))
    learned(source("<p>" + "another page of quite another length " * 500))
    assert learned(source(PAGE))[0] == first


def test_missing_model_is_one_sentence(tmp_path: object) -> None:
    """Would catch a traceback where prepare.extraction.model names a wrong folder."""
    with pytest.raises(UserError, match="cannot be read"):
        load_model(str(tmp_path))
