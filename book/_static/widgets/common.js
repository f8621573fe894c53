// What all interactive figures share: a place, a state that the address keeps, controls, drawing.
// A classic script without dependencies: it also works in a page opened from a file.
//
//   DLLab.models["name"] = { pure functions, tested against dllab.scratch };
//   DLLab.widget("name", { rate: 0.1 }, function (ui) {
//     ui.slider(ui.controls, "rate", { label: "Learning rate", min: 0.01, max: 1, step: 0.01 });
//     const chart = DLLab.chart(ui.view, { label: "Loss by step", x: [0, 50], y: [0, 10] });
//     return function update() {
//       chart.line("loss", points, "w-blue");
//       ui.say("The loss after 50 steps is 0.3.");
//     };
//   });
//
// `update` draws all from `ui.state`. It runs at the start, after each `ui.set({...})`, and when
// the color scheme changes. Whatever can be dragged has a labeled control as well.
window.DLLab = (function () {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const models = {};
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  let serial = 0;

  // -- elements -----------------------------------------------------------------------------

  function fill(element, parent, attributes, text) {
    Object.keys(attributes || {}).forEach((key) => element.setAttribute(key, attributes[key]));
    if (text !== undefined) element.textContent = text;
    if (parent) parent.appendChild(element);
    return element;
  }

  function make(tag, parent, attributes, text) {
    return fill(document.createElement(tag), parent, attributes, text);
  }

  function svg(tag, parent, attributes, text) {
    return fill(document.createElementNS(SVG, tag), parent, attributes, text);
  }

  function unique(word) {
    serial += 1;
    return "w-" + word + "-" + serial;
  }

  // A number as the text prints it: significant digits, a true minus sign.
  function number(value, digits) {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
    const rounded = Number(value.toPrecision(digits || 3));
    const size = Math.abs(rounded);
    const text = size !== 0 && (size < 1e-4 || size >= 1e6) ? rounded.toExponential() : String(rounded);
    return text.replace("e+", "e").replace(/-/g, "−");
  }

  // -- the state in the address: #try-name?rate=0.1&optimizer=adam ------------------------------

  function fromText(text, initial) {
    if (Array.isArray(initial)) {
      const values = text.split(",").map(Number);
      return values.length === initial.length && values.every(Number.isFinite) ? values : initial;
    }
    if (typeof initial === "number") return text !== "" && Number.isFinite(Number(text)) ? Number(text) : initial;
    if (typeof initial === "boolean") return text === "1" ? true : text === "0" ? false : initial;
    return text;
  }

  function toText(value) {
    if (Array.isArray(value)) return value.map((v) => String(Number(v.toPrecision(6)))).join(",");
    if (typeof value === "boolean") return value ? "1" : "0";
    return typeof value === "number" ? String(Number(value.toPrecision(6))) : value;
  }

  function copyOf(state) {
    const copy = {};
    Object.keys(state).forEach((key) => {
      copy[key] = Array.isArray(state[key]) ? state[key].slice() : state[key];
    });
    return copy;
  }

  function readAddress(name, initial) {
    const state = copyOf(initial);
    const [place, query] = decodeURI(window.location.hash).split("?");
    if (place !== "#try-" + name || query === undefined) return state;
    new URLSearchParams(query).forEach((text, key) => {
      if (Object.prototype.hasOwnProperty.call(initial, key)) state[key] = fromText(text, initial[key]);
    });
    return state;
  }

  function addressOf(name, state, initial) {
    const changed = Object.keys(initial).filter((key) => toText(state[key]) !== toText(initial[key]));
    const query = changed.map((key) => key + "=" + encodeURIComponent(toText(state[key])).replace(/%2C/g, ","));
    return "#try-" + name + (query.length ? "?" + query.join("&") : "");
  }

  // -- colors: the style sheet's, so that light and dark follow the page ------------------------

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--w-" + name).trim();
  }

  function channels(text) {
    const digits = text.replace("#", "");
    const full = digits.length === 3 ? digits.replace(/./g, "$&$&") : digits;
    return [0, 2, 4].map((i) => parseInt(full.slice(i, i + 2), 16));
  }

  function mix(from, to, share) {
    const a = channels(from), b = channels(to);
    return "rgb(" + a.map((v, i) => Math.round(v + (b[i] - v) * share)).join(",") + ")";
  }

  // From orange (-1) over the panel's color (0) to blue (1); beyond, the ends stay.
  function diverging(value) {
    const share = Math.min(1, Math.abs(value) || 0);
    return mix(color("panel"), color(value < 0 ? "orange" : "blue"), share);
  }

  // From the panel's color (0) to the text's (1), as a pencil draws.
  function gray(value) {
    return mix(color("panel"), color("ink"), Math.min(1, Math.max(0, value)));
  }

  // -- random numbers with a seed ---------------------------------------------------------------

  function random(seed) {
    let state = seed >>> 0;
    function uniform() { // mulberry32
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }
    return {
      uniform: uniform,
      normal: function () { // Box and Muller
        return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
      },
      shuffled: function (items) { // Fisher and Yates
        const copy = Array.from(items);
        for (let i = copy.length - 1; i > 0; i--) {
          const j = Math.floor(uniform() * (i + 1));
          [copy[i], copy[j]] = [copy[j], copy[i]];
        }
        return copy;
      },
    };
  }

  // -- data that a chapter published with dllab.plot.publish --------------------------------------

  function float16(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * Math.pow(2, -24);
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * Math.pow(2, exponent - 15);
  }

  function decode(value) {
    if (Array.isArray(value)) return value.map(decode);
    if (value === null || typeof value !== "object") return value;
    if (value.kind === undefined) {
      const decoded = {};
      Object.keys(value).forEach((key) => { decoded[key] = decode(value[key]); });
      return decoded;
    }
    const bytes = Uint8Array.from(window.atob(value.base64), (c) => c.charCodeAt(0));
    if (value.kind === "uint8") return { shape: value.shape, values: bytes };
    const values = new Float32Array(bytes.length / 2);
    for (let i = 0; i < values.length; i++) values[i] = float16(bytes[2 * i] | (bytes[2 * i + 1] << 8));
    return { shape: value.shape, values: values };
  }

  // Return what the page holds for a figure, or null; arrays become { shape, values }.
  function data(name) {
    const script = document.querySelector('script[data-widget-data="' + name + '"]');
    return script ? decode(JSON.parse(script.textContent)) : null;
  }

  // -- drawing ----------------------------------------------------------------------------------

  // A canvas that is sharp on any screen; draw in `width` by `height` units with `pen`.
  function canvas(parent, width, height, label) {
    const scale = Math.max(1, Math.min(3, window.devicePixelRatio || 1));
    const element = make("canvas", parent, {
      width: Math.round(width * scale), height: Math.round(height * scale), role: "img",
      "aria-label": label, class: "w-canvas",
    });
    element.style.maxWidth = width + "px";
    element.style.aspectRatio = width + " / " + height;
    const pen = element.getContext("2d");
    pen.scale(scale, scale);
    return { element: element, pen: pen, width: width, height: height };
  }

  function ticks(low, high, count) {
    const raw = (high - low) / count, power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) || raw;
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
    return found;
  }

  function decades(low, high) {
    const found = [];
    for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) found.push(Math.pow(10, p));
    const every = Math.ceil(found.length / 6);
    return found.filter((_, i) => i % every === 0);
  }

  function axis(range, from, to, log) {
    const place = log ? Math.log10 : Number;
    const low = place(range[0]), high = place(range[1]);
    return function (value) {
      const share = (place(log ? Math.max(value, 1e-300) : value) - low) / (high - low || 1);
      return from + (to - from) * share;
    };
  }

  // A plot with axes: chart.line, .dots, .bars, .mark, .frame; chart.svg to draw more.
  //   options: label (says what it shows), x: [low, high], y: [low, high], xlabel, ylabel, logY,
  //   xticks: a function that gives [[place, text], ..], where the places are not the numbers,
  //   width, height (units of the drawing; 340 by 240), square: equal margins
  function chart(parent, options) {
    const width = options.width || 340, height = options.height || 240;
    const edge = { left: 46, right: 10, top: 10, bottom: options.xlabel ? 40 : 26 };
    const root = svg("svg", parent, {
      viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": options.label, class: "w-chart",
    });
    root.style.maxWidth = width * 1.35 + "px";
    const clip = unique("clip");
    const inside = svg("clipPath", svg("defs", root), { id: clip });
    svg("rect", inside, { x: edge.left, y: edge.top, width: width - edge.left - edge.right, height: height - edge.top - edge.bottom });
    const axes = svg("g", root, { class: "w-axes", "aria-hidden": "true" });
    const marks = svg("g", root, { "clip-path": "url(#" + clip + ")" });
    const drawn = {};
    const self = { svg: root, marks: marks, x: null, y: null, width: width, height: height, edge: edge };

    function write(x, y, text, anchor, turn) {
      const label = svg("text", axes, { x: x, y: y, "text-anchor": anchor || "middle" }, text);
      if (turn) label.setAttribute("transform", "rotate(-90 " + x + " " + y + ")");
    }

    self.frame = function (x, y) {
      self.range = { x: x, y: y };
      const key = x + "|" + y;
      if (self.framed === key) return;
      self.framed = key;
      self.x = axis(x, edge.left, width - edge.right);
      self.y = axis(y, height - edge.bottom, edge.top, options.logY);
      axes.textContent = "";
      (options.logY ? decades(y[0], y[1]) : ticks(y[0], y[1], 5)).forEach((tick) => {
        svg("line", axes, { x1: edge.left, x2: width - edge.right, y1: self.y(tick), y2: self.y(tick), class: "w-grid" });
        write(edge.left - 5, self.y(tick) + 4, number(tick), "end");
      });
      (options.xticks ? options.xticks() : ticks(x[0], x[1], 6).map((tick) => [tick, number(tick)])).forEach((tick) => {
        svg("line", axes, { x1: self.x(tick[0]), x2: self.x(tick[0]), y1: edge.top, y2: height - edge.bottom, class: "w-grid" });
        write(self.x(tick[0]), height - edge.bottom + 15, tick[1]);
      });
      if (options.xlabel) write((edge.left + width - edge.right) / 2, height - 6, options.xlabel);
      if (options.ylabel) write(11, (edge.top + height - edge.bottom) / 2, options.ylabel, "middle", true);
    };

    function group(id) {
      if (!drawn[id]) drawn[id] = svg("g", marks);
      return drawn[id];
    }

    // A line through [[x, y], ...] with a class such as "w-blue" or "w-orange w-dashed".
    self.line = function (id, points, style) {
      const place = group(id), path = place.firstChild || svg("path", place);
      const inRange = points.filter((p) => Number.isFinite(p[0]) && Number.isFinite(p[1]));
      const clamp = (v) => Math.max(-1e4, Math.min(1e4, v)).toFixed(1);
      path.setAttribute("d", inRange.map((p, i) => (i ? "L" : "M") + clamp(self.x(p[0])) + " " + clamp(self.y(p[1]))).join(""));
      path.setAttribute("class", "w-line " + style);
    };

    // Points [[x, y], ...]; shape "circle" or "square", so that color is not all that tells them apart.
    self.dots = function (id, points, style, radius, shape) {
      const place = group(id), size = radius || 4;
      place.textContent = "";
      points.forEach((p) => {
        const x = self.x(p[0]), y = self.y(p[1]);
        if (shape === "square") svg("rect", place, { x: x - size * 0.9, y: y - size * 0.9, width: size * 1.8, height: size * 1.8, class: "w-dot " + style });
        else svg("circle", place, { cx: x, cy: y, r: size, class: "w-dot " + style });
      });
    };

    // Bars from zero: values[i] stands at x = i (or at[i]).
    self.bars = function (id, values, style, share, at) {
      const place = group(id), half = (self.x(1) - self.x(0)) * (share || 0.7) / 2;
      place.textContent = "";
      values.forEach((value, i) => {
        const x = self.x(at ? at[i] : i), zero = self.y(options.logY ? 1e-300 : 0), y = self.y(value);
        svg("rect", place, { x: x - half, y: Math.min(zero, y), width: 2 * half, height: Math.abs(zero - y), class: "w-bar " + (typeof style === "function" ? style(i) : style) });
      });
    };

    // A word at a place of the plot.
    self.word = function (id, x, y, text, style, anchor) {
      const place = group(id), element = place.firstChild || svg("text", place);
      fill(element, null, { x: self.x(x), y: self.y(y), class: "w-word " + (style || ""), "text-anchor": anchor || "start" }, text);
    };

    self.clear = function (id) {
      if (drawn[id]) drawn[id].textContent = "";
    };

    // The value under a pointer's event: [x, y]. For linear axes.
    self.at = function (event) {
      const box = root.getBoundingClientRect();
      const px = (event.clientX - box.left) * width / box.width, py = (event.clientY - box.top) * height / box.height;
      const back = (p, f, a, b) => a + (b - a) * (p - f(a)) / (f(b) - f(a));
      return [back(px, self.x, self.range.x[0], self.range.x[1]), back(py, self.y, self.range.y[0], self.range.y[1])];
    };

    self.frame(options.x, options.y);
    return self;
  }

  // Call `move(event)` while a pointer presses and moves on an element (mouse, pen or finger).
  function drag(element, move, start) {
    element.classList.add("w-drag");
    let pressed = false;
    element.addEventListener("pointerdown", (event) => {
      if (start && start(event) === false) return;
      pressed = true;
      element.setPointerCapture(event.pointerId);
      move(event);
      event.preventDefault();
    });
    element.addEventListener("pointermove", (event) => pressed && move(event));
    ["pointerup", "pointercancel"].forEach((kind) => element.addEventListener(kind, () => { pressed = false; }));
  }

  // A table: rows(values) writes its cells; the first cell of each row is its header.
  function table(parent, caption, head) {
    const scroll = make("div", parent, { class: "w-table", tabindex: "0", role: "region", "aria-label": caption });
    const element = make("table", scroll);
    make("caption", element, {}, caption);
    const row = make("tr", make("thead", element));
    head.forEach((text) => make("th", row, { scope: "col" }, text));
    const body = make("tbody", element);
    return {
      element: element,
      rows: function (rows) {
        body.textContent = "";
        rows.forEach((cells) => {
          const line = make("tr", body);
          cells.forEach((text, i) => make(i ? "td" : "th", line, i ? {} : { scope: "row" }, text));
        });
      },
    };
  }

  // A key below a picture: [[style, text], ...] with a class such as "w-blue". Returns its items.
  function key(parent, entries) {
    const list = make("ul", parent, { class: "w-key" });
    return entries.map((entry) => {
      const item = make("li", list, { class: entry[0] });
      make("span", item, {}, entry[1]);
      return item;
    });
  }

  // A key whose marks are drawn: [[tag, attributes, text], ...], in 26 by 14 units.
  function marks(parent, entries) {
    const list = make("ul", parent, { class: "w-marks" });
    entries.forEach((entry) => {
      const item = make("li", list);
      const mark = svg("svg", item, { viewBox: "0 0 26 14", width: 26, height: 14, "aria-hidden": "true", class: "w-chart" });
      svg(entry[0], mark, entry[1]);
      item.appendChild(document.createTextNode(entry[2]));
    });
  }

  // -- one interactive figure ---------------------------------------------------------------------

  function Figure(place, name, initial) {
    this.place = place;
    this.name = name;
    this.initial = initial;
    this.state = readAddress(name, initial);
    this.root = make("div", null, { class: "widget" });
    const columns = make("div", this.root, { class: "w-columns" });
    this.controls = make("div", columns, { class: "w-controls" });
    this.view = make("div", columns, { class: "w-view" });
    this.below = make("div", this.root, { class: "w-below" });
    this.bound = [];
    this.update = function () {};
  }

  Figure.prototype = {
    // Change the state and draw. Controls that show a changed value follow. Arrays are copied, so
    // that an example can be set as it is.
    set: function (changes) {
      Object.assign(this.state, copyOf(changes));
      this.refresh();
      this.remember();
    },

    refresh: function () {
      this.bound.forEach((show) => show());
      this.update();
    },

    // The address follows a little later: browsers refuse many changes a second.
    remember: function () {
      window.clearTimeout(this.waiting);
      this.waiting = window.setTimeout(() => {
        try {
          window.history.replaceState(null, "", addressOf(this.name, this.state, this.initial));
        } catch (_refused) { /* a browser that forbids it in a file: the figure works all the same */ }
      }, 250);
    },

    bind: function (show) {
      this.bound.push(show);
      show();
    },

    slider: function (parent, key, o) {
      const initial = this.initial[key], digits = (String(o.step).split(".")[1] || "").length;
      const format = o.format || ((v) => v.toFixed(digits).replace("-", "−"));
      const label = make("label", parent, { class: "w-slider" });
      make("span", label, { class: "w-label" }, o.label);
      const input = make("input", label, { type: "range", min: o.min, max: o.max, step: o.step });
      const output = make("output", label);
      input.addEventListener("input", () => this.set({ [key]: Number(input.value) }));
      this.bind(() => {
        const value = this.state[key];
        this.state[key] = Number.isFinite(value) ? Math.min(o.max, Math.max(o.min, value)) : initial;
        input.value = this.state[key];
        output.textContent = format(this.state[key]);
        input.setAttribute("aria-valuetext", output.textContent);
      });
      return input;
    },

    // A number to type. `index` names the place in the state's array, if it is one.
    number: function (parent, key, o) {
      const label = make("label", parent, { class: "w-number" });
      make("span", label, { class: o.hidden ? "w-hidden" : "w-label" }, o.label);
      const input = make("input", label, { type: "number", min: o.min, max: o.max, step: o.step || "any" });
      const read = () => (o.index === undefined ? this.state[key] : this.state[key][o.index]);
      input.addEventListener("input", () => {
        const value = Number(input.value);
        if (input.value === "" || !Number.isFinite(value)) return; // half-typed: wait
        const kept = Math.min(o.max, Math.max(o.min, value));
        if (o.index === undefined) this.set({ [key]: kept });
        else this.set({ [key]: this.state[key].map((v, i) => (i === o.index ? kept : v)) });
      });
      input.addEventListener("blur", () => { input.value = read(); });
      this.bind(() => {
        if (document.activeElement !== input) input.value = read();
      });
      return input;
    },

    // One of a few: options are [value, text] pairs; values are strings.
    choice: function (parent, key, o) {
      const label = make("label", parent, { class: "w-choice" });
      make("span", label, { class: "w-label" }, o.label);
      const select = make("select", label);
      o.options.forEach((option) => make("option", select, { value: option[0] }, option[1]));
      select.addEventListener("change", () => this.set({ [key]: select.value }));
      this.bind(() => {
        if (!o.options.some((option) => option[0] === this.state[key])) this.state[key] = this.initial[key];
        select.value = this.state[key];
      });
      return select;
    },

    check: function (parent, key, o) {
      const label = make("label", parent, { class: "w-check" });
      const input = make("input", label, { type: "checkbox" });
      make("span", label, {}, o.label);
      input.addEventListener("change", () => this.set({ [key]: input.checked }));
      this.bind(() => { input.checked = this.state[key]; });
      return input;
    },

    button: function (parent, text, act) {
      const button = make("button", parent, { type: "button", class: "w-button" }, text);
      button.addEventListener("click", act);
      return button;
    },

    // "Play" and "Step" buttons. `step()` goes on by one; it returns false at the end.
    // Nothing plays by itself. Who asks for less motion sees two pictures a second.
    player: function (parent, step, o) {
      const options = Object.assign({ play: "Play", pause: "Pause", step: "Step", perSecond: 30 }, o);
      const box = make("div", parent, { class: "w-buttons" });
      let timer = null;
      const stop = () => {
        window.clearTimeout(timer);
        timer = null;
        play.textContent = options.play;
      };
      const tick = () => {
        const before = performance.now(), calmly = calm.matches;
        let going = true;
        const many = calmly ? Math.max(1, Math.round(options.perSecond / 2)) : 1;
        for (let i = 0; i < many && going; i++) going = step() !== false;
        if (!going || document.hidden) return stop();
        timer = window.setTimeout(tick, Math.max(0, (calmly ? 500 : 1000 / options.perSecond) - (performance.now() - before)));
      };
      const play = this.button(box, options.play, () => {
        if (timer !== null) return stop();
        play.textContent = options.pause;
        timer = window.setTimeout(tick, 0);
      });
      if (options.step) this.button(box, options.step, () => { stop(); step(); });
      new IntersectionObserver((seen) => { if (!seen[0].isIntersecting) stop(); }).observe(this.root);
      this.stops = stop;
      return { box: box, stop: stop, playing: () => timer !== null };
    },

    // One sentence below the figure with its numbers; a screen reader hears it when it rests.
    say: function (text) {
      if (!this.sentence) {
        this.sentence = make("p", this.below, { class: "w-says" });
        this.heard = make("p", this.below, { class: "w-hidden", role: "status" });
      }
      this.sentence.textContent = text;
      window.clearTimeout(this.speaking);
      this.speaking = window.setTimeout(() => { this.heard.textContent = text; }, 800);
    },

    reset: function () {
      if (this.stops) this.stops();
      if (this.restart) this.restart();
      this.set(this.initial);
    },

    foot: function () {
      const foot = make("div", this.root, { class: "w-buttons w-foot" });
      this.button(foot, "Reset", () => this.reset());
      const link = this.button(foot, "Copy link to this state", () => {
        const address = window.location.href.split("#")[0] + addressOf(this.name, this.state, this.initial);
        const said = (text) => { link.textContent = text; window.setTimeout(() => { link.textContent = "Copy link to this state"; }, 2000); };
        if (!navigator.clipboard) return said("Copy the page's address");
        navigator.clipboard.writeText(address).then(() => said("Copied"), () => said("Copy the page's address"));
      });
    },
  };

  // Build a figure in each of its places. If that fails, the static text stays as it is.
  function widget(name, initial, build) {
    document.querySelectorAll('[data-widget="' + name + '"]').forEach((place) => {
      const figure = new Figure(place, name, initial);
      figure.update = build(figure) || figure.update;
      figure.update();
      figure.foot();
      place.insertBefore(figure.root, place.querySelector(".try-it-fallback"));
      place.classList.add("try-it-live");
      new MutationObserver(() => figure.update()).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      const arrive = () => {
        if (window.location.hash.split("?")[0] !== "#try-" + name) return;
        Object.assign(figure.state, readAddress(name, initial));
        figure.refresh();
        place.scrollIntoView({ block: "start" });
      };
      window.addEventListener("hashchange", arrive);
      if (window.location.hash.startsWith("#try-" + name + "?")) arrive();
    });
  }

  return {
    models: models, widget: widget, make: make, svg: svg, unique: unique, number: number,
    color: color, mix: mix, diverging: diverging, gray: gray, random: random, data: data, float16: float16,
    canvas: canvas, chart: chart, drag: drag, table: table, key: key, marks: marks, ticks: ticks, calm: () => calm.matches,
  };
})();
