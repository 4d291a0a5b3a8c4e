"""Stage 3, balance: web type, quality, category → semantic dedup → tokens → shards → mix."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import rules
from classifiers import backends, category, webtype
from classifiers.embedding import embed
from classifiers.taxonomy import load_taxonomy
from pipeline import exchange, tokens
from pipeline.config import Config, Models
from pipeline.dedup import semantic
from pipeline.documents import Documents, in_batches
from pipeline.exchange import Exchange
from pipeline.mix import mixes, shards, shares
from pipeline.mix.spec import load_spec
from pipeline.prepare import drop_beaten, identified
from pipeline.run import Counts, Phase, Run, Step, file_sha256, once, over_partitions, over_parts

MODEL_SIGNALS = pa.schema(
    {
        "webtype": pa.string(),
        "webtype.confidence": pa.float32(),
        "webtypes": pa.string(),  # JSON: the probability of every type
        "category": pa.string(),
        "category.confidence": pa.float32(),
        "categories": pa.string(),  # JSON: the best five with their probabilities
        "unsure": pa.bool_(),  # no category is probable: the best one is wrong more often than right
        "groups": pa.string(),  # JSON: the probability of every group that has GROUP_SHOWN of it
        "kinds": pa.string(),  # JSON: the probability of every kind
    }
)
GROUP_SHOWN = 0.005  # of the probability, at least
CENTROID_SAMPLE = 50_000  # vectors
SMALLEST_VOCABULARY = 4096
CHARACTERS_A_TOKEN = 100  # of the sample: a vocabulary that is larger would hold tokens seen a few times only
TOKENIZER_STRIDE = 2  # of documents one is read: all of them take twice as long and make texts 1.7 % shorter in tokens
TOKENIZER_PARTS = 256  # parts that a tokenizer's sample comes from at most


def score(run: Run, index: int) -> Counts:
    """Web type and category of every document."""
    documents, settings = Documents(run, index, "models"), run.config.balance.models
    counts = Counts(records=len(documents.rows), kept=len(documents.rows))

    def measure(rows: np.ndarray, texts: list[str]) -> pa.Table:
        with counts.timed("webtype"):
            types = backends.webtype_probabilities(texts, documents.facts(rows), settings.webtype_model)
        with counts.timed("category"):
            leaves = backends.category_probabilities(texts, settings.category_model)
        doubtful = category.unsure(leaves).tolist()
        signals = [_signals(*each) for each in zip(types.tolist(), leaves.tolist(), doubtful, strict=True)]
        return pa.Table.from_pylist(signals, MODEL_SIGNALS)

    documents.write_signals("models", in_batches(documents, measure, MODEL_SIGNALS))
    return counts


def given_models(config: Config) -> list[str]:
    """What the user's own models hold, as hashes."""
    models = config.balance.models
    return [*backends.fingerprint(models.category_model), *backends.fingerprint(models.webtype_model)]


def _signals(types: list[float], leaves: list[float], unsure: bool) -> dict[str, Any]:
    """What is stored of one document's probabilities."""
    taxonomy = load_taxonomy()
    by_type = _ranked(dict(zip(webtype.TYPES, types, strict=True)))
    by_leaf = _ranked(dict(zip(taxonomy.leaves, leaves, strict=True)))
    by_group, by_kind = dict.fromkeys(taxonomy.groups, 0.0), dict.fromkeys(taxonomy.kinds, 0.0)
    for leaf, probability in by_leaf:
        by_group[taxonomy.group[leaf]] += probability
        by_kind[taxonomy.kind[leaf]] += probability
    return {
        "webtype": by_type[0][0],
        "webtype.confidence": by_type[0][1],
        "webtypes": _json(by_type),
        "category": by_leaf[0][0],
        "category.confidence": by_leaf[0][1],
        "categories": _json(by_leaf[:5]),
        "unsure": unsure,
        "groups": _json([pair for pair in _ranked(by_group) if pair[1] >= GROUP_SHOWN]),
        "kinds": _json(_ranked(by_kind)),
    }


def _ranked(shares: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda item: (-item[1], item[0]))


def _json(ranked: list[tuple[str, float]]) -> str:
    return json.dumps([[name, round(share, 4)] for name, share in ranked])


