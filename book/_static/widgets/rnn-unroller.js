// A recurrent network of one or two units, unrolled in time: inputs below, states in the middle,
// and on top how the last state reacts to each input (backpropagation through time).
// @needs activations.js
// @needs recurrent.js
// @needs steps.js
(function () {
  "use strict";

  const MOST = 16;
  const START = {
    units: "1", steps: 12, step: 3, f: "tanh", x: series([1, 0, -1]), log: false,
    k: 0.5, r: 0.8, b: 0, k2: 0, b2: 0, r12: 0, r21: 0, r22: 0.8,
  };
  const impulse = { units: "1", steps: 12, step: 2, f: "identity", x: series([1]), k: 1, b: 0, log: false };
  const PRESETS = [
    ["Example by hand", Object.assign({}, START)],
    ["Impulse forgotten", Object.assign({}, impulse, { r: 0.6 })],
    ["Impulse kept", Object.assign({}, impulse, { r: 1 })],
    ["Exploding", Object.assign({}, impulse, { r: 1.4 })],
    ["Kept, but no gradient", Object.assign({}, impulse, { r: 2, f: "tanh" })],
    ["Two units: first up, then down", Object.assign({}, impulse, { units: "2", steps: 16, r: 0.5, r22: 0.5, r12: 4, r21: 0, k2: 0, b2: 0 })],
  ];

  function series(first) {
    return first.concat(new Array(MOST - first.length).fill(0));
  }

  // -- the mathematics -------------------------------------------------------------------------

  function weights(s) {
    if (s.units !== "2") return { K: [[s.k]], R: [[s.r]], b: [s.b] };
    return { K: [[s.k, s.k2]], R: [[s.r, s.r12], [s.r21, s.r22]], b: [s.b, s.b2] };
  }

  // States h[t][unit] with h[0] = 0, pre-activations z, and the slopes of each unit's last state.
  function run(s) {
    const w = weights(s), inputs = s.x.slice(0, s.steps).map((x) => [Math.max(-2, Math.min(2, x))]);
    const walked = DLLab.recurrent.simple(inputs, w, s.f);
    const slopes = w.b.map((_, unit) => DLLab.recurrent.reach(inputs, walked, w, unit, s.f).map((x) => x[0]));
    // one unit: with its sign; two: the norm, as in the text
    const gradient = slopes.length === 1 ? slopes[0] : slopes[0].map((_, t) => Math.hypot(slopes[0][t], slopes[1][t]));
    return { x: inputs.map((x) => x[0]), z: walked.z, h: walked.h, gradient: gradient, w: w };
  }

  // One unit: the slope back to x_t is k, times r once for each arrow, times all slopes on the way.
  function factors(s, found, step) {
    const slope = DLLab.activations[s.f].slope;
    const slopes = found.z.slice(step - 1).reduce((product, z) => product * slope(z[0]), 1);
    return { k: s.k, arrows: s.steps - step, power: Math.pow(s.r, s.steps - step), slopes: slopes };
  }

  function ceiling(values, least) {
    const largest = values.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), least);
    const power = Math.pow(10, Math.floor(Math.log10(largest)));
    return [1, 2, 5, 10].map((m) => m * power).find((top) => top >= largest * 0.9999);
  }

  // -- words -----------------------------------------------------------------------------------

  const n = (v) => DLLab.number(v, 3), p = (v) => DLLab.inside(v, 3), sub = DLLab.sub;

  function sums(s, found, unit) {
    const t = s.step, two = s.units === "2", w = found.w, before = found.h[t - 1];
    const mark = (name) => (two ? name + "⁽" + DLLab.sup(unit + 1) + "⁾" : name);
    const terms = [p(w.K[0][unit]) + " · " + p(found.x[t - 1])]
      .concat(before.map((h, i) => p(w.R[i][unit]) + " · " + p(h)), [p(w.b[unit])]);
    const z = found.z[t - 1][unit], h = found.h[t][unit];
    const f = s.f === "tanh" ? "tanh " + p(z) : s.f === "relu" ? "max(0, " + n(z) + ")" : n(z);
    const formula = two ? "" : " = k x" + sub(t) + " + r h" + sub(t - 1) + " + b";
    return [mark("z") + sub(t) + formula + " = " + terms.join(" + ") + " = " + n(z),
      mark("h") + sub(t) + " = " + f + (s.f === "identity" ? "" : " = " + n(h))];
  }

  function wayBack(s, found) {
    const t = s.step, value = n(found.gradient[t - 1]), last = "∂h" + sub(s.steps) + "/∂x" + sub(t);
    if (s.units === "2") return "The slopes of both last states with respect to x" + sub(t) + " have the norm " + value + ".";
    const q = factors(s, found, t), parts = [p(q.k), p(q.power)].concat(s.f === "identity" ? [] : [p(q.slopes)]);
    const words = "k · r" + DLLab.sup(q.arrows) + (s.f === "identity" ? "" : " · (slopes on the way)");
    return last + " = " + words + " = " + parts.join(" · ") + " = " + value;
  }

  function sentence(s, found) {
    const g = found.gradient, T = s.steps, first = Math.abs(g[0]), own = Math.abs(g[T - 1]);
    const ends = found.h[T].map((h, i) => n(h) + (s.units === "2" ? " (unit " + (i + 1) + ")" : "")).join(" and ");
    const start = "After " + T + " steps the state stands at " + ends + ". ";
    if (!(own > 0) || !Number.isFinite(first)) return start + "It reacts to its last input by " + n(own) + " and to the first by " + n(first) + ".";
    return start + "It reacts to its last input by " + n(g[T - 1]) + " and to the first by " + n(g[0]) + ": over " +
      (T - 1) + " steps the gradient has changed by the factor " + n(first / own) + ".";
  }

  // -- the figure ------------------------------------------------------------------------------

  function rows(s, found) {
    const g = found.gradient, top = ceiling(g, 1e-12), negative = g.some((v) => v < 0);
    const log = [[1e-6, "10⁻⁶"], [1e-3, "10⁻³"], [1, "1"], [1e3, "10³"]];
    const what = s.units === "2" ? "norm of the slopes" : "∂h" + sub(s.steps) + "/∂x";
    const gradient = s.log
      ? { log: true, low: 1e-6, high: 1e3, ticks: log } : { low: negative ? -top : 0, high: top };
    const result = [Object.assign({ title: "Gradient at each input: " + what, values: g, height: 80, style: "w-orange" }, gradient)];
    found.w.b.forEach((_, unit) => {
      const h = found.h.slice(1).map((state) => state[unit]), high = ceiling(h, 1);
      const title = s.units === "2" ? "State of unit " + (unit + 1) : "State; each arrow multiplies by r = " + n(s.r);
      result.push({ title: title, values: h, low: -high, high: high, height: 64, style: "w-blue", cells: true });
    });
    result.push({ title: "Input at each step: drag a bar", values: found.x, low: -2, high: 2, height: 56, style: "w-green", feeds: "k = " + n(s.k), drag: true, below: true });
    return result;
  }

  function presetButtons(ui, parent) {
    const box = DLLab.make("div", parent, { class: "w-buttons", role: "group", "aria-label": "Examples" });
    PRESETS.forEach((preset) => {
      const button = ui.button(box, preset[0], () => ui.set(preset[1]));
      ui.bind(() => {
        const same = Object.keys(preset[1]).every((key) => key === "step" || key === "log" || String(ui.state[key]) === String(preset[1][key]));
        button.setAttribute("aria-pressed", String(same));
      });
    });
  }

  function weightSliders(ui) {
    const one = { min: -3, max: 3, step: 0.05 };
    ui.slider(ui.controls, "k", Object.assign({ label: "Input weight k" }, one));
    ui.slider(ui.controls, "r", { label: "Recurrent weight r", min: -2, max: 2, step: 0.05 });
    ui.slider(ui.controls, "b", Object.assign({ label: "Bias b" }, one));
    const second = DLLab.make("div", ui.controls, { class: "w-second", role: "group", "aria-label": "Weights of unit 2" });
    [["k2", "Input → unit 2"], ["r12", "Unit 1 → unit 2"], ["r21", "Unit 2 → unit 1"], ["r22", "Unit 2 → unit 2"], ["b2", "Bias of unit 2"]]
      .forEach((pair) => ui.slider(second, pair[0], { label: pair[1], min: -4, max: 4, step: 0.05 }));
    ui.bind(() => { second.hidden = ui.state.units !== "2"; });
  }

  function controls(ui) {
    ui.slider(ui.controls, "steps", { label: "Number of steps", min: 3, max: MOST, step: 1 });
    ui.bind(() => {
      ui.state.steps = Math.round(ui.state.steps);
      ui.state.step = Math.max(1, Math.min(ui.state.steps, Math.round(ui.state.step) || 1));
    });
    weightSliders(ui);
    ui.choice(ui.controls, "f", { label: "Activation", options: [["tanh", "tanh"], ["identity", "none (identity)"], ["relu", "ReLU"]] });
    ui.choice(ui.controls, "units", { label: "Units", options: [["1", "one"], ["2", "two"]] });
    ui.check(ui.controls, "log", { label: "Gradient on a logarithmic axis" });
  }

  function presentStep(ui) {
    DLLab.make("p", ui.view, { class: "w-says" }).appendChild(DLLab.make("strong", null, {}, "Step by step"));
    const slider = ui.slider(ui.view, "step", { label: "Look at step", min: 1, max: MOST, step: 1 });
    ui.bind(() => { slider.max = ui.state.steps; });
    DLLab.entrySlider(ui, ui.view, () => "x", {
      index: () => ui.state.step - 1, label: () => "Its input x" + sub(ui.state.step), min: -2, max: 2, step: 0.1,
    });
    const player = ui.player(ui.view, () => {
      const next = ui.state.step >= ui.state.steps ? 1 : ui.state.step + 1;
      ui.set({ step: next });
      return next < ui.state.steps;
    }, { play: "Walk through", pause: "Stop", step: "Next step", perSecond: 1 });
    ui.button(player.box, "All inputs like this", () => ui.set({ x: ui.state.x.map(() => ui.state.x[ui.state.step - 1]) }));
    return DLLab.make("div", ui.view, { class: "w-lines" });
  }

  function numbers(ui) {
    const details = DLLab.make("details", ui.below);
    DLLab.make("summary", details, {}, "All numbers");
    return DLLab.table(details, "Each step", ["Step", "Input", "State", "Gradient"]);
  }

  function build(ui) {
    const stage = DLLab.make("div", null, { class: "w-sequence" });
    ui.root.insertBefore(stage, ui.root.firstChild);
    presetButtons(ui, stage);
    const picture = DLLab.steps(DLLab.make("div", stage), {
      label: "The unrolled network: gradients above, states in the middle, inputs below",
      pick: (step) => ui.set({ step: step }),
      drag: (step, value) => ui.set({ step: step, x: ui.state.x.map((x, i) => (i === step - 1 ? Math.round(value * 10) / 10 : x)) }),
    });
    controls(ui);
    const lines = presentStep(ui);
    ui.say("");
    const table = numbers(ui);
    return function update() {
      const s = ui.state, found = run(s);
      picture.draw({ steps: s.steps, present: s.step, origin: true, rows: rows(s, found) });
      lines.textContent = "";
      found.w.b.forEach((_, unit) => sums(s, found, unit).forEach((text) => DLLab.make("p", lines, { class: "w-says" }, text)));
      DLLab.make("p", lines, { class: "w-says w-back" }, wayBack(s, found));
      ui.say(sentence(s, found));
      table.rows(found.x.map((x, t) => [String(t + 1), n(x), found.h[t + 1].map(n).join(", "), n(found.gradient[t])]));
    };
  }

  DLLab.models["rnn-unroller"] = { run: run, factors: factors, ceiling: ceiling };
  DLLab.widget("rnn-unroller", START, build);
})();
