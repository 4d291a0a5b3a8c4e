"""Families of words in classes and ids that tell what an element is for."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.extraction.elements import hash_of, kernel

FAMILIES: Final = (
    "comment comments commentlist disqus reply replies respond response responses discussion guestbook pinglun",
    "post thread topic forum message msg bbs postbody messages phpbb vbulletin discuz answer answers question",
    "nav navigation menu menubar breadcrumb breadcrumbs navbar pagination pager paging topnav",
    "sidebar side aside widget rail column sidecol secondary right left",
    "footer foot bottom copyright legal colophon",
    "header masthead top banner logo topbar",
    "related recommend recommended popular trending similar more latest recent teaser teasers also",
    "share sharing social facebook twitter follow addthis sharedaddy bookmark",
    "ad ads advert advertisement adsense sponsor sponsored promo promotion dfp banner",
    "author byline meta date time info published timestamp credit posted bio profile avatar signature user",
    "content article entry story articlebody text body main txt detail maincontent blog prose",
    "product price cart shop sku buy variant stock description",
    "review reviews rating ratings testimonial testimonials feedback bvrr bvrrcontainer",
    "title headline heading subtitle",
    "list item items card cards grid row tile tiles collection results result catalog feed",
    "tag tags category categories keywords topics cat label",
    "search login signup subscribe newsletter form modal popup overlay register",
    "cookie cookies consent gdpr notice notices dismiss dismissible alert announcement announcements warning",
    "caption figure photo image gallery credits media video",
    "doc docs documentation api reference toc contents wiki",
)

_BITS = 12
_MASK: Final = np.uint32((1 << _BITS) - 1)


def word_hash(word: str) -> int:
    """The hash of a word of a class as the pass over the page keeps it."""
    return hash_of(word) >> 32


def _table() -> tuple[np.ndarray, np.ndarray]:
    keys, bits = np.zeros(1 << _BITS, np.uint32), np.zeros(1 << _BITS, np.int64)
    for number, words in enumerate(FAMILIES):
        for word in words.split():
            key = word_hash(word)
            slot = key & int(_MASK)
            while keys[slot] and keys[slot] != key:
                slot = (slot + 1) & int(_MASK)
            keys[slot] = key
            bits[slot] |= 1 << number
    return keys, bits


_KEYS, _FAMILY_BITS = _table()


@kernel
def family_of(word: np.uint32) -> int:
    """A bit for each of FAMILIES that a word is in."""
    slot = np.int64(word & _MASK)
    while _KEYS[slot]:
        if _KEYS[slot] == word:
            return _FAMILY_BITS[slot]
        slot = (slot + 1) & np.int64(_MASK)
    return 0
