"""Convolution and pooling: values by hand, gradients against central differences, known traps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab.errors import ParameterError, ShapeError
from dllab.scratch import (
    AveragePooling2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Sequential,
    Tensor,
    conv_output_size,
    convolution,
    gradcheck,
    softmax_cross_entropy,
)
from dllab.scratch.convolution import (
    average_pool2d,
    conv2d,
    conv2d_loops,
    depthwise_conv2d,
    max_pool2d,
)

RNG = np.random.default_rng(30)
# neither square nor equal in any two sizes, so that no mix-up of axes passes
X = RNG.normal(size=(2, 5, 6, 3))
KERNEL, BIAS = RNG.normal(size=(2, 3, 3, 4)), RNG.normal(size=4)
DEEP, DEEP_BIAS = RNG.normal(size=(2, 3, 3, 2)), RNG.normal(size=6)
SETTINGS = [
    {},
    {"padding": "same"},
    {"strides": 2},
    {"strides": 2, "padding": "same"},
    {"strides": (1, 3), "padding": "same"},
    {"dilation_rate": 2},
    {"dilation_rate": (3, 1), "padding": "same"},
]
POOLS = [
    {},
    {"pool_size": (2, 3)},
    {"pool_size": 3, "strides": 2},
    {"pool_size": 3, "strides": 2, "padding": "same"},
    {"pool_size": 2, "strides": 1, "padding": "same"},
    {"pool_size": 2, "strides": 3},
]


def with_settings(operation, settings):
    return lambda *tensors: operation(*tensors, **settings)


# operation -> cases; a case is a function of tensors and the arrays to check it at
CASES = {
    "conv2d": [(with_settings(conv2d, s), X, KERNEL, BIAS) for s in SETTINGS]
    + [(conv2d, X, KERNEL)],
    "depthwise_conv2d": [(with_settings(depthwise_conv2d, s), X, DEEP, DEEP_BIAS) for s in SETTINGS]
    + [(depthwise_conv2d, X, DEEP)],
    "max_pool2d": [(with_settings(max_pool2d, s), X) for s in POOLS],
    "average_pool2d": [(with_settings(average_pool2d, s), X) for s in POOLS],
}
NOT_DIFFERENTIABLE = {"conv2d_loops"}  # works on plain arrays


def one_channel(rows):
    """Make an image of one channel, as a batch of one."""
    return np.array(rows, dtype=float)[np.newaxis, :, :, np.newaxis]


def generator(seed=0):
    return np.random.default_rng(seed)


def all_cases():
    for name, cases in CASES.items():
        for number, (f, *arrays) in enumerate(cases):
            yield pytest.param(f, arrays, id=f"{name}-{number}")


def test_every_operation_has_a_case():
    """An operation that is added without a central-difference case fails here."""
    assert set(CASES) == set(convolution.__all__) - NOT_DIFFERENTIABLE


@pytest.mark.parametrize(("f", "arrays"), list(all_cases()))
def test_gradient_is_the_central_difference(f, arrays):
    """For every operation and setting, what `backward` finds is the slope of the value."""
    result = gradcheck(f, *arrays)
    assert result.ok, str(result)


@pytest.mark.parametrize(
    "settings", [s for s in SETTINGS if all(isinstance(v, int | str) for v in s.values())]
)
def test_one_matrix_product_equals_the_loops(settings):
    """The patch matrix computes what the definition says, place by place."""
    np.testing.assert_allclose(
        conv2d(X, KERNEL, BIAS, **settings).data,
        conv2d_loops(X, KERNEL, BIAS, **settings),
        rtol=1e-12,
        atol=1e-13,
    )


def test_convolution_by_hand():
    """1 - 5, 2 - 6, 4 - 8, 5 - 9, plus a bias of 10."""
    image = one_channel([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    kernel = np.array([[1.0, 0.0], [0.0, -1.0]]).reshape(2, 2, 1, 1)
    assert conv2d(image, kernel, [10.0]).data[0, :, :, 0].tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_the_chapters_hand_example():
    """The numbers of the chapter's smallest example: maps, both gradients, pooling."""
    x = Tensor(one_channel([[0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1]]))
    kernel = Tensor(np.array([[-1.0, 1.0], [-1.0, 1.0]]).reshape(2, 2, 1, 1))
    y = conv2d(x, kernel)
    y.backward(one_channel([[0, 1, 0], [1, 0, 0]]))
    assert y.data[0, :, :, 0].tolist() == [[0, 2, 0], [1, 1, 0]]
    assert kernel.grad[:, :, 0, 0].tolist() == [[0, 1], [0, 2]]
    assert x.grad[0, :, :, 0].tolist() == [[0, -1, 1, 0], [-1, 0, 1, 0], [-1, 1, 0, 0]]
    assert max_pool2d(y).data.ravel().tolist() == [2]


