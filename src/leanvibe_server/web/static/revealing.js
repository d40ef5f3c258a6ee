// Buttons that show what was typed into a password field, so that a long one can be checked.
function set(button, field, shown) {
  field.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
}

export function revealButtons() {
  for (const button of document.querySelectorAll("[data-reveal]")) {
    const field = document.getElementById(button.dataset.reveal);
    const hide = () => set(button, field, false);
    button.hidden = false;
    button.addEventListener("click", () => set(button, field, field.type === "password"));
    // Browsers keep what stands in a field of plain text, and offer it to whoever comes next.
    field.form.addEventListener("submit", hide);
    addEventListener("pagehide", hide);
  }
}
