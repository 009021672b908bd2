// @ts-check
// The viewer: slices to scroll, zoom, pan and window, with the heat over them, one or two at a time.
// page.js loads it when it is first opened.

import { aspect, draw, loaded, ownWindow } from "./frames.js";

/** @typedef {import("./frames.js").Frame} Frame */
/** @typedef {import("./frames.js").Source} Source */
/** @typedef {import("./frames.js").Window} Window */
/**
 * @typedef {object} Heat
 * @property {string} address
 * @property {[number, number, number, number]} box Left, top, width and height: shares of the picture.
 */
/**
 * @typedef {object} Slot A slice of a stack.
 * @property {Source} source
 * @property {number} frame
 * @property {string} [label] Where the frame's number is not what tells slices apart.
 * @property {string} [says] The model's answer.
 * @property {string} [doubt]
 * @property {string} [picture] A small picture's address.
 * @property {Heat} [heat]
 */
/**
 * @typedef {object} Stack Slices that are scrolled through.
 * @property {string} name
 * @property {string} [says] The answer for all of them.
 * @property {string} [doubt]
 * @property {Slot[]} slots
 */

const KEYS = [
  ["↑ ↓, ← →, wheel", "previous or next slice"],
  ["Page Up, Page Down", "five slices back or forward"],
  ["Home, End", "first or last slice"],
  ["+ −, Ctrl + wheel", "zoom in or out"],
  ["Shift + arrow keys", "move the image"],
  ["F, double click", "fit the image to the window"],
  ["A D", "narrow or widen the window: more or less contrast"],
  ["W S", "brighter or darker"],
  ["R", "reset the window, and black and white"],
  ["I", "swap black and white"],
  ["H", "show or hide the heat"],
  ["B", "one image, or two side by side"],
  ["L", "link the two images, or move each alone"],
  ["X", "go to the other of two images"],
  ["N P", "next or previous file"],
  ["?", "this help"],
  ["Esc", "close"],
];
const DRAGS = /** @type {const} */ ({ window: "Window", pan: "Move", zoom: "Zoom" });
/** @typedef {keyof typeof DRAGS} Drag */
const BARS_MM = [200, 100, 50, 20, 10, 5, 2, 1];
const MOST_ZOOM = 40;
const NOTCH = 40;

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * @param {string} words
 * @param {string | undefined} key
 * @param {() => void} press
 */
function button(words, key, press) {
  const made = make("button", { type: "button", class: "plain" }, words);
  if (key) {
    made.title = `Key ${key}`;
    made.setAttribute("aria-keyshortcuts", key);
    made.append(make("kbd", { "aria-hidden": "true" }, key));
  }
  made.addEventListener("click", press);
  return made;
}

/**
 * @param {string} sign
 * @param {string} words
 * @param {() => void} press
 */
function signed(sign, words, press) {
  const made = button(sign, undefined, press);
  made.title = words;
  made.setAttribute("aria-label", words);
  return made;
}

