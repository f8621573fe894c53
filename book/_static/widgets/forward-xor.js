// A 2-2-1 network with ReLU: drag its weights, its biases and its input while the forward pass
// recomputes, number by number. The planes show what the inputs and the hidden units give.
(function () {
  "use strict";

  const CORNERS = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]; // x1, x2, class
  const LIMIT = 5; // the largest weight that can be set
  const ALL = 4; // the step at which the whole pass is shown
  const START = { unit1: [1, 1, 0], unit2: [1, 1, 0], output: [1, -2, -0.5], x1: 0, x2: 1, step: ALL };
  const PRESETS = [
    ["Start: one bias wrong", START],
    ["One straight line", { unit1: [1, 1, 0], unit2: [0, 0, 0], output: [1, 0, -0.5], x1: 1, x2: 1 }],
    ["Units measure differences", { unit1: [1, -1, 0], unit2: [-1, 1, 0], output: [1, -2, -0.5], x1: 0, x2: 1 }],
    ["The example by hand", { unit1: [1, 2, -1], unit2: [-1, 1, 0], output: [0.5, -2, 1], x1: 1, x2: 2 }],
  ];

  // -- the mathematics: three weighted sums, two of them bent -----------------------------------

  // Weights and bias of a unit: [first weight, second weight, bias].
  function sum(unit, p, q) {
    return unit[0] * p + unit[1] * q + unit[2];
  }

  function forward(net, x1, x2) {
    const z1 = sum(net.unit1, x1, x2), z2 = sum(net.unit2, x1, x2);
    const a1 = Math.max(z1, 0), a2 = Math.max(z2, 0);
    return { z1: z1, z2: z2, a1: a1, a2: a2, y: sum(net.output, a1, a2) };
  }

  function corners(net) {
    return CORNERS.map(([x1, x2, kind]) => {
      const out = forward(net, x1, x2);
      return { x1: x1, x2: x2, kind: kind, a1: out.a1, a2: out.a2, y: out.y, right: (out.y > 0) === (kind === 1) };
    });
  }

  // The stretches of a row of points at which f is positive, as [from, to]; f is nearly straight in
  // between two points, so the crossing is found on the straight line.
  function stretches(f, low, high, count) {
    const found = [];
    let start = f(low) > 0 ? low : null, before = f(low);
    for (let i = 1; i <= count; i++) {
      const x = low + ((high - low) * i) / count, now = f(x);
      if (before > 0 !== now > 0) {
        const crossing = x - ((high - low) / count) * (now / (now - before));
        if (start === null) start = crossing;
        else { found.push([start, crossing]); start = null; }
      }
      before = now;
    }
    if (start !== null) found.push([start, high]);
    return found;
  }

  const round = (value) => Math.round(value * 1e6) / 1e6; // 0.1 + 0.2 is 0.3 on paper
  const show = (value) => DLLab.number(round(value), 4);
  const bracket = (value) => (round(value) < 0 ? "(" + show(value) + ")" : show(value));

  // "1 · 0 + 1 · 1 − 1 = 0", as one writes it on paper.
  function written(unit, p, q) {
    const plus = (value) => (round(value) < 0 ? " − " : " + ") + show(Math.abs(value));
    return show(unit[0]) + " · " + bracket(p) + plus(unit[1]) + " · " + bracket(q) + plus(unit[2]) + " = " + show(sum(unit, p, q));
  }

  function arithmetic(net, x1, x2) {
    const out = forward(net, x1, x2);
    return [
      "z₁ = " + written(net.unit1, x1, x2) + " → a₁ = max(" + show(out.z1) + ", 0) = " + show(out.a1),
      "z₂ = " + written(net.unit2, x1, x2) + " → a₂ = max(" + show(out.z2) + ", 0) = " + show(out.a2),
      "ŷ = " + written(net.output, out.a1, out.a2) + " → class " + (out.y > 0 ? 1 : 0),
    ];
  }

  DLLab.models["forward-xor"] = { forward: forward, corners: corners, stretches: stretches, arithmetic: arithmetic };

  // -- the drawn network ----------------------------------------------------------------------------

  const BOXES = { x1: [36, 62], x2: [36, 192], h1: [186, 62], h2: [186, 192], y: [318, 127] };
  const CHIPS = [ // state key, place in it, from, to, share of the way (a bias: where its number stands)
    ["unit1", 0, "x1", "h1", 0.47], ["unit1", 1, "x2", "h1", 0.35], ["unit1", 2, [186, 16], "h1"],
    ["unit2", 0, "x1", "h2", 0.35], ["unit2", 1, "x2", "h2", 0.47], ["unit2", 2, [186, 238], "h2"],
    ["output", 0, "h1", "y", 0.5], ["output", 1, "h2", "y", 0.5], ["output", 2, [318, 184], "y"],
  ];
  const STEP_OF = { unit1: 1, unit2: 2, output: 3 };

  function drawNetwork(ui, parent) {
    const root = DLLab.svg("svg", parent, { viewBox: "0 0 360 254", role: "img", class: "w-chart", "aria-label":
      "The network: two inputs, two hidden units, one output. Lines carry the weights, numbers above and below the units are their biases. The fields below set the same numbers." });
    root.style.maxWidth = "500px";
    const lines = DLLab.svg("g", root), boxes = {};
    Object.keys(BOXES).forEach((name) => { boxes[name] = drawBox(root, name); });
    const chips = CHIPS.map((chip) => drawChip(ui, root, lines, chip));
    return function update(out) {
      const s = ui.state, active = s.step;
      showBox(boxes.x1, ["x₁ = " + show(s.x1)], 0, active);
      showBox(boxes.x2, ["x₂ = " + show(s.x2)], 0, active);
      showBox(boxes.h1, ["z₁ = " + show(out.z1), "a₁ = " + show(out.a1)], 1, active, out.z1 <= 0);
      showBox(boxes.h2, ["z₂ = " + show(out.z2), "a₂ = " + show(out.a2)], 2, active, out.z2 <= 0);
      showBox(boxes.y, ["ŷ = " + show(out.y), "class " + (out.y > 0 ? 1 : 0)], 3, active);
      chips.forEach((draw) => draw());
    };
  }

  function drawBox(root, name) {
    const [x, y] = BOXES[name], input = name[0] === "x", width = input ? 64 : 76, height = input ? 32 : 46;
    const group = DLLab.svg("g", root);
    const rect = DLLab.svg("rect", group, { x: x - width / 2, y: y - height / 2, width: width, height: height, rx: 10, class: "w-box" });
    const texts = input ? [y + 4] : [y - 5, y + 14];
    return { rect: rect, texts: texts.map((place) => DLLab.svg("text", group, { x: x, y: place, "text-anchor": "middle" })) };
  }

  // A unit whose turn has not come shows no numbers; one that is off has a dashed edge.
  function showBox(box, texts, turn, active, off) {
    texts.forEach((text, i) => { box.texts[i].textContent = active < turn ? text.split("=")[0].split("class")[0] + "= ?" : text; });
    if (active < turn && turn === 3) box.texts[1].textContent = "class ?";
    box.rect.setAttribute("class", "w-box " + (active === turn ? "w-green" : "w-quiet") + (off && active >= turn ? " w-dashed" : ""));
    box.rect.style.strokeWidth = active === turn ? 3.5 : 1.5;
  }

  // A weight on its line (or a bias beside its unit): drag the number up or down.
  function drawChip(ui, root, lines, [key, index, from, to, share]) {
    const b = BOXES[to], a = Array.isArray(from) ? from : BOXES[from];
    const x = a[0] + (share || 0) * (b[0] - a[0]), y = a[1] + (share || 0) * (b[1] - a[1]);
    const line = DLLab.svg("line", lines, { x1: a[0], y1: a[1], x2: b[0], y2: b[1] });
    const handle = DLLab.svg("g", root);
    DLLab.svg("rect", handle, { x: x - 26, y: y - 17, width: 52, height: 34, fill: "transparent" }); // room for a finger
    const rect = DLLab.svg("rect", handle, { x: x - 21, y: y - 11, width: 42, height: 22, rx: 11 });
    const text = DLLab.svg("text", handle, { x: x, y: y + 4, "text-anchor": "middle" });
    let origin = null;
    DLLab.drag(handle, (event) => {
      const moved = Math.round((origin.y - event.clientY + event.clientX - origin.x) / 6) / 10;
      setPart(ui, key, index, origin.value + moved);
    }, (event) => { origin = { x: event.clientX, y: event.clientY, value: ui.state[key][index] }; });
    return function () {
      const value = ui.state[key][index], waits = ui.state.step < ALL && ui.state.step !== STEP_OF[key];
      const tone = value < 0 ? "w-blue w-dashed" : "w-orange";
      line.setAttribute("class", "w-line " + tone + (waits ? " w-faint" : ""));
      line.style.strokeWidth = value === 0 ? 0.5 : 1 + Math.min(4, 1.5 * Math.abs(value));
      rect.setAttribute("class", "w-box " + tone.split(" ")[0]);
      text.textContent = (Array.isArray(from) && value >= 0 ? "+ " : "") + show(value);
    };
  }

  function setPart(ui, key, index, value) {
    const kept = round(Math.max(-LIMIT, Math.min(LIMIT, value)));
    ui.set({ [key]: ui.state[key].map((v, i) => (i === index ? kept : v)) });
  }

  // -- the two planes ---------------------------------------------------------------------------------

  // Fill where f is positive; plus and minus signs say the same without color.
  function drawRegion(chart, f, place) {
    const [x, y] = [chart.range.x, chart.range.y], rows = 200, path = [];
    for (let i = 0; i < rows; i++) {
      const middle = y[0] + ((i + 0.5) / rows) * (y[1] - y[0]), top = chart.y(y[0] + ((i + 1) / rows) * (y[1] - y[0]));
      stretches((v) => f(v, middle), x[0], x[1], 60).forEach(([from, to]) => {
        path.push("M" + chart.x(from).toFixed(1) + " " + top.toFixed(1) + "H" + chart.x(to).toFixed(1) + "v1.1H" + chart.x(from).toFixed(1) + "z");
      });
    }
    place.textContent = "";
    const edge = { x: chart.x(x[0]), y: chart.y(y[1]), width: chart.x(x[1]) - chart.x(x[0]), height: chart.y(y[0]) - chart.y(y[1]) };
    DLLab.svg("rect", place, Object.assign({ class: "w-bar w-blue", "fill-opacity": 0.16 }, edge));
    DLLab.svg("path", place, { d: path.join(""), class: "w-bar w-panel", "fill-opacity": 1 }).style.fill = DLLab.color("panel");
    DLLab.svg("path", place, { d: path.join(""), class: "w-bar w-orange", "fill-opacity": 0.3 });
    for (let i = 0; i < 25; i++) {
      const u = x[0] + ((i % 5) + 0.5) / 5 * (x[1] - x[0]), v = y[0] + (Math.floor(i / 5) + 0.5) / 5 * (y[1] - y[0]);
      DLLab.svg("text", place, { x: chart.x(u), y: chart.y(v) + 4, "text-anchor": "middle", "fill-opacity": 0.6 }, f(u, v) > 0 ? "+" : "−");
    }
  }

  function drawPoints(chart, points, here) {
    [["circle", "w-blue", 0], ["square", "w-orange", 1]].forEach(([shape, tone, kind]) => {
      chart.dots(shape, points.filter((p) => p[2] === kind), tone, 7, shape);
    });
    chart.dots("here", [here], "w-ink w-ring", 11);
  }

  function drawPlanes(ui, parent) {
    const row = DLLab.make("div", parent, { class: "w-columns" });
    const boxes = [0, 1].map(() => DLLab.make("div", row, { class: "w-view" }));
    const plane = (i, title, options) => {
      DLLab.make("p", boxes[i], { class: "w-says" }, title);
      const chart = DLLab.chart(boxes[i], Object.assign({ x: [-0.5, 1.5], y: [-0.5, 1.5], width: 260, height: 254 }, options));
      return { chart: chart, region: DLLab.svg("g", chart.marks) };
    };
    const inputs = plane(0, "The plane of the inputs. Drag the ring.", { xlabel: "x₁", ylabel: "x₂", label: "The plane of the inputs, marked plus where the output is positive, with the four corners and the input" });
    const hidden = plane(1, "The same points as the output sees them.", { xlabel: "a₁", ylabel: "a₂", label: "The plane of the hidden activations with the same points; one straight line parts plus from minus" });
    const snap = (v) => Math.max(-1, Math.min(3, Math.round(v * 20) / 20));
    DLLab.drag(inputs.chart.svg, (event) => {
      const [x1, x2] = inputs.chart.at(event);
      ui.set({ x1: snap(x1), x2: snap(x2) });
    });
    return function update(out, table) {
      const s = ui.state, wide = [s.x1, s.x2].some((v) => v < -0.5 || v > 1.5), range = wide ? [-1.25, 3.25] : [-0.5, 1.5];
      inputs.chart.frame(range, range);
      drawRegion(inputs.chart, (x1, x2) => forward(s, x1, x2).y, inputs.region);
      drawPoints(inputs.chart, CORNERS, [s.x1, s.x2]);
      const most = table.reduce((m, c) => Math.max(m, c.a1, c.a2), Math.max(out.a1, out.a2, 1.5)), high = Math.ceil(most * 2 + 0.4) / 2;
      hidden.chart.frame([-high / 8, high], [-high / 8, high]);
      drawRegion(hidden.chart, (a1, a2) => sum(s.output, a1, a2), hidden.region);
      drawPoints(hidden.chart, table.map((c) => [c.a1, c.a2, c.kind]), [out.a1, out.a2]);
    };
  }

  // -- controls: every number of the drawing as a field ---------------------------------------------

  function makeFields(ui, parent) {
    const box = DLLab.make("div", parent, { class: "w-table" }), table = DLLab.make("table", box);
    DLLab.make("caption", table, {}, "Drag a number in the drawing up or down, or set it here:");
    const head = DLLab.make("tr", DLLab.make("thead", table)), body = DLLab.make("tbody", table);
    ["", "weight 1", "weight 2", "bias"].forEach((text, i) => DLLab.make(i ? "th" : "td", head, i ? { scope: "col" } : {}, text));
    [["unit1", "unit 1", "x"], ["unit2", "unit 2", "x"], ["output", "output", "a"]].forEach(([key, name, source]) => {
      const row = DLLab.make("tr", body);
      DLLab.make("th", row, { scope: "row" }, name);
      ["weight of " + source + "₁", "weight of " + source + "₂", "bias"].forEach((word, index) => {
        ui.number(DLLab.make("td", row), key, { label: name + ", " + word, hidden: true, index: index, min: -LIMIT, max: LIMIT, step: 0.1 });
      });
    });
  }

  function makeSteps(ui, parent) {
    DLLab.make("p", parent, { class: "w-says" }, "The forward pass, in the numbers of the input:");
    const list = DLLab.make("ol", parent, { class: "w-steps" }), lines = [0, 1, 2].map(() => DLLab.make("li", list));
    const buttons = DLLab.make("div", parent, { class: "w-buttons" });
    const go = (by) => ui.set({ step: ((ui.state.step - 1 + by + ALL) % ALL) + 1 });
    ui.button(buttons, "Previous", () => go(-1));
    const next = ui.button(buttons, "Next", () => go(1));
    return function update() {
      const s = ui.state;
      arithmetic(s, s.x1, s.x2).forEach((text, i) => {
        lines[i].textContent = s.step > i ? text : text.split("=")[0] + "= ?";
        if (s.step === i + 1) lines[i].setAttribute("aria-current", "step");
        else lines[i].removeAttribute("aria-current");
      });
      next.textContent = "Next: " + ["unit 1", "unit 2", "output", "all"][s.step % ALL];
    };
  }

  function keepWithinLimits(state) {
    ["unit1", "unit2", "output"].forEach((key) => {
      state[key] = state[key].map((v) => Math.max(-LIMIT, Math.min(LIMIT, v)));
    });
    state.step = Math.max(1, Math.min(ALL, Math.round(state.step)));
  }

  DLLab.widget("forward-xor", START, function (ui) {
    keepWithinLimits(ui.state);
    const columns = ui.view.parentNode;
    columns.insertBefore(ui.view, ui.controls); // the drawing first, also on a phone
    const network = drawNetwork(ui, ui.view);
    const presets = DLLab.make("div", null, { class: "w-buttons w-presets" });
    ui.root.insertBefore(presets, columns);
    PRESETS.forEach(([name, state]) => ui.button(presets, name, () => ui.set(Object.assign({ step: ALL }, state))));
    ui.slider(ui.controls, "x1", { label: "Input x₁", min: -1, max: 3, step: 0.05 });
    ui.slider(ui.controls, "x2", { label: "Input x₂", min: -1, max: 3, step: 0.05 });
    makeFields(ui, ui.controls);
    const steps = makeSteps(ui, ui.view), planes = drawPlanes(ui, ui.below);
    const table = DLLab.table(ui.below, "The four corners", ["input", "class", "a₁", "a₂", "output ŷ", "right?"]);
    return function update() {
      keepWithinLimits(ui.state);
      const s = ui.state, out = forward(s, s.x1, s.x2), found = corners(s);
      network(out);
      steps();
      planes(out, found);
      table.rows(found.map((c) => ["(" + c.x1 + ", " + c.x2 + ")", String(c.kind), show(c.a1), show(c.a2), show(c.y), c.right ? "✓ yes" : "✗ no"]));
      ui.say("The input (" + show(s.x1) + ", " + show(s.x2) + ") gives " + show(out.y) + ", so class " + (out.y > 0 ? 1 : 0) + ". " +
        found.filter((c) => c.right).length + " of 4 corners right.");
    };
  });
})();
