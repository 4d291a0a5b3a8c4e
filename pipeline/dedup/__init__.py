"""Deduplication as pure functions: texts to keyed rows, and all rows of one partition of keys to answers.

A key's rows meet in one table (see pipeline/exchange.py); a reduce function answers for the documents, named by (part,
row), that have a copy. The best copy stays: see ranking.py.
"""
