"""What a run's YAML may say. Without one, the defaults are the recipe (dots.llm1 report, section 4.1).

Unknown keys, wrong values and impossible settings are refused before any work, in one sentence that names the key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.errors import UserError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Url(Settings):
    """URL rules (report: a block list of domains, checked by hand)."""

    lists: tuple[str, ...] = ()  # own block lists beside the bundled ones: text files, one domain or URL a line
    allow: tuple[str, ...] = ()  # domains that no list may block


class Extraction(Settings):
    """From HTML to main text. Limits are counted, not timed, so that they cut the same pages in every run."""

    extractor: str = "learned"  # or trafilatura, the reference, or resiliparse, where it is installed
    model: str = ""  # folder of a model that train-extractor wrote, for the learned extractor
    comments: bool = False  # keep what users wrote below an article
    format: Literal["markdown", "text"] = "markdown"  # marks of headings, lists, tables, code; learned extractor only
    max_page_bytes: Positive = 16_000_000
    max_tags: Positive = 150_000
    max_depth: Positive = 500
    timeout_seconds: Positive = 60  # last resort; a page that meets it is quarantined


class Language(Settings):
    """fastText lid.176 (report: drop below 0.65)."""

    keep: tuple[str, ...] = ("en", "zh")  # empty: every language
    confidence: Share = 0.65


class Prepare(Settings):
    url: Url = Url()
    extraction: Extraction = Extraction()
    language: Language = Language()


class Lines(Settings):
    """Line dedup between documents (report: first and last 5 lines, first 200 occurrences stay)."""

    keep: Positive = 200
    against: tuple[str, ...] = ()  # folders of earlier runs, whose occurrences count before this run's


class Near(Settings):
    """MinHash (report: 2,048 values in 128 bands of 16 rows over 5-grams of words)."""

    bands: Positive = 128
    rows: Positive = 16
    ngram: Positive = 5


class Refine(Settings):
    lines: Lines = Lines()
    sites: tuple[str, ...] = ()  # folders of own site rules beside rules/sites: a file <registered domain>.yaml a site
    thresholds: dict[
        str, dict[str, float | None]
    ] = {}  # language or default → rule → bound (null: off), over rules/thresholds/
    pii: Annotated[Literal["mask", "drop", "off"], BeforeValidator(lambda value: value or "off")] = (
        "mask"  # YAML reads a bare off as false
    )
    near: Near = Near()


class Models(Settings):
    """Web type, quality and category decide what stays (report: stage 3)."""

    drop_types: tuple[str, ...] = ("tool", "media", "forum", "adult", "error")
    type_confidence: Share = 0.5  # together they drop a page from this probability on
    quality: Share = 0.2  # least probability of being good
    drop_kinds: tuple[str, ...] = ("adult_or_harm",)
    kind_confidence: Share = 0.5
    category_model: str = "default"  # or a fastText file, a model of train-classifier, a Hugging Face folder
    webtype_model: str = "default"
    quality_model: str = "default"


class Semantic(Settings):
    """SemDeDup: KMeans over embeddings, cosine 0.95 within a cluster."""

    embedder: str = "hashing"  # or a local sentence-transformers / Hugging Face folder
    similarity: Share = 0.95
    documents_per_cluster: Positive = 1000


class Tokens(Settings):
    tokenizer: str | None = None  # a Hugging Face tokenizer.json; without one, a byte-level BPE is trained on the run
    vocabulary: Annotated[int, Field(ge=300)] = 32_000  # at most: a small run supports a smaller one
    train_megabytes: Positive = 64  # text that the tokenizer is trained on


class Balance(Settings):
    models: Models = Models()
    semantic: Semantic = Semantic()
    tokens: Tokens = Tokens()
    mix: str | dict[str, Any] = "balanced"  # a named mix, or one written out (see pipeline/mix/spec.py)
    shard_megabytes: Positive = 128


class FailureBudget(Settings):
    """A run fails when more records are quarantined than both limits allow."""

    share: Share = 0.01
    records: Annotated[int, Field(ge=0)] = 100


class Config(Settings):
    input: tuple[str, ...] = ()  # files, folders, globs: local, s3://, https://
    output: str = "runs/crawlmix"
    seed: int = 0
    workers: Positive | None = None  # processes at work; default all cores
    part_megabytes: Positive = 64  # larger input files are cut into parts of this size
    failure_budget: FailureBudget = FailureBudget()
    prepare: Prepare = Prepare()
    refine: Refine = Refine()
    balance: Balance = Balance()

    def setting(self, path: str) -> Any:
        """The value at a dotted path, as plain data: ``setting("prepare.url")``."""
        value: Any = self.model_dump(mode="json")
        for name in path.split("."):
            value = value[name]
        return value


def load_config(path: str | None, overrides: dict[str, Any] | None = None, settings: list[str] | None = None) -> Config:
    """Config from a YAML file, with top-level overrides and ``key.path=value`` settings on top.

    Raises UserError for a file that cannot be read, unknown keys and bad values.
    """
    data: dict[str, Any] = {}
    if path is not None:
        try:
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the config {path}: {error}") from None
        except yaml.YAMLError as error:
            raise UserError(f"the config {path} is no valid YAML: {' '.join(str(error).split())}") from None
        if not isinstance(data, dict):
            raise UserError(f"the config {path} must be a mapping of settings, not a {type(data).__name__}")
    for setting in settings or []:
        _set(data, setting)
    data.update(overrides or {})
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise UserError(_sentence(error, path)) from None


def _set(data: dict[str, Any], setting: str) -> None:
    name, equals, value = setting.partition("=")
    if not equals or not name:
        raise UserError(f"--set {setting}: write it as key.path=value, such as balance.mix=natural")
    *parents, last = name.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise UserError(f"--set {setting}: {parent} is not a group of settings")
    try:
        data[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--set {setting}: the value is no valid YAML") from None


def _sentence(error: ValidationError, path: str | None) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("str", "dict[")))
    where = f"{path or 'settings'}: {key}"
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        return f"{where} is no setting; known there: {', '.join(known)}"
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]} (got {first.get('input')!r})"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for name in location:
        model = model.model_fields[str(name)].annotation  # type: ignore[assignment]
    return sorted(model.model_fields)
