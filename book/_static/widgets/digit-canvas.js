// The chapter's convolutional network reads a digit while you draw it; its feature maps answer.
// The page holds the trained network (16-bit floats) and some digits: dllab.plot.publish.
// @needs activations.js
// @needs convolution.js
(function () {
  "use strict";

  const { axis, conv2d, dense, relu, shade, slice } = DLLab.convolution;
  const SIDE = 28, BOX = 20, PEN = 2.2; // pixels: image, digit, and how wide a stroke becomes
  const GRID = 1295, POINTS = 800; // strokes are kept as numbers of two digits in base 36
  const OPTIONS = { stride: 2, padding: "same" };

  // -- strokes: [[[x, y], ...], ...] with x and y from 0 to 1; as text in the address -------------

  function write(strokes) {
    const two = (v) => Math.round(Math.min(1, Math.max(0, v)) * GRID).toString(36).padStart(2, "0");
    return strokes.map((stroke) => stroke.map((p) => two(p[0]) + two(p[1])).join("")).join(".");
  }

  function read(text) {
    if (!/^([0-9a-z]{4})+(\.([0-9a-z]{4})+)*$/.test(text) || text.length > 4 * POINTS) return [];
    const at = (part, i) => parseInt(part.slice(i, i + 2), 36) / GRID;
    return text.split(".").map((part) => part.match(/.{4}/g).map((four) => [at(four, 0), at(four, 2)]));
  }

  // -- from strokes to an image as those of MNIST ---------------------------------------------------

  // How far a point is from a piece of a stroke.
  function distance(x, y, a, b) {
    const dx = b[0] - a[0], dy = b[1] - a[1], length = dx * dx + dy * dy;
    const t = length ? Math.max(0, Math.min(1, ((x - a[0]) * dx + (y - a[1]) * dy) / length)) : 0;
    return Math.hypot(x - a[0] - t * dx, y - a[1] - t * dy);
  }

  // Ink of strokes in pixels; at the edge of a stroke a pixel is gray, as the pen covers part of it.
  function ink(strokes) {
    const values = new Float64Array(SIDE * SIDE), reach = PEN / 2 + 0.5;
    strokes.forEach((stroke) => stroke.forEach((b, i) => {
      const a = stroke[Math.max(i - 1, 0)];
      const [left, right] = [Math.min(a[0], b[0]), Math.max(a[0], b[0])];
      const [top, bottom] = [Math.min(a[1], b[1]), Math.max(a[1], b[1])];
      for (let row = Math.max(0, Math.floor(top - reach)); row < Math.min(SIDE, bottom + reach); row++) {
        for (let column = Math.max(0, Math.floor(left - reach)); column < Math.min(SIDE, right + reach); column++) {
          const far = distance(column + 0.5, row + 0.5, a, b);
          const cover = Math.max(0, Math.min(1, reach - far));
          values[row * SIDE + column] = Math.max(values[row * SIDE + column], cover);
        }
      }
    }));
    return { shape: [SIDE, SIDE, 1], values: values };
  }

  function center(image) {
    let sum = 0, x = 0, y = 0;
    image.values.forEach((value, i) => {
      sum += value;
      x += value * (i % SIDE + 0.5);
      y += value * (Math.floor(i / SIDE) + 0.5);
    });
    return sum ? [x / sum, y / sum] : [SIDE / 2, SIDE / 2];
  }

  // Crop, scale the longer side to 20 pixels, draw, and move the center of mass to the middle.
  function prepare(strokes) {
    const points = [].concat(...strokes);
    if (!points.length) return { shape: [SIDE, SIDE, 1], values: new Float64Array(SIDE * SIDE) };
    const low = [0, 1].map((i) => Math.min(...points.map((p) => p[i])));
    const high = [0, 1].map((i) => Math.max(...points.map((p) => p[i])));
    const longer = Math.max(high[0] - low[0], high[1] - low[1], 0.1); // a dot stays a dot
    const scale = (BOX - PEN) / longer;
    const middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
    const placed = (to) => strokes.map((stroke) => stroke.map((p) => [0, 1].map((i) => (p[i] - middle[i]) * scale + to[i])));
    const mass = center(ink(placed([SIDE / 2, SIDE / 2])));
    return ink(placed([SIDE - mass[0], SIDE - mass[1]]));
  }

  // The image moved by whole pixels; what enters is paper.
  function shift(image, right, down) {
    const values = new Float64Array(SIDE * SIDE);
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        const y = row - down, x = column - right;
        if (y >= 0 && y < SIDE && x >= 0 && x < SIDE) values[row * SIDE + column] = image.values[y * SIDE + x];
      }
    }
    return { shape: image.shape, values: values };
  }

  // -- the network: two convolutions with ReLU, one dense layer ----------------------------------

  // `weights` are kernel, bias, kernel, bias, matrix, bias, in the order of Keras.
  function run(weights, image) {
    const first = relu(conv2d(image, weights[0], weights[1], OPTIONS));
    const second = relu(conv2d(first, weights[2], weights[3], OPTIONS));
    const scores = Array.from(dense(second, weights[4], weights[5]).values);
    return { maps: [first, second], scores: scores, shares: DLLab.softmax(scores) };
  }

  // What a place of a map sees: top, left and side of a square of the image.
  function field(layer, row, column) {
    const a = axis(SIDE, 5, 2, "same"), b = axis(a.places, 5, 2, "same");
    const [i, j] = layer ? [2 * row - b.before, 2 * column - b.before] : [row, column];
    return { top: 2 * i - a.before, left: 2 * j - a.before, side: layer ? 13 : 5 };
  }

  function strongest(map) {
    const at = map.values.indexOf(Math.max(...map.values));
    return { value: map.values[at], row: Math.floor(at / map.shape[1]), column: at % map.shape[1] };
  }

  DLLab.models["digit-canvas"] = { write: write, read: read, prepare: prepare, center: center, shift: shift, run: run, field: field };

  // -- drawing ------------------------------------------------------------------------------------

  // Fill a canvas with small squares; `paint(value)` is a color.
  function squares(canvas, array, paint) {
    const [rows, columns] = array.shape, w = canvas.width / columns, h = canvas.height / rows;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        canvas.pen.fillStyle = paint(array.values[i * columns + j]);
        canvas.pen.fillRect(j * w, i * h, w + 0.5, h + 0.5);
      }
    }
  }

  // 64 colors are enough, and asking the style sheet for each pixel would take too long.
  const palettes = {};
  function palette(paint) {
    const key = paint.name + document.documentElement.dataset.theme;
    if (!palettes[key]) palettes[key] = Array.from({ length: 65 }, (_, i) => paint(i / 64));
    return (value) => palettes[key][Math.round(64 * Math.min(1, Math.max(0, value)))];
  }

  // Orange is positive and blue negative, as in the chapter's pictures; 0.5 is zero.
  function signed(value) {
    return DLLab.diverging(1 - 2 * value);
  }

  function panel(parent, title) {
    const box = DLLab.make("div", parent, { class: "w-panel" });
    DLLab.make("p", box, { class: "w-title" }, title);
    return box;
  }

  // The paper: a pointer draws; with keys, the arrows move the pen and Space puts it down or lifts it.
  function makePaper(ui, parent) {
    const box = panel(parent, "Paper: draw a digit here");
    const paper = DLLab.canvas(box, 252, 252, "Paper. Arrow keys move the pen, Space puts it down and lifts it.");
    paper.element.setAttribute("role", "application");
    paper.element.tabIndex = 0;
    paper.element.classList.add("w-paper");
    const strokes = () => (ui.state.digit === "own" ? read(ui.state.ink) : []);

    // Points closer than a fiftieth of the paper are one.
    function add(point, anew) {
      const all = strokes(), last = all[all.length - 1];
      const before = last && last[last.length - 1];
      if (anew || !last) all.push([point]);
      else if (Math.hypot(point[0] - before[0], point[1] - before[1]) > 0.02) last.push(point);
      else return;
      const text = write(all);
      if (text.length <= 4 * POINTS) ui.set({ digit: "own", ink: text });
    }

    drawByPointer(paper.element, add);
    return { canvas: paper, pen: drawByKeys(ui, paper.element, add), strokes: strokes };
  }

  function drawByPointer(element, add) {
    let fresh = false;
    const within = (v) => Math.min(1, Math.max(0, v));
    DLLab.drag(element, (event) => {
      const edge = element.getBoundingClientRect();
      add([within((event.clientX - edge.left) / edge.width), within((event.clientY - edge.top) / edge.height)], fresh);
      fresh = false;
    }, () => { fresh = true; });
  }

  function drawByKeys(ui, element, add) {
    const pen = { x: 0.5, y: 0.2, down: false, seen: false };
    const within = (v) => Math.min(0.95, Math.max(0.05, v));
    element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step && event.key !== " ") return;
      event.preventDefault();
      pen.seen = true;
      if (step) {
        pen.x = within(pen.x + 0.05 * step[0]);
        pen.y = within(pen.y + 0.05 * step[1]);
      } else pen.down = !pen.down;
      if (pen.down) add([pen.x, pen.y], !step);
      ui.update();
    });
    element.addEventListener("blur", () => { pen.seen = pen.down = false; ui.update(); });
    return pen;
  }

  function drawPaper(paper, strokes, image) {
    const { pen, width } = paper.canvas, dark = shade(0), bright = shade(1);
    pen.fillStyle = dark;
    pen.fillRect(0, 0, width, width);
    if (!strokes.length && image) squares(paper.canvas, { shape: [SIDE, SIDE], values: image.values }, palette(shade));
    pen.strokeStyle = bright;
    pen.lineWidth = 0.075 * width;
    pen.lineCap = pen.lineJoin = "round";
    strokes.forEach((stroke) => {
      pen.beginPath();
      stroke.forEach((p, i) => (i ? pen.lineTo(p[0] * width, p[1] * width) : pen.moveTo(p[0] * width, p[1] * width)));
      if (stroke.length === 1) pen.lineTo(stroke[0][0] * width + 0.01, stroke[0][1] * width);
      pen.stroke();
    });
    if (!paper.pen.seen) return;
    pen.strokeStyle = DLLab.color("orange");
    pen.lineWidth = paper.pen.down ? 5 : 2;
    pen.beginPath();
    pen.arc(paper.pen.x * width, paper.pen.y * width, 10, 0, 2 * Math.PI);
    pen.stroke();
  }

  // Ten bars with their numbers.
  function makeBars(parent) {
    const list = DLLab.make("ol", panel(parent, "Probability of each digit"), { class: "w-shares", start: "0" });
    const lines = Array.from({ length: 10 }, (_, digit) => {
      const line = DLLab.make("li", list);
      DLLab.make("b", line, {}, String(digit));
      const bar = DLLab.make("i", DLLab.make("span", line, { class: "w-track", "aria-hidden": "true" }));
      return { line: line, bar: bar, text: DLLab.make("output", line) };
    });
    return function draw(shares) {
      const best = shares ? shares.indexOf(Math.max(...shares)) : -1;
      lines.forEach((part, digit) => {
        part.line.className = digit === best ? "w-best" : "";
        part.bar.style.width = shares ? 100 * shares[digit] + "%" : "0";
        part.text.textContent = shares ? (100 * shares[digit]).toFixed(1) + " %" : "–";
      });
    };
  }

  // A row of maps; each is a button that chooses it, pointer and focus look at it for a moment.
  function makeMaps(ui, layer, count, side, look) {
    const title = ["first", "second"][layer] + " convolution: " + count + " maps of " + side + " by " + side;
    const row = DLLab.make("div", panel(ui.below, "The " + title), { class: "w-maps", role: "group", "aria-label": "Maps of the " + title });
    return Array.from({ length: count }, (_, i) => {
      const name = String.fromCharCode(97 + layer) + (i + 1);
      const button = DLLab.make("button", row, { type: "button", class: "w-map", "aria-label": "Map " + name });
      const canvas = DLLab.canvas(button, 56, 56, "");
      canvas.element.setAttribute("aria-hidden", "true");
      DLLab.make("span", button, {}, name);
      button.addEventListener("click", () => ui.set({ map: name }));
      ["pointerenter", "focus"].forEach((kind) => button.addEventListener(kind, () => look(name)));
      ["pointerleave", "blur"].forEach((kind) => button.addEventListener(kind, () => look("")));
      return { name: name, button: button, canvas: canvas };
    });
  }

  // The kernel of a map: one square for each map that it reads.
  function makeKernel(parent) {
    const box = DLLab.make("div", parent, { class: "w-maps" });
    const slots = Array.from({ length: 8 }, () => DLLab.canvas(box, 56, 56, ""));
    slots.forEach((slot) => slot.element.setAttribute("aria-hidden", "true"));
    return function draw(kernel, filter) {
      const largest = Math.max(...kernel.values.map(Math.abs)), warm = palette(signed);
      slots.forEach((slot, channel) => {
        slot.element.hidden = channel >= kernel.shape[2];
        if (!slot.element.hidden) squares(slot, slice(kernel, filter, channel), (v) => warm((v / largest + 1) / 2));
      });
    };
  }

  function chosen(name) { // "b12" is [1, 11]
    return [name.charCodeAt(0) - 97, Number(name.slice(1)) - 1];
  }

  function describe(name, weights, maps) {
    const [layer, i] = chosen(name), map = slice(maps[layer], i), peak = strongest(map);
    const bias = DLLab.number(weights[2 * layer + 1].values[i]);
    const made = "Map " + name + " is made by this kernel of 5 by 5" + (layer ? " by 8, one square for each map of the first convolution" : "") +
      " (orange is positive, blue negative), and the bias " + bias + ". ";
    if (peak.value <= 0) return made + "It is 0 everywhere: the kernel finds nothing here.";
    return made + "Its largest number is " + DLLab.number(peak.value) + ", at row " + (peak.row + 1) + ", column " + (peak.column + 1) +
      "; that place sees the outlined square.";
  }

  // The published digit of the state, or null for a drawing.
  function sample(data, state) {
    if (state.digit === "own") return null;
    const start = Number(state.digit) * SIDE * SIDE;
    return { shape: [SIDE, SIDE, 1], values: Float64Array.from(data.digits.values.slice(start, start + SIDE * SIDE), (v) => v / 255) };
  }

  function settings(ui, data) {
    const options = data.names.map((name, i) => [String(i), name]);
    ui.choice(ui.controls, "digit", { label: "Digit", options: options.concat([["own", "my own drawing"]]) });
    ui.button(DLLab.make("div", ui.controls, { class: "w-buttons" }), "Clear the paper", () => ui.set({ digit: "own", ink: "" }));
    ui.slider(ui.view, "right", { label: "Move right", min: -8, max: 8, step: 1 });
    ui.slider(ui.view, "down", { label: "Move down", min: -8, max: 8, step: 1 });
  }

  function drawMaps(row, maps, name) {
    const largest = Math.max(1e-12, ...maps.values), gray = palette(shade);
    row.forEach((map, i) => {
      squares(map.canvas, slice(maps, i), (v) => gray(v / largest));
      map.button.setAttribute("aria-pressed", String(map.name === name));
    });
  }

  // The image that the network gets; the outline is what the chosen map's largest number sees.
  function drawSeen(canvas, image, map, layer) {
    squares(canvas, { shape: [SIDE, SIDE], values: image.values }, palette(shade));
    const peak = strongest(map);
    if (peak.value <= 0) return;
    const square = field(layer, peak.row, peak.column), unit = canvas.width / SIDE;
    canvas.pen.strokeStyle = DLLab.color("orange");
    canvas.pen.lineWidth = 2.5;
    canvas.pen.strokeRect(square.left * unit, square.top * unit, square.side * unit, square.side * unit);
  }

  function sentence(data, state, shares) {
    const best = shares.indexOf(Math.max(...shares));
    return "The network reads a " + best + " with the probability " + (100 * shares[best]).toFixed(1) + " %" +
      (state.digit === "own" ? "." : "; the label is " + data.labels[Number(state.digit)] + ".");
  }

  const INITIAL = { digit: "0", ink: "", right: 0, down: 0, map: "a1" };

  DLLab.widget("digit-canvas", INITIAL, function (ui) {
    const data = DLLab.data("digit-canvas");
    if (!data) {
      ui.say("This page was built without its cells run, so it holds no trained network.");
      return null;
    }
    const stage = DLLab.make("div", null, { class: "w-stage w-digit" });
    ui.root.insertBefore(stage, ui.root.firstChild);
    const paper = makePaper(ui, stage), seen = DLLab.canvas(panel(stage, "What the network gets"), 168, 168, "The image that the network gets, 28 by 28 pixels");
    const drawBars = makeBars(stage);
    settings(ui, data);
    let glance = "", result = null, image = null; // a map under the pointer or the focus, for a moment
    const look = (name) => { glance = name; drawGlance(); };
    const rows = [makeMaps(ui, 0, 8, 14, look), makeMaps(ui, 1, 16, 7, look)];
    const names = [].concat(...rows).map((map) => map.name);
    const drawKernel = makeKernel(ui.below), text = DLLab.make("p", ui.below, { class: "w-quiet" });

    function drawGlance() {
      const name = glance || ui.state.map, [layer, i] = chosen(name);
      drawSeen(seen, image, slice(result.maps[layer], i), layer);
      drawKernel(data.weights[2 * layer], i);
      text.textContent = describe(name, data.weights, result.maps);
    }

    return function update() {
      const state = ui.state, given = sample(data, state), strokes = paper.strokes();
      if (!names.includes(state.map)) state.map = INITIAL.map;
      image = shift(given || prepare(strokes), Math.round(state.right), Math.round(state.down));
      result = run(data.weights, image);
      const empty = !image.values.some((v) => v > 0);
      drawPaper(paper, strokes, given);
      drawBars(empty ? null : result.shares);
      rows.forEach((row, layer) => drawMaps(row, result.maps[layer], state.map));
      drawGlance();
      ui.say(empty ? "The paper is empty." : sentence(data, state, result.shares));
    };
  });
})();
