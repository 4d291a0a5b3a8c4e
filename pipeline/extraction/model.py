"""The net that scores a page's blocks, and the choice of those with the best expected F1.

Layers: the features of a block; convolutions along the page, so that a block sees its neighbours; means over the
containers around the block, the blocks like it and the whole page; a score. Trained by classifiers.training.clutter.
All sums run in a fixed order in one thread, so that scores do not depend on the number of processors.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.elements import kernel
from pipeline.extraction.features import LEVELS, LEXICON_SIZES, WIDTH, Lexicon, Page, features
from pipeline.extraction.measures import LENGTH, TOKENS

TAPS: Final = 3  # blocks that one convolution looks at
POOLS: Final = LEVELS + 2  # containers, group, page

Floats = NDArray[np.float32]


class Net(NamedTuple):
    """Weights of some small nets, the members, each layer's as (members, inputs, outputs); those of the first layer
    stand side by side. ``low`` and ``high`` bound each feature."""

    low: Floats
    high: Floats
    block: Floats  # (features, members * hidden)
    block_bias: Floats
    narrow: Floats
    narrow_bias: Floats
    along: Floats  # (members, convolutions, TAPS, channels, channels)
    along_bias: Floats
    steps: NDArray[np.int64]  # how far apart the blocks are that each convolution looks at
    pooled: Floats
    pooled_bias: Floats
    mixed: Floats
    mixed_bias: Floats
    score: Floats
    score_bias: Floats


class Model(NamedTuple):
    net: Net
    lexicon: Lexicon


def model_of(arrays: dict[str, NDArray[Any]]) -> Model:
    """A model from the arrays of its file. Raises ValueError where they are not of this version's shape."""
    net = Net(*(np.ascontiguousarray(arrays[name], np.float32) for name in Net._fields))._replace(
        steps=np.ascontiguousarray(arrays["steps"], np.int64)
    )
    lexicon = Lexicon(*(np.ascontiguousarray(arrays[name], np.float32) for name in Lexicon._fields))
    sizes = tuple(len(part) for part in lexicon)
    if len(net.block) != WIDTH or sizes != LEXICON_SIZES:
        raise ValueError("the clutter model was trained for other features")
    return Model(net, lexicon)


def scores(page: Page, model: Model) -> Floats:
    """For each block the probability that it is main text."""
    rows, spans = features(page, model.lexicon)
    net, count = model.net, len(rows)
    out = np.zeros(count, np.float32)
    if count:
        members, hidden, channels = net.narrow.shape
        pooled = net.pooled.shape[2]
        margin = int(net.steps.max(initial=0))
        room = Room(
            np.empty(members * hidden, np.float32),
            np.empty((members * hidden, count), np.float32),
            np.zeros((2, channels, count + 2 * margin), np.float32),
            np.empty((hidden + channels + POOLS * pooled, count), np.float32),
            np.empty((net.mixed.shape[2], count), np.float32),
            np.empty(count, np.float32),
            np.empty((POOLS, count), np.float32),
            np.zeros(count + 1, np.float32),
            np.zeros(int(page.groups.max()) + 1, np.float32),
        )
        _score(rows, spans, page.groups, page.measures, net, room, out)
    return out


class Room(NamedTuple):
    """Room for a page's layers. But for ``first`` a row is a channel and a column a block, so that the inner loops run
    over the blocks."""

    first: Floats  # the first layer of one block, all members
    hidden: Floats  # that of all blocks
    along: Floats  # two buffers for the convolutions, with zeros at both ends
    wide: Floats  # what a member's last layers see: hidden, along the page, pools
    mixed: Floats
    weights: Floats  # of each block in the pools
    shares: Floats  # one by the sum of those, for each pool of each block
    sums: Floats  # running totals over the blocks
    group_sums: Floats


@kernel
def _score(
    rows: Floats,
    spans: NDArray[np.int32],
    groups: NDArray[np.int32],
    measures: Floats,
    net: Net,
    room: Room,
    out: Floats,
) -> None:
    """Adds up the members' scores and turns their mean into a probability."""
    members, _, _ = net.narrow.shape
    for block in range(len(rows)):
        row = rows[block]
        for column in range(len(row)):
            row[column] = min(max(row[column], net.low[column]), net.high[column])
        for column in range(len(room.first)):
            room.first[column] = net.block_bias[column]
        _add(row, net.block, room.first)
        for column in range(len(room.first)):
            room.hidden[column, block] = max(np.float32(0), room.first[column])
        room.weights[block] = np.log1p(measures[block, LENGTH]) + np.float32(0.1)
    _weigh(spans, groups, room)
    for member in range(members):
        _run(spans, groups, net, member, room, out)
    for block in range(len(rows)):
        out[block] = 1 / (1 + np.exp(-out[block] / members))


@kernel
def _add(row: Floats, weights: Floats, out: Floats) -> None:
    """``out += row @ weights``, two inputs at a time; half of most rows are zeros, which are passed over."""
    index, end = 0, len(row)
    while index < end:
        while index < end and row[index] == 0:
            index += 1
        other = index + 1
        while other < end and row[other] == 0:
            other += 1
        if other < end:
            value, second = row[index], row[other]
            line, second_line = weights[index], weights[other]
            for column in range(len(out)):
                out[column] += value * line[column] + second * second_line[column]
        elif index < end:
            value, line = row[index], weights[index]
            for column in range(len(out)):
                out[column] += value * line[column]
        index = other + 1


