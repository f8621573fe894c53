// A 2-2-1 network with ReLU whose nine parameters the reader moves; the plane shows its answer.
// A classic script without dependencies: it also works in a page opened from a file.
(function () {
  "use strict";

  var PARAMETERS = [
    // name, where the slider starts; the start is the network of the text, one bias wrong
    ["w11", "x1 → unit 1", 1], ["w21", "x2 → unit 1", 1], ["b1", "bias of unit 1", 0],
    ["w12", "x1 → unit 2", 1], ["w22", "x2 → unit 2", 1], ["b2", "bias of unit 2", 0],
    ["v1", "unit 1 → output", 1], ["v2", "unit 2 → output", -2], ["c", "bias of the output", -0.5],
  ];
  var CORNERS = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]; // x1, x2, class
  var COLORS = ["#0072b2", "#d55e00"];
  var LOW = -0.5, HIGH = 1.5, CELLS = 60, SIZE = 240;

  function forward(p, x1, x2) {
    var a1 = Math.max(p.w11 * x1 + p.w21 * x2 + p.b1, 0);
    var a2 = Math.max(p.w12 * x1 + p.w22 * x2 + p.b2, 0);
    return { a1: a1, a2: a2, y: p.v1 * a1 + p.v2 * a2 + p.c };
  }

  function make(tag, parent, attributes, text) {
    var element = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (key) {
      element.setAttribute(key, attributes[key]);
    });
    if (text) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  function toPixel(value) {
    return ((value - LOW) / (HIGH - LOW)) * SIZE;
  }

  function paint(canvas, p) {
    var pen = canvas.getContext("2d"), side = SIZE / CELLS;
    pen.clearRect(0, 0, SIZE, SIZE);
    for (var row = 0; row < CELLS; row++) {
      for (var column = 0; column < CELLS; column++) {
        var x1 = LOW + ((column + 0.5) / CELLS) * (HIGH - LOW);
        var x2 = HIGH - ((row + 0.5) / CELLS) * (HIGH - LOW);
        pen.fillStyle = COLORS[forward(p, x1, x2).y > 0 ? 1 : 0] + "55";
        pen.fillRect(column * side, row * side, side, side);
      }
    }
    CORNERS.forEach(function (corner) {
      var x = toPixel(corner[0]), y = SIZE - toPixel(corner[1]);
      pen.fillStyle = COLORS[corner[2]];
      pen.strokeStyle = "#fff";
      pen.beginPath();
      if (corner[2]) pen.rect(x - 7, y - 7, 14, 14);
      else pen.arc(x, y, 8, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    });
  }

  function fill(body, tally, p) {
    var right = 0;
    body.textContent = "";
    CORNERS.forEach(function (corner) {
      var out = forward(p, corner[0], corner[1]);
      var good = corner[2] ? out.y > 0 : out.y < 0;
      var row = make("tr", body);
      right += good ? 1 : 0;
      ["(" + corner[0] + ", " + corner[1] + ")", String(corner[2]), out.a1.toFixed(1), out.a2.toFixed(1),
        out.y.toFixed(1) + (good ? " ✓" : " ✗")].forEach(function (text) {
        make("td", row, { style: "padding:0.1rem 0.9rem 0.1rem 0" }, text);
      });
    });
    tally.textContent = right + " of 4 corners right.";
  }

  function build(place) {
    var box = document.createElement("div"), p = {};
    place.insertBefore(box, place.querySelector(".try-it-fallback"));
    box.style.cssText = "display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start;margin-bottom:1rem";
    var sliders = make("div", box, { style: "flex:1 1 15rem;min-width:0" });
    var view = make("div", box, { style: "flex:0 1 auto;min-width:0" });
    var canvas = make("canvas", view, { width: SIZE, height: SIZE, role: "img", style: "max-width:100%",
      "aria-label": "The plane of the inputs from -0.5 to 1.5, colored by the sign of the output; the table below gives the numbers at the corners." });
    var table = make("table", view, { style: "font-size:0.875rem;font-variant-numeric:tabular-nums" });
    var head = make("tr", make("thead", table));
    ["input", "class", "a1", "a2", "output"].forEach(function (text) {
      make("th", head, { scope: "col", style: "padding:0.1rem 0.9rem 0.1rem 0;text-align:start" }, text);
    });
    var body = make("tbody", table);
    var tally = make("p", view, { "aria-live": "polite" });

    function update() {
      paint(canvas, p);
      fill(body, tally, p);
    }

    PARAMETERS.forEach(function (parameter) {
      var label = make("label", sliders, { style: "display:grid;grid-template-columns:8.5rem 1fr 2.6rem;gap:0.4rem;align-items:center;font-size:0.875rem" });
      make("span", label, {}, parameter[1]);
      var input = make("input", label, { type: "range", min: -3, max: 3, step: 0.1, value: parameter[2], style: "min-width:0" });
      var value = make("output", label, {}, parameter[2].toFixed(1));
      p[parameter[0]] = parameter[2];
      input.addEventListener("input", function () {
        p[parameter[0]] = Number(input.value);
        value.textContent = p[parameter[0]].toFixed(1);
        update();
      });
    });
    update();
  }

  document.querySelectorAll('[data-widget="forward-xor"]').forEach(build);
})();
