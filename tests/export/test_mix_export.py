"""What an export holds and in which order, whatever its format: checked on Parquet."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from pipeline.errors import UserError
from pipeline.export import FORMATS, writer
from pipeline.export.writer import export
from pipeline.mix.repeats import read_shards, record_numbers, weights_of
from pipeline.mix.shards import category_of
from pipeline.storage import Folder
from trainer.data import Corpus, Stream


def write(run: Path, output: Path, **arguments: Any) -> pa.Table:
    """The documents of a Parquet export of the run's mix, in order."""
    export(Folder(str(run)), mix_of(run), Folder(str(output)), "parquet", **arguments)
    return pa.concat_tables(pq.read_table(path) for path in sorted(output.glob("*.parquet")))


def mix_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "mix.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def copies(documents: pa.Table) -> Counter[str]:
    return Counter(documents["record_id"].to_pylist())


def test_documents_occur_as_often_as_the_trainer_reads_them(run_folder: Path, documents: pa.Table) -> None:
    """An export that draws documents by another rule than the trainer is another mix."""
    corpus = Corpus(str(run_folder))
    repeats = Stream(corpus, "mix.json", seed=0).repeats
    found = copies(documents)
    names = {number: name for name in found for number in record_numbers([name]).tolist()}
    read = {names[key]: count for key, count in zip(corpus.key.tolist(), repeats.tolist(), strict=True) if count}
    assert found == read


def test_copies_of_a_document_are_numbered_from_0(documents: pa.Table) -> None:
    pairs = zip(documents["record_id"].to_pylist(), documents["copy"].to_pylist(), strict=True)
    assert sorted(pairs) == [(name, copy) for name, count in sorted(copies(documents).items()) for copy in range(count)]


def test_rows_are_those_of_the_shards(run_folder: Path, documents: pa.Table) -> None:
    """Columns that come apart in a shuffle: a text beside another document's ids."""
    expected = {}
    for path in sorted(run_folder.glob("shards/*/*.parquet")):
        category = path.parent.name.removeprefix("category=")
        expected |= {row["record_id"]: row | {"category": category} for row in pq.ParquetFile(path).read().to_pylist()}
    for row in documents.drop_columns(["copy"]).to_pylist():
        assert row == expected[row["record_id"]]


def test_bytes_are_the_same_each_time_and_whatever_fits_in_memory(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run_folder, tmp_path / "a", shard_megabytes=0.01)
    monkeypatch.setattr(writer, "CHUNK_BYTES", 1000)
    write(run_folder, tmp_path / "b", shard_megabytes=0.01)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_order_does_not_depend_on_the_size_of_shards(run_folder: Path, tmp_path: Path, documents: pa.Table) -> None:
    """A shuffle within shards alone would: shards are stretches of one order."""
    assert write(run_folder, tmp_path).equals(documents)


def test_another_seed_is_another_order_of_the_same_copies(
    run_folder: Path, tmp_path: Path, documents: pa.Table
) -> None:
    other = write(run_folder, tmp_path, seed=1)
    assert copies(other) == copies(documents)
    assert other["record_id"] != documents["record_id"]


def test_what_a_mix_reads_in_part_is_spread_over_the_whole(run_folder: Path, tmp_path: Path) -> None:
    """The numbers that chose half of the cooking documents would, as places too, put them all in the first half."""
    mix_seed = mix_of(run_folder)["seed"]
    order = write(run_folder, tmp_path, seed=mix_seed)["category"].to_pylist()
    places = np.flatnonzero(np.array(order) == "cooking") / len(order)
    assert (places > 0.5).any()
    assert np.abs(places.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(places))


