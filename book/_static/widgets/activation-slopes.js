// An activation function with its slope at a point that one moves, and what becomes of that slope
// through many layers: a chain of single units, z = w a + b and a = g(z), as in the chapter.
// @needs activations.js
(function () {
  "use strict";

  const NAMES = [
    ["sigmoid", "sigmoid"], ["tanh", "tanh"], ["relu", "ReLU"], ["leaky_relu", "leaky ReLU (α = 0.01)"],
    ["elu", "ELU (α = 1)"], ["gelu", "GELU"], ["softplus", "softplus"], ["identity", "identity (none)"],
  ];
  const FLAT = 0.05; // a slope below this we call nearly flat
  const LOW = -6, HIGH = 6;
  const START = { g: "sigmoid", z: 0.5, layers: 10, w: 1, b: 0 };
  const PRESETS = [
    ["Sigmoids vanish", { g: "sigmoid", z: 0.5, layers: 20, w: 1, b: 0 }],
    ["A ReLU is off", { g: "relu", z: -0.5, layers: 5, w: 1, b: 0 }],
    ["Weights too large explode", { g: "relu", z: 0.5, layers: 20, w: 2, b: 0 }],
    ["Large weights saturate tanh", { g: "tanh", z: 0.5, layers: 10, w: 4, b: 0 }],
    ["The example by hand", { g: "sigmoid", z: Math.log(3), layers: 2, w: 4, b: -3 }],
  ];

  // -- the mathematics ------------------------------------------------------------------------------

  // Each unit's pre-activation, value and slope, and the product of all slopes and weights so far:
  // how many times as much its activation moves as z of the first unit.
  function chain(name, z1, w, b, layers) {
    const g = DLLab.activations[name], units = [];
    let z = z1, product = 1;
    for (let i = 0; i < layers; i++) {
      product *= (i ? w : 1) * g.slope(z);
      units.push({ z: z, a: g.value(z), slope: g.slope(z), product: product });
      z = w * g.value(z) + b;
    }
    return units;
  }

  // The ranges of z in which the slope is nearly 0, on a grid of 1/100.
  function flat(name, low, high) {
    const found = [], slope = DLLab.activations[name].slope;
    let start = null;
    for (let i = Math.round(low * 100); i <= Math.round(high * 100); i++) {
      const near = Math.abs(slope(i / 100)) < FLAT;
      if (near && start === null) start = i / 100;
      if (!near && start !== null) { found.push([start, (i - 1) / 100]); start = null; }
    }
    if (start !== null) found.push([start, high]);
    return found.filter(([from, to]) => to - from > 0.5); // not where a slope only passes through 0
  }

  DLLab.models["activation-slopes"] = { chain: chain, flat: flat };

  // -- the curve and its slope ------------------------------------------------------------------------

  function sampled(f) {
    const points = [];
    for (let i = LOW * 50; i <= HIGH * 50; i++) points.push([i / 50, f(i / 50)]);
    return points;
  }

  function drawCurves(ui, parent) {
    const chart = DLLab.chart(parent, { x: [LOW, HIGH], y: [-1.5, 3], xlabel: "pre-activation z", height: 260, label:
      "The activation function and its slope over z from −6 to 6, with the point z of the first unit and the tangent there" });
    const bands = DLLab.svg("g", chart.marks);
    chart.marks.insertBefore(bands, chart.marks.firstChild);
    DLLab.key(parent, [["w-blue", "value g(z)"], ["w-orange w-key-dashed", "slope g′(z)"], ["w-quiet w-key-faint", "nearly flat: slope below 0.05"]]);
    DLLab.drag(chart.svg, (event) => {
      ui.set({ z: Math.max(LOW, Math.min(HIGH, Math.round(chart.at(event)[0] * 20) / 20)) });
    });
    return function update(units) {
      const g = DLLab.activations[ui.state.g], z = ui.state.z, value = g.value(z), slope = g.slope(z);
      bands.textContent = "";
      flat(ui.state.g, LOW, HIGH).forEach(([from, to]) => {
        DLLab.svg("rect", bands, { x: chart.x(from), y: chart.y(3), width: chart.x(to) - chart.x(from), height: chart.y(-1.5) - chart.y(3), class: "w-bar w-quiet", "fill-opacity": 0.18 });
      });
      chart.line("slope", sampled(g.slope), "w-orange w-dashed");
      chart.line("value", sampled(g.value), "w-blue");
      chart.line("here", [[z, -1.5], [z, 3]], "w-quiet w-thin");
      chart.line("tangent", [[z - 1.5, value - 1.5 * slope], [z + 1.5, value + 1.5 * slope]], "w-ink");
      chart.dots("later", units.slice(1).map((unit) => [unit.z, unit.slope]), "w-orange", 3.5);
      chart.dots("slope at z", [[z, slope]], "w-orange", 6, "square");
      chart.dots("value at z", [[z, value]], "w-blue", 6);
      const left = z > 2;
      chart.word("name", z + (left ? -0.25 : 0.25), 2.65, "z = " + DLLab.number(z) + ", slope " + DLLab.number(slope), "w-ink", left ? "end" : "start");
    };
  }

  // -- the product, layer by layer ----------------------------------------------------------------------

  function drawProduct(parent) {
    const chart = DLLab.chart(parent, { x: [0.5, 10.5], y: [1e-6, 10], logY: true, xlabel: "layer ℓ", height: 220, label:
      "The product of slopes and weights up to each layer, on a logarithmic axis; the table gives the numbers" });
    return function update(units) {
      const sizes = units.map((unit) => Math.abs(unit.product)).filter((size) => size > 0);
      const low = Math.min(0, ...sizes.map(Math.log10)), high = Math.max(0, ...sizes.map(Math.log10));
      const bottom = Math.pow(10, Math.floor(low - 0.3));
      chart.frame([0.5, Math.max(units.length, 5.5) + 0.5], [bottom, Math.pow(10, Math.ceil(high + 0.3))]);
      const at = units.map((_, i) => i + 1);
      chart.bars("bars", units.map((unit) => Math.abs(unit.product) || bottom), (i) => (units[i].product < 0 ? "w-orange w-box" : "w-blue"), 0.66, at);
      chart.line("one", [[0, 1], [units.length + 9, 1]], "w-ink w-thin w-dashed");
      chart.clear("zero");
      const first = units.findIndex((unit) => unit.product === 0);
      if (first >= 0) chart.word("zero", first + 0.7, bottom * 1.3, "0 from here on", "w-ink");
    };
  }

  // Between a hundredth and a hundred we say that it arrives; the limits are ours.
  function fate(product) {
    const size = Math.abs(product);
    if (size === 0) return "Nothing arrives";
    return size < 0.01 ? "It vanishes" : size > 100 ? "It explodes" : "It arrives";
  }

  function about(value) {
    return (Number(value.toPrecision(3)) === value ? "" : "about ") + DLLab.number(value);
  }

  function sentence(state, units) {
    const first = units[0], last = units[units.length - 1], name = NAMES.find((pair) => pair[0] === state.g)[1];
    return "At z = " + DLLab.number(first.z) + " the " + name.replace(/ \(.*/, "") + " has the value " + DLLab.number(first.a) + " and the slope " + DLLab.number(first.slope) +
      ". After " + units.length + " layers a small change of z₁ is multiplied by " + about(last.product) + ". " + fate(last.product) + ".";
  }

  DLLab.widget("activation-slopes", START, function (ui) {
    const presets = DLLab.make("div", null, { class: "w-buttons w-presets" });
    ui.root.insertBefore(presets, ui.root.firstChild);
    PRESETS.forEach(([text, state]) => ui.button(presets, text, () => ui.set(state)));
    ui.choice(ui.controls, "g", { label: "Activation g", options: NAMES });
    ui.slider(ui.controls, "z", { label: "Pre-activation z₁", min: LOW, max: HIGH, step: 0.05 });
    ui.slider(ui.controls, "layers", { label: "Layers", min: 2, max: 30, step: 1 });
    ui.slider(ui.controls, "w", { label: "Weight w", min: -4, max: 4, step: 0.1 });
    ui.slider(ui.controls, "b", { label: "Bias b", min: -3, max: 3, step: 0.1 });
    DLLab.make("p", ui.controls, { class: "w-says" }, "Each layer has one unit. It gets z = w · a + b from the unit before it and hands on a = g(z).");
    const curves = drawCurves(ui, ui.view);
    DLLab.make("p", ui.below, { class: "w-says" }, "How many times as much does the output of layer ℓ move as z of the first unit? (A hollow bar: in the other direction.)");
    const row = DLLab.make("div", ui.below, { class: "w-columns" });
    const product = drawProduct(DLLab.make("div", row, { class: "w-view" }));
    const table = DLLab.table(DLLab.make("div", row, { class: "w-controls" }), "Layer by layer", ["ℓ", "z", "g(z)", "slope", "product so far"]);
    table.element.parentNode.classList.add("w-tall");
    return function update() {
      const s = ui.state;
      s.layers = Math.round(s.layers);
      const units = chain(s.g, s.z, s.w, s.b, s.layers);
      curves(units);
      product(units);
      table.rows(units.map((unit, i) => [String(i + 1)].concat([unit.z, unit.a, unit.slope, unit.product].map((v) => DLLab.number(v)))));
      ui.say(sentence(s, units));
    };
  });
})();
