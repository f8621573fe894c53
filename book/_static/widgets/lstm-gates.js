// One gated unit, LSTM or GRU, over ten steps: what each gate does, and what the unit remembers.
// @needs activations.js
// @needs recurrent.js
// @needs steps.js
(function () {
  "use strict";

  const STEPS = 10;
  // name, symbol, word for what it does; in the order of the weights' blocks
  const PARTS = {
    lstm: [["input", "i", "how much comes in"], ["forget", "f", "what stays in the cell"],
      ["candidate", "g", "what is new"], ["output", "o", "what is shown of the cell"]],
    gru: [["update", "u", "what stays of the old state"], ["reset", "r", "what the candidate sees of h"],
      ["candidate", "g", "what is new"]],
  };
  const one = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0], bits = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0], first = [1, 0, 1, 1, 0, 1, 0, 0, 1, 0];

  // k: weights for x, r: weights for h, b: biases; LSTM i, f, g, o; GRU (names with g) u, r, g
  const PRESETS = [
    ["New cell", { x: one, k: [0, 0, 1, 0], r: [0, 0, 0, 0], b: [0, 1, 0, 0], gk: [0, 0, 1], gr: [0, 0, 0], gb: [0, 0, 0] }],
    ["Keep for ever", { x: one, k: [20, 0, 20, 0], r: [0, 0, 0, 0], b: [-10, 20, 0, 20], gk: [-20, 0, 20], gr: [0, 0, 0], gb: [10, 0, 0] }],
    ["Forget at once", { x: one, k: [0, 0, 20, 0], r: [0, 0, 0, 0], b: [20, -20, 0, 20], gk: [0, 0, 20], gr: [0, 0, 0], gb: [-20, -20, 0] }],
    ["Count the ones", { x: bits, k: [0, 0, 20, 0], r: [0, 0, 0, 0], b: [20, 20, 0, 20], gk: [0, 0, 1], gr: [0, 0, 1], gb: [-20, 20, 0] }],
    ["Remember the first input", { x: first, k: [0, 0, 2, 0], r: [-20, 0, 0, 0], b: [5, 20, 1, 20], gk: [0, 0, 2], gr: [20, 0, 0], gb: [-5, 0, 1] }],
  ];
  const START = Object.assign({ cell: "lstm", part: "forget", step: 3 }, PRESETS[0][1]);

  // -- the mathematics -------------------------------------------------------------------------

  const bounded = (values, most) => values.map((v) => Math.max(-most, Math.min(most, v)));

  // One entry for each step, with plain numbers: gates by their letters, h, and c for the LSTM.
  function run(s) {
    const R = DLLab.recurrent, gru = s.cell === "gru", pick = (name) => bounded(s[(gru ? "g" : "") + name], 20);
    const w = { K: [pick("k")], R: [pick("r")], b: gru ? [pick("b"), [0, 0, 0]] : pick("b") };
    const walked = R.walk(gru ? R.gru : R.lstm, bounded(s.x, 2).map((x) => [x]), w, 1);
    return walked.map((state) => {
      const plain = {};
      Object.keys(state).forEach((key) => { plain[key] = state[key][0]; });
      return plain;
    });
  }

  // What the direct path hands on from after step `from` to the last: the product of the gates.
  function kept(s, found, from) {
    return found.slice(from).reduce((product, now) => product * (s.cell === "gru" ? now.u : now.f), 1);
  }

  // What a gate let through of the value before: the rest of the new value came in.
  function keptBefore(found, gate, value) {
    return found.map((now, t) => now[gate] * (t > 0 ? found[t - 1][value] : 0));
  }

  // -- words -----------------------------------------------------------------------------------

  const n = (v) => DLLab.number(Math.abs(v) < 5e-5 ? 0 : v, 3), p = (v) => DLLab.inside(Math.abs(v) < 5e-5 ? 0 : v, 3);
  const sub = DLLab.sub, parts = (s) => PARTS[s.cell];
  const prefix = (s) => (s.cell === "gru" ? "g" : "");

  function partNumber(s) {
    const found = parts(s).findIndex((part) => part[0] === s.part);
    return found < 0 ? 0 : found;
  }

  // The gates in the order of the text's table: forget, input, candidate, output.
  function inOrder(s) {
    return s.cell === "gru" ? [0, 1, 2] : [1, 0, 2, 3];
  }

  // The line of one gate at the present step, as the text writes it.
  function gateLine(s, found, number) {
    const t = s.step, letter = parts(s)[number][1], x = bounded(s.x, 2)[t - 1], h = t > 1 ? found[t - 2].h : 0;
    const [k, r, b] = ["k", "r", "b"].map((name) => bounded(s[prefix(s) + name], 20)[number]);
    const state = s.cell === "gru" && letter === "g" ? p(found[t - 1].r) + " · " + p(r) + " · " + p(h) : p(r) + " · " + p(h);
    const f = letter === "g" ? "tanh" : "σ";
    return letter + sub(t) + " = " + f + "(" + p(k) + " · " + p(x) + " + " + state + " + " + p(b) + ") = " + n(found[t - 1][letter]);
  }

  function stateLines(s, found) {
    const t = s.step, now = found[t - 1], before = t > 1 ? found[t - 2] : { h: 0, c: 0 };
    const at = (letter, step) => letter + sub(step);
    if (s.cell === "gru") {
      return [at("h", t) + " = " + at("u", t) + " " + at("h", t - 1) + " + (1 − " + at("u", t) + ") " + at("g", t) + " = " +
        p(now.u) + " · " + p(before.h) + " + " + p(1 - now.u) + " · " + p(now.g) + " = " + n(now.h)];
    }
    return [at("c", t) + " = " + at("f", t) + " " + at("c", t - 1) + " + " + at("i", t) + " " + at("g", t) + " = " +
        p(now.f) + " · " + p(before.c) + " + " + p(now.i) + " · " + p(now.g) + " = " + n(now.c),
      at("h", t) + " = " + at("o", t) + " · tanh " + at("c", t) + " = " + p(now.o) + " · " + p(Math.tanh(now.c)) + " = " + n(now.h)];
  }

  function sentence(s, found) {
    const last = found[STEPS - 1], from = s.x.findIndex((x) => x !== 0) + 1;
    const gru = s.cell === "gru", store = gru ? last.h : last.c;
    const start = "After " + STEPS + " steps the " + (gru ? "state" : "cell") + " holds " + n(store) +
      (gru ? ". " : " and the unit shows " + n(last.h) + ". ");
    if (from < 1 || from === STEPS) return start;
    return start + "The direct path from step " + from + " to step " + STEPS + " passes " + (STEPS - from) + " " +
      (gru ? "update" : "forget") + " gates, which keep " + n(kept(s, found, from)) + " of what was there.";
  }

  // -- the figure ------------------------------------------------------------------------------

  function rows(s, found) {
    const column = (letter) => found.map((now) => now[letter]);
    const gates = parts(s).map((part) => {
      const signed = part[1] === "g", mark = signed ? "" : " gate";
      return {
        title: part[0][0].toUpperCase() + part[0].slice(1) + mark + " " + part[1] + ": " + part[2], values: column(part[1]),
        low: signed ? -1 : 0, high: 1, id: part[0], height: 26, style: part[0] === s.part ? "w-blue" : "w-quiet", focus: part[0] === s.part,
        ticks: signed ? [[1, "1"], [-1, "−1"]] : [[1, "1"], [0, "0"]],
      };
    });
    const ordered = inOrder(s).map((number) => gates[number]);
    const top = Math.max(1, Math.ceil(Math.max.apply(null, column("c").map((c) => Math.abs(c || 0))) - 0.05));
    const cell = { title: "Cell c (line: what the forget gate kept)", marks: keptBefore(found, "f", "c"), values: column("c"), low: column("c").some((c) => c < -0.01) ? -top : 0, high: top, height: 70, style: "w-orange" };
    const state = { title: s.cell === "gru" ? "State h (line: what the update gate kept)" : "State h: what is shown", values: column("h"), low: -1, high: 1, height: s.cell === "gru" ? 70 : 44, style: "w-purple", marks: s.cell === "gru" ? keptBefore(found, "u", "h") : [] };
    const input = { title: "Input x at each step: drag a bar", values: bounded(s.x, 2), low: -2, high: 2, height: 44, style: "w-green", drag: true, below: true };
    return (s.cell === "gru" ? [state] : [cell, state]).concat(ordered, [input]);
  }

  function presetButtons(ui, parent) {
    const box = DLLab.make("div", parent, { class: "w-buttons", role: "group", "aria-label": "Examples" });
    PRESETS.forEach((preset) => {
      const button = ui.button(box, preset[0], () => ui.set(preset[1]));
      ui.bind(() => {
        const own = ["x"].concat(["k", "r", "b"].map((name) => prefix(ui.state) + name));
        button.setAttribute("aria-pressed", String(own.every((key) => String(ui.state[key]) === String(preset[1][key]))));
      });
    });
  }

  function controls(ui) {
    ui.choice(ui.controls, "cell", { label: "Unit", options: [["lstm", "LSTM"], ["gru", "GRU"]] });
    const select = ui.choice(ui.controls, "part", {
      label: "Gate", options: PARTS.lstm.concat(PARTS.gru.slice(0, 2)).map((part) => [part[0], part[0]]),
    });
    ui.bind(() => { // a gate of the other unit is no choice
      const names = parts(ui.state).map((part) => part[0]);
      Array.from(select.options).forEach((option) => { option.hidden = option.disabled = names.indexOf(option.value) < 0; });
      if (names.indexOf(ui.state.part) < 0) ui.state.part = ui.state.cell === "gru" ? "update" : "forget";
      select.value = ui.state.part;
    });
    const letter = () => parts(ui.state)[partNumber(ui.state)][1];
    [["k", "Weight for x"], ["r", "Weight for h"], ["b", "Bias"]].forEach((pair) => {
      DLLab.entrySlider(ui, ui.controls, () => prefix(ui.state) + pair[0], {
        index: () => partNumber(ui.state), label: () => pair[1] + ", " + letter(), min: -20, max: 20, step: 0.5,
      });
    });
  }

  function presentStep(ui) {
    ui.slider(ui.view, "step", { label: "Look at step", min: 1, max: STEPS, step: 1 });
    ui.bind(() => { ui.state.step = Math.round(ui.state.step); });
    DLLab.entrySlider(ui, ui.view, () => "x", {
      index: () => ui.state.step - 1, label: () => "Its input x" + sub(ui.state.step), min: -2, max: 2, step: 0.5,
    });
    ui.player(ui.view, () => {
      const next = ui.state.step >= STEPS ? 1 : ui.state.step + 1;
      ui.set({ step: next });
      return next < STEPS;
    }, { play: "Walk through", pause: "Stop", step: "Next step", perSecond: 1 });
    return DLLab.make("div", ui.view, { class: "w-lines" });
  }

  function numbers(ui) {
    const details = DLLab.make("details", ui.below);
    DLLab.make("summary", details, {}, "All numbers");
    return {
      states: DLLab.table(details, "Each step", ["Step", "x", "Gates and candidate", "c", "h"]),
      weights: DLLab.table(details, "The weights", ["Gate", "For x", "For h", "Bias"]),
    };
  }

  function build(ui) {
    const stage = DLLab.make("div", null, { class: "w-sequence" });
    ui.root.insertBefore(stage, ui.root.firstChild);
    presetButtons(ui, stage);
    const picture = DLLab.steps(DLLab.make("div", stage), {
      label: "Cell, state, gates and inputs at each of ten steps",
      pick: (step, part) => ui.set(part ? { step: step, part: part } : { step: step }),
      drag: (step, value) => ui.set({ step: step, x: ui.state.x.map((x, i) => (i === step - 1 ? Math.round(value * 2) / 2 : x)) }),
    });
    controls(ui);
    const lines = presentStep(ui);
    ui.say("");
    const tables = numbers(ui);
    return function update() {
      const s = ui.state, found = run(s);
      picture.draw({ steps: STEPS, present: s.step, rows: rows(s, found) });
      lines.textContent = "";
      inOrder(s).forEach((i) => {
        const line = DLLab.make("p", lines, { class: "w-says" });
        DLLab.make(parts(s)[i][0] === s.part ? "strong" : "span", line, {}, gateLine(s, found, i));
      });
      stateLines(s, found).forEach((text) => DLLab.make("p", lines, { class: "w-says w-state" }, text));
      ui.say(sentence(s, found));
      const gates = (now) => parts(s).map((part) => part[1] + " " + n(now[part[1]])).join(", ");
      tables.states.rows(found.map((now, t) => [String(t + 1), n(s.x[t]), gates(now), s.cell === "gru" ? "none" : n(now.c), n(now.h)]));
      tables.weights.rows(parts(s).map((part, i) => [part[0]].concat(["k", "r", "b"].map((name) => n(s[prefix(s) + name][i])))));
    };
  }

  DLLab.models["lstm-gates"] = { run: run, kept: kept };
  DLLab.widget("lstm-gates", START, build);
})();
