"""Stage 1.1: URL rules, which drop a page by its address alone.

The rules and their order are those of datatrove's URL filter (after RefinedWeb, arXiv 2306.01116, section 3.1 and
appendix G.1) on the lists that it bundles: 4.6 million domains, 20,000 URLs, hard words, soft words of which two drop
a page, and subwords. Differences: every parent domain of the host is looked up, not only the registered one; URLs are
compared without scheme, as the list holds them; case never matters. Behind them stand lists of our own
(``lists/*.txt``) and the user's.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
import tarfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pipeline.errors import UserError
from rules.blocklist import BlockList

SOFT_WORDS = 2  # different ones that drop a page (datatrove's default)
BUNDLED_ARCHIVE = "url_filterblacklists*.tar.gz"
OWN_LISTS = Path(__file__).parent / "lists"
ALLOWED = Path(__file__).with_name("allowed_domains.txt")
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#]*@)?(\[[^\]/]*\]|[^/?#:]*)")
_IGNORED = re.compile(r"[\t\r\n]")  # as browsers do; a block list's entries are lines
_SEPARATORS = re.compile(r"[^a-z0-9]+")


class Match(NamedTuple):
    """What drops a page."""

    reason: str  # url.domain, url.url, url.hard_word, url.soft_words, url.subword or url.extra_list
    entry: str
    source: str  # the list, for people


class Address(NamedTuple):
    """A URL as the rules look at it, all in lower case."""

    url: str
    host: str
    domains: list[str]  # the host and its parents, the longest first
    locations: list[str]  # the URL without scheme and fragment, with and without www.


@dataclass(frozen=True)
class ExtraList:
    """A list of one's own; the kinds of its entries are told in ``lists/adult.txt``."""

    name: str
    addresses: BlockList  # domains and URLs
    letters: tuple[str, ...]  # anywhere in the host's letters and digits
    phrases: tuple[str, ...]  # anywhere in the decoded URL

    @classmethod
    def read(cls, path: Path) -> ExtraList:
        try:
            text = path.read_text(encoding="utf-8").lower()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the URL list {path}: {error}") from error
        entries = _entries(text)
        addresses = [re.sub(r"^https?://", "", entry).rstrip("/") for entry in entries if "." in entry]
        words = [entry for entry in entries if "." not in entry]
        version = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return cls(
            name=path.stem,
            addresses=BlockList.cached(path.stem, version, "\n".join(addresses).encode),
            letters=tuple(letters for word in words if word.isascii() and (letters := _SEPARATORS.sub("", word))),
            phrases=tuple(word for word in words if not word.isascii()),
        )

    def find(self, address: Address, host_letters: str, decoded: str) -> str | None:
        """The entry that the address meets."""
        return (
            self.addresses.first([*address.domains, *address.locations])
            or next((letters for letters in self.letters if letters in host_letters), None)
            or next((phrase for phrase in self.phrases if phrase in decoded), None)
        )


