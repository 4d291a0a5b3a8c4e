"""The taxonomy that ships is whole, and a broken one is refused with a sentence."""

from pathlib import Path

import pytest

from classifiers.taxonomy import KINDS, TAXONOMY_FILE, load_taxonomy
from pipeline.errors import UserError


def test_there_are_200_leaves_each_with_group_kind_names_and_definition() -> None:
    taxonomy = load_taxonomy()
    assert len(taxonomy.leaves) == 200
    assert len(taxonomy.groups) == 20
    for leaf in taxonomy.leaves:
        assert taxonomy.group[leaf] in taxonomy.groups
        assert taxonomy.kind[leaf] in KINDS
        assert taxonomy.name_en[leaf] and taxonomy.name_zh[leaf] and taxonomy.definition[leaf].endswith(".")
    assert set(taxonomy.kind.values()) == set(KINDS)


def test_the_taxonomy_cannot_be_changed_by_a_caller() -> None:
    with pytest.raises(TypeError):
        load_taxonomy().group["soccer"] = "news"  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("count: 200", "count: 201"),
        ("    kind: knowledge", "    kind: wisdom"),
        ("    group: mathematics", "    group: numerology"),
        ("id: applied_mathematics", "id: pure_mathematics"),
        ("    definition:", "    meaning:"),
        ("categories:", "categories: ]"),
    ],
)
def test_a_broken_taxonomy_is_refused(tmp_path: Path, old: str, new: str) -> None:
    broken = tmp_path / "taxonomy.yaml"
    broken.write_text(TAXONOMY_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=r"taxonomy\.yaml"):
        load_taxonomy(broken)


def test_a_missing_taxonomy_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent"):
        load_taxonomy(tmp_path / "absent.yaml")
