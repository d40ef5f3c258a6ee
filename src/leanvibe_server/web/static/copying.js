// Buttons that copy a text of the page.
import { say } from "./toasts.js";

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    say("Copied.");
  } catch {
    // Without a secure context there is no clipboard: select the text, so that Ctrl+C takes it.
    getSelection().selectAllChildren(source);
    say("Selected. Press Ctrl+C to copy.");
  }
}

export function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy)));
  }
}
