// Dense networks that learn in the browser, by the same formulas as dllab.scratch: forward pass,
// backpropagation, mini-batches, SGD with momentum, Adam, weight decay, dropout.
// @needs activations.js
// Shared by several figures; it draws nothing and keeps to the random numbers that it is given.
//
//   const net = DLLab.network.create([2, 8, 1], "tanh", DLLab.random(0));
//   const rule = DLLab.network.optimizer(net, { kind: "adam", rate: 0.01 });
//   DLLab.network.epoch(net, rule, x, y, rows, { batch: 16, random: DLLab.random(1) });
//   DLLab.network.evaluate(net, x, y, rows)   // { loss, accuracy }
//
// Inputs are flat: example i stands at x[i * inputs] and after. Labels are class numbers. A network
// with one output gives the logit of class 1, one with more outputs gives a logit for each class.
DLLab.network = (function () {
  "use strict";

  // These pass on about half of the variance of their input, so He's initialization fits them.
  const HALVING = ["relu", "leaky_relu", "elu", "gelu", "softplus"];

  // One layer with room for all that a pass needs, so that no pass makes garbage.
  // W[i * outputs + j] leads from input i to unit j, as in `x @ W + b`.
  function layer(inputs, outputs, activation) {
    const room = (size) => new Float64Array(size);
    return {
      inputs: inputs, outputs: outputs, g: DLLab.activations[activation],
      W: room(inputs * outputs), b: room(outputs),
      gradW: room(inputs * outputs), gradb: room(outputs),
      z: room(outputs), a: room(outputs), delta: room(outputs), mask: room(outputs).fill(1),
    };
  }

  // sizes: [inputs, hidden units…, outputs]. The last layer gives logits. Biases start at 0.
  function create(sizes, activation, random) {
    const layers = [];
    for (let l = 1; l < sizes.length; l++) {
      const name = l === sizes.length - 1 ? "identity" : activation;
      const made = layer(sizes[l - 1], sizes[l], name);
      const spread = Math.sqrt(2 / sizes[l - 1]), limit = Math.sqrt(6 / (sizes[l - 1] + sizes[l]));
      const he = HALVING.indexOf(name) >= 0;
      for (let k = 0; k < made.W.length; k++) {
        made.W[k] = he ? spread * random.normal() : limit * (2 * random.uniform() - 1);
      }
      layers.push(made);
    }
    return {
      sizes: sizes, layers: layers, x: new Float64Array(sizes[0]),
      parameters: [].concat(...layers.map((at) => [
        { values: at.W, gradient: at.gradW, decays: true },
        { values: at.b, gradient: at.gradb, decays: false },
      ])),
    };
  }

  // Put in weights: [W1, b1, W2, b2, …], each flat.
  function load(net, arrays) {
    net.parameters.forEach((parameter, k) => parameter.values.set(arrays[k]));
    return net;
  }

  function weights(net) {
    return net.parameters.map((parameter) => Array.from(parameter.values));
  }

  // -- forward ------------------------------------------------------------------------------------

  function activate(at, input) {
    const outputs = at.outputs, W = at.W, z = at.z;
    for (let j = 0; j < outputs; j++) z[j] = at.b[j];
    for (let i = 0; i < at.inputs; i++) {
      const a = input[i];
      if (a === 0) continue;
      for (let j = 0, k = i * outputs; j < outputs; j++, k++) z[j] += a * W[k];
    }
    for (let j = 0; j < outputs; j++) at.a[j] = at.g.value(z[j]);
  }

  // One example through all layers; what each layer gives stays in `layers[l].a`.
  // With a dropout rate, hidden units are masked, and the kept ones grow by 1 / (1 - rate).
  function pass(net, dropout, random) {
    let input = net.x;
    for (let l = 0; l < net.layers.length; l++) {
      const at = net.layers[l];
      activate(at, input);
      if (dropout > 0 && l < net.layers.length - 1) {
        for (let j = 0; j < at.outputs; j++) {
          at.mask[j] = random.uniform() >= dropout ? 1 / (1 - dropout) : 0;
          at.a[j] *= at.mask[j];
        }
      }
      input = at.a;
    }
    return input;
  }

  // The logits of one example. The array is the network's own and changes with the next call.
  function predict(net, x) {
    net.x.set(x);
    return pass(net, 0, null);
  }

  // The activations of all layers for one example, the example first, the logits last.
  function forward(net, x) {
    predict(net, x);
    return [net.x].concat(net.layers.map((at) => at.a));
  }

  function readRow(net, x, row) {
    const inputs = net.sizes[0];
    for (let i = 0; i < inputs; i++) net.x[i] = x[row * inputs + i];
  }

  // -- the loss of one example, from its logits; `slopes` gets the derivative by each logit ---------

  function binaryLoss(z, label, slopes) {
    slopes[0] = DLLab.activations.sigmoid.value(z[0]) - label;
    return DLLab.activations.softplus.value(label ? -z[0] : z[0]);
  }

  function softmaxLoss(z, label, slopes) {
    let largest = z[0], total = 0;
    for (let j = 1; j < z.length; j++) largest = Math.max(largest, z[j]);
    for (let j = 0; j < z.length; j++) total += slopes[j] = Math.exp(z[j] - largest);
    for (let j = 0; j < z.length; j++) slopes[j] /= total;
    slopes[label] -= 1;
    return largest + Math.log(total) - z[label];
  }

  function lossOf(net, label, slopes) {
    const z = net.layers[net.layers.length - 1].a;
    return z.length === 1 ? binaryLoss(z, label, slopes) : softmaxLoss(z, label, slopes);
  }

  // -- backward -------------------------------------------------------------------------------------

  // Add one example's gradients; the last layer's `delta` holds the slopes at the logits.
  function back(net) {
    for (let l = net.layers.length - 1; l >= 0; l--) {
      const at = net.layers[l], below = l ? net.layers[l - 1] : null;
      const input = below ? below.a : net.x, outputs = at.outputs;
      for (let j = 0; j < outputs; j++) at.gradb[j] += at.delta[j];
      for (let i = 0; i < at.inputs; i++) {
        const a = input[i];
        let sum = 0;
        for (let j = 0, k = i * outputs; j < outputs; j++, k++) {
          at.gradW[k] += a * at.delta[j];
          sum += at.W[k] * at.delta[j];
        }
        // the same mask on the way back; below its activation stands the pre-activation
        if (below) below.delta[i] = sum * below.mask[i] * below.g.slope(below.z[i]);
      }
    }
  }

  // The mean loss of the rows and its gradients, in `parameters[k].gradient`.
  //   options: decay (λ, adds λ/2 times the sum of squared weights), dropout, random
  function gradients(net, x, y, rows, options) {
    const decay = options.decay || 0, dropout = options.dropout || 0, last = net.layers[net.layers.length - 1];
    let loss = 0;
    net.parameters.forEach((parameter) => parameter.gradient.fill(0));
    if (dropout === 0) net.layers.forEach((at) => at.mask.fill(1));
    for (let r = 0; r < rows.length; r++) {
      readRow(net, x, rows[r]);
      pass(net, dropout, options.random);
      loss += lossOf(net, y[rows[r]], last.delta);
      back(net);
    }
    loss /= rows.length;
    for (let p = 0; p < net.parameters.length; p++) {
      const parameter = net.parameters[p], own = parameter.decays ? decay : 0;
      for (let k = 0; k < parameter.values.length; k++) {
        const w = parameter.values[k];
        parameter.gradient[k] = parameter.gradient[k] / rows.length + own * w;
        loss += own * w * w / 2;
      }
    }
    return loss;
  }

  // -- steps ----------------------------------------------------------------------------------------

  // options: kind ("sgd", "momentum" or "adam"), rate, decay (λ), momentum, beta1, beta2, epsilon.
  // SGD takes the decay as a part of the gradient; Adam applies it beside its step (AdamW).
  function optimizer(net, options) {
    const given = Object.assign({ kind: "sgd", rate: 0.1, decay: 0, momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }, options);
    if (given.kind === "sgd") given.momentum = 0;
    const zeros = () => net.parameters.map((parameter) => new Float64Array(parameter.values.length));
    return Object.assign(given, { steps: 0, first: zeros(), second: zeros() });
  }

  function descend(parameter, v, rule) {
    for (let k = 0; k < v.length; k++) {
      v[k] = rule.momentum * v[k] - rule.rate * parameter.gradient[k];
      parameter.values[k] += v[k];
    }
  }

  function descendAdam(parameter, m, v, rule) {
    const correction = Math.sqrt(1 - Math.pow(rule.beta2, rule.steps)) / (1 - Math.pow(rule.beta1, rule.steps));
    const shrink = parameter.decays ? rule.rate * rule.decay : 0;
    for (let k = 0; k < v.length; k++) {
      const g = parameter.gradient[k];
      m[k] = rule.beta1 * m[k] + (1 - rule.beta1) * g;
      v[k] = rule.beta2 * v[k] + (1 - rule.beta2) * g * g;
      parameter.values[k] -= shrink * parameter.values[k] + rule.rate * correction * m[k] / (Math.sqrt(v[k]) + rule.epsilon);
    }
  }

  // One step on the rows of a batch; returns the batch's loss before it.
  function step(net, rule, x, y, rows, options) {
    const adam = rule.kind === "adam";
    const loss = gradients(net, x, y, rows, { decay: adam ? 0 : rule.decay, dropout: options.dropout, random: options.random });
    rule.steps += 1;
    net.parameters.forEach((parameter, p) => {
      if (adam) descendAdam(parameter, rule.first[p], rule.second[p], rule);
      else descend(parameter, rule.first[p], rule);
    });
    return loss;
  }

  // Go through all rows once, in a new order, in batches.
  //   options: batch, dropout, random
  function epoch(net, rule, x, y, rows, options) {
    const order = Int32Array.from(options.random.shuffled(rows));
    for (let from = 0; from < order.length; from += options.batch) {
      step(net, rule, x, y, order.subarray(from, from + options.batch), options);
    }
  }

  // Loss and share of right answers, without dropout and without the penalty.
  function evaluate(net, x, y, rows) {
    const last = net.layers[net.layers.length - 1];
    let loss = 0, right = 0;
    for (let r = 0; r < rows.length; r++) {
      const label = y[rows[r]];
      readRow(net, x, rows[r]);
      pass(net, 0, null);
      loss += lossOf(net, label, last.delta);
      if (answer(last.a) === label) right += 1;
    }
    return { loss: loss / rows.length, accuracy: right / rows.length };
  }

  function answer(z) {
    if (z.length === 1) return z[0] > 0 ? 1 : 0;
    let best = 0;
    for (let j = 1; j < z.length; j++) if (z[j] > z[best]) best = j;
    return best;
  }

  return {
    create: create, load: load, weights: weights, predict: predict, forward: forward, gradients: gradients,
    optimizer: optimizer, step: step, epoch: epoch, evaluate: evaluate, answer: answer,
  };
})();
