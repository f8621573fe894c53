"""The layers of Keras that a check rebuilds, and the settings that it takes for each.

- `KINDS`: kind of layer -> its settings and what each may be
- `MANY`: kinds that take several tensors
- `read_settings(kind, data)`: the settings, after strict checks
- `ForgedError`: a layer or setting is not on the list; the text continues "The model …"

Names and bounds here decide what reaches Keras. A setting that may hold code (a function as an
activation, an object of a class that somebody registered) is on no list.
"""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["KINDS", "MANY", "ForgedError", "read_settings"]

Rule = Callable[[Any], Any]

_MAX_NUMBER = 65_536
_ACTIVATIONS = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "swish",
        "mish",
        "softplus",
        "softsign",
        "softmax",
        "log_softmax",
        "sigmoid",
        "log_sigmoid",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "tanh",
        "tanh_shrink",
        "exponential",
        "squareplus",
    ]
)
_TYPES = ("float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
_NAMES = {
    "initializer": frozenset(
        [
            "Zeros",
            "Ones",
            "Constant",
            "RandomNormal",
            "RandomUniform",
            "TruncatedNormal",
            "VarianceScaling",
            "GlorotNormal",
            "GlorotUniform",
            "HeNormal",
            "HeUniform",
            "LecunNormal",
            "LecunUniform",
            "Orthogonal",
            "Identity",
            "IdentityInitializer",
            "OrthogonalInitializer",
        ]
    ),
    "regularizer": frozenset(["L1", "L2", "L1L2", "OrthogonalRegularizer"]),
    "constraint": frozenset(["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"]),
}


class ForgedError(Exception):
    """A layer or a setting is not on the list; the text continues a sentence about the model."""


def _whole(low: int, high: int = _MAX_NUMBER) -> Rule:
    def rule(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return rule


def _real(value: Any) -> float:
    if type(value) not in (int, float) or not -1e6 <= value <= 1e6:
        raise ValueError
    return value


def _yes_or_no(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _one_of(*choices: Any) -> Rule:
    def rule(value: Any) -> Any:
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        raise ValueError

    return rule


def _optional(other: Rule) -> Rule:
    return lambda value: None if value is None else other(value)


def _tuple(item: Rule, most: int = 6) -> Rule:
    def rule(value: Any) -> tuple[Any, ...]:
        if type(value) not in (list, tuple) or not 1 <= len(value) <= most:
            raise ValueError
        return tuple(item(entry) for entry in value)

    return rule


def _either(*rules: Rule) -> Rule:
    def rule(value: Any) -> Any:
        for other in rules:
            try:
                return other(value)
            except ValueError:
                continue
        raise ValueError

    return rule


def _named(what: str) -> Rule:
    """Return a rule for an object that Keras makes from a name and a few numbers."""

    def rule(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not dict or value.get("custom") is not False:
            raise ValueError
        kind, settings = value.get("kind"), value.get("settings")
        if type(kind) is not str or kind not in _NAMES[what] or type(settings) is not dict:
            raise ValueError
        return {"kind": kind, **{_key(k): _simple(v) for k, v in settings.items() if k != "seed"}}

    return rule


def _key(value: Any) -> str:
    if type(value) is not str or not value.isidentifier() or len(value) > 40 or value == "kind":
        raise ValueError
    return value


def _simple(value: Any) -> Any:
    if value is None or type(value) is bool:
        return value
    if type(value) is str and value.replace("_", "").isalnum() and len(value) <= 40:
        return value
    return _real(value)


_number = _whole(1)
_sizes = _either(_number, _tuple(_number, 3))
_axis = _whole(-6, 6)
_axes = _either(_axis, _tuple(_axis))
_activation = _optional(_one_of(*sorted(_ACTIVATIONS)))
_channels = _optional(_one_of("channels_last", "channels_first"))
_padding = _one_of("valid", "same")
_rate = _real
_reals = _either(_real, _tuple(_real, 4096), _tuple(_tuple(_real, 4096), 1))
_pad = _whole(0, 1024)
_pads = _either(_pad, _tuple(_either(_pad, _tuple(_pad, 2)), 3))

_COMMON: dict[str, Rule] = {"trainable": _yes_or_no, "dtype": _optional(_one_of(*_TYPES))}
_ACTIVE: dict[str, Rule] = {"activation": _activation, "use_bias": _yes_or_no}
_POOL: dict[str, Rule] = {
    "pool_size": _sizes,
    "strides": _optional(_sizes),
    "padding": _padding,
    "data_format": _channels,
}
_GLOBAL: dict[str, Rule] = {"data_format": _channels, "keepdims": _yes_or_no}
_CONV: dict[str, Rule] = {
    **_ACTIVE,
    "filters": _number,
    "kernel_size": _sizes,
    "strides": _sizes,
    "padding": _either(_padding, _one_of("causal")),
    "data_format": _channels,
    "dilation_rate": _sizes,
    "groups": _number,
}
_DEPTHWISE = {k: v for k, v in _CONV.items() if k not in ("filters", "groups")}
_DEPTHWISE["depth_multiplier"] = _number
_RNN: dict[str, Rule] = {
    **_ACTIVE,
    "units": _number,
    "return_sequences": _yes_or_no,
    "return_state": _one_of(False),
    "go_backwards": _yes_or_no,
    "stateful": _one_of(False),
    "unroll": _one_of(False),
    "zero_output_for_mask": _yes_or_no,
    "dropout": _rate,
    "recurrent_dropout": _rate,
}
_GATED = {**_RNN, "recurrent_activation": _activation}

KINDS: dict[str, dict[str, Rule]] = {
    "Dense": {**_ACTIVE, "units": _number},
    "Activation": {"activation": _activation},
    "ReLU": {"max_value": _optional(_real), "negative_slope": _real, "threshold": _real},
    "LeakyReLU": {"negative_slope": _real},
    "PReLU": {"shared_axes": _optional(_axes)},
    "ELU": {"alpha": _real},
    "Softmax": {"axis": _axes},
    "Flatten": {"data_format": _channels},
    "Reshape": {"target_shape": _tuple(_either(_one_of(-1), _whole(1, 1_000_000)))},
    "Permute": {"dims": _tuple(_whole(1, 6))},
    "RepeatVector": {"n": _number},
    "Rescaling": {"scale": _reals, "offset": _reals},
    "Normalization": {
        "axis": _optional(_axes),
        "invert": _yes_or_no,
        "mean": _optional(_reals),
        "variance": _optional(_reals),
    },
    "Dropout": {"rate": _rate, "noise_shape": _one_of(None)},
    "SpatialDropout1D": {"rate": _rate},
    "SpatialDropout2D": {"rate": _rate, "data_format": _channels},
    "GaussianNoise": {"stddev": _real},
    "GaussianDropout": {"rate": _rate},
    "BatchNormalization": {
        "axis": _axis,
        "momentum": _real,
        "epsilon": _real,
        "center": _yes_or_no,
        "scale": _yes_or_no,
        "synchronized": _one_of(False),
        "renorm": _one_of(False),
        "renorm_clipping": _one_of(None),
        "renorm_momentum": _real,
    },
    "LayerNormalization": {
        "axis": _axes,
        "epsilon": _real,
        "center": _yes_or_no,
        "scale": _yes_or_no,
        "rms_scaling": _yes_or_no,
    },
    "UnitNormalization": {"axis": _axes},
    "Conv1D": _CONV,
    "Conv2D": _CONV,
    "Conv2DTranspose": {**_CONV, "output_padding": _optional(_sizes)},
    "DepthwiseConv2D": _DEPTHWISE,
    "SeparableConv2D": {**_CONV, "depth_multiplier": _number},
    "MaxPooling1D": _POOL,
    "MaxPooling2D": _POOL,
    "AveragePooling1D": _POOL,
    "AveragePooling2D": _POOL,
    "GlobalMaxPooling1D": _GLOBAL,
    "GlobalMaxPooling2D": _GLOBAL,
    "GlobalAveragePooling1D": _GLOBAL,
    "GlobalAveragePooling2D": _GLOBAL,
    "UpSampling2D": {
        "size": _sizes,
        "data_format": _channels,
        "interpolation": _one_of("nearest", "bilinear"),
    },
    "ZeroPadding1D": {"padding": _pads, "data_format": _channels},
    "ZeroPadding2D": {"padding": _pads, "data_format": _channels},
    "Embedding": {
        "input_dim": _whole(1, 1_000_000),
        "output_dim": _number,
        "mask_zero": _yes_or_no,
        "input_length": _one_of(None),
    },
    "SimpleRNN": _RNN,
    "LSTM": {**_GATED, "unit_forget_bias": _yes_or_no},
    "GRU": {**_GATED, "reset_after": _yes_or_no},
    "Concatenate": {"axis": _axis},
    **{kind: {} for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
}
MANY = frozenset(["Concatenate", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])


def read_settings(kind: str, data: Any) -> Mapping[str, Any]:
    """Return a layer's settings; one that is None and unknown is left out.

    Raises:
        ForgedError: a setting is unknown, or it has a value that is not on the list.
    """
    if type(data) is not dict or len(data) > 60:
        raise ForgedError(f"has a `{kind}` without settings")
    read: dict[str, Any] = {}
    for key, value in data.items():
        shown = key[:40] if type(key) is str and key.isidentifier() else "?"
        rule = _rule(kind, key)
        if rule is None and value is None:
            continue  # a newer Keras has a setting that nobody has set
        try:
            if rule is None:
                raise ValueError
            read[key] = rule(value)
        except (ValueError, RecursionError):
            raise ForgedError(
                f"has a `{kind}` whose `{shown}` this check cannot rebuild: use names and numbers "
                "that Keras itself knows"
            ) from None
    missing = [key for key in ("units", "filters", "activation") if key in KINDS[kind]]
    for key in missing:
        if key not in read:
            raise ForgedError(f"has a `{kind}` without `{key}`")
    return read


def _rule(kind: str, key: Any) -> Rule | None:
    if type(key) is not str:
        return None
    rule = KINDS[kind].get(key) or _COMMON.get(key)
    if rule is None:
        for what in _NAMES:
            if key.endswith(f"_{what}"):
                return _named(what)
    return rule
