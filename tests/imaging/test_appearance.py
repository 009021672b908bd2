import numpy as np
import pytest
from drawing import draw

from imaging.appearance import LEVELS, NAMES, appearance
from imaging.head import find_head


def _of(pixels):
    found = dict(zip(NAMES, appearance(pixels, find_head(pixels)).tolist(), strict=True))
    assert np.isfinite(list(found.values())).all()
    return found


def _head(seed=1, size=(120, 100)):
    return draw(seed, size)


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (64, 64, 3), (64, 64)])
def test_a_picture_of_one_level_has_no_spread_and_no_detail(level, shape):
    found = _of(np.full(shape, level, np.uint8))
    assert found["spread"] == found["fine detail"] == found["coarse detail"] == 0
    assert found["level 1 %"] == found["level 99 %"] == pytest.approx(level / 255)
    assert found["black"] == (level == 0)
    assert found["white"] == (level == 255)


def test_a_window_that_cuts_levels_is_seen_in_their_shares():
    plain = _head()
    hard = np.clip((plain.astype(int) - 130) * 4, 0, 255).astype(np.uint8)
    before, after = _of(plain), _of(hard)
    assert after["black"] > before["black"] + 0.1
    assert after["white"] > before["white"] + 0.1


def test_which_tissue_is_bright_is_seen_from_the_outline_inwards():
    rows, columns = np.ogrid[:120, :120]
    radius = np.hypot(rows - 59.5, columns - 59.5)
    inside, rim = radius < 50, (radius < 50) & (radius > 40)
    fat = np.where(rim, 220, np.where(inside, 110, 0)).astype(np.uint8)
    fluid = np.where(rim, 110, np.where(radius < 15, 250, np.where(inside, 150, 0)))
    bright_rim, bright_middle = _of(fat), _of(fluid.astype(np.uint8))
    assert bright_rim["ring 1"] > bright_rim["ring 4"] + 0.2
    assert bright_middle["ring 4"] > bright_middle["ring 1"] + 0.2


def test_levels_do_not_know_where_things_are():
    plain = _head()
    for other in (plain[:, ::-1], plain[::-1], plain[..., 0]):
        one, two = _of(plain), _of(np.ascontiguousarray(other))
        assert [two[name] for name in LEVELS] == pytest.approx(
            [one[name] for name in LEVELS], abs=0.02
        )


def test_outline_border_and_size_are_told():
    upright = _of(_head(size=(160, 100)))
    assert upright["height by width"] == pytest.approx(1.6, abs=0.1)
    framed = _of(np.pad(_head(), ((60, 60), (50, 50), (0, 0))))
    assert framed["border"] > _of(_head())["border"] + 0.3
    assert framed["resolution"] == pytest.approx(np.log2(240 * 200) / 2)
    smooth = np.repeat(np.repeat(_head()[::4, ::4], 4, 0), 4, 1)
    assert _of(smooth)["fine detail"] < _of(_head())["fine detail"] / 1.5
