// Every page: small comforts on top of pages that work without them.
import { keepAppearance } from "./appearance.js";
import { showTimes } from "./times.js";
import { openMenus } from "./menus.js";
import { helpForms } from "./forms.js";
import { copyButtons } from "./copying.js";
import { keepToasts } from "./toasts.js";
import { revealButtons } from "./revealing.js";

keepAppearance();
showTimes(document);
openMenus();
helpForms();
copyButtons();
keepToasts();
revealButtons();
