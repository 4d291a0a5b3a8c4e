"""URL rules, on the bundled lists, our own and a user's."""

from __future__ import annotations

import concurrent.futures
import csv
import gzip
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from rules import url as url_rules
from rules.blocklist import BlockList, hash_lines
from rules.url import UrlRules

DEV_INDEX = Path(__file__).parents[3] / "shared" / "crawl" / "dev-index.tsv.gz"


def block_list(entries: list[str]) -> BlockList:
    return BlockList(np.sort(hash_lines(np.frombuffer("\n".join(entries).encode(), np.uint8))))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own, so that the arrays are built here."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("CRAWLMIX_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def rules(cache: Path) -> UrlRules:
    return UrlRules.load()


def bundled(name: str) -> list[str]:
    archive = next(url_rules._bundled_assets().glob(url_rules.BUNDLED_ARCHIVE))
    return url_rules._member(archive, name).decode().splitlines()


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1), min_size=1), st.text("ab"))
def test_a_block_list_is_a_set(entries: list[str], other: str) -> None:
    """Catches look-ups that miss the first or last hash, or find what is not there."""
    listed = block_list(entries)
    assert all(listed.first([entry]) == entry for entry in entries)
    lower = {entry.encode().lower() for entry in entries}
    assert (listed.first([other]) is not None) == (other.encode() in lower)


def test_the_bundled_lists_are_found_again(rules: UrlRules) -> None:
    """Catches entries lost on the way from the archive to the array."""
    domains = random.Random(0).sample(bundled("domains"), 2000)
    assert {rules.reason(f"https://{domain}/page") for domain in domains} == {"url.domain"}
    assert {rules.reason(f"http://sub.{domain}") for domain in domains} == {"url.domain"}
    locations = random.Random(0).sample(bundled("urls"), 500)
    assert {rules.reason(f"https://www.{url}/") for url in locations} <= {"url.url", "url.domain"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/bdsm/page", "url.hard_word"),
        ("http://example.org/BDSM/page", "url.hard_word"),
        ("http://example.org/a-nude-lingerie-b", "url.soft_words"),
        ("http://example.org/a-nude-nude-b", None),
        ("http://example.org/big-breasts", "url.subword"),
        ("http://example.org/breast-cancer", None),
        ("http://www.xinpujing-88.example/", "url.extra_list"),
        ("http://bo-cai-wang.example/", "url.extra_list"),
        ("http://a.example/%E5%8D%9A%E5%BD%A9%E7%BD%91/1.html", "url.extra_list"),  # 博彩网 in UTF-8
        ("http://a.example/%B2%A9%B2%CA%CD%F8/1.html", "url.extra_list"),  # the same in GB 18030
        ("http://xn--ndk6a98k5v9a.example/", None),
        (f"http://{'线上娱乐城'.encode('idna').decode()}.example/", "url.extra_list"),
        ("https://zh.wikipedia.org/wiki/%E7%99%BE%E5%AE%B6%E4%B9%90", None),  # the article on 百家乐
        ("https://en.wikipedia.org/wiki/Online_casino", None),
        ("http://[2001:db8::1]/x", None),
        ("no url at all", None),
        ("http://xn--a-ecp.xn--zzzzzzzz99999.example/%ff%00%zz%", None),
        ("", None),
    ],
)
def test_each_rule(rules: UrlRules, url: str, reason: str | None) -> None:
    """Catches rules that do not fire, and articles on a subject being taken for it."""
    assert rules.reason(url) == reason


@settings(deadline=None)
@given(st.text())
def test_no_url_raises(rules: UrlRules, url: str) -> None:
    """Catches exceptions on what crawls write for addresses."""
    assert rules.reason("http://" + url) is None or rules.explain("http://" + url)


def test_explain_names_entry_and_list(rules: UrlRules) -> None:
    """Catches a drop that cannot be traced to its list."""
    assert "'bdsm' is in datatrove's banned words" in rules.explain("http://a.example/bdsm")
    assert "'xinpujing' is in the list gambling" in rules.explain("http://xinpujing.example/")
    assert rules.explain("http://a.example/") == "no URL rule applies"


