import numpy as np
import pyarrow as pa
import pytest

from pipeline.dedup import semantic


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def rows(vectors: np.ndarray, cluster: np.ndarray, quality: np.ndarray) -> pa.Table:
    count = len(vectors)
    return pa.table(
        {
            "key": pa.array(cluster, pa.uint64()),
            "quality": pa.array(quality, pa.float32()),
            "length": pa.array(np.ones(count), pa.int64()),
            "vector": pa.FixedSizeListArray.from_arrays(vectors.astype(np.float16).reshape(-1), vectors.shape[1]),
            "part": pa.array(np.zeros(count), pa.int32()),
            "row": pa.array(np.arange(count), pa.int32()),
            "record_id": [f"{i:04}" for i in range(count)],
        }
    )


def near_copies(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors around 40 directions, in 3 clusters, of random quality."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(40, 32))
    of = random.integers(0, 40, count)
    return unit(centers[of] + 0.25 * random.normal(size=(count, 32))), of % 3, random.random(count)


@pytest.mark.parametrize("block", [7, 64, 2048])
def test_dropped_if_and_only_if_a_better_one_is_alike(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches pairs lost at the borders of blocks and of clusters; the oracle compares all pairs at once."""
    monkeypatch.setattr(semantic, "BLOCK", block)
    vectors, cluster, quality = near_copies(300)
    answers = semantic.reduce(rows(vectors, cluster, quality), 0.95).to_pylist()
    found = {a["row"]: a["keeper"] for a in answers if a["keeper"] is not None}
    stored = vectors.astype(np.float16).astype(np.float64)
    cosine = stored @ stored.T / np.outer(*[np.linalg.norm(stored, axis=1)] * 2)
    quality = quality.astype(np.float32)
    expected = {}
    for i in range(300):
        alike = np.flatnonzero((cosine[i] >= 0.95) & (quality > quality[i]) & (cluster == cluster[i]))
        if alike.size:
            expected[i] = f"{alike[quality[alike].argmax()]:04}"
    assert found == expected and len(found) > 50
    for a in answers:
        if a["keeper"] is not None:
            assert a["similarity"] == pytest.approx(cosine[a["row"], int(a["keeper"])])


def test_copies_count_those_that_name_a_document() -> None:
    vectors = unit(np.array([[1, 0], [1, 0], [1, 0.01], [0, 1]]))
    answers = semantic.reduce(rows(vectors, np.zeros(4), np.array([0.5, 0.9, 0.5, 0.1])), 0.95).to_pylist()
    assert [(a["row"], a["keeper"], a["copies"]) for a in answers] == [(1, None, 3), (0, "0001", 1), (2, "0001", 1)]


def test_threshold_one_finds_equal_vectors() -> None:
    """Catches norms that are rounded twice, so that a vector is not like itself."""
    vectors = np.repeat(unit(np.random.default_rng(1).normal(size=(50, 24))), 2, axis=0)
    answers = semantic.reduce(rows(vectors, np.zeros(100), np.zeros(100)), 1.0)
    assert answers["keeper"].null_count == 50 and answers.num_rows == 100


def test_zero_vectors_are_like_nothing() -> None:
    """Catches texts without any known word that are dropped as copies of each other, and divisions by zero."""
    assert semantic.reduce(rows(np.zeros((3, 4)), np.zeros(3), np.zeros(3)), 0.0001).num_rows == 0


def test_other_clusters_and_no_rows_give_no_answers() -> None:
    vectors = unit(np.ones((2, 4)))
    assert semantic.reduce(rows(vectors, np.array([1, 2]), np.zeros(2))).num_rows == 0
    assert semantic.reduce(rows(vectors, np.zeros(2), np.zeros(2)).slice(0, 0)).num_rows == 0


def test_assignment_is_the_same_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches results that hang on the last bits of sums, and a block border that loses rows."""
    vectors, _, _ = near_copies(500)
    centroids = semantic.fit_centroids(vectors, 12, seed=3)
    whole = semantic.assign(vectors, centroids)
    assert (np.concatenate([semantic.assign(vectors[i : i + 1], centroids) for i in range(500)]) == whole).all()
    monkeypatch.setattr(semantic, "ASSIGN_CELLS", 30)
    assert (semantic.assign(vectors, centroids) == whole).all()
    stored = vectors.astype(np.float16).astype(np.float64)
    distance = ((stored[:, None] - centroids[None].astype(np.float64)) ** 2).sum(axis=2)
    assert np.allclose(distance[np.arange(500), whole], distance.min(axis=1))


def test_centroids_depend_on_sample_and_seed_alone() -> None:
    vectors, _, _ = near_copies(400)
    one, two = (semantic.fit_centroids(vectors, 8, seed=5) for _ in range(2))
    assert one.tobytes() == two.tobytes() and one.dtype == np.float32 and one.shape == (8, 32)


def test_never_more_clusters_than_distinct_vectors() -> None:
    assert semantic.fit_centroids(np.repeat(unit(np.eye(3)), 5, axis=0), 10, seed=0).shape == (3, 3)
