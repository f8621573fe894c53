// The activation functions of dllab.scratch.activations, each with its slope, and the softmax.
// Shared by several figures (`// @needs activations.js`); it draws nothing.
//
//   DLLab.activations.relu.value(2)   // 2
//   DLLab.activations.relu.slope(2)   // 1, the derivative at the pre-activation z = 2
//   DLLab.softmax([1000, 1000])       // [0.5, 0.5]
(function () {
  "use strict";

  const LEAK = 0.01; // the slope of the leaky ReLU where z is negative
  const ALPHA = 1; // the ELU tends to -ALPHA

  // The form whose exponent is negative: no overflow at ±1000.
  function sigmoid(z) {
    const small = Math.exp(-Math.abs(z));
    return (z >= 0 ? 1 : small) / (1 + small);
  }

  // 1 - erf(x), which JavaScript has not: near 0 the series of erf, whose terms are all positive;
  // further out the continued fraction, from its far end, so that no digit cancels.
  function erfc(x) {
    if (x < 0) return 2 - erfc(-x);
    if (x < 2) {
      let term = x, sum = x;
      for (let n = 1; n < 60; n++) {
        term *= (2 * x * x) / (2 * n + 1);
        sum += term;
      }
      return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
    }
    let below = x;
    for (let n = 120; n > 0; n--) below = x + n / 2 / below;
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / below;
  }

  function normalCdf(z) {
    return 0.5 * erfc(-z / Math.SQRT2);
  }

  function normalDensity(z) {
    return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  }

  DLLab.activations = {
    relu: { value: (z) => Math.max(z, 0), slope: (z) => (z > 0 ? 1 : 0) },
    leaky_relu: { value: (z) => (z > 0 ? z : LEAK * z), slope: (z) => (z > 0 ? 1 : LEAK) },
    elu: { value: (z) => (z > 0 ? z : ALPHA * Math.expm1(z)), slope: (z) => (z > 0 ? 1 : ALPHA * Math.exp(z)) },
    gelu: { value: (z) => z * normalCdf(z), slope: (z) => normalCdf(z) + z * normalDensity(z) },
    softplus: { value: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))), slope: sigmoid },
    sigmoid: { value: sigmoid, slope: (z) => sigmoid(z) * sigmoid(-z) },
    tanh: { value: Math.tanh, slope: (z) => 1 - Math.tanh(z) ** 2 },
    identity: { value: (z) => z, slope: () => 1 },
  };

  // Less the largest score: it changes nothing in the quotient, and no exponent is above 0.
  DLLab.softmax = function (values) {
    const largest = Math.max.apply(null, values);
    const powers = values.map((z) => Math.exp(z - largest));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  };
})();
