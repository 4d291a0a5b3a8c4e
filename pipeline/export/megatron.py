"""Megatron's indexed dataset: token ids one after another in .bin, where each document lies in .idx.

The layout is that of megatron/core/datasets/indexed_dataset.py in Megatron-LM, which GPT-NeoX, Megatron-DeepSpeed and
NeMo read too. A document is one sequence, and its last token is the end-of-text token.
"""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.export.format import Format

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
INT32, UINT16 = 4, 8  # codes of types
UINT16_BELOW = 65500  # a vocabulary below this is stored in two bytes, as Megatron's own tools do


class Megatron(Format):
    reading = """\
Token ids of `tokenizer.json`; every document ends with the end-of-text token. A shard is a pair of files, `.bin` and
`.idx`, that Megatron-LM, GPT-NeoX and NeMo read by the name before the dot:

```sh
--data-path $(ls shard-*.idx | sed 's/\\.idx$//') --tokenizer-type HuggingFaceTokenizer
```

```python
from megatron.core.datasets.indexed_dataset import IndexedDataset
documents = IndexedDataset("shard-00000")
```"""

    def encode(self, documents: pa.Table, name: str) -> dict[str, bytes]:
        code, kind = (UINT16, "<u2") if self.vocabulary < UINT16_BELOW else (INT32, "<i4")
        lengths = pc.list_value_length(documents["token_ids"]).to_numpy().astype(np.int64)
        ids = pc.list_flatten(documents["token_ids"]).to_numpy()
        ended = np.insert(ids, np.cumsum(lengths), self.eos_id).astype(kind)
        lengths += 1
        starts = (np.cumsum(lengths) - lengths) * ended.itemsize
        index = [
            MAGIC,
            struct.pack("<QBQQ", VERSION, code, len(lengths), len(lengths) + 1),
            lengths.astype("<i4").tobytes(),  # tokens of each sequence
            starts.astype("<i8").tobytes(),  # byte at which it begins
            np.arange(len(lengths) + 1, dtype="<i8").tobytes(),  # first sequence of each document, and the end
        ]
        return {f"{name}.bin": ended.tobytes(), f"{name}.idx": b"".join(index)}