def decide(run: Run, index: int) -> Counts:
    """Verdicts of the models: a pure function of signals and thresholds."""
    documents = Documents(run, index, "models")
    kept = pa.array(documents.rows)
    signals = documents.signals("models", ["webtypes", "kinds"]).take(kept)
    signals = signals.append_column("quality", documents.signals("rules", ["quality"])["quality"].take(kept))
    reasons = [_verdict(row, run.config.balance.models) for row in signals.to_pylist()]
    documents.write_verdicts([reason and reason.split(".")[0] for reason in reasons], reasons, [None] * len(reasons))
    counts = Counts(records=len(reasons), kept=sum(reason is None for reason in reasons))
    counts.dropped.update(reason for reason in reasons if reason)
    return counts


def _verdict(signals: dict[str, Any], settings: Models) -> str | None:
    """Dropped where the types, or the kinds, that the config drops have the greater part of the probability."""
    types = [(name, share) for name, share in json.loads(signals["webtypes"]) if name in settings.drop_types]
    if types and sum(share for _, share in types) >= settings.type_confidence:
        return f"webtype.{types[0][0]}"
    if signals["quality"] < settings.quality:
        return "quality.low"
    kinds = [(name, share) for name, share in json.loads(signals["kinds"]) if name in settings.drop_kinds]
    if kinds and sum(share for _, share in kinds) >= settings.kind_confidence:
        return f"category.{kinds[0][0]}"
    return None


def write_vectors(run: Run, index: int) -> Counts:
    """Embeddings of the documents, float16, in a scratch file."""
    documents = Documents(run, index, "semantic")

    def measure(rows: np.ndarray, texts: list[str]) -> pa.Table:
        vectors = embed(texts, run.config.balance.semantic.embedder).astype(np.float16)
        lengths = pa.array([len(text) for text in texts], pa.int64())
        return pa.table(
            {"vector": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), vectors.shape[1]), "length": lengths}
        )

    width = embed([""], run.config.balance.semantic.embedder).shape[1]
    empty = pa.schema({"vector": pa.list_(pa.float16(), width), "length": pa.int64()})
    run.folder.write_table(_vectors(index), in_batches(documents, measure, empty))
    return Counts(records=len(documents.rows), kept=len(documents.rows))


def _vectors(index: int) -> str:
    return f"exchange/semantic/vectors-{index:05d}.parquet"


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    """float32 [n, d] of a fixed-size-list column."""
    flat = column.combine_chunks()
    return flat.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(flat), flat.type.list_size)


