// Talking to the server: JSON both ways, and the clock of the other side.

export class Fault extends Error {}

export async function ask(path, body) {
  const options = body === undefined ? { cache: "no-store" } : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    throw new Fault("The connection is lost; trying again.");
  }
  let result = {};
  try {
    result = await answer.json();
  } catch (error) {
    throw new Fault("The answer was cut.");
  }
  if (answer.status === 401) location.replace("/");
  if (!answer.ok) throw new Fault(result.error || `The server answers ${answer.status}.`);
  return result;
}

// The time of the server minus ours, in seconds, from the quickest of the last answers.
export class Clock {
  constructor() {
    this.samples = [];
  }

  note(sent, received, server) {
    this.samples.push({ trip: received - sent, offset: server - (sent + received) / 2 });
    if (this.samples.length > 20) this.samples.shift();
  }

  // How many seconds ago a moment of the server was.
  since(moment) {
    if (!this.samples.length) return null;
    const best = this.samples.reduce((a, b) => (a.trip < b.trip ? a : b));
    return performance.now() / 1000 + best.offset - moment;
  }
}

export const find = (id) => document.getElementById(id);

// Makes an element; strings become text, never markup.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Colours that differ between neighbours of the class list; the same as on the drawn picture.
export function colourOf(index) {
  const hue = (0.33 + index * 0.61803398875) % 1;
  const value = [1, 0.75, 0.9][(index + 1) % 3];
  const light = value * (1 - 0.9 / 2);
  const saturation = (value - light) / Math.min(light, 1 - light);
  return `hsl(${hue * 360} ${saturation * 100}% ${light * 100}%)`;
}

// Set through the style object: the page allows no style attributes.
export function swatch(index) {
  const element = make("span", { class: "swatch", "aria-hidden": "true" });
  element.style.background = colourOf(index);
  return element;
}
