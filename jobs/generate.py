"""crawlmix generate: lets a trained model continue a text."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import UserError

HELP = "let a trained model continue a text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a release folder, or the --output of crawlmix train")
    parser.add_argument("prompt", help="the beginning of the text")
    parser.add_argument("--tokens", type=int, default=100, metavar="N", help="tokens at most (default: 100)")
    parser.add_argument(
        "--temperature", type=float, default=0.8, metavar="T", help="0 for the most probable (default: 0.8)"
    )
    parser.add_argument(
        "--top-p", type=float, default=0.95, metavar="P", help="probability mass to sample from (default: 0.95)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S")


def run(args: argparse.Namespace) -> int:
    if args.tokens < 1 or args.temperature < 0 or not 0 < args.top_p <= 1:
        raise UserError("--tokens must be at least 1, --temperature at least 0 and --top-p above 0 and at most 1")

    from tokenizers import Tokenizer

    from trainer.export import load_release
    from trainer.generate import find_release, generate

    folder = find_release(Path(args.checkpoint))
    model, eos_id = load_release(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    prompt = tokenizer.encode(args.prompt).ids
    if not prompt:
        raise UserError("the prompt is empty: give the beginning of a text")
    tokens = generate(model, prompt, args.tokens, eos_id, args.temperature, args.top_p, args.seed)
    print(tokenizer.decode([*prompt, *tokens]))
    return 0
