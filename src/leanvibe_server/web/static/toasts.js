// Short news in the corner, read out by screen readers.
const SHOWN_MS = 6000;

export function say(text) {
  const toast = document.querySelector("[data-toast-template]").content.firstElementChild.cloneNode(true);
  toast.querySelector("span").textContent = text;
  toast.querySelector("button").addEventListener("click", () => toast.remove());
  document.querySelector("[data-toasts]").append(toast);
  setTimeout(() => toast.matches(":hover, :focus-within") || toast.remove(), SHOWN_MS);
}

export function keepToasts() {
  for (const toast of document.querySelectorAll("[data-toasts] .toast")) {
    const text = toast.textContent.trim();
    toast.remove();
    // What is there when the page loads is not read out; what comes later is.
    setTimeout(() => say(text), 200);
  }
}
