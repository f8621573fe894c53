"""Do the initial weights have the spread that their formula promises?"""

import numpy as np
import pytest

from dllab.errors import ParameterError
from dllab.scratch import initializers

SHAPES = [(300, 200), (5, 5, 20, 40)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("lecun_normal", lambda fan_in, fan_out: 1 / fan_in),
        ("glorot_normal", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("glorot_uniform", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("he_normal", lambda fan_in, fan_out: 2 / fan_in),
        ("he_uniform", lambda fan_in, fan_out: 2 / fan_in),
    ],
)
def test_the_variance_is_that_of_the_formula(name, variance, shape):
    """Also after the tails have been cut off; mean 0."""
    values = getattr(initializers, name)(shape, np.random.default_rng(0))
    expected = variance(*initializers.fans(shape))
    assert values.shape == shape
    assert values.var() == pytest.approx(expected, rel=0.03)
    assert abs(values.mean()) < 4 * np.sqrt(expected / values.size)


def test_a_window_counts_in_both_fans():
    """Each filter of a 5 by 5 window over 20 channels sees 500 numbers."""
    assert initializers.fans((5, 5, 20, 40)) == (500, 1000)


def test_normal_weights_are_cut_at_two_deviations_of_the_uncut_distribution():
    values = initializers.lecun_normal((100, 500), np.random.default_rng(0))
    limit = 2 * np.sqrt(1 / 100) / 0.8796
    assert 0.99 * limit < np.abs(values).max() <= limit * 1.0001


def test_the_correction_is_the_deviation_of_a_cut_normal_distribution():
    """Integrate z² over [-2, 2] against the cut density, as the constant in the module claims."""
    z = np.linspace(-2, 2, 200_001)
    density = np.exp(-(z**2) / 2)
    deviation = np.sqrt((z**2 * density).sum() / density.sum())
    assert deviation == pytest.approx(0.8796256610342398, rel=1e-4)


def test_random_normal_has_one_spread_for_all_sizes():
    for shape in SHAPES:
        values = initializers.random_normal(shape, np.random.default_rng(0), stddev=0.1)
        assert values.std() == pytest.approx(0.1, rel=0.03)


def test_the_seed_decides():
    first, again, other = (
        initializers.he_normal((3, 4), np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_zeros_are_zeros():
    assert not initializers.zeros((2, 3)).any()
    assert initializers.zeros((2, 3), np.random.default_rng(0)).shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: initializers.he_normal((3, 4), 0), "`rng` should be a np.random.Generator"),
        (lambda: initializers.he_uniform((3, 4), None), "`rng`"),
        (lambda: initializers.he_normal((3,), np.random.default_rng(0)), "For biases use zeros"),
        (lambda: initializers.fans((3, 0)), "`shape`"),
        (
            lambda: initializers.random_normal((3, 4), np.random.default_rng(0), stddev=-1),
            "`stddev`",
        ),
    ],
)
def test_messages_name_the_parameter(call, says):
    with pytest.raises(ParameterError) as caught:
        call()
    assert says in str(caught.value)
