// A kernel slides over a small image; the products under it, their sum, and the map that grows.
// @needs convolution.js
(function () {
  "use strict";

  const { axis, conv2d, flip, maxpool, shade } = DLLab.convolution;
  const n = (value) => DLLab.number(value, 4);

  const PICTURES = { // rows of pixels: 1 is bright
    hand: ["0011", "0011", "0111"],
    edge: ["0000000", "0000000", "0000111", "0001111", "0011111", "0111111", "1111111"],
    digit: ["0000000", "0111110", "0000010", "0000100", "0001000", "0010000", "0010000"],
    pixel: ["0000000", "0000000", "0000000", "0001000", "0000000", "0000000", "0000000"],
    paper: Array(7).fill("0000000"),
  };
  const KERNELS = { // 2 by 2 kernels stand in the upper left corner
    "hand example": [2, [-1, 1, 0, -1, 1, 0, 0, 0, 0]],
    identity: [3, [0, 0, 0, 0, 1, 0, 0, 0, 0]],
    Sobel: [3, [-1, 0, 1, -2, 0, 2, -1, 0, 1]],
    outline: [3, [-1, -1, -1, -1, 8, -1, -1, -1, -1]],
    blur: [3, [0.1, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1]],
    sharpen: [3, [0, -1, 0, -1, 5, -1, 0, -1, 0]],
  };

  // -- the mathematics: from the state to numbers ---------------------------------------------

  // The state's own pixels if they fit its picture, else the picture as it is.
  function image(state) {
    const rows = PICTURES[state.picture], shape = [rows.length, rows[0].length, 1];
    const own = state.pixels.length === shape[0] * shape[1] && /^[01]+$/.test(state.pixels);
    return { shape: shape, values: Array.from(own ? state.pixels : rows.join(""), Number) };
  }

  function kernel(state) {
    const size = Number(state.size), values = [];
    for (let p = 0; p < size; p++) for (let q = 0; q < size; q++) values.push(state.k[3 * p + q]);
    const square = { shape: [size, size, 1, 1], values: values };
    return state.flip ? flip(square) : square;
  }

  // All that the figure shows: the map, where the window lies, what it multiplies.
  function look(state) {
    const x = image(state), k = kernel(state), size = k.shape[0];
    const options = { stride: state.stride, padding: state.padding, dilation: state.dilation };
    const high = axis(x.shape[0], size, state.stride, state.padding, state.dilation);
    const wide = axis(x.shape[1], size, state.stride, state.padding, state.dilation);
    const found = { x: x, k: k, high: high, wide: wide, map: null, place: 0, terms: [], fits: high.places * wide.places > 0 };
    if (!found.fits) return found;
    found.map = conv2d(x, k, null, options);
    found.place = Math.min(Math.max(Math.round(state.place), 0), high.places * wide.places - 1);
    found.row = Math.floor(found.place / wide.places);
    found.column = found.place % wide.places;
    for (let p = 0; p < size; p++) {
      for (let q = 0; q < size; q++) {
        const row = found.row * state.stride - high.before + p * state.dilation;
        const column = found.column * state.stride - wide.before + q * state.dilation;
        const inside = row >= 0 && column >= 0 && row < x.shape[0] && column < x.shape[1];
        const pixel = inside ? x.values[row * x.shape[1] + column] : 0;
        found.terms.push({ row: row, column: column, pixel: pixel, weight: k.values[p * size + q] });
      }
    }
    found.sum = found.map.values[found.place];
    return found;
  }

  // Places along an axis, written out as in the text.
  function counted(state, name, size, a) {
    const span = state.dilation > 1 ? "the kernel spans " + a.span + " pixels; " : "";
    if (state.padding === "valid") {
      return name + ": " + span + "⌊(" + size + " − " + a.span + ") / " + state.stride + "⌋ + 1 = " + a.places;
    }
    const zeros = a.before + a.after;
    return name + ": ⌈" + size + " / " + state.stride + "⌉ = " + a.places + "; " + span + "zeros: " + zeros +
      (zeros ? ", " + a.before + " before and " + a.after + " after" : "");
  }

  DLLab.models["convolution-explorer"] = { look: look, counted: counted, kernels: KERNELS };

  // -- a grid of cells; those that answer to a press are buttons with one stop for the Tab key ---

  function Cells(parent, label, press) {
    this.root = DLLab.make("div", parent, { class: "w-cells", role: "group", "aria-label": label });
    this.press = press;
    this.shape = "";
    this.current = 0;
    this.root.addEventListener("keydown", (event) => this.walk(event));
  }

  Cells.prototype = {
    // Cells are { text, note, label, fill, ink, style, still }; `still` ones are no buttons.
    draw: function (columns, cells) {
      const shape = columns + ":" + cells.map((cell) => (cell.still ? "s" : "b")).join("");
      if (shape !== this.shape) this.build(columns, cells, shape);
      this.all.forEach((element, i) => {
        const cell = cells[i];
        element.className = "w-cell " + (cell.style || "");
        element.style.background = cell.fill || "";
        element.style.color = cell.ink || "";
        element.firstChild.textContent = cell.text;
        element.lastChild.textContent = cell.note || "";
        if (!cell.still) element.setAttribute("aria-label", cell.label);
        if (cell.pressed !== undefined) element.setAttribute("aria-pressed", String(cell.pressed));
      });
    },

    build: function (columns, cells, shape) {
      this.shape = shape;
      this.columns = columns;
      this.root.textContent = "";
      this.root.style.setProperty("--columns", columns);
      this.root.style.setProperty("--cell", (columns > 5 ? 31 : 52) + "px");
      this.all = cells.map((cell) => {
        const element = DLLab.make(cell.still ? "span" : "button", this.root, cell.still ? { "aria-hidden": "true" } : { type: "button" });
        DLLab.make("span", element);
        DLLab.make("small", element);
        return element;
      });
      this.buttons = this.all.filter((element) => element.tagName === "BUTTON");
      this.buttons.forEach((button, i) => {
        button.tabIndex = -1;
        button.addEventListener("click", () => { this.stop(i); this.press(i); });
      });
      this.stop(Math.min(this.current, this.buttons.length - 1));
    },

    stop: function (i) {
      if (this.buttons[this.current]) this.buttons[this.current].tabIndex = -1;
      this.current = Math.max(i, 0);
      if (this.buttons[this.current]) this.buttons[this.current].tabIndex = 0;
    },

    walk: function (event) {
      const line = this.all.filter((element) => element.tagName === "BUTTON" && element.offsetTop === this.buttons[0].offsetTop).length;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -line, ArrowDown: line }[event.key];
      const next = this.current + step;
      if (step === undefined || !this.buttons[next]) return;
      event.preventDefault();
      this.stop(next);
      this.buttons[next].focus();
      if (this.follow) this.follow(next);
    },
  };

  // -- the three panels: image, kernel, map -----------------------------------------------------

  function panel(stage, title) {
    const box = DLLab.make("div", stage, { class: "w-panel" });
    DLLab.make("p", box, { class: "w-title" }, title);
    return box;
  }

  function kernelPanel(ui, stage) {
    const box = panel(stage, "Kernel"), place = DLLab.make("div", box, { class: "w-cells w-kernel" });
    const inputs = ui.state.k.map((_, i) => {
      const label = "Weight in row " + (Math.floor(i / 3) + 1) + ", column " + (i % 3 + 1);
      return ui.number(place, "k", { index: i, label: label, hidden: true, min: -99, max: 99, step: "any" });
    });
    return function draw(size) {
      place.style.setProperty("--columns", size);
      inputs.forEach((input, i) => { input.parentNode.hidden = i % 3 >= size || Math.floor(i / 3) >= size; });
    };
  }

  function drawImage(cells, state, found) {
    const { x, high, wide } = found, list = [];
    for (let row = -high.before; row < x.shape[0] + high.after; row++) {
      for (let column = -wide.before; column < x.shape[1] + wide.after; column++) {
        const still = row < 0 || column < 0 || row >= x.shape[0] || column >= x.shape[1];
        const pixel = still ? 0 : x.values[row * x.shape[1] + column];
        const term = found.terms.find((t) => t.row === row && t.column === column);
        list.push({
          still: still, text: String(pixel), note: term ? "×" + n(term.weight) : "",
          fill: still ? "" : shade(pixel), ink: still ? "" : shade(1 - pixel), pressed: still ? undefined : pixel === 1,
          label: "Pixel in row " + (row + 1) + ", column " + (column + 1),
          style: (still ? "w-zero " : "") + (term ? "w-under" : ""),
        });
      }
    }
    cells.draw(x.shape[1] + wide.before + wide.after, list);
  }

  // Orange is positive and blue negative, as in the chapter's pictures; pale, so that ink reads.
  function mapCells(map, shown, current) {
    const largest = Math.max(1e-12, ...map.values.map(Math.abs));
    return Array.from(map.values, (value, i) => {
      const known = i <= shown, where = "Row " + (Math.floor(i / map.shape[1]) + 1) + ", column " + (i % map.shape[1] + 1);
      return {
        text: known ? n(value) : "?", label: where + ": " + (known ? n(value) : "not yet computed"),
        fill: known ? DLLab.mix(DLLab.color("panel"), DLLab.color(value < 0 ? "blue" : "orange"), 0.45 * Math.abs(value) / largest) : "",
        ink: DLLab.color("ink"), style: i === current ? "w-under" : "",
      };
    });
  }

  // -- controls -----------------------------------------------------------------------------------

  function settings(ui) {
    const pictures = ui.choice(ui.controls, "picture", { label: "Image", options: [
      ["hand", "the hand example"], ["edge", "an edge"], ["digit", "a seven"], ["pixel", "a single bright pixel"], ["paper", "dark, to draw on"]] });
    // A new image: show its whole map at once.
    pictures.addEventListener("change", () => ui.set({ pixels: "", all: true }));
    ui.slider(ui.controls, "stride", { label: "Stride", min: 1, max: 3, step: 1 });
    ui.choice(ui.controls, "padding", { label: "Padding", options: [["valid", "valid: none"], ["same", "same: zeros around"]] });
    ui.slider(ui.controls, "dilation", { label: "Dilation", min: 1, max: 2, step: 1 });
    ui.choice(ui.view, "size", { label: "Kernel size", options: [["2", "2 by 2"], ["3", "3 by 3"]] });
    const row = DLLab.make("div", ui.view, { class: "w-buttons", role: "group", "aria-label": "Kernels to start from" });
    Object.keys(KERNELS).forEach((name) => {
      const [size, values] = KERNELS[name];
      const button = ui.button(row, name, () => ui.set({ size: String(size), k: values.slice() }));
      ui.bind(() => button.setAttribute("aria-pressed", String(ui.state.size === String(size) && String(ui.state.k) === String(values))));
    });
    ui.check(ui.view, "flip", { label: "flip the kernel: the convolution of mathematics" });
    ui.check(ui.view, "pool", { label: "then max pooling, 2 by 2" });
    ui.check(ui.view, "all", { label: "show the map at all places" });
  }

  function movement(ui, stage, count) {
    const box = DLLab.make("div", null, { class: "w-row w-moves" });
    stage.after(box);
    const place = ui.slider(box, "place", { label: "Window's place", min: 0, max: 48, step: 1, format: (v) => Math.min(v + 1, count()) + "/" + count() });
    ui.player(box, () => {
      const last = ui.state.place >= count() - 1;
      ui.set({ place: last ? 0 : ui.state.place + 1, all: false });
      return ui.state.place < count() - 1;
    }, { play: "Slide", perSecond: 3 });
    return place;
  }

  function sentence(state, found) {
    if (!found.fits) return "The kernel spans " + found.high.span + " pixels and does not fit into the image. Take padding “same”, or an image with more rows.";
    return "The image of " + found.x.shape[0] + " by " + found.x.shape[1] + " gives a map of " + found.high.places + " by " + found.wide.places +
      ". At row " + (found.row + 1) + ", column " + (found.column + 1) + " the sum is " + n(found.sum) + ".";
  }

  const INITIAL = {
    picture: "hand", pixels: "", size: "2", k: KERNELS["hand example"][1], stride: 1, padding: "valid",
    dilation: 1, flip: false, pool: false, all: false, place: 1,
  };

  DLLab.widget("convolution-explorer", INITIAL, function (ui) {
    const stage = DLLab.make("div", null, { class: "w-stage" });
    ui.root.insertBefore(stage, ui.root.firstChild);
    const count = () => {
      const found = look(ui.state);
      return Math.max(1, found.high.places * found.wide.places);
    };
    const pixels = new Cells(panel(stage, "Image: press a pixel to change it"), "Image", (i) => {
      const values = image(ui.state).values;
      values[i] = 1 - values[i];
      ui.set({ pixels: values.join("") });
    });
    const drawKernel = kernelPanel(ui, stage), mapBox = panel(stage, "Feature map"), poolBox = panel(stage, "Pooled");
    const map = new Cells(mapBox, "Feature map", (i) => ui.set({ place: i }));
    map.follow = map.press;
    const pooled = new Cells(poolBox, "After max pooling", () => {});
    settings(ui);
    const place = movement(ui, stage, count);
    const sum = DLLab.make("p", null, { class: "w-sum" }), sizes = DLLab.make("p", ui.below, { class: "w-quiet" });

    stage.after(sum);

    return function update() {
      const state = ui.state;
      ["stride", "dilation", "place"].forEach((key) => { state[key] = Math.round(state[key]); });
      const found = look(state), total = count();
      place.max = total - 1;
      state.place = place.value = found.place;
      drawKernel(Number(state.size));
      drawImage(pixels, state, found);
      mapBox.hidden = !found.fits;
      poolBox.hidden = !found.fits || !state.pool || found.high.places < 2 || found.wide.places < 2;
      sum.hidden = !found.fits;
      sizes.textContent = counted(state, "Rows", found.x.shape[0], found.high) + ". " + counted(state, "Columns", found.x.shape[1], found.wide) + ".";
      ui.say(sentence(state, found));
      if (!found.fits) return;
      map.draw(found.wide.places, mapCells(found.map, state.all ? total : found.place, found.place));
      map.stop(found.place);
      sum.textContent = found.terms.map((t) => t.pixel + " · " + (t.weight < 0 ? "(" + n(t.weight) + ")" : n(t.weight))).join(" + ") + " = " + n(found.sum);
      if (poolBox.hidden) return;
      const small = maxpool(found.map, 2);
      pooled.draw(small.shape[1], mapCells(small, 99, -1).map((cell) => Object.assign(cell, { still: true })));
    };
  });
})();