def find_centroids(run: Run, _: int) -> Counts:
    """KMeans on an even sample of all parts' vectors."""
    share = max(1, CENTROID_SAMPLE // len(run.parts))
    sample, documents = [], 0
    for index in range(len(run.parts)):
        vectors = _matrix(run.folder.read_table(_vectors(index), ["vector"])["vector"])
        documents += len(vectors)
        sample.append(vectors[:: max(1, -(-len(vectors) // share))])
    clusters = -(-documents // run.config.balance.semantic.documents_per_cluster)
    centroids = semantic.fit_centroids(np.concatenate(sample), max(1, clusters), run.config.seed)
    sink = io.BytesIO()
    np.save(sink, centroids, allow_pickle=False)
    run.folder.write_bytes("exchange/semantic/centroids.npy", sink.getvalue())
    return Counts()


def send_vectors(run: Run, index: int) -> Counts:
    documents = Documents(run, index, "semantic")
    table = run.folder.read_table(_vectors(index))
    centroids = np.load(io.BytesIO(run.folder.read_bytes("exchange/semantic/centroids.npy")), allow_pickle=False)
    cluster = semantic.assign(_matrix(table["vector"]), centroids).astype(np.uint64)
    good = documents.signals("rules", ["quality"])["quality"].take(pa.array(documents.rows))
    columns = {"key": cluster, "quality": good, "length": table["length"], "vector": table["vector"]}
    Exchange(run, "semantic").send(index, identified(documents, index, columns))
    return Counts(records=table.num_rows, kept=table.num_rows)


def find_alike(run: Run, partition: int) -> Counts:
    back = Exchange(run, "semantic")
    back.answer(partition, semantic.reduce(back.received(partition), run.config.balance.semantic.similarity))
    return Counts()


def drop_alike(run: Run, index: int) -> Counts:
    answers = Exchange(run, "semantic").answers(index)
    return drop_beaten(Documents(run, index, "semantic"), answers, "semantic", "semantic_duplicate")


def make_tokenizer(run: Run, _: int) -> Counts:
    """The given tokenizer, or a byte-level BPE trained on an even sample of the run's kept texts."""
    settings = run.config.balance.tokens
    if settings.tokenizer:
        tokenizer = tokens.load(settings.tokenizer)
    else:
        texts = list(_sample(run, settings.train_megabytes * 1_000_000))
        supported = max(SMALLEST_VOCABULARY, sum(map(len, texts)) // CHARACTERS_A_TOKEN)
        tokenizer = tokens.train(texts, min(settings.vocabulary, supported))
    run.folder.write_bytes("tokenizer.json", tokenizer.to_json().encode())
    return Counts()


def given_tokenizer(config: Config) -> list[str]:
    """What the user's own tokenizer says, as a hash."""
    path = config.balance.tokens.tokenizer
    return [file_sha256(Path(path))] if path else []


def _sample(run: Run, characters: int) -> Iterator[str]:
    parts = range(0, len(run.parts), -(-len(run.parts) // TOKENIZER_PARTS))
    for index in parts:
        left = characters // len(parts)
        for _, texts in Documents(run, index, "shards").texts():
            for text in texts[::TOKENIZER_STRIDE]:
                if left > 0:
                    yield final_text(text, run.config.refine.pii)
                    left -= len(text)


def final_text(text: str, pii: str) -> str:
    """The text as the shards hold it."""
    return rules.pii.mask(text) if pii == "mask" else text


def send_texts(run: Run, index: int) -> Counts:
    """Tokenises the kept documents and sends them to their categories."""
    documents = Documents(run, index, "shards")
    counts = Counts(records=len(documents.rows), kept=len(documents.rows))
    tokenizer, leaves = run_tokenizer(run.config.output), load_taxonomy().leaves
    languages = documents.signals("prepare", ["language"])["language"]
    good = documents.signals("rules", ["quality"])["quality"]
    leaf = documents.signals("models", ["category"])["category"]
    names = {name: documents.column(name) for name in ("record_id", "url", "title", "date")}
    tables = [shards.SHARD.append(pa.field("category", pa.string())).empty_table()]
    for rows, texts in documents.texts():
        at = pa.array(rows)
        with counts.timed("mask"):
            texts = [final_text(text, run.config.refine.pii) for text in texts]
        with counts.timed("tokens"):
            ids = tokenizer.encode(texts)
        columns = {name: column.take(at) for name, column in names.items()} | {
            "language": languages.take(at),
            "quality": good.take(at),
            "text": pa.array(texts, pa.large_string()),
            "tokens": pa.array([len(one) for one in ids], pa.int32()),
            "token_ids": pa.array(ids, pa.list_(pa.int32())),
            "category": leaf.take(at),
        }
        tables.append(pa.table(columns).select(tables[0].column_names).cast(tables[0].schema))
    table = pa.concat_tables(tables)
    documents.write_signals("tokens", table.select(["tokens"]))
    counts.extra["tokens"] = int(np.sum(table["tokens"].to_numpy()))
    with counts.timed("write"):
        target = np.array([leaves.index(name) for name in table["category"].to_pylist()], np.int64)
        exchange.scatter(run.folder, _texts(index), table.drop_columns(["category"]), target, len(leaves))
        run.folder.write_json(_present(index), np.unique(target).tolist())
    return counts


@cache
def run_tokenizer(output: str) -> tokens.Tokenizer:
    return tokens.load(f"{output}/tokenizer.json")


def _texts(index: int) -> str:
    return f"exchange/shards/texts-{index:05d}.arrow"


def _mass(index: int) -> str:
    return f"exchange/shards/mass-{index:05d}.parquet"


def _present(index: int) -> str:
    return f"exchange/shards/present-{index:05d}.json"


def over_categories(run: Run) -> list[int]:
    """The categories that have documents, as places in the taxonomy."""
    return sorted({leaf for index in range(len(run.parts)) for leaf in run.folder.read_json(_present(index))})


def write_shards(run: Run, leaf: int) -> Counts:
    """One category's shards, its documents in input order."""
    batches = (exchange.batch(run.folder, _texts(index), leaf) for index in range(len(run.parts)))
    name = load_taxonomy().leaves[leaf]
    size = run.config.balance.shard_megabytes * 1_000_000
    written = shards.write_category(batches, name, run.folder, size)
    run.folder.write_json(f"exchange/shards/entries-{leaf:05d}.json", written)
    return Counts()


def count_mass(run: Run, index: int) -> Counts:
    """What the documents of a part truly consist of, cell by cell."""
    documents = Documents(run, index, "shards")
    columns = {
        "language": documents.signals("prepare", ["language"])["language"],
        "quality": documents.signals("rules", ["quality"])["quality"],
        "tokens": documents.signals("tokens", ["tokens"])["tokens"],
    }
    judged = documents.signals("models", ["category", "categories", "groups"])
    table = pa.table(columns | dict(zip(judged.column_names, judged.columns, strict=True)))
    mass = shares.count_mass(table.take(pa.array(documents.rows)))
    run.folder.write_table(_mass(index), shares.to_table(mass))
    return Counts()


def finish_shards(run: Run, _: int) -> Counts:
    """The manifest of all shards, the tokens of every category, language and quality band, and their mass."""
    entries = [run.folder.read_json(f"exchange/shards/entries-{leaf:05d}.json") for leaf in over_categories(run)]
    run.folder.write_json(
        "shards/manifest.json", shards.manifest([file for entry in entries for file in entry["files"]])
    )
    run.folder.write_json("cells.json", [cell for entry in entries for cell in entry["cells"]])
    total: shares.Mass = {}
    for index in range(len(run.parts)):
        shares.add_mass(total, shares.from_table(run.folder.read_table(_mass(index))))
    run.folder.write_table(shares.FILE, shares.to_table(total))
    return Counts()


def plan_mix(run: Run, _: int) -> Counts:
    """Solves the mix over the cells and writes mix.json."""
    solved = mixes.plan_mix(run, load_spec(run.config.balance.mix))
    run.folder.write_json("mix.json", mixes.with_tokenizer(run, solved))
    return Counts()


MODELS = Step(
    stage="balance",
    name="models",
    phases=(Phase("score", score, over_parts), Phase("decide", decide, over_parts)),
    settings=("balance.models",),
    code=("classifiers", "pipeline/balance.py"),
    outputs=("signals/models", "verdicts/models"),
    depends_on=given_models,
)

SEMANTIC = Step(
    stage="balance",
    name="semantic",
    phases=(
        Phase("embed", write_vectors, over_parts),
        Phase("centroids", find_centroids, once),
        Phase("send", send_vectors, over_parts),
        Phase("reduce", find_alike, over_partitions),
        Phase("drop", drop_alike, over_parts),
    ),
    settings=("balance.semantic", "seed"),
    code=("pipeline/dedup/semantic.py", "pipeline/dedup/ranking.py"),
    outputs=("signals/semantic", "verdicts/semantic"),
    scratch=("exchange/semantic",),
)

TOKENIZER = Step(
    stage="balance",
    name="tokenizer",
    phases=(Phase("make", make_tokenizer, once),),
    settings=("balance.tokens", "refine.pii"),
    code=("pipeline/tokens.py", "rules/pii.py"),
    outputs=("tokenizer.json",),
    depends_on=given_tokenizer,
)

SHARDS = Step(
    stage="balance",
    name="shards",
    phases=(
        Phase("send", send_texts, over_parts),
        Phase("mass", count_mass, over_parts),
        Phase("write", write_shards, over_categories),
        Phase("finish", finish_shards, once),
    ),
    settings=("balance.shard_megabytes",),
    code=("pipeline/mix/shards.py", "pipeline/mix/shares.py"),
    outputs=("shards", "cells.json", shares.FILE, "signals/tokens"),
    scratch=("exchange/shards",),
)

MIX = Step(
    stage="balance",
    name="mix",
    phases=(Phase("plan", plan_mix, once),),
    settings=("balance.mix", "seed"),
    code=("pipeline/mix", "classifiers/taxonomy.yaml"),
    outputs=("mix.json",),
)

STEPS = (MODELS, SEMANTIC, TOKENIZER, SHARDS)
