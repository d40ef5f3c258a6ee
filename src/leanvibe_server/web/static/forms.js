// Forms: send once, show only the fields of the choice made, begin where something is wrong.
function sendOnce(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-busy", "true"));
  });
  // Coming back with the back button must leave a form that can be sent again.
  addEventListener("pageshow", () => {
    delete form.dataset.sent;
    form.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-busy"));
  });
}

function followChoice(choices) {
  const form = choices.closest("form");
  const parts = form.querySelectorAll("[data-shown-for]");
  const update = () => {
    const chosen = choices.querySelector(":checked")?.value ?? "";
    for (const part of parts) part.hidden = !part.dataset.shownFor.split(" ").includes(chosen);
  };
  choices.addEventListener("change", update);
  update();
}

export function helpForms() {
  document.querySelectorAll("form[data-once]").forEach(sendOnce);
  document.querySelectorAll("[data-choices]").forEach(followChoice);
  document.querySelector("[data-focus]")?.focus();
  // A change that was interrupted by a question goes on by itself.
  document.querySelector("form[data-resume]")?.requestSubmit();
}