/** @param {number} value */
function short(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/**
 * A legend that needs no other: a gradient in what is folded away colours nothing.
 * @param {Element} legend
 */
function ownCopy(legend) {
  const copy = /** @type {Element} */ (legend.cloneNode(true));
  copy.querySelector("linearGradient")?.setAttribute("id", "viewer-legend-colours");
  copy.querySelector("rect")?.setAttribute("fill", "url(#viewer-legend-colours)");
  return copy;
}

/** One image, as it is looked at. */
class Pane {
  /**
   * @param {Viewer} viewer
   * @param {number} number
   */
  constructor(viewer, number) {
    this.viewer = viewer;
    /** @type {Stack | undefined} */
    this.stack = undefined;
    this.index = 0;
    /** @type {Frame | undefined} */
    this.frame = undefined;
    /**
     * Whose frame that is: until the slice that is chosen comes, the one before is seen and named.
     * @type {Slot | undefined}
     */
    this.drawn = undefined;
    /** @type {Window | undefined} */
    this.window = undefined;
    this.inverted = false;
    this.heat = true;
    /** @type {HTMLImageElement | undefined} */
    this.heatPicture = undefined;
    this.view = { zoom: 1, x: 0, y: 0 };
    this.plain = document.createElement("canvas");
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.corners = Object.fromEntries(["nw", "ne", "sw", "se"]
      .map((place) => [place, make("div", { class: `corner ${place}` })]));
    this.letters = Object.fromEntries(["left", "right", "top", "bottom"]
      .map((side) => [side, make("span", { class: `letter ${side}` })]));
    this.bar = make("div", { class: "scale-bar" });
    this.says = make("p", { class: "pane-error", role: "alert" });
    this.says.hidden = true;
    this.choice = make("select", { "aria-label": `File of image ${number}` });
    this.choice.addEventListener("change", () => viewer.choose(this, Number(this.choice.value)));
    this.stage = make("div", {
      class: "stage", tabindex: "0", role: "application", "aria-roledescription": "image viewer",
    }, this.canvas, ...Object.values(this.corners), ...Object.values(this.letters), this.bar, this.says);
    this.element = make("div", { class: "pane" }, this.choice, this.stage);
    this.element.addEventListener("focusin", () => viewer.activate(this));
    this.listen();
    this.pending = false;
  }

  get slot() {
    return this.stack?.slots[this.index];
  }

  listen() {
    /** @type {Map<number, {x: number, y: number}>} */
    const pointers = new Map();
    const stage = this.stage;
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("dblclick", () => this.viewer.fit());
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.viewer.activate(this);
      this.viewer.wheel(event, this);
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      stage.focus({ preventScroll: true });
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    });
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
    }
    stage.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) {
        this.probe(event);
        return;
      }
      const now = { x: event.clientX, y: event.clientY };
      const [dx, dy] = [now.x - before.x, now.y - before.y];
      if (pointers.size === 2) {
        const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
        const apart = Math.hypot(now.x - other.x, now.y - other.y);
        this.viewer.zoom(apart / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y)), other);
        this.viewer.pan(dx / 2, dy / 2);
      } else {
        const drag = event.buttons & 4 ? "pan" : event.buttons & 2 ? "zoom" : this.viewer.drag;
        if (drag === "pan") this.viewer.pan(dx, dy);
        else if (drag === "zoom") this.viewer.zoom(Math.exp(-dy / 150));
        else this.viewer.level(dx / 300, dy / 300);
      }
      pointers.set(event.pointerId, now);
    });
  }

  /** @returns {Window | undefined} */
  get shown() {
    return this.window ?? (this.frame && ownWindow(this.frame));
  }

  /** Shows the slice that is chosen, once it is there. */
  async load() {
    const slot = this.slot;
    if (!slot) return;
    this.stage.setAttribute("aria-busy", "true");
    this.tellTrouble(this.frame ? "" : "Loading ...");
    try {
      const [frame, heat] = await Promise.all([slot.source.frame(slot.frame), this.viewer.heatOf(slot)]);
      if (slot !== this.slot) return; // scrolled on in the meantime
      [this.frame, this.heatPicture] = [frame, heat];
      this.tellTrouble("");
    } catch (error) {
      if (slot !== this.slot) return;
      [this.frame, this.heatPicture] = [undefined, undefined];
      this.tellTrouble(error instanceof Error ? error.message : String(error));
    }
    this.drawn = slot;
    this.stage.removeAttribute("aria-busy");
    this.develop();
  }

  /** @param {string} words */
  tellTrouble(words) {
    this.says.textContent = words;
    this.says.hidden = !words;
  }

  /** Makes the picture anew from its values. */
  develop() {
    if (this.frame && this.shown) draw(this.frame, this.shown, this.inverted, this.plain);
    this.paint();
  }

  /** Where the picture lies in the stage, in CSS pixels. */
  place() {
    const [width, height] = [this.stage.clientWidth, this.stage.clientHeight];
    if (!this.frame || !width || !height) return undefined;
    const facts = this.frame.facts;
    const wide = facts.width * aspect(facts);
    const scale = Math.min(width / wide, height / facts.height) * this.view.zoom;
    const [w, h] = [wide * scale, facts.height * scale];
    return {
      scale, w, h, left: (width - w) / 2 + this.view.x, top: (height - h) / 2 + this.view.y,
    };
  }

  paint() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.paintNow();
    });
  }

  paintNow() {
    const ratio = window.devicePixelRatio;
    const [width, height] = [this.stage.clientWidth * ratio, this.stage.clientHeight * ratio].map(Math.round);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      [this.canvas.width, this.canvas.height] = [width, height];
    }
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    const at = this.place();
    if (at) {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.imageSmoothingQuality = "high";
      context.imageSmoothingEnabled = at.scale < 6; // a pixel is a square where one looks at pixels
      context.drawImage(this.plain, at.left, at.top, at.w, at.h);
      const heat = this.drawn?.heat;
      if (this.heat && heat && this.heatPicture) {
        const [x, y, w, h] = heat.box;
        context.imageSmoothingEnabled = true;
        context.globalAlpha = this.viewer.strength;
        context.drawImage(this.heatPicture, at.left + x * at.w, at.top + y * at.h, w * at.w, h * at.h);
        context.globalAlpha = 1;
      }
    }
    this.label();
  }

  /** Says around the picture what is known of it. */
  label() {
    const { stack, drawn: slot, frame } = this;
    const several = (stack?.slots.length ?? 0) > 1;
    const number = several && slot && stack
      ? slot.label ?? `Frame ${slot.frame} (${stack.slots[0].frame} to ${stack.slots[stack.slots.length - 1].frame})`
      : "";
    const facts = frame?.facts;
    this.write("nw", this.choice.hidden ? stack?.name ?? "" : "", number);
    this.write("ne",
      [facts?.modality, facts?.sequence, facts?.plane].filter(Boolean).join(", "),
      facts?.spacing_mm ? `${facts.spacing_mm.map(short).join(" × ")} mm` : "",
      facts?.thickness_mm ? `${short(facts.thickness_mm)} mm thick` : "",
      facts?.side ? `side marker ${facts.side}` : "",
      facts && !frame.slice.orientation ? "orientation not known" : "");
    const window = this.shown;
    const said = this.window ? null : frame?.slice.said_window;
    const told = said ?? window;
    const whose = this.window ? "set by hand" : said ? "the file's" : "as judged";
    this.write("sw",
      told ? `W ${short(told.width)} C ${short(told.centre)}, ${whose}${this.inverted ? ", inverted" : ""}` : "",
      facts ? `Zoom ${short(this.view.zoom)} ×${this.value ?? ""}` : "");
    this.write("se", slot?.says ?? "", slot?.doubt ?? "",
      slot?.heat ? `Heat ${this.heat ? "on" : "off"}` : "");
    for (const [side, letter] of Object.entries(this.letters)) {
      letter.textContent = frame?.slice.orientation?.[/** @type {"left"} */ (side)] ?? "";
    }
    const at = this.place();
    this.bar.hidden = !at || !facts?.spacing_mm;
    if (at && facts?.spacing_mm) {
      const pixels = at.scale / facts.spacing_mm[0]; // a millimetre
      const most = this.stage.clientWidth / 4;
      const long = BARS_MM.find((mm) => mm * pixels <= most) ?? BARS_MM[BARS_MM.length - 1];
      this.bar.style.width = `${long * pixels}px`;
      this.bar.textContent = long >= 10 ? `${long / 10} cm` : `${long} mm`;
    }
    const words = [stack?.name, number, slot?.says, slot?.doubt].filter(Boolean).join(", ");
    this.stage.setAttribute("aria-label", words || "image");
  }

  /**
   * @param {string} place
   * @param {string[]} lines
   */
  write(place, ...lines) {
    const text = lines.filter(Boolean).join("\n");
    if (this.corners[place].textContent !== text) this.corners[place].textContent = text;
  }

  /** @param {PointerEvent} event */
  probe(event) {
    const at = this.place();
    if (!at || !this.frame || event.pointerType === "touch") return;
    const { facts, slice, samples } = this.frame;
    const box = this.stage.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - at.left) / at.w * facts.width);
    const row = Math.floor((event.clientY - box.top - at.top) / at.h * facts.height);
    const inside = column >= 0 && row >= 0 && column < facts.width && row < facts.height;
    const sample = samples[(row * facts.width + column) * facts.channels];
    this.value = inside ? `, value ${short(slice.slope * sample + slice.intercept)}` : "";
    this.label();
  }
}

