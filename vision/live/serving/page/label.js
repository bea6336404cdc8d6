// Labelling: freeze a picture, correct its boxes, save it; and what has been saved.

import { BoxEditor } from "./boxes.js";
import { ask, find, make, swatch } from "./talk.js";

const DRAFT = "draft"; // in the tab's storage, so that a reload loses nothing
const SIDES = ["x1", "y1", "x2", "y2"];

const boxes = (objects) => `${objects.length} box${objects.length === 1 ? "" : "es"}`;

export class Labelling {
  constructor({ say, attempt, changed, hasNext }) {
    this.hasNext = hasNext;
    this.say = say;
    this.attempt = attempt;
    this.changedMode = changed;
    this.draft = null; // {key} of a frozen picture or {name, revision} of a saved one, and size
    this.folder = null;
    this.lastSaved = sessionStorage.getItem("last-saved") || "";
    this.busy = false;
    this.editor = new BoxEditor(find("boxes"), () => this.boxChanged());
  }

  get open() {
    return this.draft !== null;
  }

  async start() {
    find("labels").hidden = false;
    find("strip").hidden = false;
    this.listen();
    await this.attempt(async () => this.show(await ask("/api/labels")));
    const stored = JSON.parse(sessionStorage.getItem(DRAFT) || "null");
    if (stored && this.folder) await this.restore(stored);
  }

