"""The ledger always adds up: records = kept + dropped by reason + quarantined, at every step."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.documents import VERDICT, VERDICTS, spread
from pipeline.ledger import ORDER, funnel, write_ledger
from pipeline.run import Run
from pipeline.schema import DOCUMENTS, RECORDS

FATES = st.sampled_from(["kept", "quarantined", "http.status", *VERDICTS])


def write_part(folder: Path, fates: list[str]) -> Run:
    """A part whose records met these fates: quarantined, passed over, or documents dropped by a verdict file."""
    run = Run(Config(output=str(folder)))
    run.folder.write_json("parts.json", [{"path": "a.warc.gz", "start": 0, "end": None}])
    records, documents, document_fates = [], [], []
    for offset, fate in enumerate(fates):
        is_document = fate not in {"quarantined", "http.status"}
        records.append(
            {
                "record_id": f"{offset:016x}",
                "file": "a.warc.gz",
                "offset": offset,
                "length": 1,
                "url": "",
                "step": "language" if is_document else "read",
                "reason": None if is_document else fate,
                "quarantined": fate == "quarantined",
                "document": len(documents) if is_document else None,
            }
        )
        if is_document:
            documents.append({"record_id": f"{offset:016x}", "text": "text"})
            document_fates.append(fate)
    write = run.folder.write_table
    write("records/part-00000.parquet", pa.Table.from_pylist(records, RECORDS))
    write("documents/part-00000.parquet", pa.Table.from_pylist(documents, DOCUMENTS))
    for name in VERDICTS:
        step = "quality" if name == "models" else name
        rows = [{"step": step, "reason": f"{name}.x"} if fate == name else {} for fate in document_fates]
        write(f"verdicts/{name}/part-00000.parquet", pa.Table.from_pylist(rows, VERDICT))
    tokens = [7 if fate == "kept" else None for fate in document_fates]
    write("signals/tokens/part-00000.parquet", pa.table({"tokens": pa.array(tokens, pa.int32())}))
    return run


@settings(max_examples=50, deadline=None)
@given(fates=st.lists(FATES, max_size=40))
def test_ledger_adds_up_whatever_happened(fates: list[str]) -> None:
    """Would catch a record counted twice or never, and a reason booked on the wrong step."""
    with TemporaryDirectory() as folder:
        run = write_part(Path(folder), fates)
        write_ledger(run, 0)
        total = funnel(run)
    expected = Counter(fates)
    assert total.adds_up
    assert total.records == len(fates)
    assert total.kept == expected["kept"]
    assert total.quarantined == expected["quarantined"]
    assert total.tokens == 7 * expected["kept"]
    steps = total.steps()
    assert [row["step"] for row in steps] == list(ORDER)
    assert steps[-1]["records_out"] == total.kept
    assert all(before["records_out"] == after["records_in"] for before, after in pairwise(steps))


@given(kept=st.lists(st.booleans(), max_size=20))
def test_spread_puts_rows_at_the_kept_places(kept: list[bool]) -> None:
    """Would catch signals that slip to a neighbouring document."""
    import numpy as np

    table = pa.table({"x": pa.array(range(sum(kept)), pa.int64())})
    values = iter(range(sum(kept)))
    expected = [next(values) if keep else None for keep in kept]
    assert spread(table, np.array(kept, bool))["x"].to_pylist() == expected
