"""The models in plain PyTorch: its functions and recurrent modules, fed with Keras's weights.

`run(case)` answers an `Outcome`. A model takes the weights `w`, the moving averages `state`, the
inputs, the mask and whether it trains; it returns the logits `(batch, classes)` and the new state.
The weights stay in Keras's layout and each model turns them into PyTorch's where it uses them, so
that every conversion stands in the open and gradients come back through it.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence

from dllab.parity.cases import Case, Outcome
from dllab.parity.steps import STEPS

__all__ = ["run"]


def dense(w: Any, name: str, x: Any) -> Any:
    return F.linear(x, w[f"{name}.kernel"].T, w[f"{name}.bias"])  # (units_out, units_in)


def mlp(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    a = F.relu(dense(w, "hidden", x))  # (batch, 5)
    return dense(w, "logits", a), state


def cnn(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    x = x.permute(0, 3, 1, 2)  # NHWC to NCHW
    kernel = w["conv.kernel"].permute(3, 2, 0, 1)  # HWIO to OIHW
    x = F.pad(x, (0, 1, 0, 1))  # "same" at an even size and stride 2: right and below alone
    z = F.conv2d(x, kernel, stride=2)
    z, state = batch_normalization(w, state, z, training)  # (batch, 4, 4, 4)
    a = F.max_pool2d(F.relu(z), 2)
    a = a.permute(0, 2, 3, 1).flatten(1)  # back to NHWC: Dense expects the features in this order
    return dense(w, "logits", a), state  # 2 * 2 * 4 features


def batch_normalization(w: Any, state: Any, z: Any, training: bool) -> Any:
    mean, variance = state["norm.moving_mean"], state["norm.moving_variance"]
    scale_shift = (w["norm.gamma"], w["norm.beta"])
    if not training:
        return F.batch_norm(z, mean, variance, *scale_shift, eps=1e-3), state
    y = F.batch_norm(z, None, None, *scale_shift, training=True, eps=1e-3)
    # by hand, since PyTorch would divide the variance by n - 1
    batch_variance, batch_mean = torch.var_mean(z.detach(), (0, 2, 3), correction=0)
    return y, {
        "norm.moving_mean": 0.99 * mean + 0.01 * batch_mean,
        "norm.moving_variance": 0.99 * variance + 0.01 * batch_variance,
    }


def lstm(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    module = torch.nn.LSTM(3, 4, batch_first=True, dtype=x.dtype)  # gates i, f, g, o as in Keras
    packed = pack_padded_sequence(x, mask.sum(1), batch_first=True, enforce_sorted=False)
    ported = {
        "weight_ih_l0": w["lstm.kernel"].T,
        "weight_hh_l0": w["lstm.recurrent_kernel"].T,
        "bias_ih_l0": w["lstm.bias"],
        "bias_hh_l0": torch.zeros_like(w["lstm.bias"]),  # one bias too many
    }
    _, (h, _) = functional_call(module, ported, (packed,))
    return dense(w, "logits", h[-1]), state


def gru(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    module = torch.nn.GRU(3, 4, batch_first=True, dtype=x.dtype)  # gates r, z, n: Keras has z, r, n
    ported = {
        "weight_ih_l0": swap_gates(w["gru.kernel"]).T,
        "weight_hh_l0": swap_gates(w["gru.recurrent_kernel"]).T,
        "bias_ih_l0": swap_gates(w["gru.bias"][0]),
        "bias_hh_l0": swap_gates(w["gru.bias"][1]),
    }
    _, h = functional_call(module, ported, (x,))
    return dense(w, "logits", h[-1]), state


def swap_gates(kernel: Any) -> Any:
    z, r, n = kernel.chunk(3, dim=-1)
    return torch.cat((r, z, n), dim=-1)


def text(w: Any, state: Any, x: Any, mask: Any, training: bool) -> Any:
    e = F.embedding(x, w["embedding.embeddings"])  # (batch, time, 4)
    y = F.layer_norm(e, (4,), w["norm.gamma"], w["norm.beta"], eps=1e-3)
    return dense(w, "logits", y.mean(1)), state


def loss_of(w: Any, x: Any, state: Any, mask: Any, labels: Any, model: Any) -> Any:
    logits, state = model(w, state, x, mask, training=True)
    return F.cross_entropy(logits, labels), (logits, state)  # (input, target), mean over the batch


def run(case: Case) -> Outcome:
    """Compute what a case asks for, in the precision of its arrays."""
    model, step = globals()[case.name], STEPS[case.optimizer]
    w = {name: torch.tensor(array) for name, array in case.weights.items()}
    state = {name: torch.tensor(array) for name, array in case.state.items()}
    x, labels = torch.tensor(case.x), torch.tensor(case.labels)
    mask = None if case.mask is None else torch.tensor(case.mask)
    answers, memory = [], dict.fromkeys(w)
    for t in range(1, case.steps + 1):
        watched = [v.requires_grad_() for v in (*w.values(), x) if v.is_floating_point()]
        loss, (logits, state) = loss_of(w, x, state, mask, labels, model)
        found = torch.autograd.grad(loss, watched)  # returned, not added to `.grad`
        gradients = dict(zip(w, found, strict=False))
        answers.append((logits, loss, found[len(w) :], gradients))
        for name, g in gradients.items():
            w[name], memory[name] = step(w[name].detach(), g, memory[name], t, **case.settings)
    predictions, _ = model(w, state, x, mask, training=False)
    logits, loss, x_gradient, gradients = answers[0]
    return Outcome(
        outputs=_array(logits),
        loss=_array(loss),
        input_gradient=_array(x_gradient[0]) if x_gradient else None,
        weight_gradients={name: _array(g) for name, g in gradients.items()},
        weights={name: _array(value) for name, value in (w | state).items()},
        predictions=_array(predictions),
    )


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
