"""Reading crawl files: every record of a part, in file order, each a page, passed over or quarantined with a reason.

Reasons (``Record.reason``) that readers give:

- ``warc.*`` quarantined bytes: ``bad_gzip`` ``cut`` ``garbage`` ``bad_record`` ``bad_length`` ``header_too_long``
  ``record_too_large``; and ``warc.empty_member``, a gzip member of no bytes, which is passed over
- ``record_type.*`` not a response, by its WARC-Type: ``request`` ``warcinfo`` ``metadata`` ``revisit`` … ``other``;
  ``segment``, one part of a segmented record; ``not_http``, a response of another protocol
- ``url.invalid`` no web address
- ``http.*`` ``no_head`` ``bad_status`` ``header_too_long`` ``status`` ``not_html`` ``coding`` ``too_large`` ``empty``
- ``text.*`` of inputs that are text already: ``empty`` ``too_large``
- ``table.*`` quarantined rows: ``bad_file`` ``bad_row_group`` ``bad_line`` ``line_too_long`` ``no_text`` ``bad_stream``
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.reading.inputs import inputs, split
from pipeline.reading.parts import Limits, Part, format_of
from pipeline.schema import Record

__all__ = ["Limits", "Part", "inputs", "read", "split"]


def read(part: Part, limits: Limits | None = None) -> Iterator[Record]:
    """Every record of the part, in file order. Raises UserError if the file cannot be opened or has no text column."""
    limits = limits or Limits()
    form = format_of(part.path)
    if form == "parquet":
        from pipeline.reading.tables import read_parquet

        return read_parquet(part, limits)
    if form == "jsonl":
        from pipeline.reading.tables import read_jsonl

        return read_jsonl(part, limits)
    if form == "wet":
        from pipeline.reading.wet import read_wet

        return read_wet(part, limits)
    from pipeline.reading.warc import read_warc

    return read_warc(part, limits)