# Traps


def test_the_kernel_is_not_flipped():
    """Does a single bright pixel come out as the kernel upside down (cross-correlation) or not?"""
    image = np.zeros((1, 5, 5, 1))
    image[0, 2, 2, 0] = 1.0
    kernel = np.arange(1.0, 10.0).reshape(3, 3)
    answer = conv2d(image, kernel.reshape(3, 3, 1, 1)).data[0, :, :, 0]
    np.testing.assert_array_equal(answer, kernel[::-1, ::-1])


def test_same_padding_of_an_even_kernel_puts_the_extra_zero_last():
    """A kernel of 2 needs one zero: it goes to the bottom and to the right."""
    ones = np.ones((2, 2, 1, 1))
    answer = conv2d(one_channel(np.ones((3, 3))), ones, padding="same").data[0, :, :, 0]
    assert answer.tolist() == [[4.0, 4.0, 2.0], [4.0, 4.0, 2.0], [2.0, 2.0, 1.0]]


def test_same_padding_at_stride_two_depends_on_the_size():
    """Size 6 needs one zero for a kernel of 3, at the end; size 5 needs two, one on each side."""
    ones = np.ones((1, 3, 1, 1))
    six = conv2d(one_channel([[1, 2, 3, 4, 5, 6]]), ones, strides=(1, 2), padding="same")
    five = conv2d(one_channel([[1, 2, 3, 4, 5]]), ones, strides=(1, 2), padding="same")
    assert six.data.ravel().tolist() == [6.0, 12.0, 11.0]  # 1+2+3, 3+4+5, 5+6+0
    assert five.data.ravel().tolist() == [3.0, 9.0, 9.0]  # 0+1+2, 2+3+4, 4+5+0


def test_same_padding_at_stride_two_may_need_no_zeros():
    """A kernel of 2 at stride 2 covers size 4 exactly: nothing is padded."""
    ones = np.ones((1, 2, 1, 1))
    answer = conv2d(one_channel([[1, 2, 3, 4]]), ones, strides=(1, 2), padding="same")
    assert answer.data.ravel().tolist() == [3.0, 7.0]


def test_a_window_that_sticks_out_is_dropped():
    """Size 6, kernel 3, stride 2: places 0 and 2; the floor drops place 4."""
    ones = np.ones((1, 3, 1, 1))
    answer = conv2d(one_channel([[1, 2, 3, 4, 5, 6]]), ones, strides=(1, 2))
    assert answer.data.ravel().tolist() == [6.0, 12.0]
    assert conv_output_size(6, 3, strides=2) == 2


def test_dilation_leaves_holes():
    """Three weights at distance 2 span five pixels."""
    answer = conv2d(one_channel([[1, 2, 3, 4, 5, 6]]), np.ones((1, 3, 1, 1)), dilation_rate=2)
    assert answer.data.ravel().tolist() == [9.0, 12.0]  # 1+3+5, 2+4+6


def test_padding_never_wins_a_maximum():
    """Negative pixels at the border stay the largest of their window."""
    answer = max_pool2d(one_channel([[-1, -2, -3]]), (1, 2), padding="same")
    assert answer.data.ravel().tolist() == [-1.0, -3.0]


def test_padding_does_not_count_in_a_mean():
    """The last window holds one pixel and divides by one."""
    answer = average_pool2d(one_channel([[2, 4, 6]]), (1, 2), padding="same")
    assert answer.data.ravel().tolist() == [3.0, 6.0]


def test_the_first_of_equal_entries_gets_the_gradient():
    """A window of equal entries sends everything to its first one."""
    x = Tensor(np.ones((1, 2, 2, 1)))
    max_pool2d(x).backward()
    assert x.grad[0, :, :, 0].tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_overlapping_windows_add_up():
    """The largest pixel of two windows gets the gradient of both."""
    x = Tensor(one_channel([[1, 5, 2]]))
    max_pool2d(x, (1, 2), strides=1).backward(np.ones((1, 1, 2, 1)))
    assert x.grad.ravel().tolist() == [0.0, 2.0, 0.0]


def test_pixels_outside_all_windows_get_no_gradient():
    """The border that a stride drops has gradient 0, and the gradient keeps the image's shape."""
    x = Tensor(np.ones((1, 1, 6, 1)))
    conv2d(x, np.ones((1, 3, 1, 1)), strides=(1, 2)).sum().backward()
    assert x.grad.ravel().tolist() == [1.0, 1.0, 2.0, 1.0, 1.0, 0.0]


def test_one_bias_serves_all_places():
    """Its gradient is the sum over batch, rows and columns."""
    bias = Tensor(np.zeros(4))
    conv2d(X, KERNEL, bias).sum().backward()
    assert bias.grad.tolist() == [2.0 * 4 * 4] * 4


