// Light or dark. The server reads the cookie, so a page never flashes in the wrong colours.
const ONE_YEAR_S = 31536000;
const dark = matchMedia("(prefers-color-scheme: dark)");

function current() {
  return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

function label(button) {
  const other = current() === "dark" ? "light" : "dark";
  button.value = other;
  button.querySelector("span").textContent = other === "dark" ? "Dark appearance" : "Light appearance";
}

function choose(theme) {
  document.documentElement.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `lv_theme=${theme}; Path=/; Max-Age=${ONE_YEAR_S}; SameSite=Lax${secure}`;
}

export function keepAppearance() {
  for (const form of document.querySelectorAll("[data-theme-form]")) {
    const button = form.querySelector("button");
    label(button);
    dark.addEventListener("change", () => label(button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      choose(button.value);
      label(button);
    });
  }
}
