from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.taxonomy import load_taxonomy
from pipeline.errors import UserError
from pipeline.mix import plan
from pipeline.mix.spec import NAMED, MixSpec, load_spec


@dataclass(frozen=True)
class Tree:
    leaves = ("maths", "physics", "school", "novels", "shops", "headlines", "interviews")
    group = MappingProxyType(
        dict(zip(leaves, ("science", "science", "learning", "arts", "trade", "news", "talk"), strict=True))
    )
    kind = MappingProxyType(
        dict(zip(leaves, ("knowledge", "knowledge", "education", "fiction", "commerce", "news", "news"), strict=True))
    )


TREE = Tree()


def cells(**tokens: int | tuple[int, ...]) -> pa.Table:
    """maths=100: English tokens; maths=(100, 20): English and Chinese; six: those of high, middle and low quality."""
    entries = []
    for category, counts in tokens.items():
        places = product(("high", "middle", "low"), ("en", "zh"))
        for (band, language), count in zip(places, counts if isinstance(counts, tuple) else (counts,), strict=False):
            cell = {"category": category, "language": language, "band": band}
            entries.append(cell | {"documents": 1 + count // 10, "tokens": count})
    return pa.Table.from_pylist(entries, plan.CELLS)


def shares(solved: plan.Plan, field: str = "share_after") -> dict[str, float]:
    return {entry["category"]: entry[field] for entry in solved.categories}


def test_natural_reads_every_document_once() -> None:
    solved = plan.solve(cells(maths=(100, 7), novels=300), load_spec("natural"), TREE)
    assert [cell["repeats"] for cell in solved.cells] == [1.0, 1.0, 1.0]
    assert solved.tokens_after == solved.tokens_before == 407


def test_weights_multiply_shares_of_tokens() -> None:
    """Catches weights that mean documents, or repeats, instead of shares."""
    solved = plan.solve(cells(maths=100, novels=300), MixSpec(weights={"maths": 3}), TREE)
    assert shares(solved, "target_share")["maths"] == pytest.approx(0.5)
    assert shares(solved) == pytest.approx({"maths": 0.5, "novels": 0.5}, abs=1e-5)


def test_what_a_capped_category_lacks_goes_to_the_others_in_proportion() -> None:
    solved = plan.solve(cells(maths=10, novels=300, shops=600), MixSpec(shares={"maths": 0.5}, max_repeats=4), TREE)
    after = shares(solved)
    assert after["maths"] == pytest.approx(40 / 910, abs=1e-5)
    assert after["shops"] == pytest.approx(2 * after["novels"], abs=1e-5)
    maths, novels, _ = solved.categories
    assert maths["shortfall"] == pytest.approx(0.5 - 40 / 910, abs=1e-5) and maths["repeats"] == 4
    assert novels["surplus"] == pytest.approx(after["novels"] - 0.5 / 3, abs=1e-5)


def test_narrower_names_count_before_wider_ones() -> None:
    """Catches weights of category, group and kind that multiply each other."""
    solved = plan.solve(
        cells(maths=100, physics=100, school=100),
        MixSpec(weights={"knowledge": 5, "science": 2, "maths": 1}),
        TREE,
    )
    assert shares(solved, "target_share") == pytest.approx({"maths": 0.25, "physics": 0.5, "school": 0.25})


def test_a_name_of_both_a_kind_and_a_group_is_the_kind() -> None:
    solved = plan.solve(cells(headlines=100, interviews=100, maths=100), MixSpec(weights={"news": 0}), TREE)
    assert shares(solved) == {"headlines": 0, "interviews": 0, "maths": 1}


def test_joined_names_share_one_share() -> None:
    solved = plan.solve(cells(maths=100, school=300, novels=600), MixSpec(shares={"knowledge+education": 0.8}), TREE)
    assert shares(solved) == pytest.approx({"maths": 0.2, "school": 0.6, "novels": 0.2}, abs=1e-5)


def test_languages_meet_their_ratio_and_categories_their_shares() -> None:
    solved = plan.solve(
        cells(maths=(100, 50), novels=(300, 150)), MixSpec(weights={"maths": 3}, languages={"zh": 1, "en": 1}), TREE
    )
    assert [entry["share_after"] for entry in solved.languages] == pytest.approx([0.5, 0.5], abs=1e-5)
    assert shares(solved) == pytest.approx({"maths": 0.5, "novels": 0.5}, abs=1e-5)


def test_a_rare_language_is_read_as_often_as_its_cap_allows() -> None:
    solved = plan.solve(cells(maths=(1000, 10)), MixSpec(languages={"zh": 1, "en": 1}), TREE)
    english, chinese = solved.languages
    assert chinese["repeats"] == 4 and chinese["shortfall"] == pytest.approx(0.5 - 40 / 1010, abs=1e-5)
    assert solved.tokens_after == pytest.approx(1010, abs=0.01) and english["surplus"] > 0


def test_a_language_that_is_asked_for_and_absent_is_a_shortfall() -> None:
    """Catches a default mix that refuses an English crawl."""
    solved = plan.solve(cells(maths=100), MixSpec(languages={"zh": 1, "en": 1}), TREE)
    assert [(entry["language"], entry["shortfall"]) for entry in solved.languages] == [("en", 0), ("zh", 0.5)]
    assert solved.tokens_after == 100


def test_languages_that_are_not_named_keep_their_natural_share() -> None:
    table = pa.concat_tables(
        [
            cells(maths=(300, 100)),
            pa.Table.from_pylist(
                [{"category": "maths", "language": "de", "band": "low", "documents": 1, "tokens": 100}], plan.CELLS
            ),
        ]
    )
    solved = plan.solve(table, MixSpec(languages={"zh": 1, "en": 1}), TREE)
    assert [entry["share_after"] for entry in solved.languages] == pytest.approx([0.2, 0.4, 0.4], abs=1e-5)


def test_a_share_without_any_document_is_shown_as_shortfall() -> None:
    solved = plan.solve(cells(maths=100), MixSpec(shares={"fiction": 0.25}), TREE)
    novels = next(entry for entry in solved.categories if entry["category"] == "novels")
    assert (novels["documents"], novels["target_share"], novels["shortfall"]) == (0, 0.25, 0.25)
    assert shares(solved)["maths"] == 1


def test_a_floor_is_kept_where_the_shares_would_go_below() -> None:
    spec = MixSpec(weights={"novels": 0.01, "maths": 1}, floors={"fiction": 0.2})
    assert shares(plan.solve(cells(maths=300, novels=100, shops=300), spec, TREE))["novels"] == pytest.approx(
        0.2, abs=1e-5
    )


def test_a_budget_decides_how_much_is_read() -> None:
    for budget in (50, 1000):
        solved = plan.solve(cells(maths=100, novels=300), MixSpec(budget=budget), TREE)
        assert solved.tokens_after == pytest.approx(budget, rel=1e-4)


def test_quality_multiplies_what_bands_count_for_within_and_between_categories() -> None:
    """Catches a preference that stops at the border of a category, or that named shares undo."""
    table = cells(maths=(100, 0, 0, 0, 100), novels=(0, 0, 0, 0, 200))
    solved = plan.solve(table, MixSpec(quality={"high": 3}), TREE)
    assert {entry["band"]: entry["target_share"] for entry in solved.bands} == pytest.approx(
        {"low": 0.5, "middle": 0, "high": 0.5}
    )
    assert shares(solved) == pytest.approx({"maths": 2 / 3, "novels": 1 / 3})
    solved = plan.solve(table, MixSpec(quality={"high": 3}, shares={"maths": 0.5}), TREE)
    repeats = {(cell["category"], cell["band"]): cell["repeats"] for cell in solved.cells if cell["unique_tokens"]}
    assert shares(solved) == pytest.approx({"maths": 0.5, "novels": 0.5})
    assert repeats["maths", "high"] == pytest.approx(3 * repeats["maths", "low"])


def test_a_band_of_weight_0_is_left_out() -> None:
    solved = plan.solve(cells(maths=(100, 0, 0, 0, 100), novels=300), MixSpec(quality={"low": 0}), TREE)
    assert [cell["repeats"] for cell in solved.cells if cell["band"] == "low"] == [0]
    assert solved.tokens_after == pytest.approx(400)


def test_what_a_capped_band_lacks_stays_in_its_category() -> None:
    solved = plan.solve(
        cells(maths=(10, 0, 0, 0, 100), novels=110), MixSpec(quality={"high": 1000}, shares={"maths": 0.5}), TREE
    )
    high, low = (cell["repeats"] for cell in solved.cells if cell["category"] == "maths" and cell["unique_tokens"])
    assert sorted((high, low)) == pytest.approx([0.7, 4]) and shares(solved)["maths"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ("balancd", "no mix named 'balancd': did you mean balanced?"),
        ({"weigths": {}}, "no field 'weigths': did you mean weights?"),
        ({"weights": {"knowlege": 2}}, "names 'knowlege', no category, group or kind: did you mean knowledge?"),
        ({"weights": {"maths": 2, "maths+novels": 1}}, "names 'maths' twice"),
        ({"weights": {"maths": -1}}, "weights.maths"),
        ({"weights": {"maths": 1e-9}}, "weights.maths: value error, give 0, or a number from 0.000001"),
        ({"max_repeats": 0}, "max_repeats"),
        ({"quality": {"best": 2}}, "the mix's quality.best: input should be 'low', 'middle' or 'high'"),
        ({"quality": {"high": 0}}, "has nothing to read"),
        ({"name": "../mix"}, "the mix's name: value error, use letters, digits"),
        ({"name": "current"}, "not 'current'"),
        ({"shares": {"maths": 0.6, "novels": 0.5}}, "add up to 1.1"),
        ({"floors": {"maths": 0.9}}, "the floor 0.9 for 'maths', but its caps allow 'maths' no more than 0.4"),
        ({"floors": {"novels": 0.8, "shops": 0.3}}, "add up to 1.1"),
        (
            {"budget": 10_000},
            "wants 10,000 tokens, but of the 1,000 that it may take its caps allow no more than 4,000",
        ),
        ({"weights": {"knowledge": 0, "fiction": 0, "commerce": 0}}, "has nothing to read"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(mix: str | dict, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        plan.solve(cells(maths=100, novels=500, shops=400), load_spec(mix), TREE)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_no_documents_and_unknown_categories_are_refused() -> None:
    with pytest.raises(UserError, match="nothing to read"):
        plan.solve(plan.CELLS.empty_table(), load_spec("natural"), TREE)
    with pytest.raises(UserError, match="'alchemy', which the taxonomy lacks"):
        plan.solve(cells(alchemy=1), load_spec("natural"), TREE)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_mixes_fit_the_taxonomy(name: str) -> None:
    """Catches a named mix with a name that the taxonomy does not have."""
    taxonomy = load_taxonomy()
    table = cells(**dict.fromkeys(taxonomy.leaves, (1000, 900, 100, 90, 10, 9)))
    solved = plan.solve(table, NAMED[name], taxonomy)
    kinds = {kind: sum(e["share_after"] for e in solved.categories if e["kind"] == kind) for kind in taxonomy.kinds}
    before = {kind: sum(e["share_before"] for e in solved.categories if e["kind"] == kind) for kind in taxonomy.kinds}
    bands = {entry["band"]: entry["share_after"] - entry["share_before"] for entry in solved.bands}
    assert name == "natural" or bands["low"] < 0 < bands["high"]
    if name == "balanced":
        assert all(kinds[kind] > before[kind] for kind in ("knowledge", "education", "reference"))
        assert all(kinds[kind] < before[kind] for kind in ("fiction", "commerce", "structured", "adult_or_harm"))
        assert solved.languages[1]["share_after"] == pytest.approx(0.5, abs=1e-5)
    if name == "anneal":
        code = shares(solved)["source_code"]
        assert kinds["knowledge"] + kinds["education"] + kinds["reference"] + code == pytest.approx(0.9, abs=1e-5)


numbers = st.just(0.0) | st.floats(1e-6, 1e6)
weights = st.dictionaries(st.sampled_from(["knowledge", "fiction", "shops", "news", "learning"]), numbers, max_size=4)
specs = st.builds(
    MixSpec,
    weights=weights,
    shares=st.dictionaries(
        st.sampled_from(["maths", "fiction", "trade"]), st.just(0.0) | st.floats(1e-6, 0.33), max_size=3
    ),
    languages=st.dictionaries(st.sampled_from(["en", "zh"]), numbers, max_size=2),
    quality=st.dictionaries(st.sampled_from(["low", "middle", "high"]), numbers, max_size=3),
    floors=st.dictionaries(st.sampled_from(["physics", "commerce"]), st.just(0.0) | st.floats(1e-6, 0.3), max_size=2),
    max_repeats=st.floats(1e-3, 1e3),
    budget=st.none() | st.integers(1, 100_000),
)
tables = st.dictionaries(st.sampled_from(TREE.leaves), st.tuples(*[st.integers(0, 20_000)] * 6), max_size=7)


@settings(max_examples=300, deadline=None)
@given(tables, specs)
def test_a_plan_holds_its_caps_floors_total_and_sums(table: dict, spec: MixSpec) -> None:
    try:
        solved = plan.solve(cells(**table), spec, TREE)
    except UserError:
        return
    assert solved == plan.solve(cells(**table), spec, TREE)
    assert all(0 <= cell["repeats"] <= spec.max_repeats for cell in solved.cells)
    for entries in (solved.categories, solved.languages, solved.bands):
        for field in ("share_before", "target_share", "share_after"):
            assert sum(entry[field] for entry in entries) == pytest.approx(1)
        short, over = (sum(entry[field] for entry in entries) for field in ("shortfall", "surplus"))
        assert short == pytest.approx(over, abs=1e-9)
    read = sum(cell["repeats"] * cell["unique_tokens"] for cell in solved.cells)
    assert read == pytest.approx(solved.tokens_after)
    slack = 1e-9 * solved.tokens_before  # repeats are rounded
    if spec.budget is not None:
        assert read == pytest.approx(spec.budget, abs=slack + 1e-9)
    after = shares(solved)
    for name, leaves in (("physics", ["physics"]), ("commerce", ["shops"])):
        assert sum(after.get(leaf, 0) for leaf in leaves) * read >= spec.floors.get(name, 0) * read - 2 * slack


@settings(max_examples=200, deadline=None)
@given(tables, numbers, numbers, st.booleans())
def test_a_larger_weight_never_lowers_a_share(table: dict, one: float, other: float, languages: bool) -> None:
    ratio = {"en": 1, "zh": 1} if languages else {}
    found = []
    for weight in sorted((one, other)):
        try:
            solved = plan.solve(
                cells(**table), MixSpec(weights={"maths": weight}, languages=ratio, budget=10_000), TREE
            )
        except UserError:
            return
        found.append(shares(solved).get("maths", 0))
    assert found[1] >= found[0] - 1e-5


@settings(max_examples=200, deadline=None)
@given(tables, numbers, numbers)
def test_a_larger_quality_weight_never_lowers_its_band(table: dict, one: float, other: float) -> None:
    found = []
    for weight in sorted((one, other)):
        try:
            solved = plan.solve(cells(**table), MixSpec(quality={"high": weight}, budget=10_000), TREE)
        except UserError:
            return
        found.append({entry["band"]: entry["share_after"] for entry in solved.bands}["high"])
    assert found[1] >= found[0] - 1e-9


vectors = st.integers(1, 8).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(0.01, 100), min_size=n, max_size=n).map(np.array) for _ in range(3)])
)


@settings(max_examples=300, deadline=None)
@given(vectors, st.floats(0, 1))
def test_filling_meets_the_total_between_the_bounds(given_vectors: tuple, part: float) -> None:
    weights, low, extra = given_vectors
    total = low.sum() + part * extra.sum()
    filled = plan.fill(weights, low, low + extra, total)
    assert filled.sum() == pytest.approx(total)
    assert (filled >= low).all() and (filled <= low + extra).all()
    free = (filled > low * (1 + 1e-9)) & (filled < (low + extra) * (1 - 1e-9))
    levels = (filled / weights)[free]
    assert np.allclose(levels, levels[:1])