/** The dialog. */
class Viewer {
  /** @param {string} disclaimer */
  constructor(disclaimer) {
    /** @type {Stack[]} */
    this.stacks = [];
    /** @type {WeakMap<Heat, Promise<HTMLImageElement>>} */
    this.heats = new WeakMap();
    this.strength = 0.8;
    this.linked = true;
    this.double = false;
    /** @type {Drag} */
    this.drag = "window";
    this.turned = 0;
    this.panes = [new Pane(this, 1), new Pane(this, 2)];
    this.active = this.panes[0];
    this.title = make("h2", { id: "viewer-title" });
    this.answer = make("p", { class: "viewer-answer" });
    this.status = make("p", { class: "unseen", role: "status" });
    this.strip = make("div", { class: "viewer-strip", role: "listbox", "aria-label": "Slices", tabindex: "0" });
    this.strip.addEventListener("click", (event) => {
      const option = /** @type {HTMLElement} */ (event.target).closest("[role=option]");
      if (option) this.go(Number(option.getAttribute("data-index")));
    });
    this.heatButton = button("Heat", "H", () => this.toggleHeat());
    this.doubleButton = button("Side by side", "B", () => this.toggleDouble());
    this.linkButton = button("Linked", "L", () => this.toggleLink());
    this.invertButton = button("Invert", "I", () => this.invert());
    this.heatRange = make("input", { type: "range", min: "0", max: "100", step: "5", value: "80", "aria-label": "Strength of the heat" });
    this.heatRange.addEventListener("input", () => {
      this.strength = Number(this.heatRange.value) / 100;
      this.paint();
    });
    this.legend = make("span", { class: "viewer-legend" });
    this.heatWords = make("span", { class: "quiet small" }, "The heat shows what moved the answer, not where a disease is.");
    this.heatTools = make("span", { class: "heat-tools" }, this.heatButton, this.heatRange, this.legend);
    this.help = this.makeHelp();
    this.dialog = make("dialog", { class: "viewer", "aria-labelledby": "viewer-title" },
      make("div", { class: "viewer-head" },
        make("div", { class: "viewer-names" }, this.title, this.answer),
        make("p", { class: "disclaimer" }, disclaimer, " ", this.heatWords),
        make("div", { class: "viewer-ends" },
          button("Help", "?", () => this.help.showModal()), button("Close", "Esc", () => this.dialog.close()))),
      make("div", { class: "viewer-tools", role: "toolbar", "aria-label": "Viewer" },
        this.heatTools, this.doubleButton, this.linkButton, this.makeDrags(),
        button("Fit", "F", () => this.fit()), signed("+", "Zoom in", () => this.zoom(1.25)), signed("−", "Zoom out", () => this.zoom(0.8)),
        button("Reset", "R", () => this.resetWindow()), this.invertButton),
      make("div", { class: "viewer-body" }, this.strip,
        make("div", { class: "viewer-panes" }, ...this.panes.map((pane) => pane.element))),
      this.status, this.help);
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("close", () => {
      document.documentElement.classList.remove("viewing");
      this.opener?.focus();
    });
    document.body.append(this.dialog);
    new ResizeObserver(() => this.paint()).observe(this.dialog);
  }

