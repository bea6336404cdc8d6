// The stream of pictures, read part by part onto a canvas. An <img> could show it too, but could
// not say how old the picture is that is on the screen.

const HEAD_END = [13, 10, 13, 10];

export class Stream {
  // shown(captured) is called when a picture is on the screen; captured is the server's time.
  constructor(canvas, shown) {
    this.canvas = canvas;
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
        const answer = await fetch("/stream.mjpg", { signal, cache: "no-store" });
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
      requestAnimationFrame(() => this.shown(part.captured));
    }
    bitmap.close();
  }
}

// Returns the first whole part of the stream, or null.
function takePart(bytes) {
  const end = headEnd(bytes);
  if (end < 0) return null;
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, end));
  const length = Number(/content-length: *(\d+)/i.exec(head)?.[1]);
  const captured = Number(/x-captured: *([\d.]+)/i.exec(head)?.[1]);
  if (!length || bytes.length < end + length) return null;
  return { picture: bytes.slice(end, end + length), captured, end: end + length };
}

function headEnd(bytes) {
  const last = Math.min(bytes.length, 2048) - 4; // a head is short
  for (let place = 0; place <= last; place += 1) {
    if (HEAD_END.every((byte, offset) => bytes[place + offset] === byte)) return place + 4;
  }
  return -1;
}
