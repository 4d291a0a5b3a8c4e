"""The mix: how often each document is read (plan.py), and the shards that a trainer reads (shards.py)."""