  makeDrags() {
    const group = make("fieldset", { class: "drags" }, make("legend", {}, "Drag:"));
    for (const [value, words] of Object.entries(DRAGS)) {
      const input = make("input", { type: "radio", name: "drag", value });
      input.checked = value === this.drag;
      input.addEventListener("change", () => { this.drag = /** @type {Drag} */ (value); });
      group.append(make("label", {}, input, words));
    }
    return group;
  }

  makeHelp() {
    const list = make("dl");
    for (const [keys, words] of KEYS) list.append(make("dt", {}, make("kbd", {}, keys)), make("dd", {}, words));
    const help = make("dialog", { class: "viewer-help", "aria-labelledby": "viewer-help-title" },
      make("div", { class: "help-head" },
        make("h2", { id: "viewer-help-title" }, "Keys, mouse and touch"),
        button("Back to the image", undefined, () => help.close())),
      make("p", { class: "quiet small" }, "Drag with the left button as chosen above the image, with the right one to zoom, "
        + "with the middle one to move. Two fingers zoom and move."),
      list);
    help.addEventListener("keydown", (event) => event.stopPropagation());
    help.addEventListener("close", (event) => event.stopPropagation());
    return help;
  }

  /**
   * @param {Stack[]} stacks
   * @param {number} stack
   * @param {number} index
   * @param {Element | null} legend
   */
  open(stacks, stack, index, legend) {
    this.stacks = stacks;
    this.opener = /** @type {HTMLElement | null} */ (document.activeElement);
    this.legend.replaceChildren(...(legend ? ["little", ownCopy(legend), "much"] : []));
    this.heatTools.hidden = !stacks.some((one) => one.slots.some((slot) => slot.heat));
    for (const pane of this.panes) {
      pane.choice.replaceChildren(...stacks.map((one, at) => make("option", { value: String(at) }, one.name)));
      pane.choice.hidden = stacks.length < 2;
    }
    this.setDouble(false);
    this.activate(this.panes[0]);
    document.documentElement.classList.add("viewing");
    if (!this.dialog.open) this.dialog.showModal();
    this.choose(this.active, stack, index);
    this.active.stage.focus();
  }

