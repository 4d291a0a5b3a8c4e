"""The net that scores a page's blocks.

Layers: the features of a block; convolutions along the page, so that a block sees its neighbours; means over the
containers around the block, the blocks like it and the whole page; a score. Trained by classifiers.training.clutter.
All sums run in a fixed order in one thread, so that scores do not depend on the number of processors.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.extraction.describe import LEXICON_SIZES, Lexicon, Page
from pipeline.extraction.elements import kernel
from pipeline.extraction.features import AROUND, LEVELS, OWN, WIDTH, Features, features

TAPS: Final = 3  # blocks that one convolution looks at
FARTHEST_STEP: Final = 4  # between two of them
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
    lexicon = Lexicon(*(np.ascontiguousarray(arrays[name], np.int8) for name in Lexicon._fields))
    sizes = tuple(len(part) for part in lexicon)
    if len(net.block) != WIDTH or sizes != LEXICON_SIZES or net.steps.max() > FARTHEST_STEP:
        raise ValueError("the clutter model was trained for other features")
    return Model(net, lexicon)


def scores(page: Page, model: Model) -> Floats:
    """For each block the probability that it is main text."""
    return _scores(page, model.lexicon, model.net)


class Room(NamedTuple):
    """Room for a page's layers. But for ``first`` a row is a channel and a column a block, so that the inner loops run
    over the blocks."""

    shared: Floats  # what containers add to the first layer, and in the last row what the page adds
    first: Floats  # the first layer of one block, all members
    columns: NDArray[np.int32]  # of its features that are not zero
    values: Floats
    hidden: Floats  # that of all blocks
    along: Floats  # two buffers for the convolutions, with zeros at both ends
    wide: Floats  # what a member's last layers see: hidden, along the page, pools
    mixed: Floats
    weights: Floats  # of each block in the pools
    shares: Floats  # one by the sum of those, for each pool of each block
    sums: Floats  # running totals over the blocks
    group_sums: Floats


@njit(cache=True, nogil=True)
def _scores(page: Page, lexicon: Lexicon, net: Net) -> Floats:
    found, groups = features(page, lexicon), page.groups
    count, places = len(found.own), len(found.around)
    members, hidden, channels = net.narrow.shape
    pooled, mixed, margin = net.pooled.shape[2], net.mixed.shape[2], FARTHEST_STEP
    out = np.zeros(count, np.float32)
    if count:
        room = Room(
            np.empty((places + 1, members * hidden), np.float32),
            np.empty(members * hidden, np.float32),
            np.empty(WIDTH + 3, np.int32),
            np.empty(WIDTH + 3, np.float32),
            np.empty((members * hidden, count), np.float32),
            np.zeros((2, channels, count + 2 * margin), np.float32),
            np.empty((hidden + channels + POOLS * pooled, count), np.float32),
            np.empty((mixed, count), np.float32),
            np.empty(count, np.float32),
            np.empty((POOLS, count), np.float32),
            np.zeros(count + 1, np.float32),
            np.zeros(groups.max() + 1, np.float32),
        )
        _score(found, groups, net, room, out)
    return out


@kernel
def _score(found: Features, groups: NDArray[np.int32], net: Net, room: Room, out: Floats) -> None:
    """Adds up the members' scores and turns their mean into a probability."""
    members, _, _ = net.narrow.shape
    places = len(found.around)
    shared, first = room.shared, room.first
    _add(net.block_bias, found.page, net, OWN + AROUND, room, shared[places])
    for place in range(places):
        _add(shared[places], found.around[place], net, OWN, room, shared[place])
    for block in range(len(out)):
        room.weights[block] = found.own[block, 0] + np.float32(0.1)  # by the logarithm of its length
        _add(shared[found.place[block]], found.own[block], net, 0, room, first)
        for column in range(len(first)):
            room.hidden[column, block] = max(np.float32(0), first[column])
    _weigh(found.spans, groups, room)
    for member in range(members):
        _run(found.spans, groups, net, member, room, out)
    for block in range(len(out)):
        out[block] = 1 / (1 + np.exp(-out[block] / members))


@kernel
def _add(before: Floats, row: Floats, net: Net, start: int, room: Room, out: Floats) -> None:
    """``before``, and what the features of ``row``, which are those from ``start`` on, add to it in the first layer.

    Half of most rows are zeros, which are passed over; the others are taken four at a time."""
    columns, values = room.columns, room.values
    count = 0
    low, high = net.low[start : start + len(row)], net.high[start : start + len(row)]
    for column in range(len(row)):
        row[column] = min(max(row[column], low[column]), high[column])
    for column in range(len(row)):
        columns[count], values[count] = start + column, row[column]
        count += row[column] != 0
    for rest in range(count, count + 3):
        columns[rest], values[rest] = 0, 0
    for column in range(len(out)):
        out[column] = before[column]
    for index in range(0, count, 4):
        a, b, c, d = values[index], values[index + 1], values[index + 2], values[index + 3]
        one, two = net.block[columns[index]], net.block[columns[index + 1]]
        three, four = net.block[columns[index + 2]], net.block[columns[index + 3]]
        for column in range(len(out)):
            out[column] += (a * one[column] + b * two[column]) + (c * three[column] + d * four[column])


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
