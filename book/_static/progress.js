// What this browser remembers of a reader's progress: answers, chapters read, labs finished.
// Other scripts use it as `window.dllabProgress`. Nothing is ever sent anywhere.
(function () {
  "use strict";

  const KEY = "dllab.progress.v1";
  const FORMAT = "dllab-progress";
  const VERSION = 1;
  const MARKS = ["read", "finished"];
  const LIMIT = 5000;
  const ID = /^[a-z0-9][a-z0-9-]{0,99}$/;
  const PAGE = /^[A-Za-z0-9][\w./-]{0,199}$/;

  // Where the browser refuses to store anything, progress lasts as long as the page.
  let refused = false;
  let inMemory = null;
  const listeners = [];

  function empty() {
    return { format: FORMAT, version: VERSION, questions: {}, read: {}, finished: {} };
  }

  function isRecord(value) {
    return value !== null && typeof value === "object" && !Array.isArray(value);
  }

  function refuse(reason) {
    throw new Error(reason);
  }

  // Reading: every value is checked and copied, so that nothing unknown gets into the store.

  function cleanQuestion(id, value) {
    const place = "the answer “" + String(id).slice(0, 40) + "”";
    if (!ID.test(id) || !isRecord(value)) refuse(place + " is not as the book writes it");
    if (typeof value.first !== "boolean" || typeof value.right !== "boolean") {
      refuse(place + " does not say whether it was right");
    }
    if (typeof value.answer !== "string" || !ID.test(value.answer)) {
      refuse(place + " does not say what was chosen");
    }
    const met = value.met === undefined ? [] : value.met;
    if (!Array.isArray(met) || met.length > 50 || !met.every((name) => ID.test(name))) {
      refuse(place + " names misconceptions in a way that the book does not");
    }
    return { first: value.first, right: value.right, answer: value.answer, met: met.slice() };
  }

  function cleanMarks(name, value) {
    const marks = {};
    if (value === undefined) return marks;
    if (!isRecord(value)) refuse("its list “" + name + "” is not a list of pages");
    Object.keys(value).forEach(function (page) {
      if (!PAGE.test(page) || value[page] !== true) {
        refuse("its list “" + name + "” holds something other than pages");
      }
      marks[page] = true;
    });
    return marks;
  }

  function clean(value) {
    if (!isRecord(value) || value.format !== FORMAT) {
      refuse("it was not written by this book’s Export button");
    }
    if (value.version !== VERSION) {
      refuse("it has version " + String(value.version).slice(0, 20) + " of the format, and this " +
        "book reads version " + VERSION);
    }
    if (!isRecord(value.questions)) refuse("its list of answers is missing");
    const result = empty();
    Object.keys(value.questions).forEach(function (id) {
      result.questions[id] = cleanQuestion(id, value.questions[id]);
    });
    MARKS.forEach(function (name) {
      result[name] = cleanMarks(name, value[name]);
      if (Object.keys(result[name]).length > LIMIT) refuse("it is far too long");
    });
    if (Object.keys(result.questions).length > LIMIT) refuse("it is far too long");
    return result;
  }

  // Returns the progress that a file holds; throws an Error that says what is wrong with it.
  function parse(text) {
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      refuse("it is not JSON, or not all of it is there");
    }
    return clean(value);
  }

  // The store

  function read() {
    let text = null;
    try {
      text = window.localStorage.getItem(KEY);
    } catch (error) {
      refused = true;
    }
    if (inMemory) return inMemory;
    if (text === null) return empty();
    try {
      return parse(text);
    } catch (error) {
      // Something else wrote here. It is set aside instead of overwritten.
      try {
        window.localStorage.setItem(KEY + ".damaged", text);
      } catch (full) {
        refused = true;
      }
      return empty();
    }
  }

  function write(data) {
    inMemory = null;
    try {
      window.localStorage.setItem(KEY, JSON.stringify(data));
      refused = false;
    } catch (error) {
      refused = true;
      inMemory = data;
    }
    listeners.forEach((listener) => listener());
  }

  function canStore() {
    if (refused) return false;
    try {
      window.localStorage.setItem(KEY + ".test", "1");
      window.localStorage.removeItem(KEY + ".test");
    } catch (error) {
      refused = true;
    }
    return !refused;
  }

  // The first answer counts as the first try for good; a right answer stays a right one.
  function answer(id, chosen, right, misconception) {
    const data = read();
    const before = data.questions[id];
    const met = before ? before.met : [];
    if (misconception && !met.includes(misconception)) met.push(misconception);
    data.questions[id] = {
      first: before ? before.first : right,
      right: right || Boolean(before && before.right),
      answer: chosen,
      met: met,
    };
    write(data);
  }

  function mark(name, page, on) {
    const data = read();
    if (on) data[name][page] = true;
    else delete data[name][page];
    write(data);
  }

  // Nothing is lost: what either of the two has, the result has; where both answered a question,
  // the first try and the choice are those of `mine`.
  function merge(mine, other) {
    const result = clean(mine);
    Object.keys(other.questions).forEach(function (id) {
      const a = result.questions[id];
      const b = other.questions[id];
      result.questions[id] = !a ? b : {
        first: a.first,
        right: a.right || b.right,
        answer: a.answer,
        met: a.met.concat(b.met.filter((name) => !a.met.includes(name))),
      };
    });
    MARKS.forEach((name) => Object.assign(result[name], other[name]));
    return result;
  }

  function onChange(listener) {
    listeners.push(listener);
    // Another tab changed it.
    window.addEventListener("storage", function (event) {
      if (event.key === KEY || event.key === null) listener();
    });
    // The browser shows this page again as it was left, without running its scripts.
    window.addEventListener("pageshow", function (event) {
      if (event.persisted) listener();
    });
  }

  // What a reader reads about where progress is kept.
  function whereKept() {
    return canStore()
      ? "kept in this browser only"
      : "kept until you leave this page, since this browser refuses to store it";
  }

  window.dllabProgress = {
    answer: answer, canStore: canStore, clean: clean, empty: empty, mark: mark, merge: merge,
    onChange: onChange, parse: parse, read: read, whereKept: whereKept, write: write,
  };

  // The box at the end of a chapter or lab

  function addBox(place) {
    const name = place.dataset.kind === "lab" ? "finished" : "read";
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    const words = name === "read" ? "I read this chapter" : "I finished this lab";
    label.append(box, " " + words);
    const note = document.createElement("span");
    note.className = "progress-note";
    const link = document.createElement("a");
    link.href = place.dataset.progress;
    link.textContent = "your progress";
    note.append("Ticks are " + whereKept() + "; see ", link, ".");
    place.append(label, note);
    const show = function () {
      box.checked = Boolean(read()[name][place.dataset.page]);
    };
    box.addEventListener("change", function () {
      mark(name, place.dataset.page, box.checked);
    });
    onChange(show);
    show();
  }

  document.querySelectorAll(".progress-here").forEach(addBox);
})();