@dataclass(frozen=True)
class UrlRules:
    """All lists, in the order in which they are asked."""

    domains: BlockList
    urls: BlockList
    hard_words: frozenset[str]
    soft_words: frozenset[str]
    subwords: tuple[str, ...]
    extra: tuple[ExtraList, ...]
    allow: frozenset[str]

    @classmethod
    def load(cls, lists: Sequence[str | Path] = (), allow: Sequence[str] = ()) -> UrlRules:
        """The bundled lists, our own, and the files of ``lists``.

        Domains in ``allow`` and ``allowed_domains.txt`` and below them always pass.

        The first call on a machine takes some seconds to build the arrays. Raises UserError if a list cannot be read.
        """
        assets = _bundled_assets()
        archive = next(iter(sorted(assets.glob(BUNDLED_ARCHIVE))), None)
        if archive is None:
            raise UserError(f"the installed datatrove has no URL lists ({assets}/{BUNDLED_ARCHIVE}): install it again")
        version = f"{importlib.metadata.version('datatrove')} {archive.name}"
        return cls(
            domains=BlockList.cached("domains", version, lambda: _member(archive, "domains")),
            urls=BlockList.cached("urls", version, lambda: _member(archive, "urls")),
            hard_words=frozenset(_words(assets / "banned_words.txt")),
            soft_words=frozenset(_words(assets / "soft_banned_words.txt")),
            subwords=tuple(sorted(_words(assets / "banned_subwords.txt"))),
            extra=tuple(ExtraList.read(path) for path in [*sorted(OWN_LISTS.glob("*.txt")), *map(Path, lists)]),
            allow=frozenset(domain.strip().lower() for domain in [*_entries(ALLOWED.read_text("utf-8")), *allow]),
        )

    def reason(self, url: str) -> str | None:
        """The reason why a page at this URL is dropped; None if it passes."""
        match = self.match(url)
        return match and match.reason

    def explain(self, url: str) -> str:
        """One sentence for people: which entry of which list drops the URL, or that none does."""
        match = self.match(url)
        return f"{match.reason}: '{match.entry}' is in {match.source}" if match else "no URL rule applies"

    def match(self, url: str) -> Match | None:
        """The first rule that the URL meets."""
        address = parse(url)
        if not self.allow.isdisjoint(address.domains):
            return None
        if domain := self.domains.first(address.domains):
            return Match("url.domain", domain, "datatrove's list of domains")
        if location := self.urls.first(address.locations):
            return Match("url.url", location, "datatrove's list of URLs")
        words = set(_SEPARATORS.split(address.url))
        if hard := words & self.hard_words:
            return Match("url.hard_word", min(hard), "datatrove's banned words")
        if len(soft := words & self.soft_words) >= SOFT_WORDS:
            return Match("url.soft_words", " ".join(sorted(soft)), "datatrove's soft banned words")
        letters = _SEPARATORS.sub("", address.url)
        if subword := next((subword for subword in self.subwords if subword in letters), None):
            return Match("url.subword", subword, "datatrove's banned subwords")
        host_letters = _SEPARATORS.sub("", address.host)
        decoded = decode(address)
        for extra in self.extra:
            if entry := extra.find(address, host_letters, decoded):
                return Match("url.extra_list", entry, f"the list {extra.name}")
        return None


def parse(url: str) -> Address:
    """Take a URL apart, in lower case. Never raises: what has no host has no domains."""
    url = _IGNORED.sub("", url.lower())
    found = _HOST.match(url)
    if found is None:
        return Address(url, "", [], [])
    host = found[1].rstrip(".")
    if host.startswith("[") or host.replace(".", "").isdigit():
        domains = [host]  # the parts of an IP address are no domains
    else:
        labels = host.split(".")
        domains = [".".join(labels[first:]) for first in range(len(labels))]
    location = host + url[found.end() :].partition("#")[0].rstrip("/")
    return Address(url, host, domains, list(dict.fromkeys([location, location.removeprefix("www.")])))


def decode(address: Address) -> str:
    """The URL with percent-encoding (UTF-8, else GB 18030) and IDNA of the host undone."""
    text = address.url
    if "%" in text:
        stored = unquote_to_bytes(text)
        try:
            text = stored.decode()
        except UnicodeDecodeError:
            text = stored.decode("gb18030", "replace")
    if "xn--" in address.host:
        with suppress(UnicodeError):  # not every such name stands for characters
            text += " " + address.host.encode("ascii").decode("idna")
    return text.lower()


def _bundled_assets() -> Path:
    spec = importlib.util.find_spec("datatrove")  # found, not imported: only its data is needed
    if spec is None or not spec.submodule_search_locations:
        raise UserError("datatrove, whose URL lists are used, is not installed: pip install datatrove")
    return Path(spec.submodule_search_locations[0]) / "assets"


def _member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        member = tar.extractfile(name)
        if member is None:
            raise UserError(f"{archive} holds no list {name}: install datatrove again")
        return member.read()


def _entries(text: str) -> list[str]:
    """The lines of a list that are neither empty nor a comment."""
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def _words(path: Path) -> Iterable[str]:
    """The words of one of datatrove's lists, reduced to letters and digits as it does."""
    lines = path.read_text(encoding="utf-8").lower().splitlines()
    return {word for line in lines if not line.startswith("#") and (word := _SEPARATORS.sub("", line))}
