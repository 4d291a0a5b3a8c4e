"""The 200 content categories, read from ``taxonomy.yaml``: leaves, their groups and kinds, names and definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from pipeline.errors import UserError

TAXONOMY_FILE = Path(__file__).with_name("taxonomy.yaml")

KINDS = (
    "knowledge",
    "education",
    "news",
    "reference",
    "community",
    "fiction",
    "commerce",
    "structured",
    "adult_or_harm",
    "other",
)


@dataclass(frozen=True)
class Taxonomy:
    """A two-level tree of categories (leaves in groups); every leaf also has one of ten kinds.

    ``leaves`` is the order of all probability arrays. The mappings are keyed by leaf, ``group_name_*`` by group.
    """

    leaves: tuple[str, ...]
    group: Mapping[str, str]
    kind: Mapping[str, str]
    name_en: Mapping[str, str]
    name_zh: Mapping[str, str]
    definition: Mapping[str, str]
    groups: tuple[str, ...]
    group_name_en: Mapping[str, str]
    group_name_zh: Mapping[str, str]
    kinds: tuple[str, ...] = KINDS


@cache
def load_taxonomy(path: Path = TAXONOMY_FILE) -> Taxonomy:
    """Read and validate a taxonomy file.

    Raises UserError where it is not YAML, misses a field, names an unknown group or kind, repeats a leaf, or does not
    hold as many leaves as its own ``count`` says.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        groups, categories, count = content["groups"], content["categories"], content["count"]
        taxonomy = Taxonomy(
            leaves=tuple(entry["id"] for entry in categories),
            group=_column(categories, "group"),
            kind=_column(categories, "kind"),
            name_en=_column(categories, "name_en"),
            name_zh=_column(categories, "name_zh"),
            definition=_column(categories, "definition"),
            groups=tuple(entry["id"] for entry in groups),
            group_name_en=_column(groups, "name_en"),
            group_name_zh=_column(groups, "name_zh"),
        )
    except OSError as error:
        raise UserError(f"The taxonomy {path} cannot be read ({error.strerror}): give its path.") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"The taxonomy {path} is malformed ({error}): mend it by {TAXONOMY_FILE.name}.") from error
    _validate(taxonomy, count, path)
    return taxonomy


def _column(entries: list[dict[str, Any]], field: str) -> Mapping[str, str]:
    return MappingProxyType({entry["id"]: entry[field] for entry in entries})


def _validate(taxonomy: Taxonomy, count: int, path: Path) -> None:
    if len(set(taxonomy.leaves)) != len(taxonomy.leaves) or len(taxonomy.leaves) != count:
        raise UserError(f"The taxonomy {path} says count: {count} but has {len(set(taxonomy.leaves))} distinct leaves.")
    for leaf in taxonomy.leaves:
        if taxonomy.group[leaf] not in taxonomy.groups:
            raise UserError(f"Leaf {leaf} of {path} is in the unknown group {taxonomy.group[leaf]}: list it in groups.")
        if taxonomy.kind[leaf] not in KINDS:
            raise UserError(f"Leaf {leaf} of {path} has the unknown kind {taxonomy.kind[leaf]}: use one of {KINDS}.")
