// The stream of pictures, read part by part onto a canvas. An <img> could show it too, but could
// not say how old the picture is that is on the screen, and names drawn by the server would be too
// small on a phone.

import { colourOf } from "./talk.js";

const HEAD_END = [13, 10, 13, 10];
const LONGEST_HEAD = 1 << 16; // bytes
const LETTERS = 14; // pixels of the screen
const LINE = 3;

export class Stream {
  // nameOf(label) gives the name of a class. shown(captured) is called when a picture is on the
  // screen; captured is the server's time.
  constructor(canvas, nameOf, shown) {
    this.canvas = canvas;
    this.nameOf = nameOf;
    this.shown = shown;
    this.abort = null;
  }

  start() {
    if (this.abort) return;
    this.abort = new AbortController();
    this.run(this.abort.signal);
  }

  stop() {
    if (this.abort) this.abort.abort();
    this.abort = null;
  }

  async run(signal) {
    while (!signal.aborted) {
      try {
        const answer = await fetch("/stream.mjpg?boxes=0", { signal, cache: "no-store" });
        if (answer.ok) await this.read(answer.body.getReader(), signal);
      } catch (error) {
        if (signal.aborted) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  async read(reader, signal) {
    let bytes = new Uint8Array(0);
    for (;;) {
      const part = takePart(bytes);
      if (part) {
        // Nothing more is read while this picture is drawn, so the server sends the newest then.
        await this.draw(part, signal);
        bytes = bytes.subarray(part.end);
        continue;
      }
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      const joined = new Uint8Array(bytes.length + value.length);
      joined.set(bytes);
      joined.set(value, bytes.length);
      bytes = joined;
    }
  }

  async draw(part, signal) {
    const bitmap = await createImageBitmap(new Blob([part.picture], { type: "image/jpeg" }));
    if (!signal.aborted) {
      if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
        this.canvas.width = bitmap.width;
        this.canvas.height = bitmap.height;
        this.canvas.style.setProperty("--ratio", bitmap.width / bitmap.height);
      }
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      this.drawObjects(part.objects);
      requestAnimationFrame(() => this.shown(part.captured));
    }
    bitmap.close();
  }

  // Best first, so the best are drawn last, on top.
  drawObjects(objects) {
    const pen = this.canvas.getContext("2d");
    const scale = this.canvas.width / (this.canvas.clientWidth || this.canvas.width);
    pen.font = `600 ${LETTERS * scale}px system-ui, "Noto Sans", sans-serif`;
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const last = [...objects].reverse();
    for (const [x1, y1, x2, y2, label] of last) {
      for (const [colour, width] of [["#000", LINE + 2], [colourOf(label - 1), LINE]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width * scale;
        pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      }
    }
    for (const object of last) this.drawTag(pen, object, scale);
  }

  // The name above its box; below or in it, where there is no room above.
  drawTag(pen, [x1, y1, , y2, label, score], scale) {
    const text = `${this.nameOf(label)} ${score.toFixed(2)}`;
    const width = pen.measureText(text).width + LETTERS * scale;
    const height = 1.5 * LETTERS * scale;
    const left = Math.max(0, Math.min(x1, this.canvas.width - width));
    const places = [y1 - height, y2, y1];
    const top = places.find((place) => place >= 0 && place + height <= this.canvas.height) ?? y1;
    pen.fillStyle = colourOf(label - 1);
    pen.fillRect(left, top, width, height);
    pen.fillStyle = inkOn(pen.fillStyle);
    pen.fillText(text, left + 0.5 * LETTERS * scale, top + 0.55 * height);
  }
}

// Black or white, whichever is easier to read on a colour, which the canvas gives as #rrggbb.
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 130 ? "#000" : "#fff";
}

// Returns the first whole part of the stream, or null.
function takePart(bytes) {
  const end = headEnd(bytes);
  if (end < 0) return null;
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, end));
  const length = Number(/content-length: *(\d+)/i.exec(head)?.[1]);
  const captured = Number(/x-captured: *([\d.]+)/i.exec(head)?.[1]);
  if (!length || bytes.length < end + length) return null;
  const objects = JSON.parse(/x-objects: *(.*)/i.exec(head)?.[1] || "[]");
  return { picture: bytes.slice(end, end + length), captured, objects, end: end + length };
}

function headEnd(bytes) {
  const last = Math.min(bytes.length, LONGEST_HEAD) - 4;
  for (let place = 0; place <= last; place += 1) {
    if (HEAD_END.every((byte, offset) => bytes[place + offset] === byte)) return place + 4;
  }
  return -1;
}
