"""What a mix asks for: weights, shares, floors by category, group or kind; languages; quality bands; caps; a budget."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UserError
from pipeline.mix.shards import Band

CURRENT = "current"  # what commands call the mix in mix.json, whatever its name


def _sensible(value: float) -> float:
    if value and not 1e-6 <= value <= 1e6:
        raise ValueError("give 0, or a number from 0.000001 to 1,000,000")
    return value


def _file_name(name: str) -> str:
    if name == CURRENT or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"use letters, digits and . _ - only, and not {CURRENT!r}")
    return name


Weight = Annotated[float, Field(ge=0), AfterValidator(_sensible)]
Share = Annotated[float, Field(ge=0, le=1), AfterValidator(_sensible)]


class Taxonomy(Protocol):
    """The part of classifiers.taxonomy.Taxonomy that a mix needs."""

    @property
    def leaves(self) -> Sequence[str]: ...
    @property
    def group(self) -> Mapping[str, str]: ...
    @property
    def kind(self) -> Mapping[str, str]: ...


class MixSpec(BaseModel):
    """A mix as a user writes it. All shares are shares of tokens.

    Names are those of categories, groups or kinds, or several joined by ``+``. Where two names cover a category, the
    narrower counts: category before group before kind. (A kind and a group of the same name mean the kind.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(_file_name)] = "custom"
    weights: dict[str, Weight] = {}  # multiplies the natural share; 0 leaves it out; 1 where nothing is said
    shares: dict[str, Share] = {}  # share of the mix, whatever the natural one; what is not named fills the rest
    languages: dict[str, Weight] = {}  # ratio between these languages; all others keep their natural share
    quality: dict[Band, Weight] = {}  # multiplies as weights do, by quality band
    floors: dict[str, Share] = {}  # least share of the mix; a plan that cannot hold it is refused
    max_repeats: Annotated[float, Field(ge=1e-3, le=1e3)] = 4  # a fifth reading teaches little (arXiv 2305.16264)
    budget: Annotated[int, Field(gt=0)] | None = None  # tokens to read; default: as many as the mix may take once


NAMED = {
    spec.name: spec
    for spec in (
        # Every document once.
        MixSpec(name="natural"),
        # The report's: more encyclopedia, education and popular science, less fiction and product pages; zh:en 1:1.
        # A middle preference for quality: of one category, a good page is read 2.5 times as often as a poor one.
        MixSpec(
            name="balanced",
            weights={
                "knowledge": 2,
                "education": 2,
                "reference": 2,
                "fiction": 0.5,
                "commerce": 0.25,
                "structured": 0.25,
                "boilerplate_harm": 0,
            },
            languages={"zh": 1, "en": 1},
            quality={"low": 0.5, "high": 1.25},
        ),
        # The report's first annealing stage: 90 % knowledge and reasoning, and the best pages of all.
        MixSpec(
            name="anneal",
            weights={"commerce": 0.25, "structured": 0.25, "boilerplate_harm": 0},
            shares={"knowledge+education+reference+source_code": 0.9},
            languages={"zh": 1, "en": 1},
            quality={"low": 0, "middle": 0.5},
        ),
        # Its second: more code, mathematics and reasoning in the same frame.
        MixSpec(
            name="anneal_reasoning",
            weights={"commerce": 0.25, "structured": 0.25, "boilerplate_harm": 0},
            shares={"mathematics+computing+source_code+physical_sciences": 0.5, "knowledge+education+reference": 0.4},
            languages={"zh": 1, "en": 1},
            quality={"low": 0, "middle": 0.5},
        ),
    )
}


def load_spec(mix: str | Mapping[str, Any]) -> MixSpec:
    """A named mix, or one written out; raises UserError for an unknown name, an unknown field or a wrong value."""
    if isinstance(mix, str):
        if mix not in NAMED:
            raise UserError(f"there is no mix named {mix!r}: {suggest(mix, NAMED)}")
        return NAMED[mix]
    try:
        return MixSpec.model_validate(dict(mix))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "[key]")
        if first["type"] == "extra_forbidden":
            raise UserError(f"the mix has no field {field!r}: {suggest(field, MixSpec.model_fields)}") from None
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise UserError(f"the mix's {field}: {message} (got {first['input']!r})") from None


def load_spec_file(path: str) -> MixSpec:
    """A mix written out in a YAML file, named after the file where it gives no name. Raises UserError, as load_spec."""
    try:
        written = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the mix {path}: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"the mix {path} is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(written, dict) or not all(isinstance(key, str) for key in written):
        raise UserError(f"the mix {path} must be a mapping of fields: known are {', '.join(MixSpec.model_fields)}")
    return load_spec({"name": Path(path).stem} | written)


def change_spec(spec: MixSpec, settings: Iterable[str]) -> MixSpec:
    """``spec`` with settings such as ``budget=1000000`` or ``weights.fiction=0.1``; raises UserError, as load_spec."""
    data = spec.model_dump()
    for setting in settings:
        name, equals, value = setting.partition("=")
        field, dot, key = name.partition(".")
        if not equals or not field or (dot and not (key and isinstance(data.get(field), dict))):
            raise UserError(f"--set {setting}: write it as field=value or table.key=value, such as weights.fiction=0.1")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"--set {setting}: the value is no valid YAML") from None
        data[field] = data[field] | {key: parsed} if dot else parsed
    return load_spec(data)


def assign(names: Iterable[str], taxonomy: Taxonomy, mix: str) -> dict[str, str]:
    """Leaf → the narrowest of ``names`` that covers it. Raises UserError for what the taxonomy does not have."""
    kinds = set(taxonomy.kind.values())
    known = {*taxonomy.leaves, *taxonomy.group.values(), *kinds}
    whole: dict[str, str] = {}
    for name in names:
        for part in name.split("+"):
            if part not in known:
                raise UserError(
                    f"the mix {mix!r} names {part!r}, no category, group or kind: {suggest(part, sorted(known))}"
                )
            if part in whole:
                raise UserError(f"the mix {mix!r} names {part!r} twice in one table: name it once")
            whole[part] = name
    assigned = {}
    for leaf in taxonomy.leaves:
        group, kind = taxonomy.group[leaf], taxonomy.kind[leaf]
        for part in (leaf, *([] if group in kinds else [group]), kind):
            if part in whole:
                assigned[leaf] = whole[part]
                break
    return assigned


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that refuses ``name``: those of ``known`` that look like it, or all of them."""
    close = difflib.get_close_matches(name, known, 3, 0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}"
