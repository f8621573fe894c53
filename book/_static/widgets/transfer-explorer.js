// Transfer learning as this page measured it: labels against accuracy, fine-tuning, forgetting,
// and how many parameters learn. All numbers come from the page's own cells (`plot.publish`);
// between measured counts of labels a straight line on the logarithmic axis is read off, and said so.
(function () {
  "use strict";

  const measured = DLLab.data("transfer-explorer");
  const LOOK = { "frozen trunk": ["w-blue", "circle"], "from scratch": ["w-orange", "square"], "plain pixels": ["w-green", "circle"] };
  const n = (v) => DLLab.number(v, 3), two = (v) => v.toFixed(2).replace("-", "−");

  // -- the mathematics -------------------------------------------------------------------------

  function mean(values) {
    return values.reduce((sum, v) => sum + v, 0) / values.length;
  }

  function deviation(values) { // of a sample: divided by n - 1
    const m = mean(values);
    return Math.sqrt(values.reduce((sum, v) => sum + (v - m) * (v - m), 0) / (values.length - 1));
  }

  // One column of a table with one row for each draw; null where it was not measured.
  function column(table, place) {
    const values = table.map((row) => row[place]);
    return values.some((v) => v === null) ? null : values;
  }

  // [[count, mean], ..] over the counts at which a strategy was measured.
  function curve(counts, table) {
    return counts.map((count, i) => [count, column(table, i)]).filter((pair) => pair[1]).map((pair) => [pair[0], mean(pair[1])]);
  }

  // How many labels a curve needs to reach a target: straight lines between the measured points
  // on a logarithmic axis. Nothing is said beyond the measured range.
  function needed(points, target) {
    if (points[0][1] >= target) return { count: points[0][0], known: "at most" };
    for (let i = 1; i < points.length; i++) {
      const [a, low] = points[i - 1], [b, high] = points[i];
      if (high < target) continue;
      return { count: a * Math.pow(b / a, (target - low) / (high - low)), known: "about" };
    }
    return { count: points[points.length - 1][0], known: "more than" };
  }

  function learning(blocks, open) {
    return blocks.reduce((sum, block, i) => sum + (open[i] ? block[1] : 0), 0);
  }

  // -- how many labels? ------------------------------------------------------------------------

  function task(s) {
    return measured.labels[s.task];
  }

  function place(s) {
    return Math.min(task(s).counts.length - 1, Math.max(0, Math.round(s.at)));
  }

  function chosen(s) {
    return Object.keys(task(s).curves).filter((name) => s[name.split(" ").pop()]);
  }

  function across(s, count) {
    return s.log ? Math.log10(count) : count;
  }

  function drawLabels(chart, s) {
    const counts = task(s).counts, at = counts[place(s)], last = counts[counts.length - 1];
    chart.framed = null; // the ticks depend on more than the range
    chart.frame(s.log ? [Math.log10(counts[0]) - 0.1, Math.log10(last) + 0.1] : [0, last * 1.06], [0, 1]);
    chart.line("at", [[across(s, at), 0], [across(s, at), 1]], "w-quiet w-thin w-dashed");
    chart.line("guess", [[s.log ? -9 : 0, task(s).guess], [2 * last, task(s).guess]], "w-ink w-thin w-dashed");
    Object.keys(LOOK).forEach((name) => {
      const shown = chosen(s).indexOf(name) >= 0, table = shown ? task(s).curves[name] : [], [style, shape] = LOOK[name];
      chart.line(name, shown ? curve(counts, table).map((point) => [across(s, point[0]), point[1]]) : [], style);
      const dots = [];
      table.forEach((row) => row.forEach((value, i) => value !== null && dots.push([across(s, counts[i]), value])));
      chart.dots(name + " draws", dots, style, 3.5, shape);
    });
  }

  function compare(s) {
    const count = task(s).counts[place(s)], named = chosen(s).filter((name) => column(task(s).curves[name], place(s)));
    const unit = count === 1 ? " label" : " labels", start = "With " + count + unit + " of each class ";
    if (!named.length) return start + "none of the chosen strategies was measured.";
    const at = (name) => mean(column(task(s).curves[name], place(s)));
    const best = named.slice().sort((a, b) => at(b) - at(a))[0], spread = deviation(column(task(s).curves[best], place(s)));
    const text = start + "the best of what is shown is “" + best + "”: " + two(at(best)) + " ± " + two(spread) + " right. ";
    const scratch = task(s).curves["from scratch"], points = curve(task(s).counts, scratch);
    const trunk = column(task(s).curves["frozen trunk"], place(s));
    if (points.length < 2) return text + "From scratch was measured at " + points[0][0] + " labels alone: " + two(points[0][1]) + ".";
    const need = needed(points, mean(trunk)), labels = need.known === "about" ? n(need.count) : String(need.count);
    const how = { about: " (interpolated between measured counts)", "at most": "", "more than": " (the most that was measured)" };
    return text + "To reach the frozen trunk’s " + two(mean(trunk)) + ", the network from scratch needs " + need.known + " " + labels +
      " labels of each class" + how[need.known] + ".";
  }

  function labelsView(ui, left, right) {
    ui.choice(left, "task", { label: "Task", options: [["emoji", "emoji"], ["digits", "digits"]] });
    const slider = ui.slider(left, "at", { label: "Labels of each class", min: 0, max: 3, step: 1, format: (i) => String(task(ui.state).counts[Math.min(i, task(ui.state).counts.length - 1)]) });
    ui.bind(() => {
      slider.max = task(ui.state).counts.length - 1;
      ui.state.at = place(ui.state);
    });
    const checks = Object.keys(LOOK).map((name) => [name, ui.check(left, name.split(" ").pop(), { label: "Show: " + name })]);
    ui.bind(() => checks.forEach((pair) => { pair[1].parentNode.hidden = !task(ui.state).curves[pair[0]]; }));
    ui.check(left, "log", { label: "Logarithmic axis for the labels" });
    const chart = DLLab.chart(right, {
      label: "Test accuracy by labels of each class, for each strategy and draw", x: [0, 1], y: [0, 1], xlabel: "labels of each class", ylabel: "test accuracy",
      xticks: () => task(ui.state).counts.map((count) => [across(ui.state, count), String(count)]),
    });
    const key = DLLab.make("ul", right, { class: "w-key" });
    Object.keys(LOOK).forEach((name) => DLLab.make("span", DLLab.make("li", key, { class: LOOK[name][0] }), {}, name + (LOOK[name][1] === "square" ? " (squares)" : "")));
    DLLab.make("span", DLLab.make("li", key, { class: "w-ink" }), {}, "dashed: most frequent class");
    const table = DLLab.table(right, "At this number of labels", ["Strategy", "Mean", "Spread", "Each draw"]);
    return function () {
      const s = ui.state;
      Array.from(key.children).forEach((item) => { const name = item.textContent.replace(" (squares)", ""); item.hidden = Boolean(LOOK[name]) && chosen(s).indexOf(name) < 0; });
      drawLabels(chart, s);
      table.rows(chosen(s).map((name) => {
        const values = column(task(s).curves[name], place(s));
        return values ? [name, two(mean(values)), "± " + two(deviation(values)), values.map(two).join(", ")] : [name, "not measured", "", ""];
      }));
      return compare(s);
    };
  }

  // -- how to fine-tune? -----------------------------------------------------------------------

  function finetuneView(ui, left, right) {
    const names = Object.keys(measured.finetune);
    ui.choice(left, "setting", { label: "Compare", options: names.filter((name) => name !== "head only").map((name) => [name, name]) });
    DLLab.make("p", left, { class: "w-says" }, "Five labels of each emoji class, three draws, fifteen steps. “Head only” is feature extraction.");
    const bars = (label, high, ylabel) => DLLab.chart(right, {
      label: label, x: [-0.6, names.length - 0.4], y: [0, high], ylabel: ylabel, height: 170, xticks: () => names.map((name, i) => [i, name.split(" ")[0]]),
    });
    const most = Math.max.apply(null, names.map((name) => Math.max.apply(null, measured.finetune[name].moved)));
    const accuracy = bars("Test accuracy of each way", 1, "accuracy"), moved = bars("Movement of the trunk", most * 1.08, "trunk moved (%)");
    const table = DLLab.table(right, "Mean and spread over the draws", ["Way", "Accuracy", "Trunk moved by"]);
    const draw = (chart, key) => {
      const style = (i) => (names[i] === ui.state.setting ? "w-orange" : names[i] === "head only" ? "w-blue" : "w-quiet w-faint");
      chart.bars("bars", names.map((name) => mean(measured.finetune[name][key])), style, 0.6);
      const dots = [];
      names.forEach((name, i) => measured.finetune[name][key].forEach((v, k) => dots.push([i + (k - 1) * 0.12, v])));
      chart.dots("draws", dots, "w-ink", 3);
    };
    return function () {
      draw(accuracy, "accuracy");
      draw(moved, "moved");
      table.rows(names.map((name) => {
        const way = measured.finetune[name];
        return [name, two(mean(way.accuracy)) + " ± " + two(deviation(way.accuracy)), n(mean(way.moved)) + " %"];
      }));
      const way = measured.finetune[ui.state.setting], head = measured.finetune["head only"];
      const gain = mean(way.accuracy) - mean(head.accuracy);
      const clear = Math.abs(gain) > Math.max(deviation(way.accuracy), deviation(head.accuracy)) ? "more" : "no more";
      return "“" + ui.state.setting + "” gets " + two(mean(way.accuracy)) + ", the head only " + two(mean(head.accuracy)) + ": a difference of " + two(gain) +
        ", " + clear + " than the larger of the two spreads. The trunk moved by " + n(mean(way.moved)) + " % of its size.";
    };
  }

  // -- what is forgotten? ----------------------------------------------------------------------

  function forgettingView(ui, left, right) {
    const f = measured.forgetting, last = f.rates.length - 1;
    ui.slider(left, "rate", { label: "Learning rate of stage 2", min: 0, max: last, step: 1, format: (i) => n(f.rates[Math.round(i)]) });
    const chart = DLLab.chart(right, {
      label: "Accuracy on new and old digits by the learning rate of stage 2", x: [-0.2, last + 0.2], y: [0, 1], xlabel: "learning rate of stage 2", ylabel: "test accuracy",
      xticks: () => f.rates.map((rate, i) => [i, n(rate)]),
    });
    const key = DLLab.make("ul", right, { class: "w-key" });
    DLLab.make("span", DLLab.make("li", key, { class: "w-blue" }), {}, "new digits");
    DLLab.make("span", DLLab.make("li", key, { class: "w-orange" }), {}, "old digits, old head (squares)");
    const table = DLLab.table(right, "At this rate", ["Digits", "Mean", "Spread"]);
    return function () {
      const at = Math.round(ui.state.rate);
      chart.line("at", [[at, 0], [at, 1]], "w-quiet w-thin w-dashed");
      [["new", "w-blue", "circle"], ["old", "w-orange", "square"]].forEach((kind) => {
        chart.line(kind[0], curve(f.rates.map((_, i) => i), f[kind[0]]), kind[1]);
        const dots = [];
        f[kind[0]].forEach((row) => row.forEach((v, i) => dots.push([i, v])));
        chart.dots(kind[0] + " runs", dots, kind[1], 3.5, kind[2]);
      });
      const now = { new: column(f.new, at), old: column(f.old, at) }, before = mean(column(f.old, 0));
      table.rows(["new", "old"].map((kind) => [kind, two(mean(now[kind])), "± " + two(deviation(now[kind]))]));
      return "At the rate " + n(f.rates[at]) + " the network gets " + two(mean(now.new)) + " of the new digits right and " + two(mean(now.old)) +
        " of the old ones: " + (at === 0 ? "nothing is forgotten, since the trunk is frozen." : two(before - mean(now.old)) + " of the old accuracy is forgotten.");
    };
  }

  // -- what learns? ----------------------------------------------------------------------------

  function learnsView(ui, left, right) {
    const blocks = measured.blocks, end = blocks.length - 1;
    const presets = DLLab.make("div", left, { class: "w-buttons", role: "group", "aria-label": "Strategies" });
    [["Feature extraction", (i) => i === end], ["The chapter’s fine-tuning", (i) => i >= end - 1], ["Everything", () => true]].forEach((preset) => {
      ui.button(presets, preset[0], () => ui.set({ open: blocks.map((_, i) => (preset[1](i) ? 1 : 0)) }));
    });
    const group = DLLab.make("div", left, { role: "group", "aria-label": "Blocks that learn, from the input to the head" });
    blocks.forEach((block, i) => {
      const label = DLLab.make("label", group, { class: "w-check" });
      const input = DLLab.make("input", label, { type: "checkbox" });
      DLLab.make("span", label, {}, block[0] + ": " + block[1].toLocaleString("en-US"));
      input.addEventListener("change", () => ui.set({ open: ui.state.open.map((v, k) => (k === i ? (input.checked ? 1 : 0) : v)) }));
      ui.bind(() => { input.checked = Boolean(ui.state.open[i]); });
    });
    const largest = Math.max.apply(null, blocks.map((block) => block[1]));
    const chart = DLLab.chart(right, {
      label: "Parameters of each block; those with a mark learn", x: [-0.6, end + 0.6], y: [0, largest * 1.15 / 1000], ylabel: "parameters (thousands)", xlabel: "✓ learns, gray: frozen",
      xticks: () => blocks.map((block, i) => [i, block[2]]),
    });
    return function () {
      const open = ui.state.open;
      chart.bars("all", blocks.map((block) => block[1] / 1000), (i) => (open[i] ? "w-blue" : "w-quiet w-faint"));
      blocks.forEach((block, i) => chart.word("mark " + i, i, block[1] / 1000 + largest / 60000, open[i] ? "✓" : "", "w-blue", "middle"));
      const count = learning(blocks, open), all = learning(blocks, blocks.map(() => 1));
      const lowest = open.findIndex((v) => v);
      return count.toLocaleString("en-US") + " of " + all.toLocaleString("en-US") + " parameters learn (" + n(100 * count / all) + " %). " +
        (lowest < 0 ? "" : "The gradient has to come down to “" + blocks[lowest][0] + "”" + (open.slice(lowest).every(Boolean) ? "." : ", also through the frozen blocks above it.")) +
        " Batch normalization stays frozen and is not counted.";
    };
  }

  // -- the figure ------------------------------------------------------------------------------

  const VIEWS = [["labels", "How many labels?", labelsView], ["finetune", "How to fine-tune?", finetuneView],
    ["forgetting", "What is forgotten?", forgettingView], ["learns", "What learns?", learnsView]];

  function build(ui) {
    const tabs = DLLab.make("div", null, { class: "w-buttons w-moves", role: "group", "aria-label": "Questions" });
    ui.root.insertBefore(tabs, ui.root.firstChild);
    const views = VIEWS.map((view) => {
      const button = ui.button(tabs, view[1], () => ui.set({ view: view[0] }));
      const left = DLLab.make("div", ui.controls, { class: "w-stacked" }), right = DLLab.make("div", ui.view);
      return { name: view[0], button: button, left: left, right: right, draw: view[2](ui, left, right) };
    });
    return function update() {
      if (!views.some((view) => view.name === ui.state.view)) ui.state.view = "labels";
      views.forEach((view) => {
        const shown = view.name === ui.state.view;
        view.left.hidden = view.right.hidden = !shown;
        view.button.setAttribute("aria-pressed", String(shown));
        if (shown) ui.say(view.draw());
      });
    };
  }

  DLLab.models["transfer-explorer"] = { mean: mean, deviation: deviation, curve: curve, needed: needed, learning: learning };
  if (!measured) return; // without the page's numbers the static text stays
  DLLab.widget("transfer-explorer", {
    view: "labels", task: "emoji", at: 1, trunk: true, scratch: true, pixels: true, log: true,
    setting: "two stages", rate: 2, open: measured.blocks.map((_, i) => (i === measured.blocks.length - 1 ? 1 : 0)),
  }, build);
})();
