"""Site rules and the ranking of sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UserError
from rules import sites


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://en.wikipedia.org/wiki/A", "wikipedia.org"),
        ("http://news.example.co.uk:8080/x?y=https://other.org/", "example.co.uk"),
        ("https://example.com.cn", "example.com.cn"),
        ("https://someone.github.io/blog/", "someone.github.io"),
        ("https://github.io/", "github.io"),
        ("https://co.uk/", "co.uk"),
        ("https://a.co/", "a.co"),
        ("http://192.168.0.1/x", "192.168.0.1"),
        ("http://[::1]/x", "::1"),
        ("http://[bad/x", ""),
        ("no url", ""),
        ("HTTPS://WWW.Example.ORG./", "example.org"),
    ],
)
def test_registered_domain(url: str, site: str) -> None:
    """Catches: all blogs of a host or all names of a registry counted as one site."""
    assert sites.registered_domain(url) == site


def test_own_example() -> None:
    """Catches: a rule file of crawlmix's own that does not load or does nothing."""
    rules = sites.load()
    lines = ["Otters", "From Wikipedia, the free encyclopedia", " [edit] ", "Otters are mammals.", "Categories: Otters"]
    assert sites.apply(rules, "https://en.wikipedia.org/wiki/Otter", lines).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert not sites.apply(rules, "https://en.wikipedia.org/wiki/Special:Random", lines).any()
    assert sites.apply(rules, "https://example.org/", lines).all()


def test_users_folder(tmp_path: Path) -> None:
    """Catches: a user's file that is not read, or fixed lines taken for patterns."""
    (tmp_path / "example.org.yaml").write_text("remove_lines: ['a.c', '/x+/']", encoding="utf-8")
    kept = sites.apply(sites.load(tmp_path), "http://www.example.org/", ["a.c", "abc", "xxx", "xxy", "/x+/"])
    assert kept.tolist() == [False, True, False, True, True]


@pytest.mark.parametrize("content", ["remove_lines: ['/(/']", "remove_line: [a]", "- a", ""])
def test_bad_files(tmp_path: Path, content: str) -> None:
    """Catches: a mistake in a rule file that shows as a traceback or not at all."""
    (tmp_path / "example.org.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"example\.org\.yaml"):
        sites.load(tmp_path)


def test_ranking() -> None:
    """Catches: characters of parts not summed, lines counted twice in a document, order taken from the parts."""
    one = sites.count_sites(["http://a.org/1", "http://a.org/2", "http://b.org/"], ["Menu\nMenu\nx", "Menu\ny", "zz"])
    two = sites.count_sites(["http://a.org/3", "http://a.org/4", "http://c.org/"], ["Menu\nx", "Menu\nFoot", "zz"])
    ranked = sites.rank_sites([one, two])
    assert ranked.to_pylist() == sites.rank_sites([two, one]).to_pylist()
    assert ranked["site"].to_pylist() == ["a.org", "b.org", "c.org"]
    assert ranked["documents"].to_pylist() == [4, 1, 1]
    assert ranked["characters"].to_pylist() == [32, 2, 2]
    assert ranked["lines"].to_pylist()[0] == [{"line": "Menu", "documents": 4}]
    assert ranked["share_so_far"].to_pylist()[-1] == pytest.approx(1)
    assert sites.rank_sites([]).num_rows == 0
