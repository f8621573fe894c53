// A network learns while you watch: data, layers, optimizer and regularization can be chosen; the
// plane shows what it answers, small maps show its hidden units, curves show its losses.
// @needs activations.js
// @needs network.js
(function () {
  "use strict";

  const LIMIT = 2.6; // the plane reaches from -LIMIT to LIMIT in both directions
  const LAST = 1500; // training ends here at the latest

  // Numbers that are chosen from a list are texts, as in the address.
  const START = {
    data: "spirals", points: 300, noise: 0.1, held: 0.3, wrong: 0,
    layers: 2, units: 8, activation: "tanh",
    optimizer: "adam", rate: "0.02", batch: "8",
    decay: "0", dropout: 0, patience: 0,
    seed: 1, epoch: 0,
  };
  const HEART = { data: "moons", points: 200, noise: 0.25, held: 0.7, wrong: 0.15 };
  const PRESETS = {
    "Spirals": {},
    "XOR": { data: "xor", layers: 1, units: 4, noise: 0.15 },
    "No hidden layer": { data: "moons", layers: 0, rate: "0.1" },
    "Learning by heart": HEART,
    "… with weight decay": Object.assign({ decay: "0.1" }, HEART),
    "… with dropout": Object.assign({ dropout: 0.2 }, HEART),
    "… stopped early": Object.assign({ patience: 30 }, HEART),
  };
  const WHOLE = { points: [40, 500], layers: [0, 3], units: [1, 8], rate: null, batch: null, decay: null, patience: [0, 100], seed: [1, 999], epoch: [0, LAST] };

  // The settings as numbers, in their ranges, whatever the address said.
  function clean(state) {
    const settings = Object.assign({}, state);
    Object.keys(WHOLE).forEach((key) => {
      const range = WHOLE[key], value = Number(settings[key]);
      settings[key] = range ? Math.max(range[0], Math.min(range[1], Math.round(value))) : value;
    });
    return settings;
  }

  // -- data: each shape gives the point [x1, x2] of a class, before the noise -----------------------

  const SHAPES = {
    moons: function (label, random) {
      const angle = Math.PI * random.uniform();
      const x1 = label ? 1 - Math.cos(angle) : Math.cos(angle);
      const x2 = label ? 0.5 - Math.sin(angle) : Math.sin(angle);
      return [1.35 * (x1 - 0.5), 1.7 * (x2 - 0.25)];
    },
    circles: function (label, random) {
      const angle = 2 * Math.PI * random.uniform(), radius = label ? 0.9 * Math.sqrt(random.uniform()) : 1.6 + 0.4 * random.uniform();
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    },
    xor: function (label, random) {
      const x1 = 0.2 + 1.8 * random.uniform(), x2 = 0.2 + 1.8 * random.uniform();
      const side = random.uniform() < 0.5 ? 1 : -1;
      return [side * x1, (label ? -side : side) * x2];
    },
    spirals: function (label, random) {
      const turn = Math.sqrt(0.02 + 0.98 * random.uniform()), angle = 1.35 * 2 * Math.PI * turn + (label ? Math.PI : 0);
      return [2.2 * turn * Math.sin(angle), 2.2 * turn * Math.cos(angle)];
    },
  };

  // Half of the points belong to each class. They are shuffled before some are kept for validation:
  // points that were drawn one after another are not alike. Only training labels can be wrong.
  function makeData(settings) {
    const random = DLLab.random(1000 + settings.seed), n = settings.points;
    const x = new Float64Array(2 * n), y = new Uint8Array(n), rows = [];
    for (let i = 0; i < n; i++) {
      y[i] = i % 2;
      const point = SHAPES[settings.data](y[i], random);
      for (let k = 0; k < 2; k++) {
        const value = point[k] + settings.noise * random.normal();
        x[2 * i + k] = Math.max(-LIMIT, Math.min(LIMIT, value));
      }
      rows.push(i);
    }
    const order = random.shuffled(rows), kept = Math.round(settings.held * n);
    const train = order.slice(kept), flipped = train.slice(0, Math.round(settings.wrong * train.length));
    flipped.forEach((row) => { y[row] = 1 - y[row]; });
    return { x: x, y: y, train: train, validation: order.slice(0, kept), flipped: flipped };
  }

  // -- training: the settings and the seed determine every number -----------------------------------

  function begin(settings) {
    const hidden = new Array(settings.layers).fill(settings.units);
    const net = DLLab.network.create([2].concat(hidden, 1), settings.activation, DLLab.random(2000 + settings.seed));
    const session = {
      settings: settings, data: makeData(settings), net: net, epoch: 0, stopped: false,
      random: DLLab.random(3000 + settings.seed), losses: { train: [], validation: [] }, best: null,
      rule: DLLab.network.optimizer(net, { kind: settings.optimizer, rate: settings.rate, decay: settings.decay }),
    };
    record(session);
    return session;
  }

  // Note the losses of this epoch, and the weights if the validation loss was never lower.
  function record(session) {
    const d = session.data, measure = (rows) => DLLab.network.evaluate(session.net, d.x, d.y, rows);
    session.train = measure(d.train);
    session.validation = measure(d.validation);
    session.losses.train.push(session.train.loss);
    session.losses.validation.push(session.validation.loss);
    if (!session.best || session.validation.loss < session.best.loss) {
      session.best = { epoch: session.epoch, loss: session.validation.loss, weights: DLLab.network.weights(session.net) };
    }
  }

  // Early stopping: after `patience` epochs without a new best, give back the best weights.
  function stop(session) {
    session.stopped = true;
    DLLab.network.load(session.net, session.best.weights);
    const d = session.data;
    session.train = DLLab.network.evaluate(session.net, d.x, d.y, d.train);
    session.validation = DLLab.network.evaluate(session.net, d.x, d.y, d.validation);
  }

  // Train up to an epoch. Return whether training can go on.
  function advance(session, epoch) {
    const s = session.settings, d = session.data;
    while (!session.stopped && session.epoch < Math.min(epoch, LAST)) {
      DLLab.network.epoch(session.net, session.rule, d.x, d.y, d.train, { batch: s.batch, dropout: s.dropout, random: session.random });
      session.epoch += 1;
      record(session);
      if (s.patience > 0 && session.epoch - session.best.epoch >= s.patience) stop(session);
    }
    return !session.stopped && session.epoch < LAST;
  }

  // Everything at once, for whoever wants only the numbers.
  function run(changes, epochs) {
    const session = begin(clean(Object.assign({}, START, changes)));
    advance(session, epochs);
    return {
      epoch: session.epoch, stopped: session.stopped, train: session.train, validation: session.validation,
      losses: session.losses, best: { epoch: session.best.epoch, loss: session.best.loss },
    };
  }

  DLLab.models.playground = { start: START, presets: PRESETS, makeData: makeData, begin: begin, advance: advance, run: run };

  // -- drawing ----------------------------------------------------------------------------------------

  const CELLS = 64, SMALL = CELLS / 2; // cells of the plane and of a hidden unit's map, each way
  const SIDE = 400; // the plane on the screen
  const COLUMNS = 560, MAP = 38, GAP = 6; // the picture of the units

  // The colors from orange (0) over the panel's (128) to blue (256), as [r, g, b].
  function palette(strongest) {
    const panel = DLLab.color("panel"), ends = [DLLab.color("orange"), DLLab.color("blue")];
    return Array.from({ length: 257 }, (_, i) => {
      const value = (i - 128) / 128;
      return DLLab.mix(panel, ends[value > 0 ? 1 : 0], Math.abs(value) * strongest).match(/\d+/g).map(Number);
    });
  }

  // A small picture of values between -1 and 1, to be drawn at any size.
  function picture(cells) {
    const element = document.createElement("canvas");
    element.width = element.height = cells;
    const pen = element.getContext("2d"), image = pen.createImageData(cells, cells);
    return function (value, colors) {
      for (let k = 0; k < cells * cells; k++) {
        const rgb = colors[Math.round(128 + 128 * value(k))];
        for (let c = 0; c < 3; c++) image.data[4 * k + c] = rgb[c];
        image.data[4 * k + 3] = 255;
      }
      pen.putImageData(image, 0, 0);
      return element;
    };
  }

  const toValue = (cell) => LIMIT * (2 * (cell + 0.5) / CELLS - 1);

  // What the network says in each cell, row 0 on top: the logits, and, in every second cell, the
  // activation of each hidden unit.
  function survey(net, fields) {
    const hidden = net.layers.slice(0, -1), x = [0, 0];
    fields.logits = fields.logits || new Float32Array(CELLS * CELLS);
    fields.units = hidden.map((at) => Array.from(at.a, () => new Float32Array(SMALL * SMALL)));
    for (let row = 0; row < CELLS; row++) {
      x[1] = -toValue(row);
      for (let column = 0; column < CELLS; column++) {
        x[0] = toValue(column);
        fields.logits[row * CELLS + column] = DLLab.network.predict(net, x)[0];
        if (row % 2 || column % 2) continue;
        const cell = (row / 2) * SMALL + column / 2;
        for (let l = 0; l < hidden.length; l++) {
          for (let j = 0; j < hidden[l].outputs; j++) fields.units[l][j][cell] = hidden[l].a[j];
        }
      }
    }
    return fields;
  }

  // The line on which the logit is 0, from square to square between the centers of the cells.
  function border(pen, z, side) {
    const step = side / CELLS, corners = [[0, 0], [1, 0], [1, 1], [0, 1]];
    pen.beginPath();
    for (let row = 0; row < CELLS - 1; row++) {
      for (let column = 0; column < CELLS - 1; column++) {
        const found = [];
        corners.forEach((from, k) => {
          const to = corners[(k + 1) % 4];
          const a = z[(row + from[1]) * CELLS + column + from[0]], b = z[(row + to[1]) * CELLS + column + to[0]];
          if (a > 0 === b > 0) return;
          const share = a / (a - b);
          found.push([column + 0.5 + from[0] + share * (to[0] - from[0]), row + 0.5 + from[1] + share * (to[1] - from[1])]);
        });
        for (let k = 0; k + 1 < found.length; k += 2) {
          pen.moveTo(found[k][0] * step, found[k][1] * step);
          pen.lineTo(found[k + 1][0] * step, found[k + 1][1] * step);
        }
      }
    }
    pen.stroke();
  }

  function shape(pen, square, x, y, size) {
    pen.beginPath();
    if (square) pen.rect(x - size, y - size, 2 * size, 2 * size);
    else pen.arc(x, y, size * 1.13, 0, 2 * Math.PI);
  }

  // Class 1 blue squares, class 0 orange circles; full for training, hollow for validation.
  function drawPoints(pen, data, side) {
    const colors = [DLLab.color("orange"), DLLab.color("blue")], panel = DLLab.color("panel");
    const place = (row) => [side * (0.5 + data.x[2 * row] / (2 * LIMIT)), side * (0.5 - data.x[2 * row + 1] / (2 * LIMIT))];
    const put = (hollow) => (row) => {
      const [x, y] = place(row), own = colors[data.y[row]];
      shape(pen, data.y[row], x, y, hollow ? 3 : 3.7);
      pen.lineWidth = hollow ? 1.7 : 1;
      pen.fillStyle = hollow ? panel : own;
      pen.strokeStyle = hollow ? own : panel;
      pen.fill();
      pen.stroke();
    };
    data.validation.forEach(put(true));
    data.train.forEach(put(false));
    pen.strokeStyle = DLLab.color("ink");
    pen.lineWidth = 1.4;
    data.flipped.forEach((row) => {
      const [x, y] = place(row);
      pen.beginPath();
      [-1, 1].forEach((sign) => { pen.moveTo(x - 5.5, y - sign * 5.5); pen.lineTo(x + 5.5, y + sign * 5.5); });
      pen.stroke();
    });
  }

  function drawPlane(view, session, fields, colors) {
    const pen = view.pen;
    pen.imageSmoothingEnabled = true;
    pen.drawImage(view.shade((k) => Math.tanh(fields.logits[k] / 2), colors), 0, 0, SIDE, SIDE);
    pen.strokeStyle = DLLab.color("ink");
    pen.lineWidth = 1.5;
    border(pen, fields.logits, SIDE);
    drawPoints(pen, session.data, SIDE);
  }

  // Inputs, hidden units and the answer from left to right; a line for each weight.
  function drawUnits(view, net, fields, colors) {
    const pen = view.pen, sizes = net.sizes, positive = DLLab.color("blue"), negative = DLLab.color("orange");
    const x = (l) => (COLUMNS - MAP) * l / (sizes.length - 1);
    const y = (l, j) => (view.height - (sizes[l] * (MAP + GAP) - GAP)) / 2 + j * (MAP + GAP);
    pen.clearRect(0, 0, COLUMNS, view.height);
    net.layers.forEach((at, l) => {
      at.W.forEach((w, k) => {
        const i = Math.floor(k / at.outputs), j = k % at.outputs;
        pen.strokeStyle = w > 0 ? positive : negative;
        pen.setLineDash(w > 0 ? [] : [5, 3]);
        pen.lineWidth = Math.min(6, 2 * Math.abs(w));
        pen.globalAlpha = Math.min(0.9, 0.15 + Math.abs(w) / 3);
        pen.beginPath();
        pen.moveTo(x(l) + MAP, y(l, i) + MAP / 2);
        pen.lineTo(x(l + 1), y(l + 1, j) + MAP / 2);
        pen.stroke();
      });
    });
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    pen.strokeStyle = DLLab.color("quiet");
    pen.lineWidth = 1;
    maps(sizes, fields).forEach((layer, l) => layer.forEach((values, j) => {
      pen.drawImage(view.shade(values, colors), x(l), y(l, j), MAP, MAP);
      pen.strokeRect(x(l) + 0.5, y(l, j) + 0.5, MAP - 1, MAP - 1);
    }));
  }

  // For each unit of each layer a function from a small map's cell to a value between -1 and 1.
  function maps(sizes, fields) {
    const inputs = [(k) => toValue(2 * (k % SMALL)) / LIMIT, (k) => -toValue(2 * Math.floor(k / SMALL)) / LIMIT];
    const hidden = fields.units.map((layer) => layer.map((values) => {
      const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-9);
      return (k) => values[k] / largest;
    }));
    const answer = (k) => Math.tanh(fields.logits[2 * Math.floor(k / SMALL) * CELLS + 2 * (k % SMALL)] / 2);
    return [inputs].concat(hidden, [[answer]]);
  }

  // -- the figure -------------------------------------------------------------------------------------

  const percent = (share) => Math.round(100 * share) + " %";
  const options = (values) => values.map((value) => (Array.isArray(value) ? value : [value, value]));

  function group(parent, name) {
    const box = DLLab.make("fieldset", parent, { class: "w-group" });
    DLLab.make("legend", box, {}, name);
    return box;
  }

  function addControls(ui) {
    const data = group(ui.controls, "Data"), net = group(ui.controls, "Network"), training = group(ui.controls, "Training");
    ui.choice(data, "data", { label: "Pattern", options: [["spirals", "spirals"], ["moons", "moons"], ["circles", "circles"], ["xor", "XOR"]] });
    ui.slider(data, "points", { label: "Points", min: 40, max: 500, step: 20 });
    ui.slider(data, "noise", { label: "Noise", min: 0, max: 0.6, step: 0.05 });
    ui.slider(data, "held", { label: "For validation", min: 0.1, max: 0.8, step: 0.1, format: percent });
    ui.slider(data, "wrong", { label: "Wrong labels", min: 0, max: 0.4, step: 0.05, format: percent });
    ui.slider(net, "layers", { label: "Hidden layers", min: 0, max: 3, step: 1 });
    ui.slider(net, "units", { label: "Units in each", min: 1, max: 8, step: 1 });
    ui.choice(net, "activation", { label: "Activation", options: [["tanh", "tanh"], ["relu", "ReLU"], ["leaky_relu", "leaky ReLU"], ["sigmoid", "sigmoid"], ["identity", "none"]] });
    ui.choice(training, "optimizer", { label: "Optimizer", options: [["sgd", "SGD"], ["momentum", "SGD with momentum"], ["adam", "Adam"]] });
    ui.choice(training, "rate", { label: "Learning rate η", options: options(["0.001", "0.003", "0.01", "0.02", "0.03", "0.1", "0.3", "1", "3"]) });
    ui.choice(training, "batch", { label: "Batch size", options: options(["1", "4", "8", "16", "32", "64", ["1000", "all points"]]) });
    ui.number(training, "seed", { label: "Seed", min: 1, max: 999, step: 1 });
    const against = group(ui.controls, "Regularization");
    ui.choice(against, "decay", { label: "Weight decay λ", options: options(["0", "0.001", "0.003", "0.01", "0.03", "0.1", "0.2", "0.3", "1"]) });
    ui.slider(against, "dropout", { label: "Dropout p", min: 0, max: 0.7, step: 0.05 });
    ui.slider(against, "patience", { label: "Patience", min: 0, max: 100, step: 5, format: (v) => (v ? String(v) : "off") });
  }

  // A list that sets everything at once. It follows the state, and says so if that is none of them.
  function addPresets(ui, parent) {
    const label = DLLab.make("label", parent, { class: "w-choice" });
    DLLab.make("span", label, {}, "Experiment");
    const select = DLLab.make("select", label), names = Object.keys(PRESETS);
    const all = names.map((name) => Object.assign({}, START, PRESETS[name]));
    names.concat("your own").forEach((name, i) => DLLab.make("option", select, { value: i }, name));
    select.lastChild.disabled = true;
    select.addEventListener("change", () => ui.set(all[Number(select.value)]));
    ui.bind(() => {
      const free = ["epoch", "seed"];
      const found = all.findIndex((preset) => Object.keys(START).every((key) => free.indexOf(key) >= 0 || ui.state[key] === preset[key]));
      select.value = String(found < 0 ? names.length : found);
    });
  }

  // The row above all: play, and three numbers.
  function addBar(ui, step) {
    const bar = DLLab.make("div", null, { class: "w-bar-above" });
    ui.root.insertBefore(bar, ui.root.firstChild);
    const row = DLLab.make("div", bar, { class: "w-row" });
    const player = ui.player(row, step, { step: "One epoch", perSecond: 30 });
    player.box.firstChild.classList.add("w-primary");
    ui.button(player.box, "Start again", () => { player.stop(); ui.set({ epoch: 0 }); });
    ui.button(player.box, "New seed", () => ui.set({ seed: ui.state.seed % 999 + 1, epoch: 0 }));
    addPresets(ui, row);
    const stats = DLLab.make("dl", bar, { class: "w-stats" });
    return ["Epoch", "Training points right", "Validation points right"].map((name) => {
      const pair = DLLab.make("div", stats);
      DLLab.make("dt", pair, {}, name);
      return DLLab.make("dd", pair);
    });
  }

  function addPlane(ui) {
    const plane = DLLab.canvas(ui.view, SIDE, SIDE, "The plane of the inputs x1 and x2, colored by what the network answers, with the points and the line at which the answer changes; the numbers stand below.");
    plane.shade = picture(CELLS);
    const dot = (style) => ({ cx: 13, cy: 7, r: 4.5, class: style }), box = (style) => ({ x: 9, y: 3, width: 8, height: 8, class: style });
    DLLab.marks(ui.view, [
      ["circle", dot("w-dot w-orange"), "class 0"], ["rect", box("w-dot w-blue"), "class 1"],
      ["circle", dot("w-hollow w-quiet"), "hollow: for validation"],
      ["path", { d: "M8 2L18 12M8 12L18 2", class: "w-line w-ink" }, "wrong label"],
    ]);
    return plane;
  }

  function addLosses(ui) {
    const chart = DLLab.chart(ui.view, { label: "Training and validation loss by epoch", x: [0, 50], y: [0, 1], xlabel: "epoch", ylabel: "loss", height: 200 });
    const across = (style) => ({ d: "M0 7H26", class: "w-line " + style });
    DLLab.marks(ui.view, [
      ["path", across("w-green"), "training"], ["path", across("w-purple w-dashed"), "validation"],
      ["circle", { cx: 13, cy: 7, r: 5, class: "w-hollow w-purple" }, "least validation loss"],
    ]);
    return chart;
  }

  function addUnits(ui) {
    DLLab.make("p", ui.below, { class: "w-caption" }, "What each unit sees: the inputs x1 and x2, the hidden layers, the answer. Thick lines are large weights, dashed lines negative ones.");
    const units = DLLab.canvas(ui.below, COLUMNS, 8 * (MAP + GAP) - GAP, "A small map of the plane for each input, each hidden unit and the answer, joined by lines for the weights.");
    units.shade = picture(SMALL);
    return units;
  }

  function drawLosses(chart, session) {
    const end = [50, 100, 200, 400, 800, LAST].find((e) => e >= session.epoch), stride = Math.ceil(end / 200);
    const later = (values) => values.slice(values.length > 3 ? 2 : 0); // the first losses say little
    const highest = Math.max.apply(null, later(session.losses.train).concat(later(session.losses.validation)));
    const top = [0.8, 1.2, 2, 3].find((t) => t >= highest) || 4;
    const points = (values) => values.map((v, e) => [e, v]).filter((_, e) => e % stride === 0 || e === session.epoch);
    chart.frame([0, end], [0, top]);
    chart.line("best", [[session.best.epoch, 0], [session.best.epoch, top]], "w-quiet w-thin w-dashed");
    chart.line("train", points(session.losses.train), "w-green");
    chart.line("validation", points(session.losses.validation), "w-purple w-dashed");
    chart.dots("least", [[session.best.epoch, session.best.loss]], "w-hollow w-purple", 5);
  }

  function sentence(session) {
    const d = session.data, loss = (v) => DLLab.number(v, 2), end = session.stopped
      ? " Training has stopped: " + session.settings.patience + " epochs brought nothing better, and the weights of epoch " + session.best.epoch + " are back."
      : " The validation loss was least, " + loss(session.best.loss) + ", after epoch " + session.best.epoch + ".";
    return "After epoch " + session.epoch + " the loss is " + loss(session.train.loss) + " on the " + d.train.length +
      " training points and " + loss(session.validation.loss) + " on the " + d.validation.length + " validation points; " +
      percent(session.train.accuracy) + " and " + percent(session.validation.accuracy) + " of them are right." + end;
  }

  function build(ui) {
    let session = null, waiting = false, going = true;
    const stats = addBar(ui, () => {
      ui.set({ epoch: session.epoch + 1 });
      return going;
    });
    ui.view.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    const plane = addPlane(ui), fields = {};
    const losses = addLosses(ui), units = addUnits(ui);
    addControls(ui);

    function paint() {
      waiting = false;
      survey(session.net, fields);
      drawPlane(plane, session, fields, palette(0.55));
      drawUnits(units, session.net, fields, palette(1));
      drawLosses(losses, session);
    }

    return function update() {
      const settings = clean(ui.state), name = JSON.stringify(Object.assign({}, settings, { epoch: 0 }));
      let wanted = settings.epoch;
      if (!session || session.name !== name || wanted < session.epoch) {
        if (session && session.name !== name && wanted === session.epoch) wanted = 0; // a control has moved
        session = Object.assign(begin(settings), { name: name });
      }
      going = advance(session, wanted);
      ui.state.epoch = session.epoch;
      [String(session.epoch), percent(session.train.accuracy), percent(session.validation.accuracy)].forEach((text, i) => { stats[i].textContent = text; });
      ui.say(sentence(session));
      if (!waiting) window.requestAnimationFrame(paint); // several epochs may share one picture
      waiting = true;
    };
  }

  // A page can name the experiment to begin with: plot.publish("playground", begin="Learning by heart").
  const page = DLLab.data("playground"), chosen = page && PRESETS[page.begin];
  DLLab.widget("playground", Object.assign({}, START, chosen), build);
})();
