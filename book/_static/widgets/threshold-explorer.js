// A threshold turns scores into answers: dots to the right of the line get a "yes". The confusion
// matrix, the measures, the cost and the point on the ROC curve follow.
(function () {
  "use strict";

  // -- mathematics ------------------------------------------------------------------------------------

  // Counts at a threshold: a score of at least the threshold is a yes.
  function confusion(labels, scores, threshold) {
    const c = { tn: 0, fp: 0, fn: 0, tp: 0 };
    labels.forEach((label, i) => {
      c[scores[i] >= threshold ? (label ? "tp" : "fp") : (label ? "fn" : "tn")] += 1;
    });
    return c;
  }

  // As many examples, but another share of positives; recall and false alarm rate stay.
  function reweigh(c, share) {
    const positives = c.tp + c.fn, negatives = c.fp + c.tn, all = positives + negatives;
    const up = share * all / positives, down = (1 - share) * all / negatives;
    return { tn: c.tn * down, fp: c.fp * down, fn: c.fn * up, tp: c.tp * up };
  }

  function measures(c) {
    const all = c.tn + c.fp + c.fn + c.tp;
    return {
      recall: c.tp / (c.tp + c.fn), alarms: c.fp / (c.fp + c.tn), precision: c.tp / (c.tp + c.fp),
      accuracy: (c.tp + c.tn) / all, f1: 2 * c.tp / (2 * c.tp + c.fp + c.fn), share: (c.tp + c.fn) / all,
    };
  }

  const cost = (c, miss, alarm) => miss * c.fn + alarm * c.fp;

  // All thresholds that make a difference: "nobody", then each score, from the highest on.
  function thresholds(scores) {
    return [Infinity].concat(Array.from(new Set(scores)).sort((a, b) => b - a));
  }

  // The confusion matrix at each of them, in one pass through the sorted scores.
  function sweep(labels, scores) {
    const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a]);
    const now = { tn: 0, fp: 0, fn: 0, tp: 0 };
    labels.forEach((label) => { now[label ? "fn" : "tn"] += 1; });
    let next = 0;
    return thresholds(scores).map((t) => {
      for (; next < order.length && scores[order[next]] >= t; next++) {
        if (labels[order[next]]) { now.fn -= 1; now.tp += 1; } else { now.tn -= 1; now.fp += 1; }
      }
      return { threshold: t, counts: Object.assign({}, now) };
    });
  }

  function roc(labels, scores) {
    return sweep(labels, scores).map((at) => {
      const m = measures(at.counts);
      return [m.alarms, m.recall];
    });
  }

  function auc(labels, scores) {
    const path = roc(labels, scores);
    return path.slice(1).reduce((area, p, i) => area + (p[0] - path[i][0]) * (p[1] + path[i][1]) / 2, 0);
  }

  DLLab.models["threshold-explorer"] = { confusion: confusion, reweigh: reweigh, measures: measures, cost: cost, sweep: sweep, roc: roc, auc: auc };

  // -- the figure -------------------------------------------------------------------------------------

  const NAMES = "ABCDEFGH".split("");
  const BOUGHT = [1, 0, 1, 0, 0, 0, 1, 0];
  const START = { data: "eight", threshold: 0.5, miss: 10, alarm: 1, share: 0, scores: [0.9, 0.8, 0.6, 0.4, 0.35, 0.2, 0.15, 0.1] };
  const KINDS = { plain: "validation customers, plain network", weighted: "validation customers, weighted network" };
  const page = DLLab.data("threshold-explorer");
  const show = (value) => DLLab.number(value, 3);
  const share = (value) => (Number.isNaN(value) ? "–" : value.toFixed(2));

  // Labels, scores and heights of the dots; many dots are spread so that they can be told apart.
  function read(state) {
    if (!page || state.data === "eight") {
      return { labels: BOUGHT, scores: state.scores.map((s) => Math.min(1, Math.max(0, s))), heights: BOUGHT, few: true };
    }
    const random = DLLab.random(1), labels = Array.from(page.labels.values);
    return { labels: labels, scores: Array.from(page[state.data].values), heights: labels.map((l) => l + 0.6 * (random.uniform() - 0.5)), few: false };
  }

  function addControls(ui) {
    if (page) ui.choice(ui.controls, "data", { label: "Scores", options: [["eight", "the eight customers"]].concat(Object.keys(KINDS).filter((k) => page[k]).map((k) => [k, KINDS[k]])) });
    ui.slider(ui.controls, "threshold", { label: "Threshold", min: 0, max: 1, step: 0.01 });
    ui.slider(ui.controls, "miss", { label: "Cost of a miss", min: 0, max: 40, step: 1 });
    ui.slider(ui.controls, "alarm", { label: "Cost of a false alarm", min: 0, max: 10, step: 1 });
    ui.slider(ui.controls, "share", { label: "Share of positives", min: 0, max: 0.9, step: 0.01, format: (v) => (v ? v.toFixed(2) : "as it is") });
  }

  // For the eight: a number for each score, out of the way until somebody wants it.
  function addScores(ui) {
    const box = DLLab.make("details", ui.controls);
    DLLab.make("summary", box, {}, "Change the eight scores");
    const row = DLLab.make("div", box, { class: "w-row" });
    NAMES.forEach((name, i) => ui.number(row, "scores", { label: name, index: i, min: 0, max: 1, step: 0.05 }));
    return box;
  }

  function addStats(parent, names) {
    const list = DLLab.make("dl", parent, { class: "w-stats" }), cells = {};
    names.forEach(([key, name]) => {
      const pair = DLLab.make("div", list);
      DLLab.make("dt", pair, {}, name);
      cells[key] = DLLab.make("dd", pair);
    });
    return cells;
  }

  function addRows(ui) {
    const chart = DLLab.chart(ui.view, { label: "Scores of positives above and of negatives below, with the threshold as a line", x: [0, 1], y: [-0.6, 1.75], xlabel: "score", width: 340, height: 190 });
    chart.svg.querySelectorAll(".w-axes text[text-anchor=end]").forEach((text) => text.remove()); // the rows have names
    chart.svg.querySelectorAll(".w-axes line[x1='46']").forEach((line) => line.remove());
    DLLab.drag(chart.svg, (event) => ui.set({ threshold: Math.round(100 * Math.min(1, Math.max(0, chart.at(event)[0]))) / 100 }));
    return chart;
  }

  function drawRows(chart, d, state) {
    const t = state.threshold, size = d.few ? 6 : 2.4;
    const dots = (id, label, yes, style) => {
      const points = [];
      d.labels.forEach((l, i) => { if (l === label && (d.scores[i] >= t) === yes) points.push([d.scores[i], d.heights[i]]); });
      chart.dots(id, points, style, size, label ? "square" : "circle");
    };
    dots("fn", 1, false, "w-hollow w-blue");
    dots("tn", 0, false, "w-orange");
    dots("fp", 0, true, "w-hollow w-orange");
    dots("tp", 1, true, "w-blue");
    NAMES.forEach((name, i) => chart.word("name" + i, d.few ? d.scores[i] : -9, d.labels[i] + 0.3, name, "w-ink", "middle"));
    chart.line("threshold", [[t, -0.6], [t, 1.45]], "w-ink");
    chart.word("no", t - 0.015, 1.52, "← no", "w-ink", "end");
    chart.word("yes", t + 0.015, 1.52, "yes →", "w-ink");
  }

  function addCurves(ui) {
    const row = DLLab.make("div", ui.below, { class: "w-columns" });
    const left = DLLab.make("div", row, { class: "w-half" }), right = DLLab.make("div", row, { class: "w-half" });
    DLLab.make("p", left, { class: "w-caption" }, "ROC curve: all thresholds, and yours");
    const curve = DLLab.chart(left, { label: "ROC curve: recall against the false alarm rate, with the point of the threshold", x: [-0.03, 1.03], y: [-0.03, 1.06], xlabel: "false alarm rate", ylabel: "recall", height: 250 });
    curve.line("chance", [[0, 0], [1, 1]], "w-quiet w-thin w-dashed");
    DLLab.make("p", right, { class: "w-caption" }, "Cost of each threshold, and of yours");
    const costs = DLLab.chart(right, { label: "Cost against the threshold, with the point of the threshold", x: [0, 1], y: [0, 30], xlabel: "threshold", ylabel: "cost", height: 250 });
    return { roc: curve, costs: costs };
  }

  // The cost is the same between two neighboring scores: stairs, from the highest threshold down.
  function stairs(list, costOf) {
    const points = [[1.01, costOf(list[0].counts)]];
    list.slice(1).forEach((at) => {
      points.push([at.threshold, points[points.length - 1][1]], [at.threshold, costOf(at.counts)]);
    });
    return points.concat([[0, points[points.length - 1][1]]]);
  }

  function drawCurves(charts, d, state, list, costOf, m, own) {
    charts.roc.line("roc", roc(d.labels, d.scores), "w-blue");
    charts.roc.dots("here", [[m.alarms, m.recall]], "w-ink", 6);
    const path = stairs(list, costOf), top = path.reduce((most, p) => Math.max(most, p[1]), 0) || 1;
    charts.costs.frame([0, 1], [0, 1.08 * top]);
    charts.costs.line("cost", path, "w-purple");
    charts.costs.dots("here", [[state.threshold, own]], "w-ink", 6);
  }

  function sentence(d, state, m, own, best) {
    const measured = Number.isNaN(m.precision) ? "nobody gets a yes" : "a share of " + share(m.precision) + " of the yeses are right";
    const cheapest = best.threshold === Infinity ? "no yes at all" : "the threshold " + show(best.threshold);
    return "At the threshold " + state.threshold.toFixed(2) + " a share of " + share(m.recall) + " of the positives are found, " + measured +
      ", and the cost is " + show(own) + ". Cheapest is " + cheapest + " with " + show(best.cost) + ". The AUC is " + show(auc(d.labels, d.scores)) + ", whatever the threshold.";
  }

  DLLab.widget("threshold-explorer", START, function (ui) {
    ui.view.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    const rows = addRows(ui);
    DLLab.make("p", ui.view, { class: "w-caption" }, "Squares above: positives (bought). Circles below: negatives. Full: answered rightly; hollow: wrongly. Drag the line.");
    const table = DLLab.table(ui.view, "Confusion matrix", ["true class", "said no", "said yes"]);
    const stats = addStats(ui.view, [["recall", "Recall"], ["precision", "Precision"], ["accuracy", "Accuracy"], ["f1", "F1"], ["alarms", "False alarm rate"], ["cost", "Cost"]]);
    addControls(ui);
    let best = null;
    const buttons = DLLab.make("div", ui.controls, { class: "w-buttons" });
    ui.button(buttons, "Cheapest threshold", () => ui.set({ threshold: best.threshold === Infinity ? 1 : Math.floor(1e5 * best.threshold + 1e-6) / 1e5 }));
    const scores = addScores(ui), charts = addCurves(ui);

    return function update() {
      const s = ui.state, d = read(s), list = sweep(d.labels, d.scores);
      const weigh = (c) => (s.share > 0 ? reweigh(c, s.share) : c), costOf = (c) => cost(weigh(c), s.miss, s.alarm);
      const c = weigh(confusion(d.labels, d.scores, s.threshold)), m = measures(c), own = cost(c, s.miss, s.alarm);
      best = list.map((at) => ({ threshold: at.threshold, cost: costOf(at.counts) })).reduce((a, b) => (b.cost < a.cost - 1e-9 ? b : a));
      scores.hidden = !d.few;
      drawRows(rows, d, s);
      drawCurves(charts, d, s, list, costOf, m, own);
      table.rows([["did not buy", show(c.tn), show(c.fp)], ["bought", show(c.fn), show(c.tp)]]);
      Object.keys(stats).forEach((key) => { stats[key].textContent = key === "cost" ? show(own) : share(m[key]); });
      ui.say(sentence(d, s, m, own, best));
    };
  });
})();