  listen() {
    find("freeze").addEventListener("click", () => this.freeze());
    find("save").addEventListener("click", () => this.save());
    find("leave").addEventListener("click", () => this.leave());
    find("add").addEventListener("click", () => this.add());
    find("remove").addEventListener("click", () => this.editor.remove());
    find("undo").addEventListener("click", () => this.undo());
    find("set-names").addEventListener("click", () => this.setNames());
    find("class").addEventListener("change", (event) => this.editor.rename(event.target.value));
    for (const side of SIDES) {
      find(side).addEventListener("change", (event) => {
        if (this.editor.box) this.editor.set({ [side]: Number(event.target.value) });
      });
    }
    for (const radio of document.querySelectorAll("input[name=part]")) {
      radio.addEventListener("change", () => this.keep());
    }
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.target.matches("input:not([type=radio]), textarea, select")) return;
    const plain = !(event.ctrlKey || event.metaKey || event.altKey);
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const actions = this.open
      ? { s: () => this.save(), n: () => this.add(), Delete: () => this.editor.remove(),
          Backspace: () => this.editor.remove(), Escape: () => this.leave() }
      : { f: () => this.freeze() };
    const onRadio = event.target.matches("input[type=radio]");
    if (this.open && !onRadio && this.editor.key(event)) {
      event.preventDefault();
    } else if (plain && actions[letter]) {
      event.preventDefault();
      actions[letter]();
    } else if (plain && this.open && letter >= "1" && letter <= "9") {
      const name = this.folder.classes[Number(letter) - 1];
      if (name) this.editor.rename(name);
    }
  }

  // One thing at a time: a key that repeats must not save twice.
  async alone(work) {
    if (this.busy) return;
    this.busy = true;
    try {
      await this.attempt(work);
    } finally {
      this.busy = false;
    }
  }

  freeze() {
    return this.alone(async () => {
      const frozen = await ask("/api/labels/freeze", {});
      this.edit({ key: frozen.key, size: frozen.size }, frozen.objects);
      const left = frozen.left_out ? ` ${frozen.left_out} of classes outside the list left out.` : "";
      this.say(`Frozen, with ${boxes(frozen.objects)}.${left}`);
    });
  }

  openSaved(name) {
    return this.alone(async () => {
      const saved = await ask(`/api/labels/saved/${encodeURIComponent(name)}`);
      this.setPart(saved.part || "train");
      this.edit({ name, revision: saved.revision, size: saved.size }, saved.objects);
      this.say(`Opened ${name}.`);
    });
  }

  async restore(stored) {
    await this.attempt(async () => {
      if (stored.draft.key) {
        const frozen = await ask(`/api/labels/frozen/${stored.draft.key}`);
        if (frozen.saved || frozen.saving) return;
      }
      this.setPart(stored.part);
      this.edit(stored.draft, stored.objects);
    });
    if (!this.open) sessionStorage.removeItem(DRAFT);
  }

  edit(draft, objects) {
    const source = draft.key
      ? `/api/labels/frozen/${draft.key}/picture.jpg`
      : `/api/labels/saved/${encodeURIComponent(draft.name)}/picture`;
    this.draft = draft;
    find("frozen").src = source;
    find("editor").style.setProperty("--ratio", draft.size[0] / draft.size[1]);
    this.mode(true);
    this.editor.load(draft.size, objects, this.folder.classes);
    find("save").focus({ preventScroll: true });
  }

  mode(editing) {
    for (const id of ["editor", "labelling", "marking"]) find(id).hidden = !editing;
    for (const id of ["live", "actions", "numbers"]) find(id).hidden = editing;
    this.changedMode();
  }

  add() {
    if (this.folder.classes.length) this.editor.add();
    else this.say("Name the classes first, in the class list.", true);
  }

  leave() {
    this.draft = null;
    sessionStorage.removeItem(DRAFT);
    this.mode(false);
    this.say("");
    find("freeze").focus({ preventScroll: true });
  }

  save() {
    return this.alone(async () => {
      const body = { objects: this.editor.list(), part: this.part() };
      if (this.draft.key) body.key = this.draft.key;
      else Object.assign(body, { name: this.draft.name, revision: this.draft.revision });
      const answer = await ask("/api/labels/save", body);
      this.lastSaved = answer.saved.name;
      sessionStorage.setItem("last-saved", this.lastSaved);
      this.show(answer);
      // Of a folder of pictures the next one is what one wants to see now.
      if (this.draft.key && this.hasNext()) await ask("/api/step", { by: 1 });
      this.leave();
      const { name, objects, part } = answer.saved;
      this.say(`Saved ${name} with ${boxes(objects)} for ${part}.`);
    });
  }

  undo() {
    return this.alone(async () => {
      const name = this.lastSaved;
      this.lastSaved = "";
      sessionStorage.removeItem("last-saved");
      find("undo").hidden = !folder.pictures;
    find("undo").disabled = true;
      this.show(await ask("/api/labels/undo", { name }));
      this.say(`Took back the save of ${name}.`);
    });
  }

  setNames() {
    return this.alone(async () => {
      const names = find("names").value.split("\n").map((name) => name.trim()).filter(Boolean);
      this.show(await ask("/api/labels/classes", { names }));
      if (this.open) this.editor.load(this.draft.size, this.editor.list(), this.folder.classes);
      this.say("The class list is saved.");
    });
  }

  part() {
    return document.querySelector("input[name=part]:checked").value;
  }

  setPart(part) {
    for (const radio of document.querySelectorAll("input[name=part]")) {
      radio.checked = radio.value === part;
    }
  }

  keep() {
    if (!this.draft) return;
    const stored = { draft: this.draft, objects: this.editor.list(), part: this.part() };
    sessionStorage.setItem(DRAFT, JSON.stringify(stored));
  }

  boxChanged() {
    const box = this.editor.box;
    find("chosen").hidden = !box;
    find("none").hidden = Boolean(box);
    find("remove").disabled = !box;
    if (box) {
      const select = find("class");
      const names = this.folder.classes;
      if (select.dataset.names !== JSON.stringify(names)) {
        select.dataset.names = JSON.stringify(names);
        select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
      }
      select.value = box.name;
      for (const side of SIDES) {
        find(side).max = this.draft.size[side.startsWith("x") ? 0 : 1];
        find(side).value = box[side];
      }
    }
    this.keep();
  }

  show(folder) {
    this.folder = folder;
    const sets = Object.entries(folder.sets).map(([part, count]) => `${count} ${part}`).join(", ");
    find("folder").textContent = `${folder.folder}: ${folder.pictures} pictures (${sets})`;
    find("counts").replaceChildren(...folder.classes.map((name, index) => make("li", {},
      swatch(index), make("span", {}, name), make("span", {}, String(folder.counts[name])))));
    find("undo").hidden = !folder.pictures;
    find("undo").disabled = !this.lastSaved || !folder.newest.includes(this.lastSaved);
    this.showThumbnails(folder.newest);
    const names = find("names");
    if (document.activeElement !== names) names.value = folder.classes.join("\n");
    find("names-hint").textContent = folder.begun
      ? "Pictures are labelled already: add names at the end."
      : "Until the first save, names can be changed freely.";
    if (!folder.classes.length) find("class-list").open = true;
  }

  // Pictures that were there already keep their element, so that they are not fetched again.
  showThumbnails(names) {
    const list = find("thumbnails");
    const present = new Map([...list.children].map((item) => [item.dataset.name, item]));
    present.delete(this.lastSaved);
    list.replaceChildren(...names.map((name) => present.get(name) || this.thumbnail(name)));
  }

  thumbnail(name) {
    const address = `/api/labels/saved/${encodeURIComponent(name)}/thumbnail.jpg`;
    const picture = make("img", { src: `${address}?${Date.now()}`, alt: "", loading: "lazy" });
    const button = make("button", { "aria-label": `Open ${name}`, title: name }, picture);
    button.addEventListener("click", () => this.openSaved(name));
    return make("li", { "data-name": name }, button);
  }
}
