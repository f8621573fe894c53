// One logistic neuron on two features of tumors: weights and bias by sliders or by dragging its
// line, the loss, and gradient descent step by step. The chapter publishes data and trained weights.
// @needs activations.js
(function () {
  "use strict";

  // -- the neuron: X holds x₁, x₂ of one example after another --------------------------------------

  const sigmoid = DLLab.activations.sigmoid.value;

  const logits = (X, w, b) => Array.from({ length: X.length / 2 }, (_, i) => X[2 * i] * w[0] + X[2 * i + 1] * w[1] + b);

  // Mean cross-entropy from logits, finite for any z.
  function loss(X, y, w, b) {
    const each = logits(X, w, b).map((z, i) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - y[i] * z);
    return each.reduce((sum, l) => sum + l, 0) / y.length;
  }

  // Prediction minus truth, times the input: the slopes for w₁, w₂ and b.
  function gradient(X, y, w, b) {
    const slopes = [0, 0, 0];
    logits(X, w, b).forEach((z, i) => {
      const error = (sigmoid(z) - y[i]) / y.length;
      slopes[0] += error * X[2 * i];
      slopes[1] += error * X[2 * i + 1];
      slopes[2] += error;
    });
    return slopes;
  }

  function step(X, y, w, b, rate) {
    const s = gradient(X, y, w, b);
    return { w: [w[0] - rate * s[0], w[1] - rate * s[1]], b: b - rate * s[2] };
  }

  const right = (X, y, w, b) => logits(X, w, b).map((z, i) => (z > 0 ? 1 : 0) === y[i]);

  // The point of the line closest to `near`, or null where there is no line.
  function foot(w, b, near) {
    const square = w[0] * w[0] + w[1] * w[1], z = w[0] * near[0] + w[1] * near[1] + b;
    return square > 1e-12 ? [near[0] - z * w[0] / square, near[1] - z * w[1] / square] : null;
  }

  // Weights of the same length whose line goes through two points; of the two, those turned less.
  function through(w, p, q) {
    const along = [q[0] - p[0], q[1] - p[1]], size = Math.hypot(along[0], along[1]), length = Math.hypot(w[0], w[1]);
    if (size < 1e-9) return null;
    const normal = [-along[1] / size, along[0] / size], sign = normal[0] * w[0] + normal[1] * w[1] < 0 ? -1 : 1;
    const turned = normal.map((n) => sign * n * length);
    return { w: turned, b: -(turned[0] * p[0] + turned[1] * p[1]) };
  }

  DLLab.models["single-neuron"] = { loss: loss, gradient: gradient, step: step, right: right, foot: foot, through: through };

  const data = DLLab.data("single-neuron");
  if (!data) return; // a page without the data keeps its static text

  // -- the figure ------------------------------------------------------------------------------------

  const y = Array.from(data.y.values), N = y.length;
  const INITIAL = { w1: data.w[0], w2: data.w[1], b: data.b, rate: "1", tenths: false };
  const RATES = ["0.03", "0.1", "0.3", "1", "3", "10", "30"];
  const RANGE = [-3.5, 5], LIMIT = 15;

  // Texture in tenths is ten times as large: what gradient descent makes of an unscaled feature.
  const inputs = {};
  [1, 10].forEach((factor) => { inputs[factor] = Array.from(data.X.values, (v, i) => (i % 2 ? v : v * factor)); });
  const factorOf = (state) => (state.tenths ? 10 : 1);
  const weights = (state) => [state.w1, state.w2];
  const bounded = (v) => Math.min(LIMIT, Math.max(-LIMIT, v));

  function controls(ui, run) {
    const box = ui.controls;
    ["w1", "w2", "b"].forEach((key, i) => {
      ui.slider(box, key, { label: ["weight w₁ (texture)", "weight w₂ (smoothness)", "bias b"][i], min: -LIMIT, max: LIMIT, step: 0.05 });
    });
    const times = DLLab.make("div", box, { class: "w-buttons" });
    [["× 10", 10], ["÷ 10", 0.1], ["× −1", -1]].forEach((by) => {
      ui.button(times, "all " + by[0], () => ui.set({ w1: ui.state.w1 * by[1], w2: ui.state.w2 * by[1], b: ui.state.b * by[1] }));
    });
    ui.choice(box, "rate", { label: "learning rate η", options: RATES.map((r) => [r, r]) });
    const tenths = ui.check(box, "tenths", { label: "texture in tenths: numbers 10 times as large" });
    tenths.addEventListener("change", () => ui.set({ w1: ui.state.w1 * (tenths.checked ? 0.1 : 10) })); // the same line
    run(box);
  }

  function oneStep(ui) {
    const s = ui.state, next = step(inputs[factorOf(s)], y, weights(s), s.b, Number(s.rate));
    ui.set({ w1: next.w[0], w2: next.w[1], b: next.b });
  }

  // The probability as shading: it changes along one direction only, so a color gradient draws it.
  function shading(chart) {
    const id = DLLab.unique("shade"), defs = DLLab.svg("defs", chart.svg);
    const ramp = DLLab.svg("linearGradient", defs, { id: id, gradientUnits: "userSpaceOnUse" });
    const area = DLLab.svg("rect", chart.marks, { width: chart.width, height: chart.height });
    const shade = (z) => DLLab.mix(DLLab.color("panel"), DLLab.color(z < 0 ? "blue" : "orange"), 0.45 * Math.abs(2 * sigmoid(z) - 1));
    return function (w, b) {
      const px = chart.x(1) - chart.x(0), py = chart.y(1) - chart.y(0), g = [w[0] / px, w[1] / py]; // z by pixel
      const square = g[0] * g[0] + g[1] * g[1];
      if (square < 1e-14) return area.setAttribute("style", "fill:" + shade(b));
      const z0 = b - g[0] * chart.x(0) - g[1] * chart.y(0); // z at pixel (0, 0)
      const end = (z) => g.map((v) => v * (z - z0) / square), from = end(-6), to = end(6);
      Object.entries({ x1: from[0], y1: from[1], x2: to[0], y2: to[1] }).forEach((e) => ramp.setAttribute(e[0], e[1]));
      ramp.textContent = "";
      for (let i = 0; i <= 24; i++) DLLab.svg("stop", ramp, { offset: i / 24, "stop-color": shade(-6 + i / 2) });
      area.setAttribute("style", "fill:url(#" + id + ")");
    };
  }

  // Benign tumors are circles, malignant ones squares; who is on the wrong side gets a rim.
  function points(chart) {
    const place = DLLab.svg("g", chart.marks);
    const marks = y.map((label) => (label ? DLLab.svg("rect", place, { width: 6.4, height: 6.4 }) : DLLab.svg("circle", place, { r: 3.4 })));
    return function (X, good) {
      marks.forEach((mark, i) => {
        const x = chart.x(X[2 * i]), v = chart.y(X[2 * i + 1]);
        mark.setAttribute(y[i] ? "x" : "cx", y[i] ? x - 3.2 : x);
        mark.setAttribute(y[i] ? "y" : "cy", y[i] ? v - 3.2 : v);
        mark.setAttribute("class", "w-dot " + (y[i] ? "w-orange" : "w-blue"));
        mark.setAttribute("style", good[i] ? "" : "stroke:var(--w-ink);stroke-width:1.6");
      });
    };
  }

  // The line with two handles: the square moves it (the bias), the ring turns it (the weights).
  function line(ui, chart) {
    const arrow = DLLab.svg("path", chart.svg, { class: "w-line w-ink" });
    const handle = (shape, attributes) => {
      const g = DLLab.svg("g", chart.svg);
      DLLab.svg("circle", g, { r: 20, fill: "transparent" });
      DLLab.svg(shape, g, attributes);
      return g;
    };
    const mover = handle("rect", { x: -6, y: -6, width: 12, height: 12, class: "w-hollow w-ink" });
    const turner = handle("circle", { r: 7, class: "w-hollow w-ink" });
    let held = null; // the point about which the line turns, while it turns
    const middle = () => foot(weights(ui.state), ui.state.b, [chart.range.x[0] / 2 + chart.range.x[1] / 2, 1]);
    DLLab.drag(mover, (event) => {
      const p = chart.at(event);
      ui.set({ b: bounded(-(ui.state.w1 * p[0] + ui.state.w2 * p[1])) });
    }, () => { held = null; });
    DLLab.drag(turner, (event) => {
      const turned = through(weights(ui.state), held, chart.at(event));
      if (turned) ui.set({ w1: bounded(turned.w[0]), w2: bounded(turned.w[1]), b: bounded(turned.b) });
    }, () => { held = middle(); });
    return () => draw(chart, weights(ui.state), held && chart.svg.querySelector(":active") ? held : middle(), arrow, mover, turner);
  }

  function draw(chart, w, p, arrow, mover, turner) {
    [arrow, mover, turner].forEach((part) => { part.style.display = p ? "" : "none"; });
    if (!p) return chart.line("line", [], "w-ink");
    const unit = [chart.x(1) - chart.x(0), chart.y(1) - chart.y(0)], size = Math.hypot(w[1] * unit[0], w[0] * unit[1]);
    const along = [-w[1] * unit[0] / size, w[0] * unit[1] / size], up = [w[0] / unit[0], w[1] / unit[1]]; // in pixels
    const steep = Math.hypot(up[0], up[1]), at = [chart.x(p[0]), chart.y(p[1])], n = up.map((v) => v / steep);
    const data2 = (s) => [p[0] + s * along[0] / unit[0], p[1] + s * along[1] / unit[1]];
    chart.line("line", [data2(-600), data2(600)], "w-ink");
    const side = at[0] + 90 * along[0] > chart.edge.left && at[0] + 90 * along[0] < chart.width - 15 ? 90 : -90;
    mover.setAttribute("transform", "translate(" + at + ")");
    turner.setAttribute("transform", "translate(" + [at[0] + side * along[0], at[1] + side * along[1]] + ")");
    const tip = [at[0] + 38 * n[0], at[1] + 38 * n[1]], wing = (s) => [tip[0] - 8 * n[0] - s * 5 * n[1], tip[1] - 8 * n[1] + s * 5 * n[0]];
    arrow.setAttribute("d", "M" + at + "L" + tip + "M" + wing(1) + "L" + tip + "L" + wing(-1));
  }

  function summary(state, X, w) {
    const good = right(X, y, w, state.b).filter(Boolean).length;
    const text = "Loss " + DLLab.number(loss(X, y, w, state.b)) + ", accuracy " + DLLab.number(good / N) + ": " + good + " of " + N + " tumors are on the right side.";
    return text + (w[0] || w[1] ? "" : " With zero weights there is no line: every tumor gets the same probability, " + DLLab.number(sigmoid(state.b)) + ".");
  }

  DLLab.widget("single-neuron", INITIAL, function (ui) {
    const presets = DLLab.make("div", null, { class: "w-buttons w-presets", role: "group", "aria-label": "Where to start" });
    ui.button(presets, "Trained neuron", () => ui.set({ w1: data.w[0] / factorOf(ui.state), w2: data.w[1], b: data.b }));
    ui.button(presets, "Zero weights", () => ui.set({ w1: 0, w2: 0, b: 0 }));
    ui.button(presets, "A bad line", () => ui.set({ w1: 2 / factorOf(ui.state), w2: -2, b: 0 }));
    ui.root.insertBefore(presets, ui.root.firstChild);
    ui.controls.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    controls(ui, (box) => ui.player(box, () => oneStep(ui), { play: "Descend", step: "One step of gradient descent", perSecond: 10 }));
    const chart = DLLab.chart(ui.view, { label: "Tumors by texture and smoothness, the neuron's line and its probability as shading", x: RANGE, y: RANGE, xlabel: "texture x₁", ylabel: "smoothness x₂", width: 400, height: 380 });
    const shade = shading(chart), drawPoints = points(chart), drawLine = line(ui, chart);
    DLLab.key(ui.view, [["w-blue", "benign (circles)"], ["w-orange", "malignant (squares)"], ["w-ink", "with a rim: on the wrong side"]]);
    const curve = DLLab.chart(ui.below, { label: "Loss by step of gradient descent", x: [0, 20], y: [0, 1], xlabel: "step of gradient descent", ylabel: "loss", width: 400, height: 150 });
    const table = DLLab.table(ui.below, "The neuron, its slopes, and where one step leads", ["parameter", "value", "slope", "next"]);
    let seen = [], last = "";

    // Losses since the reader last changed something by hand.
    function follow(state, X, w) {
      const before = last.split("|").map(Number), now = [state.w1, state.w2, state.b].join("|"), value = loss(X, y, w, state.b);
      if (now === last) return;
      const came = before.length === 3 ? step(X, y, before.slice(0, 2), before[2], Number(state.rate)) : null;
      const stepped = came && [came.w[0], came.w[1], came.b].map(bounded).join("|") === now;
      seen = stepped ? seen.concat([value]) : [value];
      last = now;
    }

    return function update() {
      const state = ui.state, factor = factorOf(state), X = inputs[factor], w = weights(state);
      const slopes = gradient(X, y, w, state.b), format = (v) => DLLab.number(Math.abs(v) < 5e-7 ? 0 : v);
      chart.frame(RANGE.map((v) => v * factor), RANGE);
      shade(w, state.b);
      drawPoints(X, right(X, y, w, state.b));
      drawLine();
      follow(state, X, w);
      curve.svg.style.display = seen.length > 1 ? "" : "none";
      curve.frame([0, Math.max(20, seen.length)], [0, Math.max(1, Math.ceil(Math.max(...seen)))]);
      curve.line("loss", seen.map((v, i) => [i, v]), "w-blue");
      curve.dots("now", [[seen.length - 1, seen[seen.length - 1]]], "w-blue");
      table.rows([["w₁", w[0], slopes[0]], ["w₂", w[1], slopes[1]], ["b", state.b, slopes[2]]].map((r) => [r[0], format(r[1]), format(r[2]), format(bounded(r[1] - Number(state.rate) * r[2]))]));
      ui.say(summary(state, X, w));
    };
  });
})();
