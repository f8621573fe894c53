// Five optimizers walk down a surface from one start: their paths on the contour lines, their loss
// by step. The rules are those of dllab.scratch.optimizers, with the same defaults.
(function () {
  "use strict";

  const STEPS = 150, SMALL = 1e-3, TOO_LARGE = 1000;

  // -- the surfaces: loss, slopes, the part of the plane to show, contour lines, a good start --------

  const SURFACES = {
    valley: {
      text: "½ (w₁² + κ w₂²)", x: [-10, 5], y: [-5.5, 5.5], levels: [1, 5, 15, 40, 80, 160, 300],
      loss: (w, k) => (w[0] * w[0] + k * w[1] * w[1]) / 2,
      slope: (w, k) => [w[0], k * w[1]],
      begin: { start: [-9, 2], gdRate: 2 / 26, momRate: 1 / 9, nagRate: 1 / 9, rmsRate: 0.3, adamRate: 0.9 },
    },
    saddle: {
      text: "with a saddle", x: [-2, 2], y: [-1.2, 1.2], levels: [0.05, 0.15, 0.25, 0.5, 1, 2, 4],
      loss: (w) => Math.pow(w[0] * w[0] - 1, 2) / 4 + 5 * w[1] * w[1] / 2,
      slope: (w) => [w[0] * (w[0] * w[0] - 1), 5 * w[1]],
      begin: { start: [0.01, 1], gdRate: 0.1, momRate: 0.05, nagRate: 0.05, rmsRate: 0.05, adamRate: 0.1 },
    },
    two: {
      text: "two minima", x: [-2, 2], y: [-1.2, 1.2], levels: [0.1, 0.3, 0.5, 0.6, 0.8, 1.2, 2, 4],
      loss: (w) => Math.pow(w[0] * w[0] - 1, 2) / 2 - 0.3 * w[0] + w[1] * w[1] - DEEPEST,
      slope: (w) => [2 * w[0] * (w[0] * w[0] - 1) - 0.3, 2 * w[1]],
      begin: { start: [-1.9, 0.9], gdRate: 0.05, momRate: 0.05, nagRate: 0.05, rmsRate: 0.03, adamRate: 0.1 },
    },
    rosenbrock: {
      text: "Rosenbrock's", x: [-2, 2], y: [-1, 3], levels: [1, 5, 20, 80, 250, 700, 1500],
      loss: (w) => Math.pow(1 - w[0], 2) + 100 * Math.pow(w[1] - w[0] * w[0], 2),
      slope: (w) => [-2 * (1 - w[0]) - 400 * w[0] * (w[1] - w[0] * w[0]), 200 * (w[1] - w[0] * w[0])],
      begin: { start: [-1.2, 1], gdRate: 0.001, momRate: 0.001, nagRate: 0.001, rmsRate: 0.02, adamRate: 0.2 },
    },
  };
  const DEEPEST = lowestOfTwo();

  // The loss at the deeper of the two minima, so that it counts from there: Newton's method from w₁ = 1.
  function lowestOfTwo() {
    let w = 1;
    for (let i = 0; i < 20; i++) w -= (2 * w * (w * w - 1) - 0.3) / (6 * w * w - 2);
    return Math.pow(w * w - 1, 2) / 2 - 0.3 * w;
  }

  // -- the optimizers: each is made with its settings and maps (w, slope) to the next w --------------

  const RULES = {
    gd: (rate) => (w, g) => w.map((wi, i) => wi - rate * g[i]),
    mom: (rate, mu) => {
      let v = [0, 0];
      return (w, g) => {
        v = v.map((vi, i) => mu * vi - rate * g[i]);
        return w.map((wi, i) => wi + v[i]);
      };
    },
    nag: (rate, mu) => {
      let v = [0, 0];
      return (w, g) => {
        v = v.map((vi, i) => mu * vi - rate * g[i]);
        return w.map((wi, i) => wi + mu * v[i] - rate * g[i]);
      };
    },
    rms: (rate) => {
      let v = [0, 0];
      return (w, g) => {
        v = v.map((vi, i) => 0.9 * vi + (1 - 0.9) * g[i] * g[i]);
        return w.map((wi, i) => wi - rate * g[i] / Math.sqrt(v[i] + 1e-7));
      };
    },
    adam: (rate) => {
      let m = [0, 0], v = [0, 0], t = 0;
      return (w, g) => {
        t += 1;
        m = m.map((mi, i) => 0.9 * mi + (1 - 0.9) * g[i]);
        v = v.map((vi, i) => 0.999 * vi + (1 - 0.999) * g[i] * g[i]);
        const correction = Math.sqrt(1 - Math.pow(0.999, t)) / (1 - Math.pow(0.9, t));
        return w.map((wi, i) => wi - rate * correction * m[i] / (Math.sqrt(v[i]) + 1e-7));
      };
    },
  };

  // The points that an optimizer visits, the start among them.
  function path(rule, surface, kappa, start, rate, mu, steps) {
    const next = RULES[rule](rate, mu), points = [start];
    for (let i = 0; i < steps; i++) {
      const w = points[i];
      points.push(next(w, SURFACES[surface].slope(w, kappa)));
    }
    return points;
  }

  const losses = (points, surface, kappa) => points.map((w) => SURFACES[surface].loss(w, kappa));

  // The first step whose loss is below 0.001, and the first whose loss is 1000 times the start's; or -1.
  function verdict(values) {
    const gone = (v) => !(v <= TOO_LARGE * Math.max(values[0], SMALL)); // true for "not a number" as well
    return { arrived: values.findIndex((v) => v < SMALL), diverged: values.findIndex(gone) };
  }

  const corner = (f, x, y, i, j, nx, ny) => f([x[0] + (x[1] - x[0]) * i / nx, y[0] + (y[1] - y[0]) * j / ny]);

  // Where a contour line crosses the sides of one cell of a grid, in parts of the cell.
  function crossings(level, a, b, c, d) { // corners: lower left, lower right, upper right, upper left
    const cut = (p, q) => (level - p) / (q - p), between = (p, q) => (p < level) !== (q < level), found = [];
    if (between(a, b)) found.push([cut(a, b), 0]);
    if (between(b, c)) found.push([1, cut(b, c)]);
    if (between(d, c)) found.push([cut(d, c), 1]);
    if (between(a, d)) found.push([0, cut(a, d)]);
    return found;
  }

  // Pieces [[x, y], [x, y]] of the line on which f has the value `level` ("marching squares").
  function contour(f, level, x, y, nx, ny) {
    const at = [], pieces = [];
    for (let i = 0; i <= nx; i++) at.push(Array.from({ length: ny + 1 }, (_, j) => corner(f, x, y, i, j, nx, ny)));
    for (let i = 0; i < nx; i++) {
      for (let j = 0; j < ny; j++) {
        const cuts = crossings(level, at[i][j], at[i + 1][j], at[i + 1][j + 1], at[i][j + 1]);
        const ends = cuts.map((p) => [x[0] + (x[1] - x[0]) * (i + p[0]) / nx, y[0] + (y[1] - y[0]) * (j + p[1]) / ny]);
        for (let k = 0; k + 1 < ends.length; k += 2) pieces.push([ends[k], ends[k + 1]]);
      }
    }
    return pieces;
  }

  DLLab.models["gradient-descent"] = {
    path: path, losses: losses, verdict: verdict, contour: contour,
    loss: (surface, w, kappa) => SURFACES[surface].loss(w, kappa),
    slope: (surface, w, kappa) => SURFACES[surface].slope(w, kappa),
  };

  // -- the figure ------------------------------------------------------------------------------------

  // Color, dash and mark differ, so that no one of them is needed alone. Marks: SVG paths about (0, 0).
  const KINDS = [
    { key: "gd", name: "gradient descent", style: "w-blue", dash: "", mark: "M3.2 0A3.2 3.2 0 1 1 -3.2 0A3.2 3.2 0 1 1 3.2 0Z" },
    { key: "mom", name: "momentum", style: "w-orange", dash: "7 3", mark: "M-3 -3H3V3H-3Z" },
    { key: "nag", name: "Nesterov", style: "w-purple", dash: "2 3", mark: "M0 -4.2L4.2 0L0 4.2L-4.2 0Z" },
    { key: "rms", name: "RMSprop", style: "w-ink", dash: "8 3 2 3", mark: "M-3.4 -3.4L3.4 3.4M3.4 -3.4L-3.4 3.4" },
    { key: "adam", name: "Adam", style: "w-green", dash: "4 2", mark: "M0 -4L4 3.2H-4Z" },
  ];
  const INITIAL = Object.assign({
    surface: "valley", kappa: 25, mu: 4 / 9, t: 25, gd: true, mom: true, nag: false, rms: false, adam: true,
  }, SURFACES.valley.begin);

  // What a button sets: everything, so that it does the same whatever came before.
  const from = (surface, changes) => Object.assign({}, INITIAL, { surface: surface }, SURFACES[surface].begin, changes);
  const EXAMPLES = [
    ["The valley", from("valley", {})],
    ["Rate too large", from("valley", { gdRate: 0.085, mom: false, adam: false, t: 40 })],
    ["A saddle", from("saddle", { mu: 0.9, t: 30 })],
    ["Two minima", from("two", { mu: 0.9, t: 60 })],
    ["Rosenbrock", from("rosenbrock", { mu: 0.9, t: 150 })],
  ];

  // The rates of a slider: 0.0001, 0.00011, ..., 0.00099, 0.001, ..., 10, each with two digits.
  const rateAt = (i) => Number(((10 + i % 90) * Math.pow(10, Math.floor(i / 90) - 5)).toPrecision(2));

  function placeOf(rate) {
    const power = Math.floor(Math.log10(rate) + 1e-9);
    return Math.round(90 * (power + 4) + 10 * rate / Math.pow(10, power) - 10);
  }

  // A slider for a rate; its steps are about as long everywhere, as on a logarithmic axis.
  function rateSlider(ui, parent, key, name) {
    const label = DLLab.make("label", parent, { class: "w-slider" });
    DLLab.make("span", DLLab.make("span", label, { class: "w-label" }, "rate η"), { class: "w-hidden" }, " of " + name);
    const input = DLLab.make("input", label, { type: "range", min: 0, max: 450, step: 1 });
    const output = DLLab.make("output", label);
    input.addEventListener("input", () => ui.set({ [key]: rateAt(Number(input.value)) }));
    ui.bind(() => {
      const rate = ui.state[key];
      ui.state[key] = rate > 0 ? Math.min(10, Math.max(1e-4, rate)) : ui.initial[key];
      input.value = placeOf(ui.state[key]);
      output.textContent = DLLab.number(ui.state[key]);
      input.setAttribute("aria-valuetext", output.textContent);
    });
  }

  function swatch(parent, kind) {
    const icon = DLLab.svg("svg", parent, { viewBox: "-17 -7 34 14", width: 34, height: 14, "aria-hidden": "true", class: kind.style });
    DLLab.svg("path", icon, { d: "M-17 0H17", class: "w-line", "stroke-dasharray": kind.dash });
    DLLab.svg("path", icon, { d: kind.mark, fill: "currentColor", stroke: "currentColor" });
  }

  function controls(ui) {
    const box = ui.controls;
    const surface = ui.choice(box, "surface", { label: "Surface", options: Object.keys(SURFACES).map((key) => [key, SURFACES[key].text]) });
    surface.addEventListener("change", () => ui.set(SURFACES[ui.state.surface].begin));
    const curved = DLLab.make("div", box);
    ui.slider(curved, "kappa", { label: "curvature κ", min: 1, max: 100, step: 1 });
    const rows = KINDS.map((kind) => {
      const check = ui.check(box, kind.key, { label: kind.name }).parentNode, rate = DLLab.make("div", box);
      swatch(check, kind);
      rateSlider(ui, rate, kind.key + "Rate", kind.name);
      return rate;
    });
    const shared = DLLab.make("div", box);
    ui.slider(shared, "mu", { label: "momentum μ", min: 0, max: 0.99, step: 0.01 });
    startSliders(ui, box);
    return function () { // only what matters now
      curved.hidden = ui.state.surface !== "valley";
      KINDS.forEach((kind, i) => { rows[i].hidden = !ui.state[kind.key]; });
      shared.hidden = !ui.state.mom && !ui.state.nag;
    };
  }

  // The start's sliders get the range of the surface.
  function startSliders(ui, parent) {
    [0, 1].forEach((i) => {
      const label = DLLab.make("label", parent, { class: "w-slider" });
      DLLab.make("span", label, { class: "w-label" }, "start " + (i ? "w₂" : "w₁"));
      const input = DLLab.make("input", label, { type: "range", step: 0.01 });
      const output = DLLab.make("output", label);
      input.addEventListener("input", () => ui.set({ start: ui.state.start.map((v, j) => (j === i ? Number(input.value) : v)) }));
      ui.bind(() => {
        const shown = SURFACES[ui.state.surface], range = i ? shown.y : shown.x;
        ui.state.start = ui.state.start.map((v, j) => (j === i ? Math.min(range[1], Math.max(range[0], v)) : v));
        input.min = range[0];
        input.max = range[1];
        input.value = ui.state.start[i];
        output.textContent = DLLab.number(ui.state.start[i]);
      });
    });
  }

  function drawContours(chart, group, state) {
    const surface = SURFACES[state.surface], key = state.surface + state.kappa;
    if (group.shown === key) return;
    group.shown = key;
    group.textContent = "";
    chart.frame(surface.x, surface.y);
    const f = (w) => surface.loss(w, state.kappa);
    surface.levels.forEach((level) => {
      const pieces = contour(f, level, surface.x, surface.y, 90, 60);
      const d = pieces.map((p) => p.map((q, i) => (i ? "L" : "M") + chart.x(q[0]).toFixed(1) + " " + chart.y(q[1]).toFixed(1)).join("")).join("");
      DLLab.svg("path", group, { d: d, class: "w-line w-thin w-quiet w-faint" });
    });
  }

  function drawRoute(chart, group, kind, points) {
    group.textContent = "";
    if (!points) return;
    const clamp = (v) => Math.max(-4000, Math.min(4000, v)).toFixed(1);
    const shown = points.filter((w) => Number.isFinite(w[0]) && Number.isFinite(w[1])).map((w) => [clamp(chart.x(w[0])), clamp(chart.y(w[1]))]);
    DLLab.svg("path", group, { d: "M" + shown.map((p) => p.join(" ")).join("L"), class: "w-line " + kind.style, "stroke-dasharray": kind.dash });
    if (kind.mark) shown.slice(1).forEach((p) => {
      DLLab.svg("path", group, { d: kind.mark, transform: "translate(" + p + ")", fill: "currentColor", stroke: "currentColor", class: kind.style });
    });
  }

  // The start can be dragged by its ring; a finger beside the ring still scrolls the page.
  function startRing(ui, chart) {
    const ring = DLLab.svg("g", chart.svg);
    DLLab.svg("circle", ring, { r: 20, fill: "transparent" });
    DLLab.svg("circle", ring, { r: 7, class: "w-hollow w-ink" });
    DLLab.drag(ring, (event) => {
      const w = chart.at(event), shown = SURFACES[ui.state.surface];
      ui.set({ start: [shown.x, shown.y].map((r, i) => Number(Math.min(r[1], Math.max(r[0], w[i])).toFixed(2))) });
    });
    return () => ring.setAttribute("transform", "translate(" + chart.x(ui.state.start[0]) + "," + chart.y(ui.state.start[1]) + ")");
  }

  // Two decimals are enough to follow a point.
  const place = (w) => "(" + w.map((v) => DLLab.number(Math.abs(v) < 1000 ? Math.round(v * 100) / 100 : v, 3)).join(", ") + ")";

  function fateOf(run) {
    const v = run.verdict, last = run.losses[run.losses.length - 1];
    if (v.diverged > 0) return "no: diverges at step " + v.diverged;
    if (v.arrived >= 0) return "step " + v.arrived;
    return last > run.losses[0] ? "no: it grows" : "not in " + STEPS;
  }

  function runs(state) {
    return KINDS.filter((kind) => state[kind.key]).map((kind) => {
      const points = path(kind.key, state.surface, state.kappa, state.start, state[kind.key + "Rate"], state.mu, STEPS);
      const values = losses(points, state.surface, state.kappa);
      return { kind: kind, points: points, losses: values, verdict: verdict(values) };
    });
  }

  function summary(state, all) {
    if (!all.length) return "Choose an optimizer.";
    const parts = all.map((run) => run.kind.name + " " + DLLab.number(run.losses[state.t]));
    const lost = all.filter((run) => run.verdict.diverged > 0);
    const warning = lost.map((run) => " With its rate, " + run.kind.name + " diverges: after " + run.verdict.diverged + " steps its loss is more than 1000 times that of the start.");
    return "Loss after " + state.t + (state.t === 1 ? " step: " : " steps: ") + parts.join(", ") + "." + warning.join("");
  }

  function player(ui, parent) {
    const run = ui.player(parent, () => {
      if (ui.state.t >= STEPS) return false;
      ui.set({ t: ui.state.t + 1 });
    }, { play: "Run", step: "Step", perSecond: 12 });
    ui.button(run.box, "To the start", () => { run.stop(); ui.set({ t: 0 }); });
    ui.button(run.box, "All " + STEPS, () => { run.stop(); ui.set({ t: STEPS }); });
    ui.slider(parent, "t", { label: "steps shown", min: 0, max: STEPS, step: 1 });
    return run;
  }

  DLLab.widget("gradient-descent", INITIAL, function (ui) {
    const examples = DLLab.make("div", null, { class: "w-buttons w-presets", role: "group", "aria-label": "Examples" });
    EXAMPLES.forEach((example) => ui.button(examples, example[0], () => { run.stop(); ui.set(example[1]); }));
    ui.root.insertBefore(examples, ui.root.firstChild);
    ui.controls.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    const showWhatMatters = controls(ui);
    const map = DLLab.chart(ui.view, { label: "Contour lines of the loss and the paths of the optimizers; the table below has their numbers", x: SURFACES.valley.x, y: SURFACES.valley.y, xlabel: "w₁", ylabel: "w₂", width: 400, height: 280 });
    const lines = DLLab.svg("g", map.marks), routes = KINDS.map(() => DLLab.svg("g", map.marks));
    const moveRing = startRing(ui, map);
    const run = player(ui, DLLab.make("div", ui.view, { class: "w-below" }));
    const chart = DLLab.chart(ui.view, { label: "Loss by step on a logarithmic axis", x: [0, STEPS], y: [1e-7, 1e4], logY: true, xlabel: "step", ylabel: "loss", width: 400, height: 190 });
    const curves = KINDS.map(() => DLLab.svg("g", chart.marks));
    const table = DLLab.table(ui.below, "Where the optimizers are", ["optimizer", "(w₁, w₂)", "loss", "below 0.001"]);

    return function update() {
      const state = ui.state;
      state.t = Math.round(state.t); // an address may hold a fraction
      const all = runs(state);
      showWhatMatters();
      drawContours(map, lines, state);
      moveRing();
      KINDS.forEach((kind, i) => {
        const found = all.find((r) => r.kind === kind);
        drawRoute(map, routes[i], kind, found && found.points.slice(0, state.t + 1));
        drawRoute(chart, curves[i], Object.assign({}, kind, { mark: "" }), found && found.losses.map((v, t) => [t, v]));
      });
      chart.line("now", [[state.t, 1e-7], [state.t, 1e4]], "w-quiet w-thin");
      table.rows(all.map((r) => [r.kind.name, place(r.points[state.t]), DLLab.number(r.losses[state.t]), fateOf(r)]));
      ui.say(summary(state, all));
    };
  });
})();
