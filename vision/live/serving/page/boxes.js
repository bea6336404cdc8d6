// The boxes on a frozen picture: drawn, chosen, moved and resized with mouse, finger or keys.
// All numbers are whole pixels of the picture: x1, y1 inside the box, x2, y2 just outside.

import { colourOf } from "./talk.js";

const SPACE = "http://www.w3.org/2000/svg";
const GRIP = 22; // pixels of the screen, wide enough for a finger
const DOT = 5;
const LEAST = 4; // pixels of the screen that a finger has to move to draw
const CORNERS = [["x1", "y1"], ["x2", "y1"], ["x1", "y2"], ["x2", "y2"]];

function shape(tag, attributes, parent) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

export class BoxEditor {
  // changed() is called after every change of a box or of the choice.
  constructor(svg, changed) {
    this.svg = svg;
    this.changed = changed;
    this.objects = [];
    this.chosen = -1;
    this.size = [1, 1];
    this.classes = [];
    this.className = "";
    this.drag = null;
    svg.addEventListener("pointerdown", (event) => this.press(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.release(event));
    svg.addEventListener("pointercancel", (event) => this.release(event));
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  load(size, objects, classes) {
    this.size = size;
    this.classes = classes;
    this.objects = objects.map(({ name, box }) => ({
      name, x1: box[0], y1: box[1], x2: box[2], y2: box[3],
    }));
    this.chosen = -1;
    if (!classes.includes(this.className)) this.className = classes[0] || "";
    this.svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    this.draw();
    this.changed();
  }

  // As the server takes them.
  list() {
    return this.objects.map(({ name, x1, y1, x2, y2 }) => ({ name, box: [x1, y1, x2, y2] }));
  }

  get box() {
    return this.objects[this.chosen] || null;
  }

  choose(index, focus = false) {
    this.chosen = index;
    if (this.box) this.className = this.box.name;
    this.draw();
    if (focus && this.box) this.group(index).focus();
    this.changed();
  }

  add() {
    const [width, height] = this.size;
    const part = (length, share) => Math.round(length * share);
    this.objects.push({
      name: this.className, x1: part(width, 0.35), y1: part(height, 0.35),
      x2: Math.max(part(width, 0.65), part(width, 0.35) + 1),
      y2: Math.max(part(height, 0.65), part(height, 0.35) + 1),
    });
    this.choose(this.objects.length - 1, true);
  }

  remove() {
    if (!this.box) return;
    this.objects.splice(this.chosen, 1);
    this.choose(Math.min(this.chosen, this.objects.length - 1), true);
  }

  rename(name) {
    this.className = name;
    if (this.box) this.box.name = name;
    this.draw();
    this.changed();
  }

  // Sets corners, kept inside the picture and in order.
  set(corners) {
    const box = { ...this.box, ...corners };
    const [width, height] = this.size;
    const within = (value, low, high) => Math.min(Math.max(Math.round(value), low), high);
    box.x1 = within(box.x1, 0, width - 1);
    box.y1 = within(box.y1, 0, height - 1);
    box.x2 = within(box.x2, box.x1 + 1, width);
    box.y2 = within(box.y2, box.y1 + 1, height);
    this.objects[this.chosen] = box;
    this.draw();
    this.changed();
  }

  shift(right, down) {
    const { x1, y1, x2, y2 } = this.box;
    const dx = Math.min(Math.max(right, -x1), this.size[0] - x2);
    const dy = Math.min(Math.max(down, -y1), this.size[1] - y2);
    this.set({ x1: x1 + dx, y1: y1 + dy, x2: x2 + dx, y2: y2 + dy });
  }

  // Arrow keys; returns whether the key was one.
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step || !this.box) return false;
    const far = event.ctrlKey || event.metaKey ? 10 : 1;
    const [right, down] = step.map((one) => one * far);
    if (event.shiftKey) this.set({ x2: this.box.x2 + right, y2: this.box.y2 + down });
    else this.shift(right, down);
    return true;
  }

  // Where a pointer is, in pixels of the picture.
  place(event) {
    const area = this.svg.getBoundingClientRect();
    return [
      ((event.clientX - area.left) * this.size[0]) / area.width,
      ((event.clientY - area.top) * this.size[1]) / area.height,
    ];
  }

