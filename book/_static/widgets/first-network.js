// Draw a digit of 8 by 8 pixels: sixteen of the hidden units, each with its weights as a picture,
// light up, and ten bars show the scores. The network is the one that the chapter trains.
(function () {
  "use strict";

  const SIDE = 8, LEVELS = 16, CODE = "0123456789abcdefg"; // a pixel is one of 17 grays, as in the data

  // -- the network -------------------------------------------------------------------------------

  // Ink between 0 and 1 for each pixel, from the 64 letters that the address keeps; null if it is none.
  function pixels(code) {
    if (!new RegExp("^[" + CODE + "]{" + SIDE * SIDE + "}$").test(code)) return null;
    return Array.from(code, (letter) => CODE.indexOf(letter) / LEVELS);
  }

  const codeOf = (ink) => Array.from(ink, (v) => CODE[Math.round(Math.min(1, Math.max(0, v)) * LEVELS)]).join("");

  // x W + b for one example; W has the shape (inputs, units) and lies row after row.
  function dense(x, layer) {
    const units = layer.b.length, sums = Array.from(layer.b);
    x.forEach((value, i) => {
      for (let j = 0; value !== 0 && j < units; j++) sums[j] += value * layer.W[i * units + j];
    });
    return sums;
  }

  function forward(ink, net) {
    const hidden = dense(ink, net.hidden).map((z) => Math.max(z, 0));
    return { hidden: hidden, scores: dense(hidden, net.scores) };
  }

  // Move the ink by one pixel; what leaves the field is lost.
  function shifted(ink, right, down) {
    return ink.map((_, i) => {
      const row = Math.floor(i / SIDE) - down, column = i % SIDE - right;
      return row < 0 || row >= SIDE || column < 0 || column >= SIDE ? 0 : ink[row * SIDE + column];
    });
  }

  // Put ink around a point, in units of pixels: full at its middle, none beyond 1.4 pixels.
  function stroke(ink, x, y, erase) {
    return ink.map((old, i) => {
      const away = Math.hypot(i % SIDE + 0.5 - x, Math.floor(i / SIDE) + 0.5 - y);
      return erase ? (away < 1.2 ? 0 : old) : Math.max(old, Math.min(1, Math.max(0, 1.4 - away)));
    });
  }

  function networkOf(data) {
    return {
      hidden: { W: data.W1.values, b: data.b1.values }, scores: { W: data.W2.values, b: data.b2.values },
      units: data.units, labels: data.labels,
      digits: data.labels.map((_, n) => codeOf(Array.from(data.images.values.subarray(64 * n, 64 * n + 64), (v) => v / LEVELS))),
    };
  }

  DLLab.models["first-network"] = { pixels: pixels, codeOf: codeOf, forward: forward, shifted: shifted, networkOf: networkOf };

  const data = DLLab.data("first-network");
  if (!data) return; // a page without the trained weights keeps its static text
  const net = networkOf(data);
  const EMPTY = codeOf(new Array(SIDE * SIDE).fill(0));

  // -- the drawing field -----------------------------------------------------------------------------

  // One cell for each pixel. A pointer paints a soft stroke; with keys a cursor walks and Space paints.
  function drawingField(ui, parent) {
    const size = 30, side = SIDE * size, help = DLLab.unique("help");
    const field = DLLab.svg("svg", parent, {
      viewBox: "-2 -2 " + (side + 4) + " " + (side + 4), class: "w-chart", tabindex: 0, role: "application",
      "aria-label": "Drawing field of 8 by 8 pixels", "aria-describedby": help,
    });
    field.style.maxWidth = "260px";
    field.style.cursor = "crosshair";
    const cells = Array.from({ length: SIDE * SIDE }, (_, i) => DLLab.svg("rect", field, {
      x: i % SIDE * size, y: Math.floor(i / SIDE) * size, width: size, height: size, class: "w-grid",
    }));
    const cursor = DLLab.svg("rect", field, { width: size, height: size, class: "w-ring w-orange" });
    DLLab.make("p", parent, { id: help, class: "w-title" }, "Draw here. With keys: arrows move, Space paints or wipes a pixel.");
    const heard = DLLab.make("p", parent, { class: "w-hidden", role: "status" });
    let at = 27;
    pointers(ui, field, side + 4);
    field.addEventListener("keydown", (event) => {
      at = keyed(ui, event, at);
      show();
      heard.textContent = "row " + (Math.floor(at / SIDE) + 1) + ", column " + (at % SIDE + 1) + ", ink " + DLLab.number(pixels(ui.state.ink)[at], 2);
    });
    const show = () => {
      cursor.setAttribute("x", at % SIDE * size);
      cursor.setAttribute("y", Math.floor(at / SIDE) * size);
      cursor.style.display = document.activeElement === field && field.matches(":focus-visible") ? "" : "none";
    };
    ["focus", "blur"].forEach((kind) => field.addEventListener(kind, show));
    show();
    return (ink) => cells.forEach((cell, i) => { cell.style.fill = DLLab.gray(ink[i]); });
  }

  function pointers(ui, field, width) {
    let last = null;
    const where = (event) => {
      const box = field.getBoundingClientRect(), place = (p, from) => ((p - from) / box.width * width - 2) / 30;
      return [place(event.clientX, box.left), place(event.clientY, box.top)];
    };
    DLLab.drag(field, (event) => {
      const now = where(event), from = last || now, parts = Math.ceil(4 * Math.hypot(now[0] - from[0], now[1] - from[1])) || 1;
      let ink = pixels(ui.state.ink);
      for (let i = 1; i <= parts; i++) ink = stroke(ink, from[0] + (now[0] - from[0]) * i / parts, from[1] + (now[1] - from[1]) * i / parts, ui.state.wipe);
      last = now;
      ui.set({ ink: codeOf(ink) });
    }, () => { last = null; });
  }

  // What a key does: the cursor's new place, and ink where Space was pressed.
  function keyed(ui, event, at) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }, move = moves[event.key];
    if (!move && event.key !== " ") return at;
    event.preventDefault();
    if (move) {
      const inside = (v) => Math.min(SIDE - 1, Math.max(0, v));
      return inside(Math.floor(at / SIDE) + move[0]) * SIDE + inside(at % SIDE + move[1]);
    }
    ui.set({ ink: codeOf(pixels(ui.state.ink).map((v, i) => (i === at ? (v > 0 ? 0 : 1) : v))) });
    return at;
  }

  // -- the scores and the hidden units -------------------------------------------------------------------

  function scoreBars(parent) {
    const row = 24, width = 330, root = DLLab.svg("svg", parent, { viewBox: "0 0 " + width + " " + 10 * row, class: "w-chart", role: "img" });
    root.style.maxWidth = "400px";
    const zero = 160;
    DLLab.svg("line", root, { x1: zero, x2: zero, y1: 0, y2: 10 * row, class: "w-line w-thin w-quiet" });
    const rows = Array.from({ length: 10 }, (_, digit) => {
      const y = digit * row;
      return {
        name: DLLab.svg("text", root, { x: 6, y: y + 16 }, String(digit)),
        bar: DLLab.svg("rect", root, { y: y + 4, height: row - 8 }),
        value: DLLab.svg("text", root, { y: y + 16 }),
      };
    });
    return function (scores, best) {
      const largest = Math.max(20, ...scores.map(Math.abs)), scale = 90 / largest;
      scores.forEach((score, digit) => {
        const row = rows[digit], length = Math.abs(score) * scale, won = digit === best;
        row.bar.setAttribute("x", score < 0 ? zero - length : zero);
        row.bar.setAttribute("width", length);
        row.bar.setAttribute("class", "w-bar " + (won ? "w-green" : score < 0 ? "w-orange w-faint" : "w-blue"));
        row.name.style.fontWeight = row.value.style.fontWeight = won ? "700" : "400";
        row.value.setAttribute("x", score < 0 ? zero - length - 5 : zero + length + 5);
        row.value.setAttribute("text-anchor", score < 0 ? "end" : "start");
        row.value.textContent = score.toFixed(1).replace("-", "−") + (won ? " highest" : "");
      });
      root.setAttribute("aria-label", "Scores: " + scores.map((s, d) => d + ": " + s.toFixed(1)).join(", "));
    };
  }

  const LARGEST = net.hidden.W.reduce((most, w) => Math.max(most, Math.abs(w)), 0);

  // The picture of one unit: its weights, or each weight times the ink it meets.
  function paint(picture, unit, ink, colors) {
    const units = net.hidden.b.length, cell = picture.width / SIDE;
    for (let i = 0; i < SIDE * SIDE; i++) {
      const value = net.hidden.W[i * units + unit] * (ink ? ink[i] : 1);
      picture.pen.fillStyle = DLLab.mix(colors[0], colors[value < 0 ? 1 : 2], Math.abs(value) / LARGEST);
      picture.pen.fillRect(i % SIDE * cell, Math.floor(i / SIDE) * cell, cell, cell);
    }
  }

  function hiddenUnits(parent) {
    const box = DLLab.make("div", parent, { class: "w-units" });
    const items = net.units.map((unit) => {
      const item = DLLab.make("div", box, { class: "w-unit" });
      return { unit: unit, item: item, picture: DLLab.canvas(item, 64, 64, "Weights of unit " + unit), text: DLLab.make("p", item) };
    });
    let painted = "";
    return function (hidden, ink, products) {
      const most = Math.max(1e-9, ...hidden), colors = ["panel", "orange", "blue"].map(DLLab.color);
      const wanted = colors + (products ? ink : ""), changed = wanted !== painted; // weights alone stay as they are
      painted = wanted;
      items.forEach((it) => {
        const active = hidden[it.unit];
        if (changed) paint(it.picture, it.unit, products ? ink : null, colors);
        it.item.style.setProperty("--light", active / most);
        it.text.textContent = DLLab.number(active, 2);
        it.picture.element.setAttribute("aria-label", (products ? "Weights times ink of unit " : "Weights of unit ") + it.unit + ", response " + DLLab.number(active, 2));
      });
    };
  }

  function buttons(ui, parent) {
    const change = (right, down) => () => ui.set({ ink: codeOf(shifted(pixels(ui.state.ink), right, down)) });
    const first = DLLab.make("div", parent, { class: "w-buttons" });
    ui.button(first, "Load a test digit", () => {
      const next = (net.digits.indexOf(ui.state.ink) + 1) % net.digits.length;
      ui.set({ ink: net.digits[next] });
    });
    ui.button(first, "Clear", () => ui.set({ ink: EMPTY }));
    const moves = DLLab.make("div", parent, { class: "w-buttons", role: "group", "aria-label": "Move the drawing by one pixel" });
    [["←", "left", -1, 0], ["→", "right", 1, 0], ["↑", "up", 0, -1], ["↓", "down", 0, 1]].forEach((m) => {
      ui.button(moves, m[0], change(m[2], m[3])).setAttribute("aria-label", "Move one pixel " + m[1]);
    });
    ui.check(parent, "wipe", { label: "the pointer wipes ink away" });
  }

  function summary(state, best, scores) {
    const order = scores.map((_, d) => d).sort((p, q) => scores[q] - scores[p]);
    const known = net.digits.indexOf(state.ink), score = (d) => scores[d].toFixed(1).replace("-", "−");
    const truth = known < 0 ? "" : " This is a test image of the digit " + net.labels[known] + ", so the answer is " + (net.labels[known] === best ? "right." : "wrong.");
    if (state.ink === EMPTY) return "The field is empty, and yet one score is the highest, that of " + best + ": the network cannot say “none of them”.";
    return "The network reads " + best + ": its score is " + score(best) + ", the next is that of " + order[1] + " with " + score(order[1]) + "." + truth;
  }

  DLLab.widget("first-network", { ink: net.digits[0], show: "weights", wipe: false }, function (ui) {
    const drawInk = drawingField(ui, ui.controls);
    buttons(ui, ui.controls);
    DLLab.make("p", ui.view, { class: "w-title" }, "The ten scores");
    const drawScores = scoreBars(ui.view);
    const title = DLLab.make("p", ui.below, { class: "w-title" });
    const drawUnits = hiddenUnits(ui.below);
    ui.choice(ui.below, "show", { label: "Pictures show", options: [["weights", "the weights of each unit"], ["products", "weights times ink"]] });

    return function update() {
      if (pixels(ui.state.ink) === null) ui.state.ink = ui.initial.ink; // an address with nonsense
      const ink = pixels(ui.state.ink), out = forward(ink, net), best = out.scores.indexOf(Math.max(...out.scores));
      drawInk(ink);
      drawScores(out.scores, best);
      drawUnits(out.hidden, ink, ui.state.show === "products");
      title.textContent = "Sixteen of the " + out.hidden.length + " hidden units and how strongly they respond (blue: ink speaks for the unit, orange: against)";
      ui.say(summary(ui.state, best, out.scores));
    };
  });
})();
