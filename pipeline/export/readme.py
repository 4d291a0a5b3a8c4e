"""README.md of an export: what it is, and how it is read."""

from __future__ import annotations

from typing import Any

TEMPLATE = """\
# The mix {name!r}, {tokens:,} tokens

{rows:,} documents in {shards:,} shards, shuffled as a whole (seed {seed}): read them in the order of their names.
A document that the mix reads more than once is there as often, each copy at a place of its own; `copy` numbers them
from 0, so those with `copy` 0 are the documents without repetition.

{reading}

The tokenizer is `tokenizer.json`, in Hugging Face's format: {vocabulary:,} tokens, {eos!r} ({eos_id}) ends a document.
`manifest.json` has rows, tokens and SHA-256 of every shard, and for every category its share of the tokens and the
share that the mix plans; `mix.json` is the mix.
"""


def readme(manifest: dict[str, Any], reading: str) -> str:
    """The text, from the manifest and the format's ``reading``."""
    tokenizer = manifest["tokenizer"]
    return TEMPLATE.format(
        name=manifest["mix"],
        tokens=manifest["tokens"],
        rows=manifest["rows"],
        shards=len(manifest["shards"]),
        seed=manifest["seed"],
        reading=reading,
        vocabulary=tokenizer["vocab_size"],
        eos=tokenizer["eos"],
        eos_id=tokenizer["eos_id"],
    )
