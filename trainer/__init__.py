"""The MoE trainer: dots.llm1's architecture and training recipe in plain PyTorch, fed by a run's shards.

    config.py   what a preset says            model.py, moe.py, loss.py   the network
    schedule.py the stage table, in tokens    optim.py                    AdamW
    data.py     shards to batches             loop.py                     a training run, start to end
    checkpoint.py  what resuming needs        export.py                   releases for Hugging Face transformers
    generate.py text from a release           proxy.py, swarm.py          small models that search for a mix

Source of the architecture and the recipe: dots.llm1 Technical Report, arXiv 2506.05767.
"""

import importlib.util
import os

from pipeline.errors import UserError

if importlib.util.find_spec("torch") is None:
    raise UserError("training needs PyTorch, which is not installed: pip install 'crawlmix[train]'")

# Threads that wait for each other's part of an operation should sleep: by default they spin, and on a busy machine that
# makes small operations ten times slower. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
