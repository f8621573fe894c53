// Bars by time step, in rows that share their columns, and a slider for one entry of a list.
// Shared by the figures of recurrent networks (`// @needs steps.js`).
//
//   const picture = DLLab.steps(ui.view, { label: "…", pick: (step) => …, drag: (step, value) => … });
//   picture.draw({ steps: 12, present: 3, rows: [
//     { title: "state", values: [..], low: -1, high: 1, height: 60, style: "w-blue" }] });
//
// A row may also have: id (for `pick(step, id)`), marks (a line at a second value), ticks, log, cells (boxes with arrows from step to step),
// feeds (arrows up to the row above), drag (its bars can be dragged), focus, below (title below).
(function () {
  "use strict";

  const LEFT = 42, RIGHT = 6, TITLE = 25, STRIP = 15, FEED = 24;

  // Where things stand: one column for each step, one band for each row.
  function layout(plan, width) {
    const column = (width - LEFT - RIGHT) / (plan.steps + (plan.origin ? 1 : 0));
    const first = LEFT + (plan.origin ? column : 0);
    const decimals = column >= 46 ? 3 : 2, strip = column >= 34 ? STRIP : 0; // is there room for values?
    let y = 0;
    const bands = plan.rows.map((row) => {
      const start = y;
      y += (row.below ? (row.feeds ? 0 : 8) : TITLE) + (row.feeds ? FEED : 0) + strip;
      const band = { start: start, top: y, bottom: y + row.height };
      y += row.height + 10;
      return band;
    });
    const numbers = y + 6;
    const under = plan.rows.some((row) => row.below) ? 18 : 0;
    return {
      width: width, height: numbers + 8 + under, column: column, first: first, strip: strip, decimals: decimals, bands: bands,
      numbers: numbers, x: (i) => first + (i + 0.5) * column, left: first - (plan.origin ? column : 0),
    };
  }

  // A number as short as its column is narrow; the table has all digits.
  function short(value, decimals) {
    if (value === 0 || Math.abs(value) >= 100) return DLLab.number(value, 3);
    const text = value.toFixed(Math.abs(value) >= 10 ? 1 : decimals);
    return (Number(text) === 0 ? text : String(Number(text))).replace("-", "−");
  }

  function scale(row, band) {
    const place = row.log ? (v) => Math.log10(Math.max(Math.abs(v), 1e-300)) : Number;
    const low = place(row.low), high = place(row.high);
    return (value) => {
      const share = Math.min(1, Math.max(0, (place(value) - low) / (high - low)));
      return band.bottom - share * (band.bottom - band.top);
    };
  }

  function arrow(parent, x1, y1, x2, y2) {
    const up = x1 === x2, head = up ? [[-3.5, 5.5], [3.5, 5.5]] : [[-5.5, -3.5], [-5.5, 3.5]];
    DLLab.svg("line", parent, { x1: x1, y1: y1, x2: x2, y2: y2, stroke: "currentColor", "stroke-width": 1.3, class: "w-quiet" });
    const tips = head.map((d) => x2 + d[0] + " " + (y2 + d[1])).join("L");
    DLLab.svg("path", parent, { d: "M" + x2 + " " + y2 + "L" + tips + "Z", fill: "currentColor", class: "w-quiet" });
  }

  function drawAxis(parent, row, band, at, place) {
    const ticks = row.ticks || [[row.high, DLLab.number(row.high)], [0, "0"], [row.low, DLLab.number(row.low)]];
    const seen = [];
    ticks.forEach((tick) => {
      const y = at(tick[0]);
      if (seen.indexOf(y) >= 0) return;
      seen.push(y);
      DLLab.svg("line", parent, { x1: place.left, x2: place.width - RIGHT, y1: y, y2: y, class: "w-grid" });
      DLLab.svg("text", parent, { x: LEFT - 6, y: y + 4, "text-anchor": "end", class: "w-tick" }, tick[1]);
    });
  }

  // Boxes around the bars of the states, and the arrows by which a state reaches the next step.
  function drawCells(parent, row, band, place, count, origin) {
    const wide = Math.min(place.column * 0.72, 46), middle = (band.top + band.bottom) / 2;
    for (let i = origin ? -1 : 0; i < count; i++) {
      const x = place.x(i);
      DLLab.svg("rect", parent, { x: x - wide / 2, y: band.top - 2, width: wide, height: band.bottom - band.top + 4, rx: 5, class: "w-box w-quiet" });
      if (i + 1 < count) arrow(parent, x + wide / 2, middle, place.x(i + 1) - wide / 2, middle);
    }
    if (origin) DLLab.svg("text", parent, { x: place.x(-1), y: middle + 4, "text-anchor": "middle" }, "0");
    return wide * 0.6;
  }

  function drawBars(parent, row, at, place, wide) {
    const zero = at(row.log ? row.low : 0);
    row.values.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      const y = at(value), style = typeof row.style === "function" ? row.style(i) : row.style;
      DLLab.svg("rect", parent, { x: place.x(i) - wide / 2, y: Math.min(y, zero), width: wide, height: Math.max(Math.abs(zero - y), 0.6), class: "w-bar " + style });
    });
    (row.marks || []).forEach((value, i) => {
      const half = wide * 0.62, y = at(value);
      DLLab.svg("line", parent, { x1: place.x(i) - half, x2: place.x(i) + half, y1: y, y2: y, class: "w-line w-ink" });
    });
  }

  function drawRow(parent, row, band, place, plan) {
    const at = scale(row, band), middle = { "text-anchor": "middle" };
    if (row.focus) DLLab.svg("rect", parent, { x: 1, y: band.start + 1, width: place.width - 2, height: band.bottom - band.start + 6, rx: 5, class: "w-box w-blue" });
    drawAxis(parent, row, band, at, place);
    const titleAt = row.below ? place.numbers + 19 : band.start + 13;
    DLLab.svg("text", parent, { x: 5, y: titleAt, class: "w-word " + (row.focus ? "w-blue" : "w-ink") }, (row.focus ? "▸ " : "") + row.title);
    const thick = row.cells ? drawCells(parent, row, band, place, plan.steps, plan.origin) : Math.min(place.column * 0.62, 30);
    drawBars(parent, row, at, place, thick);
    row.values.forEach((value, i) => {
      if (place.strip) DLLab.svg("text", parent, Object.assign({ x: place.x(i), y: band.top - 6 }, middle), short(value, place.decimals));
      if (row.feeds) arrow(parent, place.x(i), band.top - place.strip - 2, place.x(i), band.top - place.strip - FEED + 2);
    });
    if (row.feeds) DLLab.svg("text", parent, { x: place.x(0) - 6, y: band.top - place.strip - FEED + 12, "text-anchor": "end" }, row.feeds);
    return at;
  }

  DLLab.steps = function (parent, o) {
    const root = DLLab.svg("svg", parent, { role: "img", "aria-label": o.label, class: "w-chart" });
    const ground = DLLab.svg("g", root, { "aria-hidden": "true" });
    const handle = DLLab.svg("rect", root, { fill: "transparent" }); // stays while all else is redrawn
    let plan = null, place = null, dragged = null, drawnFor = 0;

    function columnOf(event) {
      const box = root.getBoundingClientRect();
      const x = (event.clientX - box.left) * place.width / box.width;
      return Math.min(plan.steps - 1, Math.max(0, Math.floor((x - place.first) / place.column)));
    }

    function draw(given) {
      plan = given || plan;
      if (!plan) return;
      drawnFor = parent.clientWidth;
      place = layout(plan, Math.max(280, Math.min(760, drawnFor || 340)));
      root.setAttribute("viewBox", "0 0 " + place.width + " " + place.height);
      root.style.maxWidth = place.width + "px";
      ground.textContent = "";
      DLLab.svg("rect", ground, { x: place.x(plan.present - 1) - place.column / 2, y: 0, width: place.column, height: place.numbers + 6, rx: 4, fill: "currentColor", "fill-opacity": 0.13, class: "w-quiet" });
      plan.rows.forEach((row, i) => {
        drawRow(ground, row, place.bands[i], place, plan);
        if (row.drag) dragged = { row: row, band: place.bands[i] };
      });
      const every = place.column < 19 ? 2 : 1; // where columns are narrow, only every other number
      for (let i = 0; i < plan.steps; i++) {
        const far = Math.abs(i + 1 - plan.present);
        if (every === 2 && far > 0 && (i % 2 || far === 1)) continue;
        const text = DLLab.svg("text", ground, { x: place.x(i), y: place.numbers + 2, "text-anchor": "middle" }, String(i + 1));
        if (i + 1 === plan.present) text.setAttribute("font-weight", "700");
      }
      if (dragged) {
        const b = dragged.band;
        Object.entries({ x: place.first, y: b.top - 6, width: place.column * plan.steps, height: b.bottom - b.top + 12 })
          .forEach((pair) => handle.setAttribute(pair[0], pair[1]));
      }
    }

    // The row under a pointer, as its `id`; null between rows.
    function rowOf(event) {
      const box = root.getBoundingClientRect(), y = (event.clientY - box.top) * place.height / box.height;
      const number = place.bands.findIndex((band) => y >= band.start && y <= band.bottom);
      return number < 0 ? null : plan.rows[number].id || null;
    }

    root.addEventListener("pointerdown", (event) => {
      if (event.target !== handle && o.pick) o.pick(columnOf(event) + 1, rowOf(event));
    });
    let held = 0;
    if (o.drag) {
      DLLab.drag(handle, (event) => {
        const box = root.getBoundingClientRect(), b = dragged.band, r = dragged.row;
        const y = (event.clientY - box.top) * place.height / box.height;
        const share = Math.min(1, Math.max(0, (b.bottom - y) / (b.bottom - b.top)));
        o.drag(held + 1, r.low + share * (r.high - r.low)); // the bar that was taken, wherever the pointer goes
      }, (event) => { held = columnOf(event); });
    }
    new ResizeObserver(() => { if (parent.clientWidth !== drawnFor) draw(); }).observe(parent);
    return { draw: draw, svg: root };
  };

  // A slider for one entry of a list in the state; `o.index()` says which, `o.label()` names it.
  DLLab.entrySlider = function (ui, parent, key, o) {
    const label = DLLab.make("label", parent, { class: "w-slider" });
    const name = DLLab.make("span", label, { class: "w-label" });
    const input = DLLab.make("input", label, { type: "range", min: o.min, max: o.max, step: o.step });
    const output = DLLab.make("output", label);
    input.addEventListener("input", () => {
      const list = ui.state[key()].slice();
      list[o.index()] = Number(input.value);
      ui.set({ [key()]: list });
    });
    ui.bind(() => {
      const value = ui.state[key()][o.index()];
      name.textContent = o.label();
      input.value = value;
      output.textContent = DLLab.number(value, 3);
      input.setAttribute("aria-valuetext", output.textContent);
    });
    return input;
  };

  const SUB = "₀₁₂₃₄₅₆₇₈₉", SUP = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  DLLab.sub = (n) => String(n).replace(/\d/g, (d) => SUB[d]);
  DLLab.sup = (n) => String(n).replace(/\d/g, (d) => SUP[d]);
  // A number inside a formula: negative ones in parentheses.
  DLLab.inside = (value, digits) => (value < 0 ? "(" + DLLab.number(value, digits) + ")" : DLLab.number(value, digits));
})();
