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
    wikipedia = sites.rules_of(sites.load(), "https://en.wikipedia.org/wiki/Otter")
    assert wikipedia is not None and wikipedia.reason
    text = "Otters\nFrom Wikipedia, the free encyclopedia\n [edit] \nOtters are mammals.\nCategories: Otters"
    assert wikipedia.cuts(text) == [1, 2, 4]
    assert wikipedia.drops("https://en.wikipedia.org/wiki/Special:Random")
    assert not wikipedia.drops("https://en.wikipedia.org/wiki/Otter")
    assert sites.rules_of(sites.load(), "https://example.org/") is None


def write_rules(folder: Path, content: str, site: str = "example.org") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{site}.yaml").write_text(content, encoding="utf-8")


def test_users_folder(tmp_path: Path) -> None:
    """Catches: a user's file that is not read, fixed lines taken for patterns, flags and groups that patterns share."""
    write_rules(tmp_path, r"remove_lines: ['a.c', '/x+/', '/(?i)home/', '/(.)-\1/', '/(.)=\1/']")
    rules = sites.rules_of(sites.load(tmp_path), "http://www.example.org/")
    assert rules is not None and not rules.drops("http://www.example.org/")
    assert rules.cuts("a.c\nabc\n xxx \nxxy\n/x+/\nHOME\nXXX\nb-b\nb=b\nb=c") == [0, 2, 5, 7, 8]


def test_rules_meet_lines_with_marks(tmp_path: Path) -> None:
    """Catches: furniture that stays where it is marked as a heading or an item, and other lines cut for it."""
    write_rules(tmp_path, "remove_lines: [Home, '- Help', '/Page [0-9]+/']")
    rules = sites.rules_of(sites.load(tmp_path), "http://example.org/")
    assert rules is not None
    assert rules.cuts("- Home\n## Home\n> Page 2\n2. Page 3\n- Help\nHelp\n- Home sweet home\n| Home |") == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_later_folder_replaces_a_site(tmp_path: Path) -> None:
    """Catches: rules of two folders mixed, or the first one's kept."""
    for name in ("one", "two"):
        write_rules(tmp_path / name, f"remove_lines: [{name}]")
    rules = sites.rules_of(sites.load(tmp_path / "one", tmp_path / "two"), "http://example.org/")
    assert rules is not None and rules.cuts("one\ntwo") == [1]


@pytest.mark.parametrize(
    "content",
    ["remove_lines: ['/(/']", "remove_line: [a]", "- a", "", "a: [", "remove_lines: Home", "drop_urls: [2024]"],
)
def test_bad_files(tmp_path: Path, content: str) -> None:
    """Catches: a mistake in a rule file that shows as a traceback or not at all."""
    write_rules(tmp_path, content)
    with pytest.raises(UserError, match=r"example\.org\.yaml") as refused:
        sites.load(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_file_that_no_url_would_meet(tmp_path: Path) -> None:
    """Catches: a file named after a host, and a folder without rules, that silently do nothing."""
    with pytest.raises(UserError, match="no site rules"):
        sites.load(tmp_path / "absent")
    write_rules(tmp_path, "remove_lines: [Home]", "www.example.org")
    with pytest.raises(UserError, match=r"name the file example\.org\.yaml"):
        sites.load(tmp_path)


def test_ranking() -> None:
    """Catches: characters of parts not summed, lines counted twice in a document, order taken from the parts."""
    one = sites.count_sites(
        [("http://a.org/1", "Menu\nMenu\nx"), ("http://a.org/2", "Menu\ny"), ("http://b.org/", "zz")]
    )
    two = sites.count_sites([("http://a.org/3", "Menu\nx"), ("http://a.org/4", "Menu\nFoot"), ("http://c.org/", "zz")])
    ranked = sites.rank_sites([one, two])
    assert ranked.to_pylist() == sites.rank_sites([two, one]).to_pylist()
    assert ranked["site"].to_pylist() == ["a.org", "b.org", "c.org"]
    assert ranked["documents"].to_pylist() == [4, 1, 1]
    assert ranked["characters"].to_pylist() == [32, 2, 2]
    assert ranked["lines"].to_pylist()[0] == [{"line": "Menu", "documents": 4}]
    assert ranked["share"].to_pylist()[0] == pytest.approx(32 / 36)
    assert ranked["share_so_far"].to_pylist()[-1] == pytest.approx(1)
    assert sites.rank_sites([one, two], sites=1)["share_so_far"].to_pylist() == ranked["share"].to_pylist()[:1]
    assert sites.rank_sites([]).num_rows == 0


def test_ranking_reads_through_marks() -> None:
    """Catches: a line that is two as a heading here and an item there, and fences among the most repeated lines."""
    pages = [("http://a.org/1", "# Menu\n```\nx\n```\n| --- |"), ("http://a.org/2", "- Menu\n```\ny\n```\n| --- |")]
    assert sites.rank_sites([sites.count_sites(pages)])["lines"].to_pylist() == [[{"line": "Menu", "documents": 2}]]


def test_ranking_remembers_the_frequent_lines() -> None:
    """Catches: memory that grows with every part, and a line of every part that is forgotten with the rare ones."""
    pages = [("http://a.org/", f"Menu\n{part} {line}") for part in range(30) for line in range(99) for _ in range(2)]
    parts = [sites.count_sites(pages[start : start + 198]) for start in range(0, len(pages), 198)]
    assert sites.rank_sites(parts, lines=1)["lines"].to_pylist() == [[{"line": "Menu", "documents": 30 * 198}]]
