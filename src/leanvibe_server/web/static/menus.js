// The menu of narrow screens, and small menus that close by Escape or a click beside them.
function openSide(button) {
  const side = document.getElementById(button.getAttribute("aria-controls"));
  button.addEventListener("click", () => {
    const open = side.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  });
}

function close(menu) {
  menu.open = false;
}

export function openMenus() {
  document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest" });
  document.querySelectorAll("[data-menu-button]").forEach(openSide);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[data-closes][open]")) {
      const inside = menu.contains(document.activeElement);
      close(menu);
      if (inside) menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details[data-closes][open]")) {
      if (!menu.contains(event.target)) close(menu);
    }
  });
}
