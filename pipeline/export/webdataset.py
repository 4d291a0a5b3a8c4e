"""WebDataset: tar files in which the members of a sample follow each other and share their name up to the first dot."""

from __future__ import annotations

import io
import json
import tarfile

import pyarrow as pa

from pipeline.export.format import Format, facts


class WebDataset(Format):
    reading = """\
A sample is `<record_id>-<copy>.txt`, the text, and `<record_id>-<copy>.json`, what is known of it: `record_id`, `copy`,
`category`, `url`, `title`, `language`, `quality`, `date`, `tokens` (the length of the text in tokens of
`tokenizer.json`).

```python
import glob, webdataset
documents = webdataset.WebDataset(sorted(glob.glob("shard-*.tar")), shardshuffle=False).decode()
for document in documents:
    document["txt"], document["json"]["category"]
```"""

    def encode(self, documents: pa.Table, name: str) -> dict[str, bytes]:
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            rows = facts(documents, leave_out=("token_ids", "text"))
            for text, row in zip(documents["text"].to_pylist(), rows, strict=True):
                key = f"{row['record_id']}-{row['copy']}"
                _add(tar, f"{key}.txt", text.encode())
                _add(tar, f"{key}.json", json.dumps(row, ensure_ascii=False).encode())
        return {f"{name}.tar": sink.getvalue()}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # owner, mode and time are constants
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
