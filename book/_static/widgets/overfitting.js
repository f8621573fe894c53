// A polynomial through noisy points of a sine: its degree, the points, the noise and a ridge penalty
// can be chosen; the error on training and on validation points is shown for all degrees.
(function () {
  "use strict";

  const HIGHEST = 15; // the largest degree
  const FRESH = 60; // validation points
  const DRAWS = 8; // fits to earlier data at most
  const FIRST = 1015; // the seed of the data set before the first
  const truth = (x) => Math.sin(2 * Math.PI * x);

  // -- mathematics ----------------------------------------------------------------------------------

  // Legendre polynomials of degree 0 to `degree` at 2x − 1: their columns are nearly at right angles,
  // so that even degree 15 can be solved with all digits.
  function legendre(x, degree) {
    const t = 2 * x - 1, row = [1, t];
    for (let n = 1; n < degree; n++) row.push(((2 * n + 1) * t * row[n] - n * row[n - 1]) / (n + 1));
    return row.slice(0, degree + 1);
  }

  // Least squares by Householder reflections: the c that makes |A c − y|² least. With fewer rows than
  // columns many c are as good; those of columns that bring nothing new are 0.
  function solve(A, y) {
    const R = A.map((row) => row.slice()), b = y.slice(), m = R.length, n = R[0].length, c = new Array(n).fill(0);
    for (let k = 0; k < Math.min(m, n); k++) reflect(R, b, k);
    for (let k = Math.min(m, n) - 1; k >= 0; k--) {
      let rest = b[k];
      for (let j = k + 1; j < n; j++) rest -= R[k][j] * c[j];
      c[k] = Math.abs(R[k][k]) > 1e-10 ? rest / R[k][k] : 0;
    }
    return c;
  }

  // Mirror rows k and after so that column k becomes zero below the diagonal.
  function reflect(R, b, k) {
    const m = R.length;
    let size = 0;
    for (let i = k; i < m; i++) size += R[i][k] * R[i][k];
    const length = Math.sqrt(size) * (R[k][k] > 0 ? -1 : 1);
    const v = R.map((row, i) => (i < k ? 0 : row[k] - (i === k ? length : 0)));
    const norm = v.reduce((sum, value) => sum + value * value, 0);
    if (norm === 0) return;
    const mirror = (read, write) => {
      let along = 0;
      for (let i = k; i < m; i++) along += v[i] * read(i);
      for (let i = k; i < m; i++) write(i, read(i) - 2 * along * v[i] / norm);
    };
    for (let j = k; j < R[0].length; j++) mirror((i) => R[i][j], (i, value) => { R[i][j] = value; });
    mirror((i) => b[i], (i, value) => { b[i] = value; });
  }

  // The coefficients that make the mean squared error + ridge · |c|² least. The constant is not
  // punished. A penalty is a further row for each coefficient: √(n · ridge) · c = 0.
  function fit(x, y, degree, ridge) {
    const A = x.map((value) => legendre(value, degree)), b = y.slice();
    for (let j = 1; j <= degree && ridge > 0; j++) {
      A.push(A[0].map((_, i) => (i === j ? Math.sqrt(x.length * ridge) : 0)));
      b.push(0);
    }
    return solve(A, b);
  }

  function predict(c, x) {
    return legendre(x, c.length - 1).reduce((sum, value, j) => sum + value * c[j], 0);
  }

  function meanSquare(c, x, y) {
    return x.reduce((sum, value, i) => sum + (predict(c, value) - y[i]) ** 2, 0) / x.length;
  }

  // Training points at equal distances, as in the chapter; validation points anywhere between them.
  function sample(points, noise, seed) {
    const random = DLLab.random(seed), x = [], fresh = [];
    for (let i = 0; i < points; i++) x.push((i + 0.5) / points);
    for (let i = 0; i < FRESH; i++) fresh.push((0.5 + (points - 1) * random.uniform()) / points);
    const noisy = (at) => at.map((value) => truth(value) + noise * random.normal());
    return { x: x, y: noisy(x), validation: { x: fresh, y: noisy(fresh) } };
  }

  // Both errors for every degree that the points can settle.
  function errors(data, ridge) {
    const list = [];
    for (let degree = 0; degree <= Math.min(HIGHEST, data.x.length - 1); degree++) {
      const c = fit(data.x, data.y, degree, ridge);
      list.push({ degree: degree, train: meanSquare(c, data.x, data.y), validation: meanSquare(c, data.validation.x, data.validation.y) });
    }
    return list;
  }

  DLLab.models.overfitting = { legendre: legendre, fit: fit, predict: predict, meanSquare: meanSquare, sample: sample, errors: errors };

  // -- the figure -----------------------------------------------------------------------------------

  const START = { degree: 12, points: 20, noise: 0.3, ridge: -7, seed: 1, draws: 0 };
  const PRESETS = [
    ["Degree 1: too stiff", { degree: 1 }], ["Degree 3", { degree: 3 }],
    ["Degree 15: too free", { degree: 15 }], ["Degree 15 with ridge", { degree: 15, ridge: -3 }],
  ];
  const GRID = Array.from({ length: 201 }, (_, i) => i / 200);
  const LEAST = 0.01; // smaller errors are drawn here; the table has them all
  const penalty = (exponent) => (exponent <= -7 ? 0 : Math.pow(10, exponent));

  function addControls(ui) {
    ui.slider(ui.controls, "degree", { label: "Degree", min: 0, max: HIGHEST, step: 1 });
    ui.slider(ui.controls, "points", { label: "Points", min: 6, max: 60, step: 1 });
    ui.slider(ui.controls, "noise", { label: "Noise σ", min: 0, max: 0.6, step: 0.05 });
    ui.slider(ui.controls, "ridge", { label: "Ridge λ", min: -7, max: 0, step: 0.5, format: (v) => (v <= -7 ? "0" : DLLab.number(penalty(v), 1)) });
    ui.number(ui.controls, "seed", { label: "Seed", min: 1, max: 999, step: 1 });
    const draw = DLLab.make("div", ui.controls, { class: "w-buttons" });
    ui.button(draw, "Draw new data", () => ui.set({ seed: ui.state.seed % 999 + 1, draws: Math.min(DRAWS, ui.state.draws + 1) })).classList.add("w-primary");
    ui.button(draw, "Forget old fits", () => ui.set({ draws: 0 }));
    const presets = DLLab.make("div", ui.controls, { class: "w-buttons", role: "group", "aria-label": "Examples" });
    PRESETS.forEach(([name, changes]) => ui.button(presets, name, () => ui.set(Object.assign({}, START, { seed: ui.state.seed }, changes))));
  }

  function addCharts(ui) {
    const fits = DLLab.chart(ui.view, { label: "Noisy points, the true curve and the fitted polynomial", x: [0, 1], y: [-2, 2], xlabel: "x", ylabel: "y", height: 230 });
    const line = (style) => ({ d: "M0 7H26", class: "w-line " + style }), dot = (style) => ({ cx: 13, cy: 7, r: 4, class: style });
    DLLab.marks(ui.view, [
      ["circle", dot("w-dot w-ink"), "training"], ["circle", dot("w-hollow w-purple"), "validation"],
      ["path", line("w-quiet w-dashed"), "truth"], ["path", line("w-blue"), "fit"], ["path", line("w-blue w-thin w-faint"), "fits to earlier data"],
    ]);
    const curves = DLLab.chart(ui.view, { label: "Training and validation error for each degree", x: [0, HIGHEST], y: [LEAST, 10], logY: true, xlabel: "degree of the polynomial", ylabel: "squared error", height: 210 });
    DLLab.marks(ui.view, [
      ["path", line("w-green"), "training error"], ["path", line("w-purple w-dashed"), "validation error"],
      ["path", { d: "M13 0V14", class: "w-line w-ink" }, "your degree"],
    ]);
    return { fits: fits, curves: curves };
  }

  function drawFits(chart, data, state, c) {
    const curve = (coefficients) => GRID.map((x) => [x, predict(coefficients, x)]);
    chart.line("truth", GRID.map((x) => [x, truth(x)]), "w-quiet w-dashed");
    for (let k = 1; k <= DRAWS; k++) {
      const older = k <= state.draws ? sample(state.points, state.noise, state.seed + FIRST - k) : null;
      chart.line("older" + k, older ? curve(fit(older.x, older.y, c.length - 1, penalty(state.ridge))) : [], "w-blue w-thin w-faint");
    }
    chart.dots("fresh", data.validation.x.map((x, i) => [x, data.validation.y[i]]), "w-hollow w-purple", 2.5);
    chart.line("fit", curve(c), "w-blue");
    chart.dots("points", data.x.map((x, i) => [x, data.y[i]]), "w-ink", 4);
  }

  function drawErrors(chart, list, degree) {
    const bound = (value) => Math.max(value, LEAST);
    chart.line("degree", [[degree, LEAST], [degree, 10]], "w-ink");
    chart.line("train", list.map((e) => [e.degree, bound(e.train)]), "w-green");
    chart.line("validation", list.map((e) => [e.degree, bound(e.validation)]), "w-purple w-dashed");
    const here = list[degree];
    chart.dots("here", [[degree, bound(here.train)]], "w-green", 5);
    chart.dots("there", [[degree, bound(here.validation)]], "w-hollow w-purple", 5);
  }

  function sentence(list, degree, asked) {
    const best = list.reduce((a, b) => (b.validation < a.validation ? b : a)), here = list[degree];
    const capped = asked > degree ? " So few points settle no more than degree " + degree + "." : "";
    return "Degree " + degree + ": the error is " + DLLab.number(here.train, 2) + " on the training points and " + DLLab.number(here.validation, 2) +
      " on the validation points. The validation error is least, " + DLLab.number(best.validation, 2) + ", for degree " + best.degree + "." + capped;
  }

  DLLab.widget("overfitting", START, function (ui) {
    ui.view.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    const charts = addCharts(ui);
    addControls(ui);
    const numbers = DLLab.make("details", ui.below);
    DLLab.make("summary", numbers, {}, "The errors as numbers");
    const table = DLLab.table(numbers, "Squared error by degree", ["degree", "training", "validation"]);
    return function update() {
      const s = Object.assign({}, ui.state);
      ["degree", "points", "seed", "draws"].forEach((key) => { s[key] = Math.max(0, Math.round(s[key])); });
      s.draws = Math.min(DRAWS, s.draws);
      const data = sample(s.points, s.noise, s.seed + FIRST), list = errors(data, penalty(s.ridge));
      const degree = Math.min(s.degree, list.length - 1);
      drawFits(charts.fits, data, s, fit(data.x, data.y, degree, penalty(s.ridge)));
      drawErrors(charts.curves, list, degree);
      table.rows(list.map((e) => [(e.degree === degree ? "→ " : "") + e.degree, DLLab.number(e.train, 2), DLLab.number(e.validation, 2)]));
      ui.say(sentence(list, degree, s.degree));
    };
  });
})();