def test_channels_are_summed_and_filters_are_not():
    """A kernel of ones adds all channels; each filter has a map of its own."""
    kernel = np.ones((1, 1, 3, 2)) * [1.0, 2.0]
    answer = conv2d(X, kernel).data
    np.testing.assert_allclose(answer[..., 0], X.sum(axis=-1))
    np.testing.assert_allclose(answer[..., 1], 2 * X.sum(axis=-1))


def test_depthwise_keeps_channels_apart():
    """Changing one channel changes its own outputs alone: 2 and 3 for channel 1 of 3."""
    changed = X.copy()
    changed[..., 1] += 1.0
    difference = depthwise_conv2d(changed, DEEP).data - depthwise_conv2d(X, DEEP).data
    assert (np.abs(difference).max(axis=(0, 1, 2)) > 1e-9).tolist() == [
        *(False, False, True, True, False, False)
    ]


# Laws


sizes = st.integers(1, 12)


@given(sizes, st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_output_size_counts_the_places(size, kernel, stride, dilation):
    """Valid places are those where the window fits; same places are one for each stride."""
    span = dilation * (kernel - 1) + 1
    fitting = [start for start in range(0, size, stride) if start + span <= size]
    assert conv_output_size(size, kernel, stride, "valid", dilation) == len(fitting)
    assert conv_output_size(size, kernel, stride, "same", dilation) == len(range(0, size, stride))


@given(sizes, sizes, st.integers(1, 4), st.integers(1, 3), st.sampled_from(["valid", "same"]))
def test_output_shapes_are_those_of_the_outputs(height, width, kernel, stride, padding):
    """What `output_shape` foretells is what a call returns, for each layer."""
    if padding == "valid" and kernel > min(height, width):
        return
    settings = {"strides": stride, "padding": padding}
    layers = [
        Conv2D(2, 3, kernel, rng=generator(), **settings),
        DepthwiseConv2D(2, kernel, rng=generator(), depth_multiplier=2, **settings),
        MaxPooling2D(kernel, **settings),
        AveragePooling2D(kernel, **settings),
        GlobalAveragePooling2D(),
    ]
    x = np.zeros((4, height, width, 2))
    for layer in layers:
        assert layer(x).shape == (4, *layer.output_shape(x.shape[1:]))


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, 2), (2, 3)])
def test_a_shifted_image_gives_shifted_maps(down, right):
    """Convolution commutes with shifts, away from the border: equivariance."""
    image = np.zeros((1, 12, 12, 3))
    image[:, 3:7, 3:7] = generator(1).normal(size=(1, 4, 4, 3))
    shifted = np.roll(image, (down, right), axis=(1, 2))
    np.testing.assert_allclose(
        conv2d(shifted, KERNEL).data,
        np.roll(conv2d(image, KERNEL).data, (down, right), axis=(1, 2)),
        atol=1e-12,
    )


def test_convolution_is_linear_in_image_and_kernel():
    """Sums and multiples pass through, in either argument."""
    y, other = generator(2).normal(size=X.shape), generator(3).normal(size=KERNEL.shape)
    np.testing.assert_allclose(
        conv2d(2 * X - y, KERNEL).data, 2 * conv2d(X, KERNEL).data - conv2d(y, KERNEL).data
    )
    np.testing.assert_allclose(
        conv2d(X, KERNEL + 3 * other).data, conv2d(X, KERNEL).data + 3 * conv2d(X, other).data
    )


# Layers


@pytest.fixture
def model():
    """Gray images of 8 by 8 pixels, 3 classes."""
    rng = generator()
    return Sequential(
        [
            Conv2D(1, 2, 3, "relu", rng=rng),
            MaxPooling2D(),
            DepthwiseConv2D(2, 2, rng=rng, padding="same"),
            AveragePooling2D(2, strides=1),
            Flatten(),
            Dense(8, 3, rng=rng),
        ]
    )


def test_a_whole_network_passes_the_gradient_check(model):
    """The gradient of the loss by all parameters is its slope."""
    x, labels = generator(3).normal(size=(3, 8, 8, 1)), np.array([0, 2, 1])
    layers = [layer for layer in model.layers if layer.parameters()]

    def f(*values):
        for layer, W, b in zip(layers, values[::2], values[1::2], strict=True):
            layer.W, layer.b = W, b
        return softmax_cross_entropy(model(x), labels)

    assert gradcheck(f, *(p.data for p in model.parameters())).ok


