"""Semantic dedup: KMeans over embeddings, then cosine ≥ 0.95 within a cluster (SemDeDup, Abbas et al. 2023, arXiv
2303.09540; dots.llm1 report, section 4.1). A document is dropped if and only if a better-ranked one is that close.

Vectors are float16. Products of two float16 numbers up to 1 and the sums of some thousand of them fit float64 without
rounding, so dot products are the same on every machine, whatever the number of threads or the order of summation.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.dedup.ranking import groups

SIMILARITY = 0.95  # the report's
BLOCK = 2048  # documents of a cluster that are compared with as many others at once: 32 MB of cosines
ASSIGN_CELLS = 4_000_000  # dot products that ``assign`` holds at once


def fit_centroids(sample: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """KMeans centroids, float32 [≤ clusters, d] with float16 values, of normalised vectors ``sample`` [n, d].

    There are never more clusters than distinct vectors; without any there is one at zero.
    """
    if not len(sample):
        return np.zeros((1, sample.shape[1]), np.float32)
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    clusters = min(clusters, len(np.unique(sample, axis=0)))
    with threadpool_limits(1):  # the sums of several threads differ in their last bits
        model = KMeans(clusters, n_init=1, max_iter=50, random_state=seed).fit(sample.astype(np.float32))
    return model.cluster_centers_.astype(np.float16).astype(np.float32)


def assign(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The nearest centroid of each vector, uint32 [n]; the first of equally near ones."""
    centers = _exact(centroids)
    half_squares = _squares(centers) / 2
    nearest = np.empty(len(vectors), np.uint32)
    step = max(1, ASSIGN_CELLS // len(centers))
    for start in range(0, len(vectors), step):
        nearness = _exact(vectors[start : start + step]) @ centers.T - half_squares
        nearest[start : start + step] = nearness.argmax(axis=1)
    return nearest


def reduce(rows: pa.Table, threshold: float = SIMILARITY) -> pa.Table:
    """Answers for documents that are alike: part, row, keeper, copies, similarity.

    ``rows``: key (cluster), part, row, quality, length, record_id, vector (fixed-size list of float16). ``keeper`` is
    the best-ranked document of the cluster with cosine ≥ ``threshold`` that ranks above (it may itself be beaten) and
    ``similarity`` that cosine; both are null for a document that stays. ``copies`` is the number of documents that name
    it their keeper, itself included.
    """
    found = groups(rows)
    vectors = found.rows["vector"].combine_chunks()
    matrix = vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(vectors), vectors.type.list_size)
    keeper = np.arange(len(matrix))
    similarity = np.ones(len(matrix))
    for start in np.unique(found.best).tolist():
        cluster = slice(start, start + int(found.size[start]))
        best, cosine = _best_alike(matrix[cluster], threshold)
        keeper[cluster], similarity[cluster] = start + best, cosine
    beaten = keeper != np.arange(len(keeper))
    copies = 1 + np.bincount(keeper[beaten], minlength=len(keeper))
    alike = pa.array(np.flatnonzero(beaten | (copies > 1)))
    answers = found.rows.select(["part", "row"])
    answers = answers.append_column("keeper", found.rows["record_id"].take(pa.array(keeper, mask=~beaten)))
    answers = answers.append_column("copies", pa.array(copies, pa.int32()))
    return answers.append_column("similarity", pa.array(similarity, pa.float32(), mask=~beaten)).take(alike)


def _best_alike(vectors: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """For each row the first row with cosine ≥ ``threshold``, at the latest itself, and that cosine."""
    best, similarity = np.arange(len(vectors)), np.ones(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(vectors)))
        for other in range(0, start + 1, BLOCK):
            left = rows[best[rows] == rows]
            cosines = _cosines(vectors[left], vectors[other : other + BLOCK])
            alike = (cosines >= threshold) & (np.arange(other, other + cosines.shape[1]) < left[:, None])
            place, hit = alike.argmax(axis=1), alike.any(axis=1)
            best[left[hit]] = other + place[hit]
            similarity[left[hit]] = cosines[hit, place[hit]]
    return best, similarity


def _cosines(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosines, float64 [n, m]; 0 for a vector of zeros, which is like nothing."""
    left, right = _exact(some), _exact(others)
    return left @ right.T / np.sqrt(np.maximum(np.outer(_squares(left), _squares(right)), np.finfo(float).tiny))


def _squares(vectors: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", vectors, vectors)


def _exact(vectors: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float16).astype(np.float64)
