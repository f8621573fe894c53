// Two shapes, lined up at the right: what fits, what is stretched, and the sum entry by entry.
(function () {
  "use strict";

  const DRAWN = 8; // rows and columns of a grid at most

  // -- the rule ----------------------------------------------------------------------------------

  // "5, 1" or "(5,)" or "" as a list of sizes; null where this is no shape.
  function parse(text) {
    const inner = text.trim().replace(/^\((.*)\)$/, "$1").replace(/^\[(.*)\]$/, "$1").replace(/,\s*$/, "").trim();
    if (inner === "") return [];
    const sizes = inner.split(",").map((word) => word.trim());
    if (sizes.length > 6 || !sizes.every((word) => /^\d{1,4}$/.test(word))) return null;
    return sizes.map(Number);
  }

  // A shape as Python writes it.
  const write = (shape) => "(" + shape.join(", ") + (shape.length === 1 ? ",)" : ")");

  // One entry for each axis: the two sizes (null where an axis is put in front) and what becomes of them.
  function lineUp(a, b) {
    const longest = Math.max(a.length, b.length), axes = [];
    for (let i = 0; i < longest; i++) {
      const p = a[i - longest + a.length], q = b[i - longest + b.length];
      const x = p === undefined ? 1 : p, y = q === undefined ? 1 : q;
      const kind = x === y ? "fits" : y === 1 ? "b stretched" : x === 1 ? "a stretched" : "does not fit";
      axes.push({ a: p === undefined ? null : p, b: q === undefined ? null : q, kind: kind, size: y === 1 ? x : y });
    }
    return axes;
  }

  // The shape of a + b, or the sentence of NumPy's ValueError.
  function broadcast(a, b) {
    const axes = lineUp(a, b);
    if (axes.every((axis) => axis.kind !== "does not fit")) return { shape: axes.map((axis) => axis.size), error: null };
    const tight = (shape) => write(shape).replace(/ /g, "");
    return { shape: null, error: "operands could not be broadcast together with shapes " + tight(a) + " " + tight(b) };
  }

  // Where the entry at `place` of the result comes from: the place in an array of shape `own`.
  function origin(own, place) {
    return own.map((size, i) => (size === 1 ? 0 : place[place.length - own.length + i]));
  }

  const flat = (shape, place) => place.reduce((sum, p, i) => sum * shape[i] + p, 0);
  // The values of the chapter's figure: 0, 10, 20, … in A and 1, 2, 3, … in B.
  const valueOf = { a: (shape, place) => 10 * flat(shape, place), b: (shape, place) => 1 + flat(shape, place) };

  DLLab.models.broadcasting = { parse: parse, broadcast: broadcast, lineUp: lineUp, origin: origin, valueOf: valueOf };

  // -- the figure --------------------------------------------------------------------------------

  const INITIAL = { a: "3, 1", b: "4", row: 1, column: 2 };
  const EXAMPLES = [
    ["Column and row", "3, 1", "4"], ["Predictions and labels", "4, 1", "4"], ["Batch and bias", "5, 3", "3"],
    ["One number each", "5, 3", "5"], ["Images", "32, 28, 28, 3", "32, 1, 1, 1"],
  ];
  const WORDS = {
    "fits": ["= fits", "w-green"], "a stretched": ["↔ A is stretched", "w-blue"],
    "b stretched": ["↔ B is stretched", "w-blue"], "does not fit": ["✗ does not fit", "w-orange"],
  };

  function shapeField(ui, parent, key, text, hint) {
    const label = DLLab.make("label", parent, { class: "w-number" });
    DLLab.make("span", label, { class: "w-label" }, text);
    const input = DLLab.make("input", label, { type: "text", size: 12, maxlength: 40, autocomplete: "off", spellcheck: "false", "aria-describedby": hint });
    input.style.width = "9rem";
    let good = ui.initial[key];
    input.addEventListener("input", () => ui.set({ [key]: input.value }));
    ui.bind(() => {
      const typing = document.activeElement === input;
      if (parse(ui.state[key]) !== null) good = ui.state[key];
      else if (!typing) ui.state[key] = good; // an address with nonsense, or a field left half-typed
      if (!typing) input.value = ui.state[key];
      input.setAttribute("aria-invalid", parse(ui.state[key]) === null);
    });
  }

  // The shapes as a table with one column for each axis, the last axis at the right.
  function alignment(parent) {
    const holder = DLLab.make("div", parent);
    return function (a, b) {
      const axes = lineUp(a, b), result = broadcast(a, b).shape, put = (v) => (v === null ? "(1)" : String(v));
      holder.textContent = "";
      const table = DLLab.table(holder, "Lined up at the right; (1) is put in front", ["shape"].concat(axes.map((_, i) => "axis −" + (axes.length - i))));
      table.rows([
        ["A"].concat(axes.map((axis) => put(axis.a))), ["B"].concat(axes.map((axis) => put(axis.b))),
        ["the sizes"].concat(axes.map((axis) => WORDS[axis.kind][0])),
        ["A + B"].concat(axes.map((axis) => (result ? String(axis.size) : axis.kind === "does not fit" ? "error" : "–"))),
      ]);
      const verdicts = table.element.querySelectorAll("tbody tr:nth-child(3) td");
      axes.forEach((axis, i) => { verdicts[i].className = WORDS[axis.kind][1]; });
    };
  }

  // A shape of at most two axes as rows and columns.
  const grid = (shape) => [shape.length > 1 ? shape[0] : 1, shape.length ? shape[shape.length - 1] : 1];
  const placeIn = (shape, r, c) => [r, c].slice(2 - shape.length);

  function Panel(parent, key, choose) {
    this.box = DLLab.make("div", parent, { class: "w-panel" });
    this.title = DLLab.make("p", this.box, { class: "w-title" });
    this.cells = DLLab.make("div", this.box, { class: "w-cells" });
    this.key = key;
    this.choose = choose;
  }

  // Draw an array of shape `own`, stretched to `shape`; `chosen` is the place of the marked entry.
  Panel.prototype.draw = function (name, own, shape, valueAt, chosen) {
    const [rows, columns] = grid(shape), shown = [Math.min(rows, DRAWN), Math.min(columns, DRAWN)];
    const cut = rows > DRAWN || columns > DRAWN ? ", the first " + DRAWN + " of each axis" : "";
    this.title.textContent = name + cut;
    this.cells.textContent = "";
    this.cells.style.setProperty("--columns", Math.max(1, shown[1]));
    this.cells.style.setProperty("--cell", "38px");
    for (let r = 0; r < shown[0]; r++) {
      for (let c = 0; c < shown[1]; c++) {
        const place = placeIn(shape, r, c), home = origin(own, place);
        const copy = place.some((p, i) => p !== (home[i - shape.length + home.length] || 0));
        const marked = chosen && chosen[0] === r && chosen[1] === c;
        const cell = DLLab.make("div", this.cells, { class: "w-cell" + (copy ? " w-zero" : "") + (marked ? " w-under" : "") }, String(valueAt(home)));
        if (!copy) cell.style.fontWeight = "600";
        if (this.choose) cell.addEventListener("click", () => this.choose(r, c));
      }
    }
  };

  // A slider whose range follows the shape of the sum.
  function entrySlider(ui, parent, key, label) {
    const options = { label: label, min: 0, max: DRAWN - 1, step: 1 }, input = ui.slider(parent, key, options);
    return (size) => {
      options.max = Math.max(0, Math.min(size, DRAWN) - 1);
      input.max = options.max;
      ui.state[key] = Math.round(Math.min(ui.state[key], options.max));
      input.value = ui.state[key];
      input.parentNode.querySelector("output").textContent = ui.state[key];
      input.setAttribute("aria-valuetext", ui.state[key]);
    };
  }

  // The sum of an entry, in words that name its two origins.
  function entrySentence(state, a, b, shape) {
    const place = placeIn(shape, state.row, state.column), pa = origin(a, place), pb = origin(b, place);
    const va = valueOf.a(a, pa), vb = valueOf.b(b, pb), at = (p) => "[" + p.join(", ") + "]";
    if (!shape.length) return " The sum is " + va + " + " + vb + " = " + (va + vb) + ".";
    return " Its entry " + at(place) + " is " + va + " + " + vb + " = " + (va + vb) + ": " + (pa.length ? "A" + at(pa) : "the number A") + " plus " + (pb.length ? "B" + at(pb) : "the number B") + ".";
  }

  function drawGrids(panels, state, a, b, shape) {
    const small = Math.max(a.length, b.length) <= 2, empty = (s) => s.some((size) => size === 0);
    const drawn = small && !empty(a) && !empty(b);
    Object.keys(panels).forEach((key) => { panels[key].box.hidden = !drawn || (key === "sum" && !shape); });
    if (!drawn) return false;
    const chosen = shape && [state.row, state.column];
    panels.a.draw("A, shape " + write(a), a, shape || a, (home) => valueOf.a(a, home), chosen);
    panels.b.draw("B, shape " + write(b), b, shape || b, (home) => valueOf.b(b, home), chosen);
    if (shape) panels.sum.draw("A + B, shape " + write(shape), shape, shape, (p) => valueOf.a(a, origin(a, p)) + valueOf.b(b, origin(b, p)), chosen);
    return Boolean(shape);
  }

  DLLab.widget("broadcasting", INITIAL, function (ui) {
    const examples = DLLab.make("div", null, { class: "w-buttons w-presets", role: "group", "aria-label": "Examples" });
    EXAMPLES.forEach((e) => ui.button(examples, e[0], () => ui.set({ a: e[1], b: e[2] })));
    ui.root.insertBefore(examples, ui.root.firstChild);
    const hint = DLLab.unique("hint");
    shapeField(ui, ui.controls, "a", "Shape of A", hint);
    shapeField(ui, ui.controls, "b", "Shape of B", hint);
    DLLab.make("p", ui.controls, { class: "w-title", id: hint }, "Whole numbers with commas between them, such as 5, 1. Leave a field empty for a single number.");
    const align = alignment(ui.view), stage = DLLab.make("div", ui.below, { class: "w-stage" });
    const choose = (r, c) => ui.set({ row: r, column: c }), panels = {};
    ["a", "b", "sum"].forEach((key) => { panels[key] = new Panel(stage, key, choose); });
    const picks = DLLab.make("div", ui.controls);
    const row = entrySlider(ui, picks, "row", "row of the sum"), column = entrySlider(ui, picks, "column", "column");

    return function update() {
      const a = parse(ui.state.a), b = parse(ui.state.b);
      if (a === null || b === null) {
        return ui.say("“" + (a === null ? ui.state.a : ui.state.b) + "” is not a shape: write whole numbers with commas between them.");
      }
      const result = broadcast(a, b);
      align(a, b);
      if (result.shape && result.shape.length <= 2) {
        const [rows, columns] = grid(result.shape);
        row(rows);
        column(columns);
      }
      const entries = drawGrids(panels, ui.state, a, b, result.shape);
      picks.hidden = !entries;
      if (result.error) return ui.say("ValueError: " + result.error);
      ui.say("A + B has the shape " + write(result.shape) + "." + (entries ? entrySentence(ui.state, a, b, result.shape) : ""));
    };
  });
})();