  /** @returns {Pane[]} The panes that an action is about. */
  get together() {
    return this.double && this.linked ? this.panes : [this.active];
  }

  /** @param {Pane} pane */
  activate(pane) {
    if (pane === this.active && this.strip.childElementCount) return;
    this.active = pane;
    this.fillStrip();
    this.tell();
  }

  /**
   * @param {Pane} pane
   * @param {number} number
   * @param {number} index
   */
  choose(pane, number, index = 0) {
    pane.stack = this.stacks[number];
    pane.index = Math.max(0, Math.min(index, pane.stack.slots.length - 1));
    pane.choice.value = String(number);
    [pane.frame, pane.drawn, pane.window, pane.inverted] = [undefined, undefined, undefined, false];
    pane.view = { zoom: 1, x: 0, y: 0 };
    pane.paint();
    this.fillStrip();
    pane.load();
    this.tell();
  }

  fillStrip() {
    const slots = this.active.stack?.slots ?? [];
    this.strip.hidden = slots.length < 2;
    this.strip.classList.toggle("bare", !slots.some((slot) => slot.picture));
    this.strip.replaceChildren(...slots.map((slot, index) => {
      const parts = [];
      if (slot.picture) parts.push(make("img", { src: slot.picture, alt: "" }));
      parts.push(make("span", { class: "number" }, String(slot.label ? index + 1 : slot.frame)));
      if (slot.says) parts.push(make("span", {}, slot.says));
      if (slot.doubt) parts.push(make("em", {}, slot.doubt));
      return make("div", {
        role: "option", id: `viewer-slice-${index}`, "data-index": String(index),
        class: slot.doubt ? "doubtful" : "",
      }, ...parts);
    }));
    this.mark();
  }

