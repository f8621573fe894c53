// Recurrent layers for one sequence, as dllab.scratch computes them (`// @needs activations.js`
// before it). Shared by several figures; it draws nothing.
//
//   const weights = { K: [[0.5]], R: [[0.8]], b: [0] };       // (features, units), (units, units), (units)
//   const run = DLLab.recurrent.simple([[1], [0]], weights);  // run.h[t] is the state after t steps
//   DLLab.recurrent.back([[1], [0]], run, weights, [[0], [1]]);
//
// The blocks of columns stand in Keras's order: i, f, g, o for the LSTM and u, r, g for the GRU.
(function () {
  "use strict";

  const sigmoid = (z) => DLLab.activations.sigmoid.value(z);

  // A row times a matrix: (n) times (n, m) gives (m).
  function times(row, matrix) {
    return matrix[0].map((_, j) => row.reduce((sum, value, i) => sum + value * matrix[i][j], 0));
  }

  function add(a, b) {
    return a.map((value, i) => value + b[i]);
  }

  function zeros(rows, columns) {
    return Array.from({ length: rows }, () => new Array(columns).fill(0));
  }

  // All steps of a simple layer: the pre-activations z[t] and the states h[t], h[0] = 0.
  function simple(inputs, w, activation) {
    const f = DLLab.activations[activation || "tanh"].value;
    const h = [w.b.map(() => 0)], z = [];
    inputs.forEach((x, t) => {
      z.push(add(add(times(x, w.K), times(h[t], w.R)), w.b));
      h.push(z[t].map(f));
    });
    return { z: z, h: h };
  }

  // Backpropagation through time. `sent[t]` is what the loss sends to the state after step t + 1.
  function back(inputs, run, w, sent, activation) {
    const slope = DLLab.activations[activation || "tanh"].slope, units = w.b.length;
    const gradient = { x: [], K: zeros(w.K.length, units), R: zeros(units, units), b: w.b.map(() => 0) };
    let carried = w.b.map(() => 0);
    for (let t = inputs.length - 1; t >= 0; t--) {
      const bar = add(sent[t], carried).map((value, j) => value * slope(run.z[t][j]));
      bar.forEach((value, j) => {
        inputs[t].forEach((x, i) => { gradient.K[i][j] += x * value; });
        run.h[t].forEach((h, i) => { gradient.R[i][j] += h * value; }); // the state before the step
        gradient.b[j] += value;
      });
      gradient.x[t] = w.K.map((row) => row.reduce((sum, k, j) => sum + k * bar[j], 0));
      carried = w.R.map((row) => row.reduce((sum, r, j) => sum + r * bar[j], 0));
    }
    return gradient;
  }

  // The slopes of one unit's last state with respect to each input, (time, features).
  function reach(inputs, run, w, unit, activation) {
    const sent = zeros(inputs.length, w.b.length);
    sent[inputs.length - 1][unit] = 1;
    return back(inputs, run, w, sent, activation).x;
  }

  function block(row, number, units) {
    return row.slice(number * units, (number + 1) * units);
  }

  // One LSTM step: the gates, the candidate g, and the new cell c and state h.
  function lstm(x, before, w) {
    const units = before.h.length, z = add(add(times(x, w.K), times(before.h, w.R)), w.b);
    const i = block(z, 0, units).map(sigmoid), f = block(z, 1, units).map(sigmoid);
    const g = block(z, 2, units).map(Math.tanh), o = block(z, 3, units).map(sigmoid);
    const c = before.c.map((old, j) => f[j] * old + i[j] * g[j]);
    return { i: i, f: f, g: g, o: o, c: c, h: c.map((value, j) => o[j] * Math.tanh(value)) };
  }

  // One GRU step as Keras computes it: the reset gate acts after the product, b has two rows.
  function gru(x, before, w) {
    const units = before.h.length;
    const a = add(times(x, w.K), w.b[0]), b = add(times(before.h, w.R), w.b[1]);
    const u = block(add(a, b), 0, units).map(sigmoid), r = block(add(a, b), 1, units).map(sigmoid);
    const g = block(a, 2, units).map((value, j) => Math.tanh(value + r[j] * b[2 * units + j]));
    return { u: u, r: r, g: g, h: before.h.map((old, j) => u[j] * old + (1 - u[j]) * g[j]) };
  }

  // Walk a gated cell through a sequence from zeros; entry t is what its step gave.
  function walk(step, inputs, w, units) {
    const zero = new Array(units).fill(0);
    let state = { h: zero, c: zero };
    return inputs.map((x) => { state = step(x, state, w); return state; });
  }

  DLLab.recurrent = { simple: simple, back: back, reach: reach, lstm: lstm, gru: gru, walk: walk };
})();
