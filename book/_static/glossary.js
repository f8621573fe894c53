// Shows what a term means when it is pointed at or focused. The definitions are in the page.
// As WCAG 1.4.13 asks: Escape hides it, the pointer may move onto it, and it stays until then.
(function () {
  "use strict";

  const GAP = 8;
  const DELAY = 250;
  const LINKS = 'a.reference[href*="#term-"]';

  const definitions = new Map();
  document.querySelectorAll("template.glossary-definition").forEach(function (one) {
    definitions.set(one.dataset.term, one);
  });

  const popup = document.createElement("div");
  popup.id = "glossary-popup";
  popup.className = "glossary-popup";
  popup.setAttribute("role", "tooltip");
  popup.hidden = true;

  let current = null;
  let timer = 0;

  function termOf(target) {
    const link = target instanceof Element ? target.closest(LINKS) : null;
    return link && definitions.has(decodeURIComponent(link.hash.slice(1))) ? link : null;
  }

  // Beside the line of the link that is pointed at, within the window, above it where there is
  // no room below.
  function put(link) {
    const boxes = link.getClientRects();
    const box = boxes[0] || link.getBoundingClientRect();
    const bottom = boxes.length ? boxes[boxes.length - 1].bottom : box.bottom;
    const width = document.documentElement.clientWidth;
    popup.style.maxWidth = Math.min(360, width - 2 * GAP) + "px";
    popup.style.left = "0px";
    popup.style.top = "0px";
    const size = popup.getBoundingClientRect();
    const left = Math.max(GAP, Math.min(box.left, width - size.width - GAP));
    const below = bottom + size.height + GAP < window.innerHeight || box.top < size.height + GAP;
    popup.style.left = left + window.scrollX + "px";
    popup.style.top = (below ? bottom : box.top - size.height) + window.scrollY + "px";
  }

  function setFormulas(link) {
    const math = window.MathJax;
    if (!popup.querySelector(".math") || !math || !math.startup) return;
    math.startup.promise.then(() => math.typesetPromise([popup])).then(function () {
      // The popup itself cannot be reached with Tab; neither can the formulas in it.
      popup.querySelectorAll("[tabindex]").forEach((one) => one.removeAttribute("tabindex"));
      if (current === link) put(link);
    });
  }

  function show(link) {
    window.clearTimeout(timer);
    if (current === link) return;
    hide();
    current = link;
    const definition = definitions.get(decodeURIComponent(link.hash.slice(1)));
    popup.replaceChildren(definition.content.cloneNode(true));
    popup.hidden = false;
    link.setAttribute("aria-describedby", popup.id);
    put(link);
    setFormulas(link);
  }

  function hide() {
    window.clearTimeout(timer);
    if (!current) return;
    current.removeAttribute("aria-describedby");
    current = null;
    popup.hidden = true;
    if (window.MathJax && window.MathJax.typesetClear) window.MathJax.typesetClear([popup]);
    popup.replaceChildren();
  }

  function later(action) {
    window.clearTimeout(timer);
    timer = window.setTimeout(action, DELAY);
  }

  document.addEventListener("pointerover", function (event) {
    // A finger that taps a link wants to follow it.
    if (event.pointerType === "touch") return;
    const link = termOf(event.target);
    if (link) later(() => show(link));
    else if (popup.contains(event.target)) window.clearTimeout(timer);
    else if (current && current !== document.activeElement) later(hide);
    else if (!current) window.clearTimeout(timer);
  });
  document.addEventListener("focusin", function (event) {
    const link = termOf(event.target);
    if (link && link.matches(":focus-visible")) show(link);
    else hide();
  });
  document.addEventListener("focusout", function (event) {
    if (event.target === current && !current.matches(":hover")) hide();
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") hide();
  });
  window.addEventListener("resize", hide);

  if (definitions.size) document.body.append(popup);
})();
