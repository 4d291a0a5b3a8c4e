"""Rules for single sites, and the ranking that shows which sites are worth a rule.

The dots.llm1 report (section 4.1) cleaned its 1,000 largest sites, 60 % of the data, by hand. Here a site's rules are
one file, ``rules/sites/<registered domain>.yaml``, or one of the same form in a folder of the user's:

    reason: wiki furniture            # a note for readers
    drop_urls: ['/wiki/Special:']     # pages to drop: regular expressions, searched for in the URL
    remove_lines:                     # whole lines: fixed, or a regular expression between slashes
      - Jump to navigation
      - '/Retrieved from .*/'

Lines are compared as they stand and without the marks of Markdown, so that a rule meets a heading or a list's item too.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import yaml

from pipeline.errors import UserError
from rules.lines import without_marks

FOLDER = Path(__file__).with_name("sites")
LONGEST_LINE = 200  # characters; a longer line that repeats is text that was copied, not furniture
LINES_PER_PART = 100  # lines of a site that a part hands on
LINES_PER_SITE = 1000  # lines of a site that the ranking remembers from part to part

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

    reason: str
    drop_urls: tuple[re.Pattern[str], ...]
    fixed_lines: frozenset[str]
    line_patterns: tuple[re.Pattern[str], ...]

    def drops(self, url: str) -> bool:
        return any(pattern.search(url) for pattern in self.drop_urls)

    def cuts(self, text: str) -> list[int]:
        """The numbers of the lines of ``text`` to take out."""
        lines = enumerate(text.split("\n"))
        return [number for number, line in lines if self._cuts(line.strip()) or self._cuts(without_marks(line))]

    def _cuts(self, line: str) -> bool:
        return line in self.fixed_lines or any(pattern.fullmatch(line) for pattern in self.line_patterns)


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


def load(*folders: str | Path) -> dict[str, SiteRules]:
    """Site -> rules, of crawlmix's own folder and then of others; a later file of a site replaces an earlier one.

    Raises UserError for a folder without rule files, and for a file that is named after no site or is not of the form.
    """
    return {path.stem: _load_file(path) for folder in (FOLDER, *folders) for path in files(folder)}


def files(folder: str | Path) -> list[Path]:
    """The rule files of a folder. Raises UserError where there is none."""
    found = sorted(Path(folder).glob("*.yaml"))
    if not found:
        raise UserError(f"refine.sites: {folder} holds no site rules: give a folder with a file <site>.yaml a site")
    return found


def rules_of(site_rules: Mapping[str, SiteRules], url: str) -> SiteRules | None:
    """The rules of the site that a URL is of."""
    return site_rules.get(registered_domain(url))


def _load_file(path: Path) -> SiteRules:
    site = registered_domain(f"http://{path.stem}/")
    if site != path.stem:
        raise UserError(f"the site rules {path} would never be used: their site is {site}, name the file {site}.yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the site rules {path}: {' '.join(str(error).split())}") from None
    keys = {"reason", "drop_urls", "remove_lines"}
    if not isinstance(content, dict) or not set(content) <= keys:
        raise UserError(f"the site rules {path} must be a mapping with the keys {', '.join(sorted(keys))} only")
    lines = _strings(content, "remove_lines", path)
    return SiteRules(
        reason=str(content.get("reason", "")),
        drop_urls=_compiled(_strings(content, "drop_urls", path), path),
        fixed_lines=frozenset(line.strip() for line in lines if not _is_pattern(line)),
        line_patterns=_compiled([line[1:-1] for line in lines if _is_pattern(line)], path),
    )


def _strings(content: dict[str, Any], key: str, path: Path) -> list[str]:
    values = content.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"the site rules {path}: {key} must be a list of strings; put quotes around numbers and dates")
    return values


def _is_pattern(line: str) -> bool:
    return len(line) > 2 and line[0] == line[-1] == "/"


def _compiled(patterns: Sequence[str], path: Path) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(pattern) for pattern in patterns)
    except re.error as error:
        raise UserError(f"a pattern in the site rules {path} does not compile: {error}") from None


def count_sites(pages: Iterable[tuple[str, str]]) -> pa.Table:
    """The sites of one part's pages (URL, text): documents, characters and most repeated lines (schema ``SITES``).

    A line counts once a document, whatever its marks. Only the ``LINES_PER_PART`` most frequent short lines that stand
    in two documents or more are handed on, so a line's count over many parts is a lower bound.
    """
    documents: Counter[str] = Counter()
    size: Counter[str] = Counter()
    lines: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for url, text in pages:
        site = registered_domain(url)
        documents[site] += 1
        size[site] += len(text)
        stripped = {without_marks(line) for line in text.split("\n")}
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
    and the larger ones. Sites of equal size stand in the order of their names. Parts are read one after another; what
    stays in memory is two numbers a site and at most ``LINES_PER_SITE`` of its lines.
    """
    documents: Counter[str] = Counter()
    size: Counter[str] = Counter()
    repeated: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for part in parts:
        for row in part.to_pylist():
            site = row["site"]
            documents[site] += row["documents"]
            size[site] += row["characters"]
            if row["lines"]:
                repeated[site].update({entry["line"]: entry["documents"] for entry in row["lines"]})
                if len(repeated[site]) > LINES_PER_SITE:
                    repeated[site] = Counter(dict(repeated[site].most_common(LINES_PER_SITE // 2)))
    ranked = sorted(size, key=lambda site: (-size[site], site))[:sites]
    total = max(1, size.total())
    columns = {
        "site": pa.array(ranked, pa.string()),
        "documents": pa.array([documents[site] for site in ranked], pa.int64()),
        "characters": pa.array([size[site] for site in ranked], pa.int64()),
        "share": pa.array([size[site] / total for site in ranked], pa.float64()),
        "share_so_far": pa.array([sofar / total for sofar in accumulate(size[site] for site in ranked)], pa.float64()),
        "lines": pa.array([_most_frequent(repeated[site])[:lines] for site in ranked], SITES.field("lines").type),
    }
    return pa.table(columns)
