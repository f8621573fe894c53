// The page "Your progress": tables of what `progress.js` remembers, export, import and reset.
// What the book asks comes from the build, as JSON in the page.
(function () {
  "use strict";

  const store = window.dllabProgress;
  const place = document.querySelector(".progress-page");
  const source = document.getElementById("progress-data");
  if (!store || !place || !source) return;
  const book = JSON.parse(source.textContent);

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    Object.keys(attributes || {}).forEach((key) => made.setAttribute(key, attributes[key]));
    made.append(...children);
    return made;
  }

  function link(text, url) {
    return element("a", { href: url, class: "reference internal" }, text);
  }

  function count(number, one, many) {
    return number + " " + (number === 1 ? one : many || one + "s");
  }

  // What is known of one chapter

  function marks(chapter, kept) {
    const entries = chapter.questions.map((id) => kept.questions[id]).filter(Boolean);
    return {
      all: chapter.questions.length,
      answered: entries.length,
      right: entries.filter((entry) => entry.right).length,
      first: entries.filter((entry) => entry.first).length,
    };
  }

  function sum(list) {
    return list.reduce(function (total, one) {
      Object.keys(total).forEach((key) => (total[key] += one[key]));
      return total;
    }, { all: 0, answered: 0, right: 0, first: 0 });
  }

  function bar(value, all, name) {
    return element("progress", { value: value, max: Math.max(all, 1), "aria-label": name });
  }

  function tick(name, chapter, kept, words) {
    const box = element("input", { type: "checkbox", "aria-label": words + ": " + chapter.title });
    box.checked = Boolean(kept[name][chapter.page]);
    box.dataset.page = chapter.page;
    box.addEventListener("change", () => store.mark(name, chapter.page, box.checked));
    return box;
  }

  // The tables

  function table(caption, heads, rows) {
    const head = element("tr", {});
    heads.forEach((text) => head.append(element("th", { scope: "col" }, text)));
    const body = element("tbody", {});
    body.append(...rows);
    const whole = element("table", { class: "table progress-table" },
      element("caption", {}, caption), element("thead", {}, head), body);
    return element("div", { class: "progress-scroll" }, whole);
  }

  function chapterRow(chapter, kept) {
    const found = marks(chapter, kept);
    const title = element("th", { scope: "row" }, link(chapter.title, chapter.url));
    const row = element("tr", {}, title);
    if (found.all) {
      title.append(bar(found.right, found.all,
        chapter.title + ": " + found.right + " of " + count(found.all, "question") + " right"));
    }
    ["answered", "right", "first"].forEach(function (key) {
      row.append(element("td", {}, found.all ? found[key] + " of " + found.all : "–"));
    });
    row.append(element("td", {}, tick("read", chapter, kept, "I read this chapter")));
    return row;
  }

  function labRow(lab, kept) {
    return element("tr", {},
      element("th", { scope: "row" }, link(lab.title, lab.url)),
      element("td", {}, tick("finished", lab, kept, "I finished this lab")));
  }

  function ofKind(kind) {
    return book.chapters.filter((chapter) => chapter.kind === kind);
  }

  function tables(kept) {
    const rows = ofKind("chapter").map((chapter) => chapterRow(chapter, kept));
    const found = [table("Chapters and their questions",
      ["Chapter", "Answered", "Right", "First try", "I read it"], rows)];
    const labs = ofKind("lab").map((lab) => labRow(lab, kept));
    if (labs.length) found.push(table("Labs", ["Lab", "I finished it"], labs));
    return found;
  }

  function summary(kept) {
    const all = ofKind("chapter");
    const labs = ofKind("lab");
    const total = sum(all.map((chapter) => marks(chapter, kept)));
    const read = all.filter((chapter) => kept.read[chapter.page]);
    const text = element("p", {},
      total.right + " of " + count(total.all, "question") + " right, " + total.first +
      " of them at the first try. " + read.length + " of " + count(all.length, "chapter") +
      " read, " + labs.filter((lab) => kept.finished[lab.page]).length + " of " +
      count(labs.length, "lab") + " finished.");
    const next = all.find((chapter) => !kept.read[chapter.page]);
    if (next) text.append(" Next: ", link(next.title, next.url), ".");
    return [text, bar(total.right, total.all, "All questions: " + total.right + " of " +
      total.all + " right")];
  }

  // The misconceptions that the reader's answers stand for

  function met(kept) {
    const found = new Map();
    book.chapters.forEach(function (chapter) {
      chapter.questions.forEach(function (id) {
        const entry = kept.questions[id];
        (entry ? entry.met : []).forEach(function (name) {
          if (!book.misconceptions[name]) return;
          const before = found.get(name) || { settled: true, places: [] };
          before.settled = before.settled && entry.right;
          before.places.push({ title: chapter.title, url: chapter.url + "#quiz-" + id });
          found.set(name, before);
        });
      });
    });
    return found;
  }

  function metItem(name, state) {
    const entry = book.misconceptions[name];
    const item = element("li", {}, entry.url ? link(entry.title, entry.url) : entry.title, ". ");
    if (entry.section) {
      item.append("Read again: ", link(entry.section_title, entry.section), ". ");
    }
    state.places.forEach(function (one, index) {
      item.append(index ? ", " : "Asked in: ", link(one.title, one.url));
    });
    item.append(".");
    return item;
  }

  function metList(heading, items) {
    const list = element("ul", {});
    list.append(...items);
    return items.length ? [element("h3", {}, heading), list] : [];
  }

  function misconceptions(kept) {
    const found = Array.from(met(kept));
    const list = (settled) => found.filter((one) => one[1].settled === settled)
      .map((one) => metItem(one[0], one[1]));
    const parts = [element("h2", {}, "Misconceptions you met")];
    if (!found.length) {
      parts.push(element("p", {}, "None so far. Many wrong answers stand for a wrong idea that " +
        "has a name. When you choose one, it is listed here with what to read again."));
    }
    return parts.concat(metList("Worth reading again", list(false)),
      metList("Met, and answered right since", list(true)));
  }

  // Export, import, reset

  const status = element("p", { role: "status", class: "progress-status" });
  const live = element("div", { class: "progress-live" });
  const confirmation = element("div", { class: "progress-confirm", role: "group",
    "aria-label": "Confirm the reset" });
  const undo = button("Undo the reset", putBack);
  let removed = null;

  function button(text, action) {
    const made = element("button", { type: "button", class: "progress-button" }, text);
    made.addEventListener("click", action);
    return made;
  }

  function say(text) {
    status.textContent = text;
  }

  function exportFile() {
    const text = JSON.stringify(store.read(), null, 1) + "\n";
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const anchor = element("a", { href: url, download: "deep-learning-lab-progress.json" });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    // The browser may still be reading it.
    window.setTimeout(() => URL.revokeObjectURL(url), 60000);
    say("Exported: the file deep-learning-lab-progress.json holds everything shown here.");
  }

  function size(data) {
    return count(Object.keys(data.questions).length, "answer") + " and " +
      count(Object.keys(data.read).length + Object.keys(data.finished).length, "tick");
  }

  function importText(name, text) {
    let other;
    try {
      other = store.parse(text);
    } catch (error) {
      say("Not imported: the file “" + name + "” cannot be used, because " + error.message +
        ". Nothing was changed.");
      return;
    }
    store.write(store.merge(store.read(), other));
    say("Imported " + size(other) + " from “" + name + "”. What was here before is kept: you now " +
      "have " + size(store.read()) + ".");
  }

  function importFile(input) {
    const file = input.files[0];
    if (!file) return;
    if (file.size > 2000000) {
      say("Not imported: the file “" + file.name + "” is too large to be one that this page " +
        "exported. Nothing was changed.");
    } else {
      const reader = new FileReader();
      reader.addEventListener("load", () => importText(file.name, String(reader.result)));
      reader.addEventListener("error", function () {
        say("Not imported: the browser could not read “" + file.name + "”. Nothing was changed.");
      });
      reader.readAsText(file);
    }
    input.value = "";  // so that the same file can be chosen again
  }

  function ask() {
    confirmation.hidden = false;
    keep.focus();
    say("");
  }

  function answered() {
    confirmation.hidden = true;
    resetButton.focus();
  }

  function reset() {
    removed = store.read();
    store.write(store.empty());
    undo.hidden = false;
    answered();
    say("Removed: " + size(removed) + ". You can undo this until you leave the page.");
  }

  function putBack() {
    store.write(store.merge(store.read(), removed));
    removed = null;
    undo.hidden = true;
    resetButton.focus();
    say("Everything is back.");
  }

  const keep = button("Keep it", answered);
  const resetButton = button("Reset", ask);

  function tools() {
    const input = element("input", { type: "file", accept: ".json,application/json",
      class: "progress-file" });
    input.addEventListener("change", () => importFile(input));
    const label = element("label", { class: "progress-import" }, "Import: ", input);
    confirmation.append(element("p", {}, "Remove all answers and ticks from this browser?"), keep,
      button("Remove everything", reset));
    confirmation.addEventListener("keydown", function (event) {
      if (event.key === "Escape") answered();
    });
    confirmation.hidden = true;
    undo.hidden = true;
    return [element("h2", {}, "Keep, move or remove it"), element("div", { class: "progress-tools" },
      button("Export", exportFile), label, resetButton, undo), confirmation, status];
  }

  function whereKept() {
    const text = element("p", {});
    text.append(store.canStore()
      ? "This is " + store.whereKept() + " and never sent anywhere: there is no account and " +
        "no tracking."
      : "This browser refuses to store anything for this page, so your progress is lost when you " +
        "leave it. A private window or a setting that blocks site data does that. Nothing is " +
        "sent anywhere.");
    if (window.location.protocol === "file:") {
      text.append(" You opened the book from a file: some browsers then keep a separate memory " +
        "for each page, and your answers may not arrive here. On a website they do.");
    }
    return text;
  }

  function unknown(kept) {
    const asked = new Set();
    book.chapters.forEach((chapter) => chapter.questions.forEach((id) => asked.add(id)));
    const lost = Object.keys(kept.questions).filter((id) => !asked.has(id)).length;
    return lost ? [element("p", { class: "progress-note" }, count(lost, "answer") + " " +
      (lost === 1 ? "belongs" : "belong") + " to questions that this edition does not ask; an " +
      "export still holds them.")] : [];
  }

  function update() {
    const kept = store.read();
    // Ticking a box draws the tables anew; the reader's place in them stays.
    const focused = live.contains(document.activeElement) && document.activeElement.dataset.page;
    live.replaceChildren(...summary(kept), ...tables(kept), ...unknown(kept),
      ...misconceptions(kept));
    if (focused) {
      Array.from(live.querySelectorAll("input")).find((box) => box.dataset.page === focused).focus();
    }
  }

  place.querySelector(".progress-fallback").hidden = true;
  place.append(whereKept(), live, ...tools());
  update();
  store.onChange(update);
})();
