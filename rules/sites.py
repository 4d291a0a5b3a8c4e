"""Rules for single sites, and the ranking that shows which sites are worth a rule.

The dots.llm1 report (section 4.1) cleaned its 1,000 largest sites, 60 % of the data, by hand. Here a site's rules are
one file, ``rules/sites/<registered domain>.yaml``, or one of the same form in a folder of the user's:

    reason: wiki furniture            # a note for readers
    drop_urls: ['/wiki/Special:']     # regular expressions, searched for in the URL
    remove_lines:                     # whole lines: fixed, or a regular expression between slashes
      - Jump to navigation
      - '/Retrieved from .*/'
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from pipeline.errors import UserError

FOLDER = Path(__file__).with_name("sites")
LONGEST_LINE = 200  # characters; a longer line that repeats is text that was copied, not furniture
LINES_PER_PART = 100  # lines of a site that a part hands on

# Registries that register names below a second label. Without the full Public Suffix List some rare ones are missed,
# and several sites there count as one.
_SECOND_LABELS = {"ac", "co", "com", "edu", "gob", "gov", "gouv", "go", "mil", "ne", "net", "nom", "or", "org"}
_HOSTS = (
    "appspot.com blogspot.com cnblogs.com fandom.com github.io gitlab.io herokuapp.com livejournal.com medium.com"
    " neocities.org netlify.app pages.dev readthedocs.io substack.com tumblr.com typepad.com vercel.app web.app"
    " weebly.com wixsite.com wordpress.com"
)
_SHARED_HOSTS = frozenset(_HOSTS.split())  # each name below these is a site of its own

SITES = pa.schema(
    {
        "site": pa.string(),
        "documents": pa.int64(),
        "characters": pa.int64(),
        "lines": pa.list_(pa.struct({"line": pa.string(), "documents": pa.int64()})),
    }
)


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What one file says of its site."""

    site: str
    reason: str
    drop_urls: re.Pattern[str] | None
    fixed_lines: frozenset[str]
    line_patterns: re.Pattern[str] | None


def registered_domain(url: str) -> str:
    """The site of a URL: the name its owner registered ("news.example.co.uk" is of "example.co.uk")."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # an address in brackets that is none
        return ""
    labels = host.split(".")
    if labels[-1].isdigit() or ":" in host:  # an IP address
        return host
    country_registry = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LABELS
    shared_host = ".".join(labels[-2:]) in _SHARED_HOSTS
    return ".".join(labels[-3:] if country_registry or shared_host else labels[-2:])


def load(*folders: Path) -> dict[str, SiteRules]:
    """Site -> rules, of crawlmix's own folder and then of others; a later file of a site replaces an earlier one.

    Raises UserError for an unknown key, a pattern that does not compile or a file that is no mapping.
    """
    files = [path for folder in (FOLDER, *folders) for path in sorted(folder.glob("*.yaml"))]
    return {path.stem: _load_file(path) for path in files}


def _load_file(path: Path) -> SiteRules:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    keys = {"reason", "drop_urls", "remove_lines"}
    if not isinstance(content, dict) or not set(content) <= keys:
        raise UserError(f"The site rules {path} must be a mapping with the keys {', '.join(sorted(keys))} only.")
    lines = content.get("remove_lines", [])
    patterns = [line[1:-1] for line in lines if _is_pattern(line)]
    return SiteRules(
        site=path.stem,
        reason=content.get("reason", ""),
        drop_urls=_any_of(content.get("drop_urls", []), path),
        fixed_lines=frozenset(line.strip() for line in lines if not _is_pattern(line)),
        line_patterns=_any_of(patterns, path),
    )


def _is_pattern(line: str) -> bool:
    return len(line) > 2 and line[0] == line[-1] == "/"


def _any_of(patterns: Sequence[str], path: Path) -> re.Pattern[str] | None:
    if not patterns:
        return None
    try:
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    except re.error as error:
        raise UserError(f"A pattern in the site rules {path} does not compile: {error}.") from error


def apply(site_rules: Mapping[str, SiteRules], url: str, lines: Sequence[str]) -> np.ndarray:
    """bool[lines]: the lines of a page that its site's rules keep; none where they drop the URL."""
    rules = site_rules.get(registered_domain(url))
    if rules is None:
        return np.ones(len(lines), np.bool_)
    if rules.drop_urls and rules.drop_urls.search(url):
        return np.zeros(len(lines), np.bool_)
    return np.array([not _is_removed(rules, line.strip()) for line in lines], np.bool_)


def _is_removed(rules: SiteRules, line: str) -> bool:
    return line in rules.fixed_lines or bool(rules.line_patterns and rules.line_patterns.fullmatch(line))


def count_sites(urls: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """The sites of one part's documents: their number, characters and most repeated lines (schema ``SITES``).

    A line counts once a document. Only the ``LINES_PER_PART`` most frequent short lines that stand in two documents or
    more are handed on, so a line's count over many parts is a lower bound.
    """
    documents: Counter[str] = Counter()
    size: Counter[str] = Counter()
    lines: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for url, text in zip(urls, texts, strict=True):
        site = registered_domain(url)
        documents[site] += 1
        size[site] += len(text)
        stripped = {line.strip() for line in text.split("\n")}
        lines[site].update(line for line in stripped if 0 < len(line) <= LONGEST_LINE)
    sites = sorted(documents)
    columns = (
        sites,
        [documents[site] for site in sites],
        [size[site] for site in sites],
        [_most_frequent(lines[site])[:LINES_PER_PART] for site in sites],
    )
    return pa.table(dict(zip(SITES.names, columns, strict=True)), SITES)


def _most_frequent(counts: Mapping[str, int]) -> list[dict[str, object]]:
    """Lines of two documents or more, the most frequent first, equal ones in the order of their text."""
    ordered = sorted((-count, line) for line, count in counts.items() if count > 1)
    return [{"line": line, "documents": -count} for count, line in ordered]


def rank_sites(parts: Iterable[pa.Table], sites: int = 1000, lines: int = 10) -> pa.Table:
    """The largest sites over all parts (tables of ``count_sites``), with their most repeated lines.

    Returns the columns of ``SITES`` and two shares of all characters: ``share`` of the site and ``share_so_far`` of it
    and the larger ones. Sites of equal size stand in the order of their names.
    """
    table = pa.concat_tables([SITES.empty_table(), *parts])
    sums = table.group_by("site").aggregate([("documents", "sum"), ("characters", "sum")])
    ranked = sums.sort_by([("characters_sum", "descending"), ("site", "ascending")])
    shares = ranked["characters_sum"].to_numpy() / max(1, pc.sum(table["characters"]).as_py() or 0)
    ranked = ranked.append_column("share", pa.array(shares)).append_column("share_so_far", pa.array(np.cumsum(shares)))
    ranked = ranked.slice(0, sites)
    wanted = table.filter(pc.is_in(table["site"], ranked["site"].combine_chunks()))
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for site, repeated in zip(wanted["site"].to_pylist(), wanted["lines"].to_pylist(), strict=True):
        for entry in repeated:
            counts[site][entry["line"]] += entry["documents"]
    top = [_most_frequent(counts[site])[:lines] for site in ranked["site"].to_pylist()]
    return pa.table(
        {
            "site": ranked["site"],
            "documents": ranked["documents_sum"],
            "characters": ranked["characters_sum"],
            "share": ranked["share"],
            "share_so_far": ranked["share_so_far"],
            "lines": pa.array(top, SITES.field("lines").type),
        }
    )
