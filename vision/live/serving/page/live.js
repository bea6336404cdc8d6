// The live part of the page: picture, speed, sliders, classes, snapshots and recordings.

import { Labelling } from "./label.js";
import { Stream } from "./stream.js";
import { Clock, Fault, ask, find, make, swatch } from "./talk.js";

const POLL = 500; // milliseconds
const clock = new Clock();
const shownAt = []; // when the last pictures came to the screen
let latency = null;
let state = null;
let waiting = null; // settings to send when the last ones have been answered
let sending = false;
let labelling = null;

const nameOf = (label) => (state && state.classes[label - 1]) || `class ${label}`;
const stream = new Stream(find("live"), nameOf, (captured) => {
  shownAt.push(performance.now());
  if (shownAt.length > 60) shownAt.shift();
  const age = clock.since(captured);
  if (age !== null) latency = latency === null ? age : 0.8 * latency + 0.2 * age;
});

function say(text, fault = false) {
  const message = find("message");
  message.textContent = text;
  message.classList.toggle("fault", fault);
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    say(error.message, true);
    return null;
  }
}

async function poll() {
  const sent = performance.now() / 1000;
  try {
    const answer = await ask("/api/state");
    clock.note(sent, performance.now() / 1000, answer.now);
    show(answer);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    showPhase("lost", "connection lost, trying again");
  }
  setTimeout(poll, document.hidden ? 4 * POLL : POLL);
}

function show(answer) {
  const first = state === null;
  state = answer;
  const source = state.source;
  const place = source.frames ? ` (${source.number + 1} of ${source.frames})` : "";
  find("source").textContent = source.pictures ? source.file + place : source.name;
  const paused = state.settings.paused;
  const words = { opening: "opening", playing: paused ? "paused" : "live", ended: "ended",
                  failed: "stopped", lost: "camera lost, trying again", stalled: "camera silent" };
  if (labelling && labelling.open) showPhase("frozen", "frozen");
  else showPhase(paused && source.phase === "playing" ? "paused" : source.phase, words[source.phase]);
  const notice = find("notice");
  notice.hidden = !source.message || (labelling && labelling.open);
  if (notice.textContent !== source.message) notice.textContent = source.message;
  for (const id of ["previous", "next"]) find(id).hidden = !source.pictures;
  find("pause").hidden = source.pictures;
  press("pause", paused, paused ? "Go on" : "Pause");
  press("record", Boolean(state.recording), state.recording ? "Stop recording" : "Record");
  find("freeze").hidden = !state.labelling;
  find("detection").hidden = !state.detector || Boolean(labelling && labelling.open);
  showSliders();
  showClasses();
  showNumbers();
  showSaved();
  if (first && state.labelling) {
    const hasNext = () => state.source.pictures && state.source.frames > 1;
    labelling = new Labelling({ say, attempt, changed: () => show(state), hasNext });
    labelling.start();
  }
}

function showPhase(phase, text) {
  const element = find("phase");
  element.dataset.phase = phase;
  if (element.textContent !== text) element.textContent = text;
}

function press(id, pressed, text) {
  find(id).setAttribute("aria-pressed", String(pressed));
  find(id).textContent = text;
}

function showSliders() {
  find("threshold").min = state.least_threshold;
  for (const name of ["threshold", "clustering"]) {
    const slider = find(name);
    // What someone is dragging is not moved under their finger.
    if (!waiting && !sending && document.activeElement !== slider) {
      slider.value = state.settings[name];
    }
    find(`${name}-value`).textContent = Number(slider.value).toFixed(2);
  }
}

function showClasses() {
  const list = find("classes");
  const names = state.classes;
  if (list.dataset.names !== JSON.stringify(names)) {
    list.dataset.names = JSON.stringify(names);
    list.replaceChildren(...names.map((name, index) => {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => change({ hidden: hiddenClasses() }));
      const label = make("label", {}, box, swatch(index), make("span", {}, name), make("span"));
      return make("li", {}, label);
    }));
  }
  [...list.children].forEach((item, index) => {
    const [box, , , count] = item.firstChild.children;
    if (!waiting && !sending) box.checked = !state.settings.hidden.includes(names[index]);
    count.textContent = state.found[names[index]] || "";
  });
}

function hiddenClasses() {
  const boxes = [...find("classes").querySelectorAll("input")];
  return state.classes.filter((name, index) => !boxes[index].checked);
}

function showNumbers() {
  const now = performance.now();
  while (shownAt.length && shownAt[0] < now - 3000) shownAt.shift();
  const span = shownAt.length > 1 ? (shownAt[shownAt.length - 1] - shownAt[0]) / 1000 : 0;
  const times = state.milliseconds;
  // Of pictures that stand, and while time stands still, there is no rate and no latency.
  const still = !span || state.settings.paused || state.source.pictures;
  const rows = [
    ["Shown", !still ? `${((shownAt.length - 1) / span).toFixed(1)}/s` : "–"],
    ["Latency", still || latency === null ? "–" : `${Math.max(0, Math.round(latency * 1000))} ms`],
    ["Source", still ? "–" : `${state.rates.source.toFixed(1)}/s`],
    ["Wait", `${times.wait.toFixed(0)} ms`],
    ["Detect", `${times.detect.toFixed(0)} ms`],
    ["Draw", `${times.draw.toFixed(1)} ms`],
    ["Encode", `${times.encode.toFixed(1)} ms`],
    ["Viewers", String(state.viewers)],
  ];
  find("numbers").replaceChildren(...rows.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function showSaved() {
  const list = find("saved");
  if (list.dataset.names === JSON.stringify(state.saved)) return;
  list.dataset.names = JSON.stringify(state.saved);
  list.replaceChildren(...state.saved.map((name) => {
    const link = make("a", { href: `/saved/${encodeURIComponent(name)}`, download: name }, name);
    return make("li", {}, link);
  }).reverse());
}

// Sends settings, the newest only: a slider that is dragged does not make a queue.
async function change(wishes) {
  waiting = { ...waiting, ...wishes };
  if (sending) return;
  sending = true;
  while (waiting) {
    const now = waiting;
    waiting = null;
    const answer = await attempt(() => ask("/api/settings", now));
    if (answer && !waiting) state = answer;
  }
  sending = false;
  show(state);
}

for (const name of ["threshold", "clustering"]) {
  find(name).addEventListener("input", (event) => {
    find(`${name}-value`).textContent = Number(event.target.value).toFixed(2);
    change({ [name]: Number(event.target.value) });
  });
}
find("pause").addEventListener("click", () => change({ paused: !state.settings.paused }));
for (const [id, by] of [["previous", -1], ["next", 1]]) {
  find(id).addEventListener("click", () => attempt(() => ask("/api/step", { by })));
}
find("snapshot").addEventListener("click", () => attempt(async () => {
  const answer = await ask("/api/snapshot", {});
  say(`Saved ${answer.name}`);
  show(answer);
}));
find("record").addEventListener("click", () => attempt(async () => {
  const name = state.recording;
  const answer = await ask("/api/record", { on: !name });
  say(answer.message || (name ? `Saved ${name}` : "Recording what is shown"));
  show(answer);
}));
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea, button, summary, a");
  if (event.code === "Space" && !typing && !(labelling && labelling.open)) {
    event.preventDefault();
    find("pause").click();
  }
});
document.addEventListener("visibilitychange", () => (document.hidden ? stream.stop() : stream.start()));

// The token in the link is in the cookie now; it need not stand in the address and the history.
if (location.search) history.replaceState(null, "", "/");
stream.start();
poll();
