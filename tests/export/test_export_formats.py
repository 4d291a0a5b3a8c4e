"""Every format read back by the library that it is for, or where that is absent by its documented layout."""

from __future__ import annotations

import io
import itertools
import json
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import zstandard

from pipeline.export import make_format

Exported = Callable[[str], Path]
FACTS = ["record_id", "copy", "category", "url", "title", "language", "quality", "date", "tokens"]


def files(folder: Path, ending: str) -> list[str]:
    return [str(path) for path in sorted(folder.glob(f"*{ending}"))]


def facts(documents: pa.Table, names: list[str] = FACTS) -> list[dict[str, Any]]:
    rows = documents.select(names).to_pylist()
    return [row | {"quality": pytest.approx(row["quality"])} for row in rows]


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    return pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")


def test_parquet_by_datasets(exported: Exported, documents: pa.Table, datasets: Any) -> None:
    found = datasets.load_dataset(
        "parquet", data_files=files(exported("parquet"), ".parquet"), split="train", streaming=True
    )
    assert list(found) == documents.to_pylist()


def test_jsonl_by_datasets(exported: Exported, documents: pa.Table, datasets: Any) -> None:
    found = datasets.load_dataset(
        "json", data_files=files(exported("jsonl"), ".jsonl.zst"), split="train", streaming=True
    )
    assert [row["text"] for row in found] == documents["text"].to_pylist()


def test_jsonl_line_by_line(exported: Exported, documents: pa.Table) -> None:
    packed = [Path(file).read_bytes() for file in files(exported("jsonl"), ".jsonl.zst")]
    lines = [line for data in packed for line in io.BytesIO(zstandard.decompress(data))]
    assert [json.loads(line) for line in lines] == facts(documents, [*FACTS, "text"])


def test_mds_by_streaming(exported: Exported, documents: pa.Table) -> None:
    streaming = pytest.importorskip("streaming", reason="mosaicml-streaming is not installed")
    found = streaming.StreamingDataset(local=str(exported("mds")), batch_size=1, validate_hash="sha256")
    rows = [found[i] for i in range(len(found))]
    assert [row.pop("token_ids").tolist() for row in rows] == documents["token_ids"].to_pylist()
    assert rows == facts(documents, [*FACTS, "text"])


def test_mds_by_its_layout(exported: Exported, documents: pa.Table) -> None:
    """Every sample begins where its offset says, and its columns have the lengths in its head."""
    index = json.loads((exported("mds") / "index.json").read_text())
    texts, ids = [], []
    for shard in index["shards"]:
        data = (exported("mds") / shard["raw_data"]["basename"]).read_bytes()
        assert len(data) == shard["raw_data"]["bytes"]
        (count,) = struct.unpack_from("<I", data)
        assert count == shard["samples"]
        offsets = struct.unpack_from(f"<{count + 1}I", data, 4)
        assert offsets[-1] == len(data)
        for start in offsets[:-1]:
            columns = read_sample(data, start, shard)
            texts.append(columns["text"].decode())
            ids.append(np.frombuffer(columns["token_ids"][5:], "<i4").tolist())
    assert texts == documents["text"].to_pylist()
    assert ids == documents["token_ids"].to_pylist()


def read_sample(data: bytes, at: int, shard: dict[str, Any]) -> dict[str, bytes]:
    sizes = list(shard["column_sizes"])
    for column in [i for i, size in enumerate(sizes) if size is None]:
        (sizes[column],) = struct.unpack_from("<I", data, at)
        at += 4
    ends = np.cumsum([at, *sizes])
    return {name: data[ends[i] : ends[i + 1]] for i, name in enumerate(shard["column_names"])}


def read_megatron(prefix: str) -> list[list[int]]:
    """The documents of an indexed dataset, by the layout that megatron.core.datasets documents."""
    index = Path(f"{prefix}.idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, ends = struct.unpack_from("<QBQQ", index, 9)
    assert version == 1
    kind = np.dtype({4: "<i4", 8: "<u2"}[code])
    at = 9 + struct.calcsize("<QBQQ")
    lengths = np.frombuffer(index, "<i4", sequences, at)
    starts = np.frombuffer(index, "<i8", sequences, at + lengths.nbytes)
    bounds = np.frombuffer(index, "<i8", ends, at + lengths.nbytes + starts.nbytes)
    assert at + lengths.nbytes + starts.nbytes + bounds.nbytes == len(index)
    data = np.memmap(f"{prefix}.bin", kind, "r")
    found = [data[s // kind.itemsize :][:n].tolist() for s, n in zip(starts, lengths, strict=True)]
    return [list(itertools.chain(*found[a:b])) for a, b in itertools.pairwise(bounds)]


def test_megatron_by_its_layout(exported: Exported, documents: pa.Table) -> None:
    """Documents end with the end-of-text token, and none runs into the next."""
    prefixes = [file.removesuffix(".idx") for file in files(exported("megatron"), ".idx")]
    found = [document for prefix in prefixes for document in read_megatron(prefix)]
    eos = json.loads((exported("megatron") / "manifest.json").read_text())["tokenizer"]["eos_id"]
    assert found == [[*ids, eos] for ids in documents["token_ids"].to_pylist()]


def test_megatron_by_megatron(exported: Exported, documents: pa.Table) -> None:
    megatron = pytest.importorskip("megatron.core.datasets.indexed_dataset", reason="megatron-core is not installed")
    found: list[list[int]] = []
    for file in files(exported("megatron"), ".idx"):
        dataset = megatron.IndexedDataset(file.removesuffix(".idx"))
        assert list(dataset.document_indices) == list(range(len(dataset) + 1))
        found += [dataset[i].tolist() for i in range(len(dataset))]
    assert [ids[:-1] for ids in found] == documents["token_ids"].to_pylist()


@pytest.mark.parametrize(("vocabulary", "size"), [(65_499, 2), (65_500, 4)])
def test_megatron_ids_fit_their_type(vocabulary: int, size: int, tmp_path: Path) -> None:
    """The largest ids of a vocabulary come back, from as few bytes as Megatron takes for it."""
    ids = [[vocabulary - 1, 1], [2]]
    made = make_format("megatron", vocabulary, vocabulary - 2).encode(
        pa.table({"token_ids": pa.array(ids, pa.list_(pa.int32()))}), "shard"
    )
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    assert len(made["shard.bin"]) == 5 * size
    assert read_megatron(str(tmp_path / "shard")) == [[*document, vocabulary - 2] for document in ids]


def test_webdataset_by_webdataset(exported: Exported, documents: pa.Table) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    samples = list(webdataset.WebDataset(files(exported("webdataset"), ".tar"), shardshuffle=False).decode())
    assert [sample["txt"] for sample in samples] == documents["text"].to_pylist()
    assert [sample["json"] for sample in samples] == facts(documents)


def test_webdataset_as_tar(exported: Exported, documents: pa.Table) -> None:
    """Members have no owner and no time of their own, and no two the same name."""
    names, texts = [], []
    for file in files(exported("webdataset"), ".tar"):
        with tarfile.open(file) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
                names.append(member.name)
                if member.name.endswith(".txt"):
                    texts.append(tar.extractfile(member).read().decode())
    assert texts == documents["text"].to_pylist()
    keys = pc.binary_join_element_wise(documents["record_id"], pc.cast(documents["copy"], pa.string()), "-")
    assert names == [f"{key}.{ending}" for key in keys.to_pylist() for ending in ("txt", "json")]
    assert len(set(names)) == len(names)
