"""Crawled text on a terminal."""

from __future__ import annotations


def printable(line: str) -> str:
    """A line as it may stand on a terminal: spaces for the characters that would steer it."""
    return "".join(character if character.isprintable() else " " for character in line)
