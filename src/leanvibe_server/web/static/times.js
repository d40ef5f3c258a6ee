// Times come in UTC; the reader sees them in the zone of the reader.
const formats = {
  minute: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }),
  day: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }),
  clock: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
};

export function clock(moment) {
  return formats.clock.format(moment);
}

export function showTimes(root) {
  for (const time of root.querySelectorAll("time[data-style]")) {
    const moment = new Date(time.dateTime);
    time.title = moment.toISOString().replace("T", " ").replace(/\..*/, " UTC");
    time.textContent = formats[time.dataset.style].format(moment);
  }
}
