"""Tiles cover every pixel exactly once, also when their size changes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lossmith.restoration.tiling.tiles import Rectangle, blend_weights, even_side, expand_by_halo, next_tile

sides = st.integers(1, 100)


@given(sides, sides, st.sampled_from([4, 8, 16]), st.lists(st.integers(1, 64), min_size=1), st.randoms())
def test_tiles_of_changing_sizes_cover_every_pixel_once(height, width, cell, tile_sides, random) -> None:
    is_finished = np.zeros((-(-height // cell), -(-width // cell)), bool)
    coverage = np.zeros((height, width), int)
    for _ in range(is_finished.size):
        tile_height, tile_width = random.choice(tile_sides), random.choice(tile_sides)
        if (tile := next_tile(is_finished, cell, tile_height, tile_width, height, width)) is None:
            break
        assert tile.height <= max(tile_height, cell)
        assert tile.width <= max(tile_width, cell)
        coverage[tile.slices] += 1
        is_finished[tile.top // cell : -(-tile.bottom // cell), tile.left // cell : -(-tile.right // cell)] = True
    assert (coverage == 1).all()
    assert next_tile(is_finished, cell, 64, 64, height, width) is None


@given(st.integers(0, 10), st.integers(0, 10), sides, st.sampled_from([1, 2, 4]))
def test_a_tile_expanded_by_its_halo_lies_on_the_stride(row, column, halo, grid) -> None:
    height, width = 200, 203
    tile = Rectangle(16 * row, 16 * column, 16 * row + 16, 16 * column + 16)
    area = expand_by_halo(tile, halo, grid, height, width)
    for start, outer in ((tile.top, area.top), (tile.left, area.left)):
        assert outer % grid == 0
        assert max(0, start - halo - grid) < outer + 1 <= max(0, start - halo) + 1
    for end, outer, last in ((tile.bottom, area.bottom, height), (tile.right, area.right, width)):
        assert outer == last or (outer % grid == 0 and end + halo <= outer < end + halo + grid)


@given(st.integers(1, 5000), st.integers(1, 600), st.sampled_from([16, 24]))
def test_even_tiles_cover_a_length_with_as_few_tiles_as_possible(length, max_side, cell) -> None:
    side = even_side(length, max_side, cell)
    fitting = max(cell, max_side // cell * cell)
    assert side % cell == 0
    assert side <= fitting
    assert -(-length // side) == -(-length // fitting)


@given(st.integers(1, 8), st.integers(33, 90), st.integers(33, 90))
def test_blend_weights_of_neighboring_tiles_are_positive_everywhere(halo, height, width) -> None:
    total, is_finished = np.zeros((height, width, 1)), np.zeros((-(-height // 16), -(-width // 16)), bool)
    while (tile := next_tile(is_finished, 16, 16, 32, height, width)) is not None:
        area = expand_by_halo(tile, halo, 1, height, width)
        weights = blend_weights(tile, area, height, width)
        assert weights.min() > 0
        assert weights.max() <= 1
        total[area.slices] += weights
        is_finished[tile.top // 16 : -(-tile.bottom // 16), tile.left // 16 : -(-tile.right // 16)] = True
    # each pixel has at least a quarter: half of it down, half of it across
    assert total.min() > 0.25 - 1e-6
