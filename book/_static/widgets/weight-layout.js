// The same weights in two layouts: numbered blocks move from where PyTorch keeps them to where
// Keras keeps them, by the right line of NumPy or by one that only gets the shape right.
(function () {
  "use strict";

  const START = { layer: "dense", way: "right", pick: 1, moved: 1 };

  const RESHAPED = "a reshape keeps the order in memory and only cuts the rows elsewhere";

  // Each layer: name, shape and axes of both arrays, as in the chapter's examples; the line that
  // ports the weights; lines that give the right shape and wrong places; and which index in
  // PyTorch's array belongs at an index of Keras's.
  const LAYERS = {
    dense: {
      name: "Dense", torch: ["V", [2, 3], "out, in"], keras: ["W", [3, 2], "in, out"],
      right: "W = V.T", source: (k) => [k[1], k[0]],
      traps: [["W = V.reshape(3, 2)", "reshape", RESHAPED]],
    },
    conv: {
      name: "Convolution", torch: ["Q", [2, 1, 2, 2], "out, in, height, width"], keras: ["K", [2, 2, 1, 2], "height, width, in, out"],
      right: "K = Q.transpose(2, 3, 1, 0)", source: (k) => [k[3], k[2], k[0], k[1]],
      traps: [
        ["K = Q.reshape(2, 2, 1, 2)", "reshape", RESHAPED],
        ["K = Q.T", "reverse", "this reverses all axes, so height and width change places as well"],
      ],
    },
    flatten: { // one input of Keras is (row, column, channel), of PyTorch (channel, row, column)
      name: "Dense after Flatten", torch: ["V", [2, 8], "out, in"], keras: ["W", [8, 2], "in, out"],
      right: "W = V.reshape(2, 2, 2, 2).transpose(2, 3, 1, 0).reshape(8, 2)",
      source: (k) => [k[1], 4 * (k[0] % 2) + Math.floor(k[0] / 2)],
      traps: [
        ["W = V.T", "reverse", "PyTorch flattens channel by channel, Keras pixel by pixel, so the rows come in another order"],
        ["W = V.reshape(8, 2)", "reshape", RESHAPED],
      ],
    },
    lstm: {
      name: "LSTM", torch: ["weight_ih_l0", [8, 2], "4 units, features"], keras: ["K", [2, 8], "features, 4 units"],
      gates: { torch: "ifco", keras: "ifco" }, right: "K = weight_ih_l0.T", source: (k) => [k[1], k[0]],
      traps: [["K = weight_ih_l0.reshape(2, 8)", "reshape", "the gates get each other's weights"]],
    },
    gru: { // two units a gate; reset and update change places
      name: "GRU", torch: ["weight_ih_l0", [6, 1], "3 units, features"], keras: ["K", [1, 6], "features, 3 units"],
      gates: { torch: "rzc", keras: "zrc" }, right: "K = weight_ih_l0[[2, 3, 0, 1, 4, 5]].T",
      source: (k) => [2 * [1, 0, 2][Math.floor(k[1] / 2)] + k[1] % 2, k[0]],
      traps: [["K = weight_ih_l0.T", "reverse", "PyTorch has reset, update, candidate and Keras update, reset, candidate: two gates change places"]],
    },
  };

  // -- the arithmetic of indices -----------------------------------------------------------------

  const size = (shape) => shape.reduce((a, b) => a * b, 1);

  function unravel(place, shape) {
    const index = [];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = place % shape[axis];
      place = Math.floor(place / shape[axis]);
    }
    return index;
  }

  const ravel = (index, shape) => index.reduce((place, i, axis) => place * shape[axis] + i, 0);

  // Which number of PyTorch's array stands at each place of Keras's. `way` is "right", or the
  // number of a trap, counted from 1.
  function layout(name, way) {
    const layer = LAYERS[name], from = layer.torch[1], to = layer.keras[1];
    const places = Array.from({ length: size(to) }, (_, p) => p);
    if (way === "right") return places.map((p) => ravel(layer.source(unravel(p, to)), from));
    if (layer.traps[way - 1][1] === "reshape") return places;
    return places.map((p) => ravel(unravel(p, to).reverse(), from));
  }

  // How many numbers a way puts where another one belongs.
  function misplaced(name, way) {
    const right = layout(name, "right");
    return layout(name, way).filter((number, place) => number !== right[place]).length;
  }

  const lineOf = (name, way) => (way === "right" ? LAYERS[name].right : LAYERS[name].traps[way - 1][0]);

  DLLab.models["weight-layout"] = {
    layout: layout, misplaced: misplaced, unravel: unravel, lineOf: lineOf,
    layers: Object.keys(LAYERS).map((key) => ({
      key: key, from: LAYERS[key].torch[0], shapes: [LAYERS[key].torch[1], LAYERS[key].keras[1]], traps: LAYERS[key].traps.length,
    })),
  };

  // -- where the blocks stand --------------------------------------------------------------------

  const CELL = 34, GAP = 14, LEFT = 40, WIDTH = 320;

  // The corner of an index: the last two axes are rows and columns, the first two a grid of those.
  function corner(index, shape) {
    if (shape.length === 2) return [index[1] * CELL, index[0] * CELL];
    return [index[1] * (shape[3] * CELL + GAP) + index[3] * CELL, index[0] * (shape[2] * CELL + GAP) + index[2] * CELL];
  }

  function extent(shape) {
    const end = corner(shape.map((n) => n - 1), shape);
    return [end[0] + CELL, end[1] + CELL];
  }

  // What stands beside the rows or above the columns of a matrix: gate and unit, or the number.
  function headings(layer, side, axis) {
    const gates = layer.gates && (axis === 0) === (side === "torch") ? layer.gates[side] : "";
    return Array.from({ length: layer[side][1][axis] }, (_, i) => (gates ? gates[Math.floor(i / 2)] + (i % 2) : String(i)));
  }

  function drawFrame(parent, layer, side, top) {
    const array = layer[side], shape = array[1];
    const title = (side === "torch" ? "PyTorch: " : "Keras: ") + array[0] + " (" + shape.join(", ") + ")";
    const text = DLLab.svg("text", parent, { x: 2, y: top - 24 });
    DLLab.svg("tspan", text, { class: "w-strong" }, title);
    DLLab.svg("tspan", text, { dx: 7, class: "w-word w-quiet" }, array[2]);
    if (shape.length !== 2) return;
    const quiet = (x, y, word, anchor) => DLLab.svg("text", parent, { x: x, y: y, "text-anchor": anchor, class: "w-word w-quiet" }, word);
    headings(layer, side, 1).forEach((word, i) => quiet(LEFT + (i + 0.5) * CELL, top - 6, word, "middle"));
    headings(layer, side, 0).forEach((word, i) => quiet(LEFT - 7, top + (i + 0.5) * CELL + 4, word, "end"));
  }

  function block(parent, at, text, style) {
    const group = DLLab.svg("g", parent, { transform: "translate(" + at[0].toFixed(1) + " " + at[1].toFixed(1) + ")", class: "w-block " + style });
    DLLab.svg("rect", group, { x: 1.5, y: 1.5, width: CELL - 3, height: CELL - 3, rx: 4 });
    DLLab.svg("text", group, { x: CELL / 2, y: CELL / 2 + 4, "text-anchor": "middle" }, text);
    return group;
  }

  // Draw both arrays and the blocks on their way; return where to press for which number.
  function draw(svg, s, shown, choose, hover) {
    const layer = LAYERS[s.layer], from = layer.torch[1], to = layer.keras[1];
    const order = layout(s.layer, s.way), right = layout(s.layer, "right");
    const top = 46, bottom = top + extent(from)[1] + 66, height = bottom + extent(to)[1] + 8;
    svg.textContent = "";
    svg.setAttribute("viewBox", "0 0 " + WIDTH + " " + height);
    drawFrame(svg, layer, "torch", top);
    drawFrame(svg, layer, "keras", bottom);
    const place = (index, shape, y) => { const c = corner(index, shape); return [LEFT + c[0], y + c[1]]; };
    const listen = (group, number) => {
      group.addEventListener("click", () => choose(number));
      group.addEventListener("pointerenter", () => hover(number));
    };
    order.forEach((number, p) => {
      const start = place(unravel(number, from), from, top), end = place(unravel(p, to), to, bottom);
      listen(block(svg, start, String(number), "w-origin" + (number === shown ? " w-chosen" : "")), number);
      block(svg, end, "", "w-slot");
    });
    const moving = DLLab.svg("g", svg);
    order.forEach((number, p) => {
      const start = place(unravel(number, from), from, top), end = place(unravel(p, to), to, bottom);
      const at = start.map((v, axis) => v + s.moved * (end[axis] - v)), astray = number !== right[p];
      const style = (astray ? "w-astray" : "w-home") + (number === shown ? " w-chosen" : "");
      const group = block(moving, at, (astray ? "×" : "") + number, style);
      listen(group, number);
    });
    moving.querySelectorAll(".w-chosen").forEach((group) => moving.appendChild(group)); // above the others
  }

  // -- words -------------------------------------------------------------------------------------

  function sentence(s, number) {
    const layer = LAYERS[s.layer], order = layout(s.layer, s.way), right = layout(s.layer, "right");
    const there = layer.torch[0] + "[" + unravel(number, layer.torch[1]).join(", ") + "]";
    const at = (list) => layer.keras[0] + "[" + unravel(list.indexOf(number), layer.keras[1]).join(", ") + "]";
    const wrong = misplaced(s.layer, s.way), all = order.length;
    const count = wrong === 0 ? "All " + all + " numbers land where Keras reads them."
      : wrong + " of " + all + " numbers land in wrong places, and nothing complains, since the shape is right: " + layer.traps[s.way - 1][2] + ".";
    if (order.indexOf(number) === right.indexOf(number)) return "Number " + number + " is " + there + " in PyTorch and " + at(order) + " in Keras. " + count;
    return "Number " + number + " is " + there + " in PyTorch; it belongs at " + at(right) + " in Keras and lands at " + at(order) + ". " + count;
  }

  // -- the figure --------------------------------------------------------------------------------

  function controls(ui) {
    ui.choice(ui.controls, "layer", { label: "Layer", options: Object.keys(LAYERS).map((key) => [key, LAYERS[key].name]) });
    ui.bind(() => { if (ui.state.way !== "right" && !LAYERS[ui.state.layer].traps[ui.state.way - 1]) ui.state.way = "right"; });
    const box = DLLab.make("div", ui.controls, { class: "w-buttons", role: "group", "aria-label": "Line of NumPy" });
    [["right", "The right line"], ["1", "Wrong: "], ["2", "Wrong: "]].forEach(([way, text]) => {
      const button = ui.button(box, text, () => ui.set({ way: way }));
      ui.bind(() => {
        const trap = LAYERS[ui.state.layer].traps[way - 1];
        button.hidden = way !== "right" && !trap;
        if (trap) button.textContent = text + (trap[1] === "reshape" ? "reshape" : ".T only");
        button.setAttribute("aria-pressed", String(ui.state.way === way));
      });
    });
    const pick = ui.slider(ui.controls, "pick", { label: "Number", min: 0, max: 23, step: 1 });
    ui.slider(ui.controls, "moved", { label: "Moved", min: 0, max: 1, step: 0.02, format: (v) => Math.round(100 * v) + " %" });
    ui.bind(() => {
      const s = ui.state, most = size(LAYERS[s.layer].torch[1]) - 1;
      s.pick = Math.min(most, Math.round(s.pick));
      pick.max = most;
      pick.value = s.pick;
      pick.parentNode.querySelector("output").textContent = s.pick;
    });
    ui.player(ui.controls, () => {
      ui.set({ moved: ui.state.moved >= 1 ? 0 : Math.min(1, ui.state.moved + 0.02) });
      return ui.state.moved < 1;
    }, { play: "Move the blocks", pause: "Stop", step: "", perSecond: 30 });
  }

  DLLab.widget("weight-layout", START, function (ui) {
    let hovered = null;
    const svg = DLLab.svg("svg", ui.view, { role: "img", "aria-label": "Numbered blocks in PyTorch's layout above and in Keras's layout below", class: "w-chart w-layout" });
    ui.view.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    controls(ui);
    const line = DLLab.make("p", ui.controls, { class: "w-says w-code" });
    DLLab.make("p", ui.controls, { class: "w-caption" }, "Full blocks stand right; blocks with × and a dashed edge stand where another number belongs. Press a block to follow it.");
    function update() {
      const s = ui.state, shown = hovered === null ? s.pick : hovered;
      line.textContent = "";
      DLLab.make("code", line, {}, lineOf(s.layer, s.way));
      draw(svg, s, shown, (number) => { hovered = null; ui.set({ pick: number }); }, (number) => {
        if (number !== shown) { hovered = number; update(); }
      });
      ui.say(sentence(s, shown));
    }
    svg.addEventListener("pointerleave", () => { if (hovered !== null) { hovered = null; update(); } });
    return update;
  });
})();
