"""Prints where the demo's results lie and what to try next."""

import sys
from pathlib import Path

demo = Path(sys.argv[1])
releases = sorted((demo / "model/releases").iterdir())
print(f"""
The report      {demo}/run/report.html
The shards      {demo}/run/shards/
The checkpoint  {releases[-1]}/

Try next (in .venv/bin, or after `source .venv/bin/activate`):
  crawlmix status {demo}/run
  crawlmix explain {demo}/run URL          # any URL of the report
  crawlmix mix show {demo}/run --by category
  crawlmix generate {releases[-1]} "The old lighthouse"
  crawlmix run --input 'CC-MAIN-*.warc.gz' --output my-run
""")
