"""What the three models are asked: the labels of each task, and the guide by which a reader or a teacher gives them."""

from __future__ import annotations

from pathlib import Path

from classifiers.taxonomy import load_taxonomy

TASKS = ("category", "webtype", "quality")
QUALITIES = ("0", "1", "2", "3", "bad", "good")  # a score of the guide, or good against not good
GOOD = ("2", "3", "good")
GUIDES = Path(__file__).with_name("prompts")
_LEAVES = "{leaves}"  # where the category guide wants the taxonomy


def labels_of(task: str) -> tuple[str, ...]:
    """The labels that a model or a label file of a task may use."""
    if task == "category":
        return load_taxonomy().leaves
    if task == "webtype":
        from classifiers.webtype import TYPES

        return TYPES
    return QUALITIES


def guide(task: str) -> str:
    """How to label a page: ``prompts/<task>.txt``, that of the categories with every leaf and its definition."""
    taxonomy = load_taxonomy()
    leaves = "\n".join(f"{leaf}: {taxonomy.definition[leaf]}" for leaf in taxonomy.leaves)
    return (GUIDES / f"{task}.txt").read_text(encoding="utf-8").replace(_LEAVES, leaves)