def test_counts_by_hand():
    """3 * 3 * 2 * 5 weights, used at 6 * 6 places; 2 * 3 * 3 * 2 for two kernels a channel."""
    layer = Conv2D(2, 5, 3, rng=generator())
    assert layer.count_params() == 95
    assert layer.flops(input_shape=(8, 8, 2)) == 2 * 36 * 90
    assert layer.flops(10, (8, 8, 2)) == 10 * 2 * 36 * 90
    assert Conv2D(2, 5, 3, rng=generator(), use_bias=False).count_params() == 90
    deep = DepthwiseConv2D(2, 3, rng=generator(), depth_multiplier=2)
    assert deep.count_params() == 36 + 4
    assert deep.flops(input_shape=(8, 8, 2)) == 2 * 36 * 36


def test_summary_follows_an_image_through_the_network(model):
    """Shapes, parameters and operations of each layer."""
    lines = [line.split("  ") for line in model.summary((8, 8, 1)).splitlines()]
    rows = {cells[0]: [cell.strip() for cell in cells[1:] if cell] for cells in lines}
    assert rows["Conv2D(3x3, relu)"] == ["(batch, 6, 6, 2)", "20", "1,296"]
    assert rows["MaxPooling2D(2x2)"] == ["(batch, 3, 3, 2)", "0", "0"]
    assert rows["Flatten"] == ["(batch, 8)", "0", "0"]
    assert model.flops(1, (8, 8, 1)) == 1296 + 2 * 9 * 8 + 2 * 8 * 3


@pytest.mark.parametrize(
    ("activation", "spread"),
    [("relu", np.sqrt(2 / (9 * 20))), (None, np.sqrt(2 / (9 * (20 + 40))))],
)
def test_initial_kernels_count_what_an_output_sees(activation, spread):
    """He for rectifiers, Glorot otherwise, with 9 positions for each channel."""
    W = Conv2D(20, 40, 3, activation, rng=generator()).W.data
    assert W.std() == pytest.approx(spread, rel=0.03)


def test_initial_depthwise_kernels_see_one_channel():
    """Nine numbers, whatever the number of channels; the channels' kernels differ."""
    W = DepthwiseConv2D(200, 3, "relu", rng=generator()).W.data
    assert W.std() == pytest.approx(np.sqrt(2 / 9), rel=0.05)
    assert not np.array_equal(W[:, :, 0], W[:, :, 1])


def test_the_seed_decides_the_weights():
    """Same seed, same kernel; the biases start at zero."""
    first, again, other = (Conv2D(1, 2, 3, rng=generator(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.W.data, again.W.data)
    assert not np.array_equal(first.W.data, other.W.data)
    assert first.b.data.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: conv2d(X[0], KERNEL), ShapeError, "(batch, height, width, channels)"),
        (lambda: conv2d(np.moveaxis(X, -1, 1), KERNEL), ShapeError, "`kernel`"),
        (lambda: conv2d(X, KERNEL[0]), ShapeError, "`kernel`"),
        (lambda: conv2d(X[:, :1], KERNEL), ShapeError, "2 by 3 pixels and they have 1 by 6"),
        (lambda: conv2d(X, KERNEL, dilation_rate=9), ShapeError, "fit"),
        (lambda: conv2d(X, KERNEL, np.zeros((4, 4, 4))), ShapeError, "`bias`"),
        (lambda: conv2d(X, KERNEL, padding="full"), ParameterError, "`padding`"),
        (lambda: conv2d(X, KERNEL, strides=0), ParameterError, "`strides`"),
        (lambda: conv2d(X, KERNEL, strides=(1, 2, 3)), ParameterError, "`strides`"),
        (lambda: conv2d(X, KERNEL, dilation_rate=1.5), ParameterError, "`dilation_rate`"),
        (lambda: depthwise_conv2d(X, DEEP[:, :, :2]), ShapeError, "`kernel`"),
        (lambda: max_pool2d(X, 7), ShapeError, "fit"),
        (lambda: average_pool2d(X[0]), ShapeError, "`x`"),
        (lambda: conv_output_size(0, 3), ParameterError, "`size`"),
        (lambda: Conv2D(1, 0, 3, rng=generator()), ParameterError, "`filters`"),
        (lambda: Conv2D(1, 2, 3, rng=0), ParameterError, "default_rng"),
        (lambda: Conv2D(1, 2, 3, "rleu", rng=generator()), ParameterError, "'rleu'"),
        (lambda: Conv2D(1, 2, 3, rng=generator(), padding=1), ParameterError, "`padding`"),
        (lambda: Conv2D(1, 2, 3, rng=generator()).flops(), ParameterError, "`input_shape`"),
        (lambda: Conv2D(1, 2, 3, rng=generator()).output_shape((8, 8)), ShapeError, "(8, 8)"),
        (lambda: MaxPooling2D(0), ParameterError, "`pool_size`"),
        (lambda: MaxPooling2D().output_shape((8,)), ShapeError, "`input_shape`"),
        (lambda: GlobalAveragePooling2D()(X[0]), ShapeError, "`x`"),
    ],
)
def test_misuse_is_named(call, error, says):
    """The error is typed and its message names what is wrong."""
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
