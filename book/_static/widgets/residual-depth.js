// How large a gradient is at each block of a chain, with and without a skip around each block.
(function () {
  "use strict";

  const PRESETS = {
    "the hand example": { blocks: 10, slope: 0.1, spread: 0 },
    "a large slope": { blocks: 10, slope: 0.5, spread: 0 },
    "slope −1": { blocks: 10, slope: -1, spread: 0 },
    "forty random branches": { blocks: 40, slope: 0, spread: 0.1 },
  };

  // -- the mathematics ------------------------------------------------------------------------------

  // Slopes of the branches, from the input to the loss: normal numbers around `slope`.
  function slopes(blocks, slope, spread, seed) {
    const random = DLLab.random(seed);
    return Array.from({ length: blocks }, () => slope + spread * random.normal());
  }

  // The gradient before each block and at the end: [K + 1] numbers, 1 arrives at the end.
  // A block multiplies what comes back by (around + slope) / divisor.
  function gradients(branch, around, divisor) {
    const found = [1];
    for (let k = branch.length - 1; k >= 0; k--) found.unshift(found[0] * (around + branch[k]) / (divisor || 1));
    return found;
  }

  // What all paths through exactly j branches contribute, for j = 0, 1, ...: multiply out (1 + a_k).
  function paths(branch) {
    let sums = [1];
    branch.forEach((a) => {
      const next = sums.concat([0]);
      for (let j = 1; j < next.length; j++) next[j] += a * sums[j - 1];
      sums = next;
    });
    return sums;
  }

  DLLab.models["residual-depth"] = { slopes: slopes, gradients: gradients, paths: paths };

  // -- drawing ----------------------------------------------------------------------------------------

  const size = (value) => (value === 0 ? "0" : DLLab.number(value));
  const LOWEST = 1e-100; // the axis goes no further down

  // Whole decades around all sizes, at least two.
  function decades(lines) {
    const sizes = [].concat(...lines).map(Math.abs).filter((v) => v > 0).map((v) => Math.log10(Math.max(v, LOWEST)));
    const low = Math.floor(Math.min(-1, ...sizes)), high = Math.ceil(Math.max(1, ...sizes));
    return [Math.pow(10, low), Math.pow(10, high)];
  }

  // A size of 0 has no place on a logarithmic axis: the line ends before it.
  function drawLine(chart, id, values, style, shape) {
    const points = values.map((v, i) => [i, Math.abs(v)]).filter((point) => point[1] > 0);
    chart.line(id, points, style);
    chart.dots(id + " dots", points, style.replace(" w-dashed", ""), values.length > 21 ? 2.5 : 4, shape);
  }

  function drawGradients(chart, lines) {
    const range = decades(lines.map((line) => line.values));
    const blocks = lines[0].values.length - 1, room = 0.02 * blocks + 0.05;
    chart.frame([-room, blocks + room], range);
    ["plain", "residual", "worn"].forEach((id) => { chart.line(id, [], "w-quiet"); chart.clear(id + " dots"); });
    lines.forEach((line) => drawLine(chart, line.id, line.values, line.style, line.shape));
  }

  // The last bar that is worth seeing decides how far the axis reaches.
  function drawPaths(chart, sums) {
    const largest = Math.max(...sums.map(Math.abs));
    let last = sums.length - 1;
    while (last > 4 && Math.abs(sums[last]) < 0.002 * largest) last -= 1;
    const shown = sums.slice(0, last + 1).map((v) => v / largest);
    chart.frame([-0.5, last + 0.5], [Math.min(0, ...shown) * 1.05, 1.05]);
    chart.bars("sums", shown, "w-blue");
  }

  function settings(ui) {
    const row = DLLab.make("div", ui.controls, { class: "w-buttons", role: "group", "aria-label": "Chains to start from" });
    Object.keys(PRESETS).forEach((name) => {
      const button = ui.button(row, name, () => ui.set(PRESETS[name]));
      ui.bind(() => button.setAttribute("aria-pressed", String(Object.keys(PRESETS[name]).every((k) => ui.state[k] === PRESETS[name][k]))));
    });
    ui.slider(ui.controls, "blocks", { label: "Blocks K", min: 1, max: 40, step: 1 });
    ui.slider(ui.controls, "slope", { label: "Slope a", min: -1.5, max: 1.5, step: 0.01 });
    ui.slider(ui.controls, "spread", { label: "Spread of slopes", min: 0, max: 1, step: 0.01 });
    ui.button(DLLab.make("div", ui.controls, { class: "w-buttons" }), "Other random slopes", () => ui.set({ seed: ui.state.seed % 999 + 1, spread: ui.state.spread || 0.1 }));
    ui.check(ui.controls, "worn", { label: "also normalize the main path: each block divides by √2" });
  }

  function sentence(state, branch, plain, residual, worn) {
    const which = state.spread ? "slopes around " + state.slope + " with a spread of " + state.spread : "the slope " + state.slope;
    return "Through " + branch.length + " blocks with " + which.replace(/-/g, "−") + ", the plain chain multiplies a gradient by " + size(plain[0]) +
      " and the chain with skips by " + size(residual[0]) + (worn ? "; normalized after each addition, by " + size(worn[0]) : "") + ".";
  }

  const INITIAL = { blocks: 10, slope: 0.1, spread: 0, seed: 1, worn: false };

  DLLab.widget("residual-depth", INITIAL, function (ui) {
    settings(ui);
    DLLab.make("p", ui.view, { class: "w-title" }, "Size of the gradient before each block");
    const chart = DLLab.chart(ui.view, {
      label: "Size of the gradient before each block, on a logarithmic axis, from the input at the left to the loss at the right.",
      x: [0, 10], y: [0.1, 10], logY: true, xlabel: "blocks, counted from the input",
    });
    const wornKey = DLLab.key(ui.view, [
      ["w-orange", "plain chain (squares, dashed)"],
      ["w-blue", "with skips (circles)"],
      ["w-purple", "normalized after each addition (small squares)"],
    ])[2];
    DLLab.make("p", ui.view, { class: "w-title" }, "Which paths carry it: through j branches, around the others");
    const bars = DLLab.chart(ui.view, {
      label: "Sum of the contributions of all paths through j branches, for j = 0, 1, 2 and so on, as shares of the largest.",
      x: [-0.5, 10.5], y: [0, 1], height: 170, xlabel: "branches on the path, j", ylabel: "share of largest",
    });
    const more = DLLab.make("details", ui.below);
    DLLab.make("summary", more, {}, "All numbers");
    const table = DLLab.table(more, "Before each block", ["Block", "Its slope", "Plain chain", "With skips"]);

    return function update() {
      const state = ui.state, branch = slopes(Math.round(state.blocks), state.slope, state.spread, state.seed);
      const plain = gradients(branch, 0), residual = gradients(branch, 1), worn = state.worn ? gradients(branch, 1, Math.SQRT2) : null;
      const lines = [
        { id: "plain", values: plain, style: "w-orange w-dashed", shape: "square" },
        { id: "residual", values: residual, style: "w-blue", shape: "circle" },
      ];
      if (worn) lines.push({ id: "worn", values: worn, style: "w-purple w-thin", shape: "square" });
      drawGradients(chart, lines);
      wornKey.hidden = !worn;
      drawPaths(bars, paths(branch));
      table.rows(branch.map((a, k) => [String(k + 1), size(a), size(plain[k]), size(residual[k])]));
      ui.say(sentence(state, branch, plain, residual, worn));
    };
  });
})();
