"""JSON lines, zstd: text and what is known of it, for everything that tokenises by itself."""

from __future__ import annotations

import json

import pyarrow as pa
import zstandard

from pipeline.export.format import Format, facts

LEVEL = 3  # zstandard's default, named because the bytes depend on it


class JsonLines(Format):
    reading = """\
A document a line: `record_id`, `copy`, `category`, `url`, `title`, `language`, `quality`, `date`, `text`, `tokens`
(the length of `text` in tokens of `tokenizer.json`).

```python
from datasets import load_dataset  # pip install datasets zstandard
documents = load_dataset("json", data_files="shard-*.jsonl.zst", split="train", streaming=True)
```

Or `zstdcat shard-00000.jsonl.zst | head -n 1`."""

    def encode(self, documents: pa.Table, name: str) -> dict[str, bytes]:
        rows = facts(documents, leave_out=("token_ids",))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return {f"{name}.jsonl.zst": zstandard.compress(lines.encode(), LEVEL)}
