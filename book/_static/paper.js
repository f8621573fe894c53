// A page on paper: in light colors, with everything unfolded; afterwards as it was.
(function () {
  "use strict";

  const root = document.documentElement;
  let theme = null;
  let unfolded = [];

  window.addEventListener("beforeprint", () => {
    if (theme !== null) return;
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    unfolded = Array.from(document.querySelectorAll("article details:not([open])"));
    unfolded.forEach((details) => { details.open = true; });
  });

  window.addEventListener("afterprint", () => {
    if (theme === null) return;
    root.dataset.theme = theme;
    theme = null;
    unfolded.forEach((details) => { details.open = false; });
  });
})();
