// Turns the questions of a page into choices with immediate feedback, and shows again what the
// reader chose before (`progress.js` keeps it in the browser).
// A classic script without dependencies: it also works in a page opened from a file.
(function () {
  "use strict";

  const store = window.dllabProgress;

  // The reader may answer before MathJax has reached the folded key; a copy made then holds TeX.
  function typeset(element) {
    if (window.MathJax && window.MathJax.typesetPromise) {
      window.MathJax.typesetPromise([element]);
    }
  }

  function verdictOf(question, letter) {
    return question.querySelector('.quiz-verdict[data-letter="' + letter + '"]');
  }

  function forget(question) {
    question.querySelectorAll(".quiz-choice").forEach(function (choice) {
      choice.classList.remove("chosen-right", "chosen-wrong");
      choice.querySelector("input").checked = false;
    });
    const feedback = question.querySelector(".quiz-feedback");
    feedback.className = "quiz-feedback";
    feedback.replaceChildren();
  }

  function show(question, input) {
    const right = input.hasAttribute("data-right");
    question.querySelectorAll(".quiz-choice").forEach(function (choice) {
      choice.classList.remove("chosen-right", "chosen-wrong");
    });
    input.closest(".quiz-choice").classList.add(right ? "chosen-right" : "chosen-wrong");
    const feedback = question.querySelector(".quiz-feedback");
    feedback.className = "quiz-feedback " + (right ? "quiz-right" : "quiz-wrong");
    const verdict = verdictOf(question, input.value).cloneNode(true);
    verdict.querySelectorAll("[id]").forEach(function (copy) {
      copy.removeAttribute("id");
    });
    feedback.replaceChildren(...verdict.childNodes);
    typeset(feedback);
  }

  // Answers are remembered by what they say: letters and places may change with the next edition.
  function restore(question, kept) {
    const entry = kept.questions[question.dataset.question];
    const inputs = Array.from(question.querySelectorAll(".quiz-choice input"));
    const input = entry && inputs.find((one) => one.dataset.answer === entry.answer);
    if (!input) {
      forget(question);
    } else if (!input.checked || !question.querySelector(".quiz-feedback").hasChildNodes()) {
      input.checked = true;
      show(question, input);
    }
  }

  function tally(quiz, kept) {
    const all = Array.from(quiz.querySelectorAll(".quiz-question"));
    const entries = all.map((question) => kept.questions[question.dataset.question]);
    const right = entries.filter((entry) => entry && entry.right).length;
    const first = entries.filter((entry) => entry && entry.first).length;
    const tries = right === 0 ? "" : first === right ? ", at the first try" :
      first === 0 ? ", after another try" : ", " + first + " of them at the first try";
    const text = right + " of " + all.length + " right" + tries + ".";
    const line = quiz.querySelector(".quiz-tally");
    // A live region is read out at each change, even to the same words.
    if (line.textContent !== text) line.textContent = text;
  }

  function enliven(question) {
    const feedback = document.createElement("div");
    feedback.className = "quiz-feedback";
    question.insertBefore(feedback, question.querySelector(".quiz-key"));
    question.classList.add("quiz-live");
    question.addEventListener("change", function (event) {
      const input = event.target;
      show(question, input);
      store.answer(question.dataset.question, input.dataset.answer,
        input.hasAttribute("data-right"), input.dataset.misconception);
    });
  }

  function addLines(quiz) {
    const line = document.createElement("p");
    line.className = "quiz-tally";
    line.setAttribute("role", "status");
    const note = document.createElement("p");
    note.className = "progress-note";
    const where = store.whereKept();
    note.append(where.charAt(0).toUpperCase() + where.slice(1));
    if (quiz.dataset.progress) {
      const link = document.createElement("a");
      link.href = quiz.dataset.progress;
      link.textContent = "your progress";
      note.append("; see ", link);
    }
    note.append(".");
    quiz.append(line, note);
  }

  // On paper nobody can unfold the key.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll(".quiz-key").forEach(function (key) {
      key.open = true;
    });
  });

  const quizzes = document.querySelectorAll(".quiz");

  function update() {
    const kept = store.read();
    quizzes.forEach(function (quiz) {
      quiz.querySelectorAll(".quiz-question").forEach((question) => restore(question, kept));
      tally(quiz, kept);
    });
  }

  quizzes.forEach(function (quiz) {
    quiz.querySelectorAll(".quiz-question").forEach(enliven);
    addLines(quiz);
  });
  update();
  store.onChange(update);
  // Only now: what the reader chose on an earlier day is not read out when the page opens.
  document.querySelectorAll(".quiz-feedback").forEach(function (feedback) {
    feedback.setAttribute("aria-live", "polite");
  });
})();
