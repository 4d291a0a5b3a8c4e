"""The mixes of a run: the current one in mix.json, those saved in mixes/, crawlmix's own and those of spec files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from classifiers.taxonomy import load_taxonomy
from pipeline import tokens
from pipeline.errors import UserError
from pipeline.mix.chance import settle
from pipeline.mix.plan import CELLS, Plan, solve
from pipeline.mix.shards import MANIFEST
from pipeline.mix.spec import CURRENT, NAMED, MixSpec, change_spec, load_spec, load_spec_file, suggest
from pipeline.run import Run

MIX = "mix.json"
SAVED = "mixes"
SETTLED = 10_000_000  # documents at most: of more, chance moves shares by less than 0.01 %


def plan_mix(run: Run, spec: MixSpec) -> Plan:
    """The plan of ``spec`` over the run's cells. What it states is what a pass then draws (see chance.py).

    Raises UserError for a plan that cannot be, and where the run has no cells yet.
    """
    plan = solve(read_cells(run), spec, load_taxonomy(), run.config.seed)
    return settle(plan, run.folder) if sum(cell["documents"] for cell in plan.cells) <= SETTLED else plan


def with_tokenizer(run: Run, plan: Plan) -> dict[str, Any]:
    """The content of mix.json."""
    described = tokens.load(f"{run.config.output}/tokenizer.json").describe()
    sha256 = hashlib.sha256(run.folder.read_bytes("tokenizer.json")).hexdigest()
    return plan.to_json() | {"tokenizer": {"file": "tokenizer.json"} | described | {"sha256": sha256}}


def read_cells(run: Run) -> pa.Table:
    """Documents and tokens of each cell, schema CELLS."""
    if not run.folder.exists("cells.json"):
        raise UserError(f"{run.folder.url} has no shards yet: let crawlmix run end first")
    cells = run.folder.read_json("cells.json")
    if cells and "band" not in cells[0]:
        raise UserError(f"{run.folder.url} counts no quality bands, its crawlmix was older: run crawlmix again on it")
    return pa.Table.from_pylist(cells, CELLS)


def find_spec(run: Run, name: str, settings: Sequence[str] = ()) -> MixSpec:
    """What a mix asks for, with ``settings`` changed: one of crawlmix's own, of a YAML file, of the run, or current."""
    if name in NAMED:
        spec = NAMED[name]
    elif name.endswith((".yaml", ".yml")):
        spec = load_spec_file(name)
    else:
        spec = load_spec(_read_saved(run, name)["spec"])
    return change_spec(spec, settings) if settings else spec


def find_mix(run: Run, name: str) -> dict[str, Any]:
    """The content of mix.json for a mix of any of those names; mixes that the run does not hold are planned."""
    if name in NAMED or name.endswith((".yaml", ".yml")):
        return plan_mix(run, find_spec(run, name)).to_json()
    return _read_saved(run, name)


def save(run: Run, spec: MixSpec) -> tuple[str, dict[str, Any]]:
    """Plans a mix, saves it and makes it the current one; returns its file in the run and its content.

    Raises UserError where its name is one of crawlmix's own and its content is not.
    """
    if NAMED.get(spec.name, spec) != spec:
        raise UserError(f"{spec.name} is a mix of crawlmix's own: give yours another name, such as my-{spec.name}")
    mix, name = with_tokenizer(run, plan_mix(run, spec)), f"{SAVED}/{spec.name}.json"
    run.folder.write_json(name, mix)
    run.folder.write_json(MIX, mix)
    return name, mix


def _read_saved(run: Run, name: str) -> dict[str, Any]:
    file = MIX if name == CURRENT else f"{SAVED}/{name.removeprefix(f'{SAVED}/').removesuffix('.json')}.json"
    if not run.folder.exists(file):
        if name == CURRENT:
            raise UserError(f"{run.folder.url} has no mix yet: let crawlmix run end first")
        saved = [file.removesuffix(".json") for file in run.folder.names(SAVED, ".json")]
        known = suggest(name, [CURRENT, *NAMED, *saved])
        raise UserError(f"there is no mix {name!r}: {known}; a file of your own must end in .yaml")
    mix = run.folder.read_json(file)
    if "spec" not in mix or mix["tokens_before"] != run.folder.read_json(MANIFEST)["tokens"]:
        raise UserError(f"{run.folder.url}/{file} was planned for other shards: plan it again with crawlmix mix set")
    return dict(mix)
