// The roofline: how fast a machine can compute an operation that does I floating-point operations
// for each byte that it moves. Left of the ridge the memory is the limit, right of it the arithmetic.
(function () {
  "use strict";

  const KERNEL = 3, SIDE = 32; // the convolution: 3 by 3, on feature maps of 32 by 32
  const START = { peak: 2, band: 1.30103, op: "dense", i: 1000, o: 1000, n: 1, bytes: "4" };
  const LAPTOP = { peak: 2, band: 1.30103 };                       // 100 GFLOP/s, 20 GB/s
  const H100 = { peak: 4.826075, band: 3.525045 };                 // 67 TFLOP/s in float32, 3.35 TB/s
  const H100_HALF = { peak: 5.995196, band: 3.525045, bytes: "2" }; // 989 TFLOP/s in bfloat16
  const MACHINES = [
    ["Laptop CPU", Object.assign({ bytes: "4" }, LAPTOP)],
    ["H100, float32", Object.assign({ bytes: "4" }, H100)],
    ["H100, bfloat16", H100_HALF],
  ];
  const OPERATIONS = [
    ["ReLU", { op: "relu", i: 1000, n: 256 }],
    ["Dense, batch 1", { op: "dense", i: 1000, o: 1000, n: 1 }],
    ["Dense, batch 256", { op: "dense", i: 1000, o: 1000, n: 256 }],
    ["Convolution", { op: "conv", i: 64, o: 64, n: 1 }],
  ];
  const NAMES = { dense: "The dense layer", relu: "The ReLU", conv: "The convolution" };

  // -- the model ---------------------------------------------------------------------------------

  // Operations and bytes of one call: each input, weight and output crosses the memory bus once.
  // A multiplication and an addition count as two operations.
  // `call` holds op, n examples, i inputs, o outputs (or channels), each: bytes of a number.
  function work(call) {
    const places = call.op === "conv" ? SIDE * SIDE : 1, inputs = call.n * places * call.i;
    if (call.op === "relu") return { flops: inputs, bytes: 2 * inputs * call.each };
    const weights = call.i * call.o * (call.op === "conv" ? KERNEL * KERNEL : 1);
    const outputs = call.n * places * call.o;
    return { flops: 2 * call.n * places * weights, bytes: call.each * (inputs + weights + outputs) };
  }

  // What a machine makes of it: peak in operations, bandwidth in bytes a second.
  function roof(peak, bandwidth, done) {
    const intensity = done.flops / done.bytes, attainable = Math.min(peak, intensity * bandwidth);
    const ridge = peak / bandwidth;
    return {
      intensity: intensity, attainable: attainable, ridge: ridge, share: attainable / peak,
      bound: intensity < ridge ? "memory" : "compute", seconds: done.flops / attainable,
    };
  }

  // The batch at which an operation reaches the ridge r, or Infinity: 2 n p w = r e (n p (i + o) + w)
  // with w weights, each used at p places, and e bytes a number, solved for n.
  function batchAtRidge(call, ridge) {
    if (call.op === "relu") return 1 / (2 * call.each) >= ridge ? 1 : Infinity;
    const places = call.op === "conv" ? SIDE * SIDE : 1;
    const weights = call.i * call.o * (call.op === "conv" ? KERNEL * KERNEL : 1);
    const gain = 2 * places * weights - ridge * call.each * places * (call.i + call.o);
    return gain > 0 ? ridge * call.each * weights / gain : Infinity;
  }

  DLLab.models.roofline = { work: work, roof: roof, batchAtRidge: batchAtRidge };

  // -- words -------------------------------------------------------------------------------------

  const n = (value) => DLLab.number(value, 3);

  // A rate in the unit that leaves a number from 1 to 1000: 67 TFLOP/s.
  function unit(value, name) {
    const at = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find((u) => value >= 0.9995 * u[0]) || [1, ""];
    return n(value / at[0]) + " " + at[1] + name;
  }

  function time(seconds) {
    const at = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]].find((u) => seconds >= u[0]) || [1e-9, "ns"];
    return n(seconds / at[0]) + " " + at[1];
  }

  function sentence(call, r) {
    const name = NAMES[call.op], least = batchAtRidge(call, r.ridge);
    const where = name + " does " + n(r.intensity) + " FLOP for each byte; the ridge lies at " + n(r.ridge) + ". ";
    const bound = r.bound === "memory"
      ? "So it is memory-bound: at most " + unit(r.attainable, "FLOP/s") + ", " + n(100 * r.share) + " % of the peak. "
      : "So it is compute-bound: the peak of " + unit(r.attainable, "FLOP/s") + " is the limit. ";
    if (call.op === "relu") return where + bound + "The batch changes nothing: a larger one moves as many more bytes.";
    if (least === Infinity) return where + bound + "No batch reaches the ridge: with layers of this size the inputs and outputs alone move too many bytes.";
    return where + bound + "From a batch of " + Math.max(1, Math.ceil(least - 1e-9)) + " on it is compute-bound.";
  }

  // -- the figure --------------------------------------------------------------------------------

  function buttons(ui, parent, label, entries) {
    const box = DLLab.make("div", parent, { class: "w-buttons", role: "group", "aria-label": label });
    entries.forEach((entry) => {
      const button = ui.button(box, entry[0], () => ui.set(entry[1]));
      ui.bind(() => button.setAttribute("aria-pressed", String(Object.keys(entry[1]).every((k) =>
        typeof entry[1][k] === "number" ? Math.abs(ui.state[k] - entry[1][k]) < 1e-5 : ui.state[k] === entry[1][k]))));
    });
  }

  function controls(ui) {
    const rate = (exponent) => unit(Math.pow(10, exponent + 9), "");
    ui.slider(ui.controls, "peak", { label: "Peak, FLOP/s", min: 0, max: 6.5, step: 0.05, format: rate });
    ui.slider(ui.controls, "band", { label: "Bandwidth, bytes/s", min: 0, max: 4, step: 0.05, format: rate });
    ui.choice(ui.controls, "op", { label: "Operation", options: [["dense", "dense layer"], ["conv", "convolution, 3 × 3"], ["relu", "ReLU"]] });
    const size = { min: 16, max: 4096, step: 8, format: (v) => String(v) };
    const inputs = ui.slider(ui.controls, "i", Object.assign({ label: "Inputs" }, size));
    const outputs = ui.slider(ui.controls, "o", Object.assign({ label: "Units" }, size));
    ui.slider(ui.controls, "n", { label: "Batch", min: 1, max: 1024, step: 1, format: (v) => String(v) });
    ui.choice(ui.controls, "bytes", { label: "Bytes a number", options: [["8", "8 (float64)"], ["4", "4 (float32)"], ["2", "2 (bfloat16)"], ["1", "1 (int8)"]] });
    ui.bind(() => {
      ["i", "o", "n"].forEach((key) => { ui.state[key] = Math.round(ui.state[key]); });
      const conv = ui.state.op === "conv";
      inputs.parentNode.firstChild.textContent = conv ? "Input channels" : ui.state.op === "relu" ? "Numbers a row" : "Inputs";
      outputs.parentNode.firstChild.textContent = conv ? "Output channels" : "Units";
      outputs.parentNode.hidden = ui.state.op === "relu";
    });
  }

  const decade = (p) => (p < 0 ? "0." + "0".repeat(-p - 1) + "1" : p < 5 ? String(Math.pow(10, p)) : "10" + "⁰¹²³⁴⁵⁶⁷⁸⁹"[p]);

  function addChart(ui) {
    const places = [-2, -1, 0, 1, 2, 3, 4];
    return DLLab.chart(ui.view, {
      label: "Roofline: attainable operations a second against operations a byte, both logarithmic, with the operation as a point",
      x: [-2, 4], y: [0.1, 1000], logY: true, xticks: () => places.map((p) => [p, decade(p)]),
      xlabel: "arithmetic intensity (FLOP/byte)", height: 270,
    });
  }

  function draw(chart, peak, bandwidth, r) {
    const top = Math.ceil(Math.log10(peak / 1e9) + 0.15);
    chart.frame([-2, 4], [Math.pow(10, top - 5), Math.pow(10, top)]);
    const x = Math.log10(r.intensity), corner = Math.log10(r.ridge), high = peak / 1e9;
    const under = (place) => Math.min(high, Math.pow(10, place) * bandwidth / 1e9);
    chart.line("slope", [[-2, under(-2)], [corner, high]].map((p) => [p[0], Math.max(p[1], 1e-30)]), "w-blue");
    chart.line("flat", [[corner, high], [4, high]], "w-orange");
    chart.line("ridge", [[corner, high], [corner, Math.pow(10, top - 5)]], "w-quiet w-thin w-dashed");
    chart.line("drop", [[x, under(x)], [x, Math.pow(10, top - 5)]], "w-ink w-thin");
    chart.dots("here", [[x, r.attainable / 1e9]], "w-ink", 6, r.bound === "memory" ? "circle" : "square");
    const low = Math.pow(10, top - 4.85);
    chart.word("memory", Math.max(-1.9, Math.min(corner, 4) - 0.1), low, "memory-bound", "w-blue w-halo", corner > -0.4 ? "end" : "start");
    chart.word("compute", Math.min(corner + 0.1, 4), low, corner < 2.4 ? "compute-bound" : "", "w-orange w-halo", "start");
  }

  DLLab.widget("roofline", START, function (ui) {
    const top = DLLab.make("div", null, { class: "w-presets w-stacked" });
    ui.root.insertBefore(top, ui.root.firstChild);
    buttons(ui, top, "Machines", MACHINES);
    buttons(ui, top, "Operations", OPERATIONS);
    ui.view.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    DLLab.make("p", ui.view, { class: "w-caption" }, "Rate in GFLOP/s; both axes are logarithmic");
    const chart = addChart(ui);
    DLLab.make("p", ui.view, { class: "w-caption" }, "The roof: bandwidth times operations a byte, up to the peak. Circle: memory-bound; square: compute-bound.");
    const table = DLLab.table(ui.view, "One call of the operation", ["Operations", "Bytes", "Rate at most", "Time at least"]);
    controls(ui);
    return function update() {
      const s = ui.state, call = { op: s.op, n: s.n, i: s.i, o: s.o, each: Number(s.bytes) };
      const peak = Math.pow(10, s.peak + 9), bandwidth = Math.pow(10, s.band + 9);
      const done = work(call), r = roof(peak, bandwidth, done);
      draw(chart, peak, bandwidth, r);
      table.rows([[unit(done.flops, "FLOP"), unit(done.bytes, "B"), unit(r.attainable, "FLOP/s"), time(r.seconds)]]);
      ui.say(sentence(call, r));
    };
  });
})();
