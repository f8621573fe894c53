// Turns the questions of a page into choices with immediate feedback.
// A classic script without dependencies: it also works in a page opened from a file.
(function () {
  "use strict";

  // The reader may answer before MathJax has reached the folded key; a copy made then holds TeX.
  function typeset(element) {
    if (window.MathJax && window.MathJax.typesetPromise) {
      window.MathJax.typesetPromise([element]);
    }
  }

  function verdictOf(question, letter) {
    return question.querySelector('.quiz-verdict[data-letter="' + letter + '"]');
  }

  function show(question, input) {
    var right = input.hasAttribute("data-right");
    question.querySelectorAll(".quiz-choice").forEach(function (choice) {
      choice.classList.remove("chosen-right", "chosen-wrong");
    });
    input.closest(".quiz-choice").classList.add(right ? "chosen-right" : "chosen-wrong");
    var feedback = question.querySelector(".quiz-feedback");
    feedback.className = "quiz-feedback " + (right ? "quiz-right" : "quiz-wrong");
    feedback.innerHTML = verdictOf(question, input.value).innerHTML;
    feedback.querySelectorAll("[id]").forEach(function (copy) {
      copy.removeAttribute("id");
    });
    typeset(feedback);
  }

  function tally(quiz) {
    var all = quiz.querySelectorAll(".quiz-question");
    var right = quiz.querySelectorAll("input[data-right]:checked").length;
    quiz.querySelector(".quiz-tally").textContent = right + " of " + all.length + " right.";
  }

  function enliven(question) {
    var feedback = document.createElement("div");
    feedback.className = "quiz-feedback";
    feedback.setAttribute("aria-live", "polite");
    question.insertBefore(feedback, question.querySelector(".quiz-key"));
    question.classList.add("quiz-live");
    question.addEventListener("change", function (event) {
      show(question, event.target);
      tally(question.closest(".quiz"));
    });
  }

  // On paper nobody can unfold the key.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll(".quiz-key").forEach(function (key) {
      key.open = true;
    });
  });

  document.querySelectorAll(".quiz").forEach(function (quiz) {
    quiz.querySelectorAll(".quiz-question").forEach(enliven);
    var line = document.createElement("p");
    line.className = "quiz-tally";
    line.setAttribute("role", "status");
    quiz.appendChild(line);
    tally(quiz);
  });
})();