  press(event) {
    if (event.button) return;
    event.preventDefault();
    const [x, y] = this.place(event);
    const grip = event.target.dataset.grip;
    const group = event.target.closest("g");
    const index = group ? Number(group.dataset.index) : -1;
    if (grip !== undefined) {
      this.drag = { kind: "corner", corner: CORNERS[grip], box: { ...this.box }, x, y };
    } else if (index >= 0) {
      this.choose(index, true);
      this.drag = { kind: "move", box: { ...this.box }, x, y };
    } else {
      this.drag = { kind: "draw", x, y, begun: false };
    }
    this.svg.setPointerCapture(event.pointerId);
  }

  move(event) {
    const drag = this.drag;
    if (!drag) return;
    const [x, y] = this.place(event);
    if (drag.kind === "move") {
      this.objects[this.chosen] = { ...drag.box };
      this.shift(Math.round(x - drag.x), Math.round(y - drag.y));
    } else if (drag.kind === "corner") {
      const [across, along] = drag.corner;
      this.pull(drag.box, across, along, drag.box[across] + x - drag.x, drag.box[along] + y - drag.y);
    } else {
      this.stretch(drag, x, y);
    }
  }

  // A corner may be pulled past the opposite one.
  pull(box, across, along, x, y) {
    const fixedX = across === "x1" ? box.x2 : box.x1;
    const fixedY = along === "y1" ? box.y2 : box.y1;
    this.set({
      x1: Math.min(x, fixedX), y1: Math.min(y, fixedY),
      x2: Math.max(x, fixedX), y2: Math.max(y, fixedY),
    });
  }

  stretch(drag, x, y) {
    const scale = this.scale();
    if (!drag.begun) {
      if (Math.hypot(x - drag.x, y - drag.y) < LEAST * scale || !this.className) return;
      drag.begun = true;
      this.objects.push({ name: this.className, x1: 0, y1: 0, x2: 1, y2: 1 });
      this.chosen = this.objects.length - 1;
    }
    this.set({
      x1: Math.min(x, drag.x), y1: Math.min(y, drag.y),
      x2: Math.max(x, drag.x), y2: Math.max(y, drag.y),
    });
  }

  release(event) {
    const drag = this.drag;
    this.drag = null;
    if (!drag || drag.kind !== "draw") return;
    this.choose(drag.begun ? this.chosen : -1, drag.begun);
  }

  // Pixels of the picture for one of the screen.
  scale() {
    return this.size[0] / (this.svg.getBoundingClientRect().width || this.size[0]);
  }

  group(index) {
    return this.svg.querySelector(`g[role=button][data-index="${index}"]`);
  }

  // The groups keep the order of the boxes, which is that of the Tab key. The chosen box is drawn
  // once more on top, where its corners can be reached.
  draw() {
    const scale = this.scale();
    const focused = document.activeElement && document.activeElement.closest("#boxes g");
    this.svg.replaceChildren();
    this.objects.forEach((box, index) => this.drawBox(box, index, scale));
    if (this.box) this.drawTop(this.box, scale);
    if (focused && this.box) this.group(this.chosen).focus();
  }

  drawTop(box, scale) {
    const top = shape("g", { class: "chosen", "aria-hidden": "true", "data-index": this.chosen }, this.svg);
    this.drawLines(box, top);
    CORNERS.forEach(([across, along], grip) => {
      const centre = { cx: box[across], cy: box[along] };
      shape("circle", { ...centre, r: DOT * scale }, top);
      shape("circle", { ...centre, r: (GRIP / 2) * scale, class: "grip", "data-grip": grip }, top);
    });
  }

  drawLines(box, group) {
    const place = { x: box.x1, y: box.y1, width: box.x2 - box.x1, height: box.y2 - box.y1 };
    for (const kind of ["body", "rim", "edge"]) shape("rect", { ...place, class: kind }, group);
    group.querySelector(".edge").style.stroke = colourOf(this.classes.indexOf(box.name));
  }

  drawBox(box, index, scale) {
    const { name, x1, y1, x2, y2 } = box;
    const group = shape("g", {
      tabindex: "0", role: "button", "data-index": index, "aria-pressed": index === this.chosen,
      "aria-label": `${name}, left ${x1}, top ${y1}, ${x2 - x1} wide, ${y2 - y1} high`,
    }, this.svg);
    this.drawLines(box, group);
    const letters = 14 * scale;
    const text = shape("text", {
      x: x1 + 4 * scale, y: y1 > 1.3 * letters ? y1 - 0.35 * letters : y1 + 1.1 * letters,
      "font-size": letters, "stroke-width": 0.25 * letters,
    }, group);
    text.textContent = name;
    group.addEventListener("focus", () => {
      if (this.chosen !== index) this.choose(index, true);
    });
  }
}
