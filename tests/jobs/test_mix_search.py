"""crawlmix mix search: what small models are trained on, what is learned from them, and what is proposed."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from classifiers.taxonomy import load_taxonomy
from jobs.cli import main
from jobs.mix_search import print_record
from pipeline import tokens
from pipeline.mix import search, shards
from pipeline.mix.mixes import read_cells
from pipeline.mix.plan import solve
from pipeline.mix.spec import NAMED, assign, load_spec
from pipeline.run import open_run
from pipeline.storage import Folder
from trainer.data import Corpus
from trainer.proxy import HELD_OUT, Proxy, held_out, held_out_of, stream_of, train_proxy
from trainer.swarm import make_swarm, proxy_config

# Category: documents, and the chains of words that they are made of. Half of what is written on algorithms teaches
# mathematics, which is scarce; all else teaches nothing of it.
SIZES = {
    "pure_mathematics": (40, "m"),
    "algorithms_theory": (100, "mc"),
    "science_fiction": (300, "f"),
    "product_electronics": (220, "p"),
    "news_politics": (140, "n"),
}
WORDS = 40  # of a chain; each word of it is one token
SEARCH = ["--target", "mathematics", "--swarm", "10", "--tokens-per-proxy", "10000", "--workers", "2"]
SMALL = ["--target", "mathematics", "--swarm", "8", "--tokens-per-proxy", "1500"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "run"
    folder, random = Folder(str(path)), np.random.default_rng(0)
    folder.write_bytes("run.yaml", b"{}")
    folder.write_bytes("tokenizer.json", tokens.train(iter(["the sea and the tide"] * 50), 300).to_json().encode())
    chains = {name: (WORDS * place + 1, random.permutation(WORDS)) for place, name in enumerate("mcfpn")}
    written = [
        shards.write_category(
            [documents(category, count, [chains[name] for name in names], random)], category, folder, 10**6
        )
        for category, (count, names) in SIZES.items()
    ]
    folder.write_json(shards.MANIFEST, shards.manifest(file for entry in written for file in entry["files"]))
    folder.write_json("cells.json", [cell for entry in written for cell in entry["cells"]])
    assert main(["mix", "set", str(path), "--mix", "natural"]) == 0
    return path


def documents(category: str, count: int, chains: list[tuple[int, np.ndarray]], random: np.random.Generator) -> pa.Table:
    ids = [document(chains, random) for _ in range(count)]
    rows = {
        "record_id": [f"{number:016x}" for number in random.integers(0, 2**63, count)],
        "url": [f"https://{category}.example/{row}" for row in range(count)],
        "title": [category] * count,
        "language": ["en"] * count,
        "quality": pa.array([0.9] * count, pa.float32()),
        "date": [""] * count,
        "text": pa.array([category] * count, pa.large_string()),
        "tokens": pa.array([len(one) for one in ids], pa.int32()),
        "token_ids": pa.array(ids, pa.list_(pa.int32())),
    }
    return pa.table(rows, schema=shards.SHARD)


def document(chains: list[tuple[int, np.ndarray]], random: np.random.Generator) -> list[int]:
    """Passages of 20 words, each of one chain: a word is mostly followed by the same next one."""
    words: list[int] = []
    for _ in range(int(random.integers(3, 8))):
        first, follower = chains[random.integers(len(chains))]
        word = random.integers(WORDS)
        for _ in range(20):
            words.append(first + int(word))
            word = follower[word] if random.random() < 0.8 else random.integers(WORDS)
    return words


@pytest.fixture(scope="module")
def found(run: Path, engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mix that a search proposed, with its record beside it."""
    output = tmp_path_factory.mktemp("found") / "more-maths.yaml"
    assert main(["mix", "search", str(run), *SEARCH, "--output", str(output)]) == 0
    return output


def losses(record: dict[str, Any], mix: str) -> list[float]:
    return [trial["loss"] for trial in record["mixes"][mix]["trials"]]


def test_the_proposed_mix_beats_the_natural_one_on_held_out_documents(found: Path) -> None:
    """Catches a search that climbs the wrong way, and one whose predictions rank what is measured wrongly."""
    record = json.loads(found.with_suffix(".json").read_text())
    natural, proposed = record["mixes"]["natural"], record["mixes"]["proposed"]
    assert max(losses(record, "proposed")) < min(losses(record, "natural")) - 0.1
    assert statistics.mean(losses(record, "proposed")) < statistics.mean(losses(record, "plan"))
    assert proposed["predicted_loss"] < natural["predicted_loss"]
    for group in ("mathematics", "computing"):
        assert proposed["shares"][group] > 1.5 * natural["shares"][group]
    assert record["regression"]["leave_one_out"][record["regression"]["kind"]]["r2"] > 0.4
    assert record["targets"]["mathematics"]["documents"] >= 3