def test_lists_of_ones_own(tmp_path: Path) -> None:
    """Catches entries of a user's list that are read as the wrong kind, and an allowed domain that is dropped."""
    mine = tmp_path / "mine.txt"
    mine.write_text("# comment\nBad.example\nhttps://a.example/One/Page/\nspamletters\n广告页\n", encoding="utf-8")
    rules = UrlRules.load([mine], allow=["good.bad.example", "xinpujing.example"])
    dropped = ["http://bad.example", "http://x.bad.example/", "http://www.a.example/one/page", "http://广告页.example/"]
    assert {rules.reason(url) for url in [*dropped, "http://spam-letters.example/"]} == {"url.extra_list"}
    passed = [
        "http://notbad.example",
        "http://a.example/one",
        "http://a.example/spamletters",
        "http://good.bad.example/",
    ]
    assert {rules.reason(url) for url in [*passed, "http://xinpujing.example/", "http://x.good.bad.example"]} == {None}
    with pytest.raises(UserError, match=r"none\.txt"):
        UrlRules.load([tmp_path / "none.txt"])


def test_workers_that_build_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a half-written array being read, and temporary files being left over."""
    monkeypatch.setenv("CRAWLMIX_CACHE", str(tmp_path / "new"))
    entries = [f"{n}.example" for n in range(20_000)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        built = list(pool.map(lambda _: BlockList.cached("x", "1", lambda: "\n".join(entries).encode()), range(8)))
    assert all(listed.first([entries[0]]) and listed.first([entries[-1]]) for listed in built)
    (path,) = (tmp_path / "new").iterdir()
    path.write_bytes(path.read_bytes()[:1000])  # a disk that was full
    assert BlockList.cached("x", "1", lambda: "\n".join(entries).encode()).first([entries[-1]])


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback where a home folder is read-only."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CRAWLMIX_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="CRAWLMIX_CACHE"):
        BlockList.cached("x", "1", lambda: b"a")


def test_agrees_with_datatrove(rules: UrlRules) -> None:
    """Catches rules that have drifted from the peer's, on listed domains, words and the addresses of a crawl."""
    tldextract = pytest.importorskip("tldextract", reason="datatrove's URL filter needs tldextract")
    for module in ("ahocorasick", "fasteners"):
        pytest.importorskip(module, reason=f"datatrove's URL filter needs {module}")
    from datatrove.data import Document
    from datatrove.pipeline.filters import URLFilter

    draw = random.Random(0)
    domains = [domain for domain in draw.sample(bundled("domains"), 3000) if not domain.replace(".", "").isdigit()]
    peer = URLFilter(
        use_integrated_lists=False,
        extra_domains=domains,
        banned_words=rules.hard_words,
        soft_banned_words=rules.soft_words,
        banned_subwords=rules.subwords,
    )
    peer.tldextractor = tldextract.TLDExtract(suffix_list_urls=())
    ours = UrlRules(
        block_list(domains), block_list([]), rules.hard_words, rules.soft_words, rules.subwords, (), frozenset()
    )
    words = sorted(rules.hard_words | rules.soft_words)
    urls = [f"https://{domain}/x" for domain in domains]
    urls += [f"http://a.example/{'-'.join(draw.sample(words, draw.choice([1, 2, 3])))}" for _ in range(1000)]
    if DEV_INDEX.exists():
        with gzip.open(DEV_INDEX, "rt", encoding="utf-8") as lines:
            urls += [row["url"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    names = {"domain": "url.domain", "subdomain": "url.domain", "hard_blacklisted": "url.hard_word"}
    names |= {"soft_blacklisted": "url.soft_words", "blacklisted_subword": "url.subword"}
    for url in urls:
        verdict = peer.filter(Document(text="", id="", metadata={"url": url}))
        assert ours.reason(url) == (None if verdict is True else names[verdict[1]]), url
