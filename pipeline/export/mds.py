"""MDS, the format of MosaicML's streaming (version 2): shards of samples, and index.json, which describes them.

A shard: number of samples n, n + 1 offsets of samples (uint32 each), its description in JSON, the samples. A sample:
the lengths (uint32) of its columns without a fixed size, then all its columns in order of their names.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.format import Format

ENCODINGS = {  # column → its type in MDS; in order of names
    "category": "str",
    "copy": "int",
    "date": "str",
    "language": "str",
    "quality": "float32",
    "record_id": "str",
    "text": "str",
    "title": "str",
    "token_ids": "ndarray:int32",
    "tokens": "int",
    "url": "str",
}
SIZES = {"int": 8, "float32": 4}  # bytes; the others vary
DESCRIPTION = {
    "column_encodings": list(ENCODINGS.values()),
    "column_names": list(ENCODINGS),
    "column_sizes": [SIZES.get(encoding) for encoding in ENCODINGS.values()],
    "compression": None,
    "format": "mds",
    "hashes": ["sha256"],
    "size_limit": None,
    "version": 2,
}


class Mds(Format):
    reading = """\
Columns: `record_id`, `copy`, `category`, `url`, `title`, `language`, `quality`, `date`, `text`, `tokens` (their
number), `token_ids` (of `tokenizer.json`, without the token that ends a document).

```python
from streaming import StreamingDataset  # pip install mosaicml-streaming
documents = StreamingDataset(local=".", shuffle=False, batch_size=1)
```

LLM Foundry and Composer read the folder as it is (`remote` or `local` of a stream) and tokenise `text`."""

    def encode(self, documents: pa.Table, name: str) -> dict[str, bytes]:
        ids = documents["token_ids"].combine_chunks()
        arrays = np.split(pc.list_flatten(ids).to_numpy(), np.cumsum(pc.list_value_length(ids).to_numpy())[:-1])
        rows = documents.drop_columns(["token_ids"]).to_pylist()
        samples = [_sample(row | {"token_ids": array}) for row, array in zip(rows, arrays, strict=True)]
        description = json.dumps(DESCRIPTION, sort_keys=True).encode()
        start = 4 + 4 * (len(samples) + 1) + len(description)
        offsets = start + np.cumsum([0, *map(len, samples)])
        head = np.array([len(samples), *offsets], "<u4").tobytes()
        return {f"{name}.mds": b"".join([head, description, *samples])}

    def index(self, shards: list[dict[str, Any]]) -> dict[str, bytes]:
        described = [
            DESCRIPTION
            | {
                "raw_data": {"basename": file["path"], "bytes": file["bytes"], "hashes": {"sha256": file["sha256"]}},
                "samples": shard["rows"],
                "zip_data": None,
            }
            for shard in shards
            for file in shard["files"]
        ]
        return {"index.json": json.dumps({"shards": described, "version": 2}, sort_keys=True).encode()}


def _sample(row: dict[str, Any]) -> bytes:
    columns = [_encode(row[name], encoding) for name, encoding in ENCODINGS.items()]
    lengths = [len(data) for data, encoding in zip(columns, ENCODINGS.values(), strict=True) if encoding not in SIZES]
    return b"".join([np.array(lengths, "<u4").tobytes(), *columns])


def _encode(value: Any, encoding: str) -> bytes:
    if encoding == "str":
        return str(value or "").encode()
    if encoding == "int":
        return int(value).to_bytes(8, "little", signed=True)
    if encoding == "float32":
        return np.array(np.nan if value is None else value, "<f4").tobytes()
    # An array: the number of dimensions and the type of their sizes (2: uint32), the sizes, the values.
    return bytes([1 << 2 | 2]) + len(value).to_bytes(4, "little") + value.astype("<i4").tobytes()