  mark() {
    for (const [index, option] of [...this.strip.children].entries()) {
      option.setAttribute("aria-selected", String(index === this.active.index));
      if (index !== this.active.index) continue;
      this.strip.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "center", inline: "center" });
    }
  }

  /** Says in the head and to a screen reader what is looked at. */
  tell() {
    const { stack, slot } = this.active;
    this.title.textContent = stack?.name ?? "";
    const whole = (stack?.slots.length ?? 0) > 1 ? "All slices: " : "";
    this.heatWords.hidden = !slot?.heat;
    this.answer.textContent = stack?.says ? `${whole}${stack.says}${stack.doubt ? `. ${stack.doubt}` : ""}` : "Not judged yet";
    this.heatButton.setAttribute("aria-pressed", String(this.active.heat));
    this.doubleButton.setAttribute("aria-pressed", String(this.double));
    this.linkButton.setAttribute("aria-pressed", String(this.linked));
    this.linkButton.hidden = !this.double;
    this.invertButton.setAttribute("aria-pressed", String(this.active.inverted));
    for (const pane of this.panes) pane.element.classList.toggle("active", this.double && pane === this.active);
    const frame = (stack?.slots.length ?? 0) > 1 && slot ? slot.label ?? `Frame ${slot.frame}` : "";
    this.status.textContent = [frame, slot?.says, slot?.doubt].filter(Boolean).join(", ");
  }

  paint() {
    for (const pane of this.panes) pane.paint();
  }

  /** @param {Slot} slot */
  heatOf({ heat }) {
    if (!heat) return undefined;
    if (!this.heats.has(heat)) this.heats.set(heat, loaded(heat.address));
    return this.heats.get(heat);
  }

  /** @param {number} index */
  go(index) {
    this.scroll(index - this.active.index);
  }

  /** @param {number} by */
  scroll(by) {
    for (const pane of this.together) {
      const last = (pane.stack?.slots.length ?? 1) - 1;
      const index = Math.max(0, Math.min(last, pane.index + by));
      if (index === pane.index) continue;
      pane.index = index;
      pane.load();
    }
    this.mark();
    this.tell();
  }

  /**
   * @param {WheelEvent} event
   * @param {Pane} pane
   */
  wheel(event, pane) {
    if (event.ctrlKey || (pane.stack?.slots.length ?? 0) < 2) {
      this.zoom(Math.exp(-event.deltaY / 400), { x: event.clientX, y: event.clientY });
      return;
    }
    this.turned += event.deltaMode === 0 ? event.deltaY : NOTCH * event.deltaY;
    const slices = Math.trunc(this.turned / NOTCH);
    if (!slices) return;
    this.turned = 0; // a notch of a wheel is a slice, however far a browser says that it turned
    this.scroll(Math.sign(slices));
  }

  /**
   * @param {number} factor
   * @param {{x: number, y: number}} [at] What stays where it is; else the middle does.
   */
  zoom(factor, at) {
    const box = this.active.stage.getBoundingClientRect();
    const x = at ? at.x - box.left - box.width / 2 : 0;
    const y = at ? at.y - box.top - box.height / 2 : 0;
    const zoom = Math.max(0.2, Math.min(MOST_ZOOM, this.active.view.zoom * factor));
    const real = zoom / this.active.view.zoom;
    const view = { zoom, x: x - (x - this.active.view.x) * real, y: y - (y - this.active.view.y) * real };
    for (const pane of this.together) {
      pane.view = { ...view };
      pane.paint();
    }
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  pan(dx, dy) {
    for (const pane of this.together) {
      pane.view.x += dx;
      pane.view.y += dy;
      pane.paint();
    }
  }

  fit() {
    for (const pane of this.together) {
      pane.view = { zoom: 1, x: 0, y: 0 };
      pane.paint();
    }
  }

  /**
   * @param {number} wider Shares of the window's width.
   * @param {number} darker
   */
  level(wider, darker) {
    for (const pane of this.together) {
      const now = pane.shown;
      if (!now || !pane.frame || (pane !== this.active && pane.stack !== this.active.stack)) continue;
      const least = Math.abs(ownWindow(pane.frame).width) / 1000;
      pane.window = {
        width: Math.max(least, now.width * Math.exp(wider)), centre: now.centre + darker * now.width,
      };
      pane.develop();
    }
  }

  resetWindow() {
    for (const pane of this.together) {
      pane.window = undefined;
      pane.inverted = false;
      pane.develop();
    }
    this.tell();
  }

  invert() {
    const inverted = !this.active.inverted;
    for (const pane of this.together) {
      pane.inverted = inverted;
      pane.develop();
    }
    this.tell();
  }

  toggleHeat() {
    this.active.heat = !this.active.heat;
    this.active.paint();
    this.tell();
  }

  toggleLink() {
    this.linked = !this.linked;
    this.tell();
  }

  toggleDouble() {
    this.setDouble(!this.double);
    if (this.double) {
      const [first, second] = this.panes;
      const number = this.stacks.indexOf(/** @type {Stack} */ (first.stack));
      const next = this.stacks.length > 1 ? (number + 1) % this.stacks.length : number;
      this.choose(second, next, first.index);
      if (next === number) [first.heat, second.heat] = [false, true];
      first.paint();
      this.tell();
    } else {
      this.activate(this.panes[0]);
      this.panes[0].stage.focus();
    }
  }

  /** @param {boolean} double */
  setDouble(double) {
    this.double = double;
    this.panes[1].element.hidden = !double;
    this.dialog.classList.toggle("double", double);
    this.tell();
  }

  /** @param {number} by */
  file(by) {
    if (this.stacks.length < 2) return;
    const number = this.stacks.indexOf(/** @type {Stack} */ (this.active.stack));
    this.choose(this.active, (number + by + this.stacks.length) % this.stacks.length);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select, input")) return;
    const step = event.shiftKey ? undefined : /** @type {Record<string, number>} */ ({
      ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -5, PageDown: 5,
      Home: -1e9, End: 1e9,
    })[event.key];
    /** @type {Record<string, () => void>} */
    const actions = {
      "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8),
      ArrowUp: () => this.pan(0, -NOTCH), ArrowDown: () => this.pan(0, NOTCH),
      ArrowLeft: () => this.pan(-NOTCH, 0), ArrowRight: () => this.pan(NOTCH, 0),
      f: () => this.fit(), r: () => this.resetWindow(), i: () => this.invert(), h: () => this.toggleHeat(),
      a: () => this.level(-0.1, 0), d: () => this.level(0.1, 0), w: () => this.level(0, -0.05), s: () => this.level(0, 0.05),
      b: () => this.toggleDouble(), l: () => this.toggleLink(), n: () => this.file(1), p: () => this.file(-1),
      x: () => { if (this.double) this.panes[1 - this.panes.indexOf(this.active)].stage.focus(); },
      "?": () => this.help.showModal(),
    };
    const action = step === undefined
      ? actions[event.key.length === 1 ? event.key.toLowerCase() : event.key] : () => this.scroll(step);
    if (!action) return;
    event.preventDefault();
    action();
  }
}

/** @type {Viewer | undefined} */
let viewer;

/**
 * Shows stacks.
 * @param {Stack[]} stacks
 * @param {object} options
 * @param {number} options.stack The one that is looked at first.
 * @param {number} options.index Its slice.
 * @param {Element | null} options.legend What the heat's colours mean.
 * @param {string} options.disclaimer
 */
export function open(stacks, { stack, index, legend, disclaimer }) {
  viewer ??= new Viewer(disclaimer);
  viewer.open(stacks, stack, index, legend);
}
