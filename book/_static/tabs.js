// The theme makes wide code reachable by keyboard when the window's size changes. Code in a tab gets
// its size only when the tab is chosen, so a choice counts as such a change.
(function () {
  "use strict";
  document.addEventListener("change", (event) => {
    if (event.target.matches(".sd-tab-set > input")) window.dispatchEvent(new Event("resize"));
  });
})();
