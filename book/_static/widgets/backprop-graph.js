// Backpropagation on a small computational graph, one node at a time: the values forward, then
// each adjoint from the contributions that arrive. The reader changes the inputs and steps.
(function () {
  "use strict";

  const round = (value) => Math.round(value * 1e9) / 1e9; // 0.1 + 0.2 is 0.3 on paper
  const show = (value) => DLLab.number(round(value), 4);
  const bracket = (value) => (round(value) < 0 ? "(" + show(value) + ")" : show(value));
  const plus = (value) => (round(value) < 0 ? " − " : " + ") + show(Math.abs(value));
  const minus = (value) => plus(-value);

  // -- the graphs -------------------------------------------------------------------------------------
  // given: [name, place]; a target of the data has no adjoint.
  // made: [name, place, formula, value, the same with numbers, uses], in the order of the forward pass;
  //   uses: [parent, local derivative in symbols, its value]. back: the order of the backward pass.

  const HAND = {
    given: [["x", [30, 42]], ["w", [30, 142]], ["b", [30, 242]], ["u₁", [180, 42]], ["u₂", [180, 242]], ["t₁", [330, 42]], ["t₂", [330, 242]]],
    made: [
      ["z", [105, 142], "w · x + b", (v) => v.w * v.x + v.b, (v) => show(v.w) + " · " + bracket(v.x) + plus(v.b),
        [["w", "x", (v) => v.x], ["b", "1", () => 1], ["x", "w", (v) => v.w]]],
      ["h", [180, 142], "max(z, 0)", (v) => Math.max(v.z, 0), (v) => "max(" + show(v.z) + ", 0)",
        [["z", "relu′(z)", (v) => (v.z > 0 ? 1 : 0)]]],
      ["y₁", [255, 84, "above"], "u₁ · h", (v) => v["u₁"] * v.h, (v) => show(v["u₁"]) + " · " + show(v.h),
        [["u₁", "h", (v) => v.h], ["h", "u₁", (v) => v["u₁"]]]],
      ["y₂", [255, 200], "u₂ · h", (v) => v["u₂"] * v.h, (v) => show(v["u₂"]) + " · " + show(v.h),
        [["u₂", "h", (v) => v.h], ["h", "u₂", (v) => v["u₂"]]]],
      ["L", [330, 142], "(y₁ − t₁)² + (y₂ − t₂)²", (v) => (v["y₁"] - v["t₁"]) ** 2 + (v["y₂"] - v["t₂"]) ** 2,
        (v) => "(" + show(v["y₁"]) + minus(v["t₁"]) + ")² + (" + show(v["y₂"]) + minus(v["t₂"]) + ")²",
        [["y₁", "2(y₁ − t₁)", (v) => 2 * (v["y₁"] - v["t₁"])], ["y₂", "2(y₂ − t₂)", (v) => 2 * (v["y₂"] - v["t₂"])],
          ["t₁", "", null], ["t₂", "", null]]],
    ],
    back: ["L", "y₁", "y₂", "u₁", "u₂", "h", "z", "w", "b", "x"],
  };
  const PUZZLE = {
    given: [["x", [40, 142]]],
    made: [
      ["u", [180, 62], "2 · x", (v) => 2 * v.x, (v) => "2 · " + bracket(v.x), [["x", "2", () => 2]]],
      ["v", [180, 222], "x + 1", (v) => v.x + 1, (v) => show(v.x) + " + 1", [["x", "1", () => 1]]],
      ["y", [320, 142], "u · v", (v) => v.u * v.v, (v) => show(v.u) + " · " + bracket(v.v), [["u", "v", (v) => v.v], ["v", "u", (v) => v.u]]],
    ],
    back: ["y", "u", "v", "x"],
  };
  const GRAPHS = { hand: HAND, puzzle: PUZZLE };
  const START = { graph: "hand", hand: [2, 1.5, -1, 1, 0.5, 1, 2], puzzle: [3], step: 6 };
  const PRESETS = [
    ["The example by hand", { graph: "hand", hand: START.hand, step: 6 }],
    ["Second output right", { graph: "hand", hand: [2, 1.5, -1, 1, 0.5, 1, 1], step: 15 }],
    ["ReLU off", { graph: "hand", hand: [2, 1.5, -4, 1, 0.5, 1, 2], step: 15 }],
    ["The puzzle: x used twice", { graph: "puzzle", puzzle: START.puzzle, step: 4 }],
  ];

  // -- the mathematics: values forward; backward, multiply along arrows and add across them --------------

  function run(name, inputs) {
    const graph = GRAPHS[name], values = {}, adjoints = {}, arrivals = {};
    graph.given.forEach(([node], i) => { values[node] = inputs[i]; });
    graph.made.forEach(([node, , , value]) => { values[node] = value(values); });
    graph.back.forEach((node, i) => {
      arrivals[node] = [];
      graph.made.forEach(([user, , , , , uses]) => uses.forEach(([parent, symbol, slope]) => {
        if (parent !== node) return;
        const local = slope(values);
        arrivals[node].push({ from: user, symbol: symbol, adjoint: adjoints[user], local: local, amount: adjoints[user] * local });
      }));
      adjoints[node] = i ? arrivals[node].reduce((total, arrival) => total + arrival.amount, 0) : 1;
    });
    return { values: values, adjoints: adjoints, arrivals: arrivals };
  }

  DLLab.models["backprop-graph"] = { run: run };

  // "ȳ₁" from "y₁": the bar stands over the letter.
  function barred(node) {
    return (node[0] + "\u0304").normalize() + node.slice(1);
  }

  // What a step does: its node, a title, the formula with its numbers, and why.
  function explain(graph, result, step) {
    if (step === 0) return { title: "Before the forward pass", formula: "Only the inputs are known.", why: "" };
    if (step <= graph.made.length) {
      const [node, , formula, , written] = graph.made[step - 1];
      return { node: node, title: "Forward: the value of " + node, why: "Each value is computed from values before it, and kept.",
        formula: node + " = " + formula + " = " + written(result.values) + " = " + show(result.values[node]) };
    }
    const node = graph.back[step - graph.made.length - 1], arrivals = result.arrivals[node];
    const title = "Backward: the adjoint of " + node;
    if (!arrivals.length) return { node: node, title: title, formula: barred(node) + " = 1", why: "The last node moves exactly as much as itself." };
    const sum = (write) => arrivals.map(write).join(" + ");
    return { node: node, title: title, why: reason(node, arrivals),
      formula: barred(node) + " = " + sum((a) => barred(a.from) + " · " + a.symbol) + " = " +
        sum((a) => bracket(a.adjoint) + " · " + bracket(a.local)) + " = " + show(result.adjoints[node]) };
  }

  function reason(node, arrivals) {
    const users = arrivals.map((arrival) => arrival.from).join(" and ");
    if (arrivals.length === 1) return "Only " + users + " uses " + node + ", so one contribution arrives: multiply along the arrow.";
    return users + " use " + node + ", so " + arrivals.length + " contributions arrive: multiply along each arrow, then add.";
  }

  // -- the drawing ------------------------------------------------------------------------------------

  const HALF = [24, 19]; // half of a box

  function border(from, to) {
    const dx = to[0] - from[0], dy = to[1] - from[1];
    const share = Math.min(HALF[0] / Math.abs(dx || 1e-9), HALF[1] / Math.abs(dy || 1e-9));
    return [from[0] + share * dx, from[1] + share * dy];
  }

  function drawArrow(parent, a, b) {
    const from = border(a, b), to = border(b, a), angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
    const group = DLLab.svg("g", parent);
    const corner = (turn) => (to[0] - 8 * Math.cos(angle + turn)).toFixed(1) + " " + (to[1] - 8 * Math.sin(angle + turn)).toFixed(1);
    DLLab.svg("line", group, { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: "w-line" });
    DLLab.svg("path", group, { d: "M" + to.join(" ") + "L" + corner(0.45) + "L" + corner(-0.45) + "z", class: "w-bar" });
    return { group: group, middle: [0.45 * from[0] + 0.55 * to[0], 0.45 * from[1] + 0.55 * to[1]] };
  }

  // A contribution on its way back, as a badge on its arrow.
  function drawBadge(parent) {
    const group = DLLab.svg("g", parent, { class: "w-orange w-badge" });
    return { group: group, rect: DLLab.svg("rect", group, { height: 20, rx: 10, class: "w-bar" }), text: DLLab.svg("text", group, { "text-anchor": "middle" }) };
  }

  function showBadge(badge, [x, y], text) {
    const width = 12 + 8 * text.length;
    badge.text.textContent = text;
    badge.rect.setAttribute("width", text ? width : 0);
    badge.rect.setAttribute("x", x - width / 2);
    badge.rect.setAttribute("y", y - 10);
    badge.text.setAttribute("x", x);
    badge.text.setAttribute("y", y + 4.5);
  }

  function drawNode(parent, [x, y, side]) {
    const group = DLLab.svg("g", parent);
    const rect = DLLab.svg("rect", group, { x: x - HALF[0], y: y - HALF[1], width: 2 * HALF[0], height: 2 * HALF[1], rx: 8 });
    const write = (dy, style) => DLLab.svg("text", group, { x: x, y: y + dy, "text-anchor": "middle", class: style });
    return { group: group, rect: rect, name: write(-4, "w-word w-quiet"), value: write(13, "w-word w-ink"), adjoint: write(side ? -26 : 34, "w-word w-orange w-strong w-halo") };
  }

  function drawGraph(ui, parent, name) {
    const graph = GRAPHS[name], all = graph.given.concat(graph.made), place = {}, nodes = {}, arrows = [];
    const root = DLLab.svg("svg", parent, { viewBox: "0 0 362 290", role: "img", class: "w-chart w-graph", "aria-label":
      "The computational graph: each box shows a value, the number below it is its adjoint; the table gives all of them" });
    root.style.maxWidth = "500px";
    all.forEach(([node, at]) => { place[node] = at; });
    graph.made.forEach(([user, , , , , uses]) => uses.forEach(([parentNode]) => {
      arrows.push(Object.assign({ from: parentNode, to: user }, drawArrow(root, place[parentNode], place[user])));
    }));
    all.forEach(([node, at]) => { nodes[node] = drawNode(root, at); });
    arrows.forEach((arrow) => { arrow.badge = drawBadge(root); });
    graph.given.forEach(([node], i) => dragValue(ui, nodes[node].group, name, i));
    return function update(result, at) {
      const active = at.node, backward = ui.state.step > graph.made.length;
      all.forEach(([node]) => showNode(nodes[node], node, graph, result, ui.state.step, node === active));
      arrows.forEach((arrow) => showArrow(arrow, result, active, backward));
    };
  }

  function showNode(drawn, node, graph, result, step, active) {
    const turn = graph.made.findIndex((made) => made[0] === node), back = graph.back.indexOf(node);
    drawn.name.textContent = node;
    drawn.value.textContent = turn < step ? show(result.values[node]) : "?";
    drawn.adjoint.textContent = back >= 0 && step > graph.made.length + back ? barred(node) + " = " + show(result.adjoints[node]) : "";
    drawn.rect.setAttribute("class", "w-box " + (active ? (step > graph.made.length ? "w-orange" : "w-blue") : "w-quiet"));
    drawn.rect.style.strokeWidth = active ? 3.5 : 1.5;
  }

  // Going forward, the arrows into the active node carry values; going back, those out of it
  // carry contributions, against their direction.
  function showArrow(arrow, result, active, backward) {
    const used = active !== undefined && (backward ? arrow.from : arrow.to) === active;
    arrow.group.setAttribute("class", used ? (backward ? "w-orange" : "w-blue") : "w-quiet w-faint");
    const arrival = used && backward && result.arrivals[active].find((a) => a.from === arrow.to);
    showBadge(arrow.badge, arrow.middle, arrival ? show(arrival.amount) : "");
  }

  function dragValue(ui, group, name, index) {
    let origin = null;
    DLLab.drag(group, (event) => {
      const moved = Math.round((origin.y - event.clientY + event.clientX - origin.x) / 6) / 10;
      const value = round(Math.max(-9, Math.min(9, origin.value + moved)));
      ui.set({ [name]: ui.state[name].map((v, i) => (i === index ? value : v)) });
    }, (event) => { origin = { x: event.clientX, y: event.clientY, value: ui.state[name][index] }; });
  }

  // -- controls and table -------------------------------------------------------------------------------

  function makeFields(ui, parent, name) {
    const box = DLLab.make("div", parent);
    DLLab.make("p", box, { class: "w-says" }, "Change an input here, or drag its box up or down:");
    const row = DLLab.make("div", box, { class: "w-row w-small" });
    GRAPHS[name].given.forEach(([node], index) => ui.number(row, name, { label: node, index: index, min: -9, max: 9, step: 0.5 }));
    return box;
  }

  function makeSteps(ui, parent) {
    const buttons = DLLab.make("div", parent, { class: "w-buttons" }), box = DLLab.make("div", parent, { class: "w-explain" });
    const text = ["w-title", "w-formula", ""].map((style) => DLLab.make("p", box, { class: "w-step " + style }));
    const last = () => GRAPHS[ui.state.graph].made.length + GRAPHS[ui.state.graph].back.length;
    const go = (step) => ui.set({ step: Math.max(0, Math.min(last(), step)) });
    ui.button(buttons, "Previous", () => go(ui.state.step - 1));
    ui.button(buttons, "Next", () => go(ui.state.step + 1));
    ui.button(buttons, "To the start", () => go(0));
    ui.button(buttons, "To the end", () => go(last()));
    return function update(at) {
      text[0].textContent = "Step " + ui.state.step + " of " + last() + ". " + at.title;
      text[1].textContent = at.formula;
      text[2].textContent = at.why || "\u00a0";
    };
  }

  function tableRows(graph, result, step) {
    return graph.back.map((node, i) => {
      const turn = graph.made.findIndex((made) => made[0] === node), known = step > graph.made.length + i;
      const amounts = result.arrivals[node].map((a, k) => (k ? bracket(a.amount) : show(a.amount))).join(" + ") || "start";
      return [node, turn < step ? show(result.values[node]) : "?", known ? amounts : "", known ? show(result.adjoints[node]) : "?"];
    });
  }

  function mend(state) {
    if (!GRAPHS[state.graph]) state.graph = START.graph;
    Object.keys(GRAPHS).forEach((name) => { state[name] = state[name].map((v) => Math.max(-9, Math.min(9, v))); });
    const graph = GRAPHS[state.graph];
    state.step = Math.max(0, Math.min(graph.made.length + graph.back.length, Math.round(state.step)));
  }

  DLLab.widget("backprop-graph", START, function (ui) {
    const columns = ui.view.parentNode, presets = DLLab.make("div", null, { class: "w-buttons w-presets" });
    ui.root.insertBefore(presets, columns);
    PRESETS.forEach(([text, state]) => ui.button(presets, text, () => ui.set(state)));
    columns.insertBefore(ui.view, ui.controls); // the graph first, also on a phone
    const parts = {};
    Object.keys(GRAPHS).forEach((name) => {
      const box = DLLab.make("div", ui.view);
      parts[name] = { boxes: [box, makeFields(ui, ui.controls, name)], draw: drawGraph(ui, box, name) };
    });
    const steps = makeSteps(ui, ui.view);
    const table = DLLab.table(ui.controls, "In the order of the backward pass", ["node", "value", "arrives", "adjoint"]);
    return function update() {
      mend(ui.state);
      const s = ui.state, graph = GRAPHS[s.graph], result = run(s.graph, s[s.graph]), at = explain(graph, result, s.step);
      Object.keys(parts).forEach((name) => parts[name].boxes.forEach((box) => { box.hidden = name !== s.graph; }));
      parts[s.graph].draw(result, at);
      steps(at);
      table.rows(tableRows(graph, result, s.step));
      ui.say(at.title + ". " + at.formula + ".");
      ui.sentence.hidden = true; // it stands beside the graph already; a screen reader hears it
    };
  });
})();