def test_proxies_read_the_mixes_that_were_drawn(found: Path) -> None:
    """Catches proxies that all read one mix, or one that their record does not name."""
    record, taxonomy = json.loads(found.with_suffix(".json").read_text()), load_taxonomy()
    for proxy in record["proxies"]:
        read = dict.fromkeys(proxy["shares"], 0)
        for category, count in proxy["tokens_by_category"].items():
            read[taxonomy.group[category]] += count
        shares = {group: count / sum(read.values()) for group, count in read.items()}
        assert shares == pytest.approx(proxy["shares"], abs=0.05)
    assert len({proxy["loss"] for proxy in record["proxies"]}) == len(record["proxies"])


def test_the_file_is_a_mix_within_the_supply(run: Path, found: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(found.with_suffix(".json").read_text())
    capsys.readouterr()
    assert main(["mix", "plan", str(run), "--mix", str(found), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert max(row["repeats"] for row in rows) <= 4
    planned = {row["group"]: row["share_after"] for row in rows if row["share_after"]}
    assert planned == pytest.approx(record["mixes"]["proposed"]["shares"], abs=1e-6)
    assert planned == pytest.approx(record["spec"]["shares"], abs=0.01)


def test_the_number_of_workers_changes_no_byte(
    run: Path, engine: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches results that depend on which worker trained what, on threads or on time."""
    outputs = []
    for workers in ("1", "2"):
        (tmp_path / workers).mkdir()
        output = tmp_path / workers / "mine.yaml"
        capsys.readouterr()
        assert main(["mix", "search", str(run), *SMALL, "--workers", workers, "--output", str(output), "--json"]) == 0
        printed = capsys.readouterr().out
        assert printed == output.with_suffix(".json").read_text()
        outputs.append((output.read_bytes(), printed))
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("r2", [0.9, 0.1])
def test_what_a_terminal_shows(run: Path, found: Path, r2: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a table without a group, and a poor regression that is passed over in silence."""
    record = json.loads(found.with_suffix(".json").read_text())
    record["regression"]["leave_one_out"][record["regression"]["kind"]]["r2"] = r2
    print_record(record, argparse.Namespace(run=str(run), output=str(found)))
    shown = capsys.readouterr().out
    assert all(f"\n{group} " in shown for group in ("mathematics", "computing", "fiction_creative", "commerce", "news"))
    assert "better than natural, better in 3 of 3 orders" in shown and f"--mix {found}" in shown
    assert ("little to go by" in shown) == (r2 < 0.3)


def test_no_proxy_reads_a_document_that_is_held_out(run: Path) -> None:
    corpus = Corpus(str(run))
    held = held_out(corpus)
    assert held.mean() == pytest.approx(HELD_OUT, abs=0.03)
    for name in ("natural", "balanced", "anneal"):
        stream = stream_of(corpus, Proxy(NAMED[name], 3))
        read = {piece.document for piece in stream.pieces(0, 2 * stream.pass_slots)}
        assert read and not held[list(read)].any()
    measured = held_out_of(corpus, ["pure_mathematics"])
    assert measured.any() and held[measured > 0].all()
    assert {corpus.categories[code] for code in corpus.category[measured > 0]} == {"pure_mathematics"}


def test_the_order_changes_the_loss_and_nothing_else_does(run: Path) -> None:
    """Catches weights or orders that are not seeded."""
    torch.set_num_threads(1)
    swarm = make_swarm(str(run), proxy_config("tiny", 1500, 0), {"fiction": 1.0}, {"fiction": ["science_fiction"]})
    found = [
        train_proxy(str(run), swarm.config, Proxy(NAMED["natural"], order), {"fiction": ["science_fiction"]})
        for order in (0, 0, 1)
    ]
    assert found[0] == found[1] and found[0].losses != found[2].losses


@pytest.mark.parametrize("name", ["natural", "balanced", "anneal", "anneal_reasoning"])
def test_inside_a_group_all_stays_as_planned(name: str) -> None:
    """Catches a plan whose shares of kinds are lost where groups get shares of their own."""
    taxonomy, random = load_taxonomy(), np.random.default_rng(1)
    rows = [
        {"category": leaf, "language": language, "band": band, "documents": 10, "tokens": int(random.integers(10**6))}
        for leaf in taxonomy.leaves
        for language in ("en", "zh")
        for band in ("low", "middle", "high")
    ]
    cells = pa.Table.from_pylist(rows)
    plan = solve(cells, NAMED[name], taxonomy)
    space = search.around(cells, NAMED[name], taxonomy)
    again = solve(cells, space.spec_of(space.plan, "again"), taxonomy)
    before, after = ({row["category"]: row["share_after"] for row in one.categories} for one in (plan, again))
    assert after == pytest.approx(before, abs=1e-3)  # but for what caps take
    assert load_spec(space.spec_of(space.plan, "again").model_dump())
    assert assign(taxonomy.groups, taxonomy, name) == dict(taxonomy.group)


def test_every_mix_that_is_drawn_is_within_the_supply(run: Path) -> None:
    space = search.around(read_cells(open_run(str(run))), NAMED["natural"], load_taxonomy())
    drawn = np.stack([space.draw(0, number) for number in range(200)])
    assert drawn.sum(axis=1) == pytest.approx(np.ones(200)) and (drawn <= space.most + 1e-9).all()
    assert (drawn[:, space.groups.index("mathematics")].max()) == pytest.approx(4 * space.plan[0])  # the cap is reached
    assert len(np.unique(drawn.round(6), axis=0)) == 200


def test_the_proposal_goes_as_far_as_the_regression_knows(run: Path) -> None:
    """Catches a proposal that follows noise: where r2 is 0 or less, it is the plan."""
    space = search.around(read_cells(open_run(str(run))), NAMED["natural"], load_taxonomy())
    mathematics = space.groups.index("mathematics")
    drawn = np.stack([space.draw(1, number) for number in range(40)])
    noise = search.regress(drawn, np.exp(np.random.default_rng(3).normal(size=40)))
    law = search.regress(drawn, np.exp(1 - 0.1 * np.log(drawn[:, mathematics] + 1e-3)))
    assert noise.scores[noise.kind]["r2"] <= 0 and law.scores[law.kind]["r2"] > 0.9
    assert search.propose(space, noise, 0) == pytest.approx(space.plan, abs=1e-4)
    proposed = search.propose(space, law, 0)
    assert proposed[mathematics] > 2.5 * space.plan[mathematics] and proposed.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{run}", "--swarm", "7"], "train at least 8"),
        (["{run}", "--target", "mathematic"], "did you mean mathematics"),
        (["{run}", "--target", "mathematics=0"], "a weight above 0"),
        (["{run}", "--target", "mathematics=x"], "a weight above 0"),
        (["{run}", "--target", "news,news"], "each name once"),
        (["{run}", "--target", "sports_games"], "no held-out document"),
        (["{run}", "--preset", "dots1"], "take a smaller preset"),
        (["{run}", "--tokens-per-proxy", "0"], "at least 1"),
        (["{run}", "--workers", "0"], "at least 1"),
        (["{run}", "--output", "{tmp}/mix.json"], "ends in .yaml"),
        (["{run}", "--output", "{tmp}/absent/mix.yaml"], "in a folder that can be written to"),
        (["{run}", "--output", "{tmp}/balanced.yaml"], "crawlmix's own"),
        (["{run}", "--output", "{tmp}/current.yaml"], "letters, digits"),
        (["{run}", "--mix", "{tmp}/one.yaml"], "no other mix around 'one'"),
        (["{run}", "--mix", "{tmp}/all.yaml"], "no other mix around 'all'"),
        (["{tmp}/unfinished"], "has no mix yet: let crawlmix run end first"),
        (["{tmp}/unfinished", "--mix", "natural"], "has no shards yet: let crawlmix run end first"),
        (["{tmp}"], "holds no run"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    run: Path, tmp_path: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.yaml").write_text("weights: {knowledge: 0, education: 0, news: 0, commerce: 0}")
    total = json.loads((run / shards.MANIFEST).read_text())["tokens"]
    (tmp_path / "all.yaml").write_text(f"budget: {4 * total}")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "run.yaml").write_text("{}")
    capsys.readouterr()
    filled = [argument.format(run=run, tmp=tmp_path) for argument in arguments]
    assert main(["mix", "search", "--target", "mathematics", "--output", str(tmp_path / "x.yaml"), *filled]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and said.err.count("\n") == 1 and not said.out


def test_without_torch_it_says_what_to_install(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "trainer"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["mix", "search", str(run)]) == 2
    assert "pip install 'crawlmix[train]'" in capsys.readouterr().err
