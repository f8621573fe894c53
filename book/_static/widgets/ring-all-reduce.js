// Ring all-reduce, message by message: each worker starts with a vector of its own and ends with
// the sum of all. First the sums are collected chunk by chunk, then the finished chunks go round.
(function () {
  "use strict";

  const START = { workers: 3, numbers: 3, round: 1, seed: 0 };
  const PRESETS = [
    ["Example by hand", START],
    ["4 workers, 8 numbers", { workers: 4, numbers: 8, round: 1, seed: 1 }],
    ["6 workers, 12 numbers", { workers: 6, numbers: 12, round: 3, seed: 1 }],
    ["Chunks of two sizes", { workers: 3, numbers: 8, round: 2, seed: 1 }],
  ];

  // -- the algorithm -----------------------------------------------------------------------------

  // One small whole number for each worker and place. With seed 0 and up to three workers the
  // digits of a sum tell whose numbers are in it, as in the example worked by hand.
  function vectors(workers, numbers, seed) {
    if (seed === 0 && workers <= 3) {
      return Array.from({ length: workers }, (_, w) =>
        Array.from({ length: numbers }, (_n, i) => (i % 9 + 1) * Math.pow(10, w)));
    }
    const random = DLLab.random(seed);
    return Array.from({ length: workers }, () =>
      Array.from({ length: numbers }, () => Math.floor(9 * random.uniform()) + 1));
  }

  // Where the chunks begin and end, as np.array_split cuts: the first ones take what is left over.
  function chunks(numbers, workers) {
    const least = Math.floor(numbers / workers), over = numbers % workers;
    let start = 0;
    return Array.from({ length: workers }, (_, c) => {
      const piece = [start, start + least + (c < over ? 1 : 0)];
      start = piece[1];
      return piece;
    });
  }

  const wrap = (value, workers) => ((value % workers) + workers) % workers;

  // The messages of a round, counted from 0: each worker sends one chunk to its right neighbor.
  // For the first workers − 1 rounds the receiver adds, then it replaces: the last chunk that a
  // worker has completed is the first that it passes on.
  function messages(workers, round) {
    return Array.from({ length: workers }, (_, from) => ({
      from: from, to: (from + 1) % workers, chunk: wrap(from - round, workers), adding: round < workers - 1,
    }));
  }

  // The values of all workers after so many rounds, and whose numbers each chunk holds.
  function run(start, rounds) {
    const workers = start.length, cuts = chunks(start[0].length, workers);
    let values = start.map((v) => v.slice());
    let parts = start.map((_, w) => cuts.map(() => [w]));
    for (let round = 0; round < rounds; round++) {
      const next = values.map((v) => v.slice()), whose = parts.map((p) => p.slice());
      messages(workers, round).forEach((m) => {
        for (let i = cuts[m.chunk][0]; i < cuts[m.chunk][1]; i++) {
          next[m.to][i] = values[m.from][i] + (m.adding ? values[m.to][i] : 0);
        }
        const sent = parts[m.from][m.chunk];
        whose[m.to][m.chunk] = m.adding ? sent.concat(parts[m.to][m.chunk]) : sent;
      });
      values = next;
      parts = whose;
    }
    return { values: values, parts: parts, cuts: cuts };
  }

  // What has been sent after so many rounds: messages, numbers in all, most by one worker. And the
  // same for one worker in the middle, who gets all vectors and sends the sum back to each.
  function cost(workers, numbers, rounds) {
    const cuts = chunks(numbers, workers), sent = new Array(workers).fill(0);
    for (let round = 0; round < rounds; round++) {
      messages(workers, round).forEach((m) => { sent[m.from] += cuts[m.chunk][1] - cuts[m.chunk][0]; });
    }
    const others = workers - 1;
    return {
      ring: { messages: workers * rounds, numbers: sent.reduce((a, b) => a + b, 0), most: Math.max(...sent) },
      middle: { messages: 2 * others, numbers: 2 * others * numbers, most: others * numbers },
    };
  }

  DLLab.models["ring-all-reduce"] = { vectors: vectors, chunks: chunks, messages: messages, run: run, cost: cost };

  // -- the figure --------------------------------------------------------------------------------

  const last = (s) => 2 * (s.workers - 1);

  function phase(s) {
    if (s.round === 0) return "Start: each worker has its own numbers";
    const adding = s.round < s.workers, half = adding ? "Reduce-scatter: add" : "All-gather: replace";
    return "Round " + s.round + " of " + last(s) + ". " + half;
  }

  function presets(ui, parent) {
    const box = DLLab.make("div", parent, { class: "w-buttons", role: "group", "aria-label": "Examples" });
    PRESETS.forEach((preset) => {
      const button = ui.button(box, preset[0], () => ui.set(preset[1]));
      ui.bind(() => button.setAttribute("aria-pressed", String(Object.keys(preset[1]).every((k) => ui.state[k] === preset[1][k]))));
    });
  }

  function controls(ui) {
    ui.slider(ui.controls, "workers", { label: "Workers", min: 2, max: 6, step: 1 });
    ui.slider(ui.controls, "numbers", { label: "Numbers in a vector", min: 2, max: 12, step: 1 });
    const round = ui.slider(ui.controls, "round", { label: "Rounds done", min: 0, max: 10, step: 1 });
    ui.bind(() => {
      const s = ui.state;
      ["workers", "numbers", "round", "seed"].forEach((key) => { s[key] = Math.round(s[key]); });
      s.round = Math.min(s.round, last(s));
      round.max = last(s);
      round.value = s.round;
      round.parentNode.querySelector("output").textContent = s.round + " of " + last(s);
    });
    const player = ui.player(ui.controls, () => {
      ui.set({ round: ui.state.round >= last(ui.state) ? 0 : ui.state.round + 1 });
      return ui.state.round < last(ui.state);
    }, { play: "Play", pause: "Stop", step: "Next round", perSecond: 1 });
    ui.button(player.box, "Other numbers", () => ui.set({ seed: (ui.state.seed % 99) + 1 }));
  }

  // One chunk of one worker: its numbers, whose they are, and what just happened to it.
  function drawChunk(row, c, found, w, moved, workers) {
    const sent = moved.find((m) => m.from === w && m.chunk === c), got = moved.find((m) => m.to === w && m.chunk === c);
    const whose = found.parts[w][c], whole = whose.length === workers;
    const box = DLLab.make("div", row, { class: "w-chunk" + (got ? " w-got" : sent ? " w-sent" : "") + (whole ? " w-whole" : "") });
    const values = found.values[w].slice(found.cuts[c][0], found.cuts[c][1]);
    DLLab.make("span", box, { class: "w-values" }, values.join(" "));
    DLLab.make("small", box, {}, whole ? "✓ all" : "of " + whose.slice().sort().join(", "));
    DLLab.make("small", box, { class: "w-move" }, got ? (got.adding ? "+ from " : "← from ") + got.from : sent ? "→ to " + sent.to : "");
  }

  function drawWorkers(stage, s, found, moved) {
    stage.textContent = "";
    stage.style.setProperty("--columns", s.workers);
    found.values.forEach((_, w) => {
      const row = DLLab.make("div", stage, { class: "w-worker", role: "group", "aria-label": "Worker " + w });
      DLLab.make("p", row, { class: "w-title" }, "Worker " + w);
      const line = DLLab.make("div", row, { class: "w-chunks" });
      found.cuts.forEach((_cut, c) => drawChunk(line, c, found, w, moved, s.workers));
    });
  }

  function sentence(s, found, moved) {
    const all = cost(s.workers, s.numbers, last(s)), squared = s.workers * s.workers;
    const whole = found.parts.reduce((n, p) => n + p.filter((who) => who.length === s.workers).length, 0);
    const did = moved.length === 0 ? "Each worker cuts its vector into " + s.workers + " chunks. "
      : "Each worker has just sent one chunk to the next, which " + (moved[0].adding ? "added it to its own. " : "put it in place of its own. ");
    return did + whole + " of " + squared + " chunks are complete. When all are, the busiest worker has sent " + all.ring.most +
      " numbers; with worker 0 in the middle, that one would receive " + all.middle.most + " and send " + all.middle.most + ".";
  }

  DLLab.widget("ring-all-reduce", START, function (ui) {
    const top = DLLab.make("div", null, { class: "w-presets" });
    ui.root.insertBefore(top, ui.root.firstChild);
    presets(ui, top);
    ui.view.parentNode.insertBefore(ui.view, ui.controls); // on a phone the picture comes first
    const title = DLLab.make("p", ui.view, { class: "w-formula" });
    const stage = DLLab.make("div", ui.view, { class: "w-ring-stage" });
    controls(ui);
    const table = DLLab.table(ui.controls, "What is sent", ["count", "so far", "in the end", "all to worker 0"]);
    return function update() {
      const s = ui.state, found = run(vectors(s.workers, s.numbers, s.seed), s.round);
      const moved = s.round ? messages(s.workers, s.round - 1) : [];
      const now = cost(s.workers, s.numbers, s.round).ring, end = cost(s.workers, s.numbers, last(s));
      title.textContent = phase(s);
      drawWorkers(stage, s, found, moved);
      table.rows([
        ["Messages", "messages"], ["Numbers sent by all", "numbers"], ["Most sent by one", "most"],
      ].map(([name, key]) => [name, String(now[key]), String(end.ring[key]), String(end.middle[key])]));
      ui.say(sentence(s, found, moved));
    };
  });
})();