def test_the_manifest_says_what_was_written(exported: Callable[[str], Path], documents: pa.Table) -> None:
    folder = exported("parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["rows"] == documents.num_rows
    assert manifest["tokens"] == sum(documents["tokens"].to_pylist())
    for shard in manifest["shards"]:
        (file,) = shard["files"]
        data = (folder / file["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
        assert shard["rows"] == pq.read_metadata(folder / file["path"]).num_rows
    for category in manifest["categories"]:
        rows = documents.filter(pa.compute.equal(documents["category"], category["category"]))
        assert category["rows"] == rows.num_rows
        assert category["documents"] == len(set(rows["record_id"].to_pylist()))
        assert category["tokens"] == sum(rows["tokens"].to_pylist())
        assert category["share"] == pytest.approx(category["tokens"] / manifest["tokens"])


def test_a_folder_that_holds_something_is_left_alone(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shard-00007.parquet").write_bytes(b"someone's")
    with pytest.raises(UserError, match="is not empty"):
        write(run_folder, tmp_path)
    assert contents(tmp_path) == {"shard-00007.parquet": b"someone's"}


def test_an_export_that_was_stopped_is_begun_anew(
    run_folder: Path, tmp_path: Path, exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards of a stopped export with other arguments must not lie among those of the next one."""

    def stop(what: str, done: int, total: int) -> None:
        if what == "writing shards" and done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(run_folder, tmp_path, shard_megabytes=0.001, seed=3, watch=stop)
    assert len(list(tmp_path.glob("shard-*"))) > 10
    write(run_folder, tmp_path, shard_megabytes=0.01)
    assert contents(tmp_path) == contents(exported("parquet"))


def test_damaged_token_ids_are_refused(run_folder: Path, tmp_path: Path) -> None:
    """In two bytes an id beyond the vocabulary would turn into another one unseen."""
    run = shutil.copytree(run_folder, tmp_path / "run")
    path = run / "shards" / "category=sports" / "part-00000.parquet"
    table = pq.ParquetFile(path).read()
    ids = pa.array([[70_000] * len(row) for row in table["token_ids"].to_pylist()], pa.list_(pa.int32()))
    pq.write_table(table.set_column(table.column_names.index("token_ids"), "token_ids", ids), path)
    with pytest.raises(UserError, match="token ids contradict"):
        write(run, tmp_path / "out")


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_command_writes_a_folder_that_says_how_to_read_it(
    format_name: str, demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(demo_run), "--format", format_name, "--output", str(tmp_path / "out")]
    assert main(command) == 0
    assert f"{tmp_path}/out/README.md" in capsys.readouterr().out
    names = set(contents(tmp_path / "out"))
    assert {"README.md", "manifest.json", "mix.json", "tokenizer.json"} < names
    assert "shard-00000" in {name.split(".")[0] for name in names}
    assert main(command) == 2


def test_tokens_of_categories_are_those_of_the_plan(demo_run: Path, tmp_path: Path) -> None:
    """Exactly the sum of what the mix draws, and near what it plans: by its chance rounding, a document adds at most a
    quarter of its tokens squared to the variance."""
    command = ["export", str(demo_run), "--mix", "anneal", "--tokens", "30000", "--format", "parquet"]
    assert main([*command, "--output", str(tmp_path)]) == 0
    manifest, mix = json.loads((tmp_path / "manifest.json").read_text()), mix_of(tmp_path)
    drawn: Counter[str] = Counter()
    planned: Counter[str] = Counter()
    variance: Counter[str] = Counter()
    for shard in read_shards(Folder(str(demo_run))):
        category = category_of(shard.file)
        drawn[category] += int((shard.repeats(mix) * shard.tokens).sum())
        planned[category] += (weights_of(shard.cells, mix)[shard.places] * shard.tokens).sum()
        variance[category] += (shard.tokens.astype(float) ** 2).sum() / 4
    for category in manifest["categories"]:
        name = category["category"]
        assert category["tokens"] == drawn[name]
        assert abs(drawn[name] - planned[name]) <= 4 * np.sqrt(variance[name])
    assert manifest["tokens"] == sum(drawn.values())
    assert abs(manifest["tokens"] - 30000) <= 4 * np.sqrt(sum(variance.values()))