@kernel
def _run(spans: NDArray[np.int32], groups: NDArray[np.int32], net: Net, member: int, room: Room, out: Floats) -> None:
    """Adds a member's score of each block to ``out``."""
    _, hidden, channels = net.narrow.shape
    wide, count = room.wide, len(out)
    margin = (room.along.shape[2] - count) // 2
    for channel in range(hidden):
        for block in range(count):
            wide[channel, block] = room.hidden[member * hidden + channel, block]
    now = room.along[0]
    _layer(wide[:hidden], net.narrow[member], net.narrow_bias[member], now[:, margin : margin + count])
    _cut(now)
    for number in range(len(net.steps)):
        _convolve(room.along, net.along[member, number], net.along_bias[member, number], net.steps[number], margin)
    for channel in range(channels):
        for block in range(count):
            wide[hidden + channel, block] = now[channel, margin + block]
    seen = hidden + channels
    summaries = room.mixed[: net.pooled.shape[2]]
    _layer(wide[:seen], net.pooled[member], net.pooled_bias[member], summaries)
    _pool(spans, groups, summaries, room, seen)
    _layer(wide, net.mixed[member], net.mixed_bias[member], room.mixed)
    _cut(room.mixed)
    for block in range(count):
        out[block] += net.score_bias[member]
    for channel in range(len(room.mixed)):
        for block in range(count):
            out[block] += net.score[member, channel] * room.mixed[channel, block]


@kernel
def _layer(inputs: Floats, weights: Floats, bias: Floats, out: Floats) -> None:
    """``out = weights.T @ inputs + bias``, four inputs at a time."""
    count = out.shape[1]
    for channel in range(len(out)):
        line = out[channel]
        for block in range(count):
            line[block] = bias[channel]
        first = 0
        while first + 4 <= len(inputs):
            one, two, three, four = inputs[first], inputs[first + 1], inputs[first + 2], inputs[first + 3]
            a, b = weights[first, channel], weights[first + 1, channel]
            c, d = weights[first + 2, channel], weights[first + 3, channel]
            for block in range(count):
                line[block] += (a * one[block] + b * two[block]) + (c * three[block] + d * four[block])
            first += 4
        while first < len(inputs):
            one, a = inputs[first], weights[first, channel]
            for block in range(count):
                line[block] += a * one[block]
            first += 1


@kernel
def _cut(out: Floats) -> None:
    """A rectifier."""
    for channel in range(len(out)):
        for block in range(out.shape[1]):
            out[channel, block] = max(np.float32(0), out[channel, block])


@kernel
def _convolve(along: Floats, weights: Floats, bias: Floats, step: int, margin: int) -> None:
    """Adds to each block what a convolution over it and the blocks ``step`` before and after it finds."""
    now, new = along[0], along[1]
    count = now.shape[1] - 2 * margin
    for channel in range(len(now)):
        line = new[channel]
        for block in range(count):
            line[block] = bias[channel]
        for source in range(len(now)):
            before, here, after = now[source, margin - step :], now[source, margin:], now[source, margin + step :]
            a, b, c = weights[0, source, channel], weights[1, source, channel], weights[2, source, channel]
            for block in range(count):
                line[block] += a * before[block] + b * here[block] + c * after[block]
    for channel in range(len(now)):
        line, found = now[channel, margin:], new[channel]
        for block in range(count):
            line[block] += max(np.float32(0), found[block])


@kernel
def _weigh(spans: NDArray[np.int32], groups: NDArray[np.int32], room: Room) -> None:
    """For each pool of each block one by the sum of the weights in it."""
    sums, group_sums, weights, shares = room.sums, room.group_sums, room.weights, room.shares
    count = len(weights)
    for block in range(count):
        sums[block + 1] = sums[block] + weights[block]
        group_sums[groups[block]] += weights[block]
    for block in range(count):
        for level in range(LEVELS):
            first, last = spans[block, level]
            shares[level, block] = 1 / (sums[last] - sums[first])
        shares[LEVELS, block] = 1 / group_sums[groups[block]]
        shares[LEVELS + 1, block] = 1 / sums[count]


@kernel
def _pool(spans: NDArray[np.int32], groups: NDArray[np.int32], summaries: Floats, room: Room, place: int) -> None:
    """Means of a few summaries, weighed by the logarithm of a block's length, over all that a block belongs to."""
    sums, group_sums, weights, shares, wide = room.sums, room.group_sums, room.weights, room.shares, room.wide
    count, width = len(weights), len(summaries)
    for channel in range(width):
        group_sums[:] = 0
        for block in range(count):
            value = min(max(summaries[channel, block], np.float32(-1)), np.float32(1)) * weights[block]
            sums[block + 1] = sums[block] + value
            group_sums[groups[block]] += value
        for level in range(LEVELS):
            line = wide[place + level * width + channel]
            for block in range(count):
                first, last = spans[block, level]
                line[block] = (sums[last] - sums[first]) * shares[level, block]
        of_group, of_page = wide[place + LEVELS * width + channel], wide[place + (LEVELS + 1) * width + channel]
        for block in range(count):
            of_group[block] = group_sums[groups[block]] * shares[LEVELS, block]
            of_page[block] = sums[count] * shares[LEVELS + 1, block]


def choose(probabilities: Floats, measures: Floats) -> NDArray[np.bool_]:
    """The blocks whose text has the best expected F1: those with the highest probabilities, down to the place where
    2 * sum(p * n) / (sum(n) + sum over all blocks of p * n) is greatest, n being the tokens of a block."""
    chosen = np.zeros(len(probabilities), np.bool_)
    if len(probabilities) == 0:
        return chosen
    tokens = measures[:, TOKENS].astype(np.float64)
    expected = probabilities * tokens
    order = np.argsort(-probabilities, kind="stable")
    value = 2 * np.cumsum(expected[order]) / (np.cumsum(tokens[order]) + expected.sum() + 1e-9)
    chosen[order[: int(np.argmax(value)) + 1]] = True
    return chosen
