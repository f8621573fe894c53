// A box above a long list: type words, and only the entries that hold all of them stay.
(function () {
  "use strict";

  function plural(noun) {
    return noun.replace(/y$/, "ie") + "s";
  }

  function said(shown, all, noun) {
    if (shown === all) return all + " " + plural(noun);
    return shown + " of " + all + " " + plural(noun);
  }

  function enliven(place, index) {
    const root = place.parentElement;
    const items = Array.from(root.querySelectorAll("." + place.dataset.items));
    const groups = Array.from(root.querySelectorAll(".finder-group"));
    // Before MathJax sets them, formulas are text that can be looked for.
    const texts = items.map((item) => item.textContent.toLowerCase());

    const label = document.createElement("label");
    label.htmlFor = "finder-" + index;
    label.textContent = "Filter by words";
    const input = document.createElement("input");
    input.type = "search";
    input.id = label.htmlFor;
    input.autocomplete = "off";
    const status = document.createElement("p");
    status.setAttribute("role", "status");
    status.className = "finder-count";

    function narrow() {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      items.forEach(function (item, number) {
        item.hidden = !words.every((word) => texts[number].includes(word));
        if (!item.hidden) shown += 1;
      });
      groups.forEach(function (group) {
        group.hidden = !group.querySelector("." + place.dataset.items + ":not([hidden])");
      });
      // A page that is suddenly short would move under the reader's hand.
      root.style.minHeight = words.length ? "100vh" : "";
      const text = said(shown, items.length, place.dataset.noun);
      status.textContent = shown ? text + "." : "No " + place.dataset.noun + " holds these words.";
    }

    // A link to an entry that is filtered out shows it again.
    function reveal() {
      const target = document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
      if (target && target.closest("[hidden]") && root.contains(target)) {
        input.value = "";
        narrow();
        target.scrollIntoView();
      }
    }

    input.addEventListener("input", narrow);
    input.addEventListener("keydown", function (event) {
      if (event.key !== "Escape" || !input.value) return;
      event.preventDefault();
      input.value = "";
      narrow();
    });
    window.addEventListener("hashchange", reveal);
    place.append(label, input, status);
    narrow();
  }

  document.querySelectorAll(".finder").forEach(enliven);
})();
