// The page of a task, kept up to date by server-sent events.
//
// Small things (bar, percentage, log) change at once. Where the server draws more than that (steps,
// actions, score, diff), the same page is fetched again and the marked regions are replaced.
import { clock, showTimes } from "./times.js";

const page = document.querySelector("[data-task]");
const REDRAW_AFTER_MS = 250;
const MAX_LINES = 500;
const ENDED = "Live updates ended; reload to see news";
// The same characters as hidden_chars.py.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

const part = (name) => document.querySelector(`[data-live-${name}]`);
const spelled = (text) => text.replace(HIDDEN, (one) => `[U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);
const words = (name) => name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());

const ENDINGS = {
  completion: () => "Completed.",
  error: (message) => (message.status === "cancelled" ? "Cancelled." : `Failed: ${message.error_message ?? ""}`),
};

let seen = new Set([...document.querySelectorAll("[data-event]")].map((line) => line.dataset.event));
let redrawTimer = null;
let lastStep = null;

function write(text, message) {
  const list = part("log").querySelector("ol");
  list.querySelector("[data-log-empty]")?.remove();
  const stays = part("log").scrollHeight - part("log").scrollTop - part("log").clientHeight < 40;
  for (const line of text.split("\n").filter((one) => one.trim())) {
    const item = document.createElement("li");
    const time = document.createElement("time");
    const at = new Date(message.timestamp);
    time.dateTime = at.toISOString();
    time.textContent = clock(at);
    const said = document.createElement("span");
    said.textContent = spelled(line);
    item.append(time, said);
    list.append(item);
  }
  while (list.children.length > MAX_LINES) list.firstElementChild.remove();
  if (stays) part("log").scrollTop = part("log").scrollHeight;
}

function announce(text) {
  part("announcement").textContent = text;
}

function update(message) {
  const percentage = message.progress_percentage ?? message.percentage;
  if (percentage !== undefined) {
    part("bar").value = percentage;
    part("percentage").textContent = `${percentage} %`;
  }
  if (message.status === "in_progress" && message.current_step && message.current_step !== lastStep) {
    lastStep = message.current_step;
    part("message").textContent = words(lastStep);
    announce(`${words(lastStep)}, ${percentage} percent`);
  }
}

function drawn(fresh) {
  for (const region of document.querySelectorAll("[data-region]")) {
    const other = fresh.querySelector(`[data-region="${region.dataset.region}"]`);
    if (!other || other.innerHTML === region.innerHTML) continue;
    // A person who is about to answer a question keeps it under the hand.
    if (region.querySelector("details[data-closes][open]")) continue;
    const open = new Map([...region.querySelectorAll("details.diff-file")].map((file) => [file.querySelector("summary .mono").textContent, file.open]));
    region.replaceChildren(...other.childNodes);
    for (const file of region.querySelectorAll("details.diff-file")) {
      const was = open.get(file.querySelector("summary .mono").textContent);
      if (was !== undefined) file.open = was;
    }
    showTimes(region);
  }
}

async function redraw() {
  redrawTimer = null;
  const fresh = await fetchAgain();
  if (fresh) drawn(fresh);
  return fresh;
}

// The page as it is now; null when it cannot be had.
async function fetchAgain() {
  let answer;
  try {
    answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  } catch {
    return null;
  }
  // Someone else may sit here by now: what the ended session showed does not stay.
  if (answer.redirected || answer.status === 401 || answer.status === 403) {
    leave(answer.url);
    return null;
  }
  if (!answer.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function leave(address) {
  stop();
  clearTimeout(redrawTimer);
  page.dataset.finished = "yes";
  location.assign(address);
}

function rewriteLog(fresh) {
  const log = part("log");
  log.replaceChildren(...fresh.querySelector("[data-live-log]").childNodes);
  showTimes(log);
  log.scrollTop = log.scrollHeight;
}

function redrawSoon() {
  redrawTimer ??= setTimeout(redraw, REDRAW_AFTER_MS);
}

function hear(event) {
  const message = JSON.parse(event.data);
  update(message);
  const told = message.log ?? message.message ?? ENDINGS[message.type]?.(message);
  if (told && !seen.has(message.event_id)) write(told, message);
  seen.add(message.event_id);
  page.dataset.after = message.event_id ?? page.dataset.after;
  if (message.type !== "task_update" && !message.log) redrawSoon();
  if (message.type === "completion" || message.type === "error") finish(message);
}

let source = null;

async function finish(message) {
  stop();
  page.dataset.finished = "yes";
  clearTimeout(redrawTimer);
  const fresh = await redraw();
  if (!fresh) {
    part("state").textContent = ENDED;
    return;
  }
  rewriteLog(fresh);
  part("state")?.remove();
  announce(message.type === "completion" ? "The task is completed." : `The task has ended: ${message.status ?? "failed"}.`);
}

function stop() {
  source?.close();
  source = null;
}

function listen() {
  const after = page.dataset.after ? `?after=${page.dataset.after}` : "";
  source = new EventSource(`/v1/tasks/${page.dataset.task}/events${after}`);
  const state = part("state");
  source.addEventListener("open", () => { state.textContent = "Live"; });
  source.addEventListener("error", (event) => {
    // The browser reconnects by itself with Last-Event-ID, unless the server refused for good.
    const ended = event.target.readyState === EventSource.CLOSED;
    state.textContent = ended ? ENDED : "Reconnecting…";
    if (ended) redraw();
  });
  source.addEventListener("message", hear);
}

// A browser has six connections to a server: a page nobody looks at gives its one back.
function followAttention() {
  if (page.dataset.finished === "yes") return;
  if (document.visibilityState === "hidden") stop();
  else if (!source) listen();
}

if (page.dataset.finished === "no") {
  part("log").scrollTop = part("log").scrollHeight;
  document.addEventListener("visibilitychange", followAttention);
  followAttention();
}
