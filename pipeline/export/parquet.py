"""Parquet: all columns, for pyarrow, Hugging Face datasets, DuckDB and the like."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.format import Format
from pipeline.mix.shards import ROW_GROUP


class Parquet(Format):
    reading = """\
Columns: `record_id`, `copy`, `category`, `url`, `title`, `language`, `quality`, `date`, `text`, `tokens` (their
number), `token_ids` (of `tokenizer.json`, without the token that ends a document).

```python
from datasets import load_dataset
documents = load_dataset("parquet", data_files="shard-*.parquet", split="train", streaming=True)
```"""

    def encode(self, documents: pa.Table, name: str) -> dict[str, bytes]:
        sink = io.BytesIO()
        named = ["category", "language"]
        pq.write_table(documents, sink, compression="zstd", row_group_size=ROW_GROUP, use_dictionary=named)
        return {f"{name}.parquet": sink.getvalue()}
