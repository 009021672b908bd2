// @ts-check
// The frames of a file as the server decodes them, or the pictures of a card where the file is not
// at hand. Both draw a frame into a canvas through a window.

/** @typedef {{centre: number, width: number}} Window Values: black at centre - width / 2. */
/** @typedef {{left: string, right: string, top: string, bottom: string}} Orientation */
/**
 * @typedef {object} Slice
 * @property {number} frame
 * @property {number} slope
 * @property {number} intercept
 * @property {Window | null} window
 * @property {Window | null} said_window In the file's own numbers.
 * @property {Orientation | null} orientation
 */
/**
 * @typedef {object} Facts What holds for all frames; null where it is not known.
 * @property {number} frames
 * @property {number} width
 * @property {number} height
 * @property {number} channels
 * @property {number} bits
 * @property {boolean} inverted
 * @property {[number, number] | null} spacing_mm
 * @property {number | null} thickness_mm
 * @property {string | null} plane
 * @property {string | null} modality
 * @property {string | null} sequence
 * @property {string | null} side
 * @property {Slice[]} slices
 */
/** @typedef {Uint8Array | Uint16Array | Uint8ClampedArray} Samples */
/** @typedef {{facts: Facts, slice: Slice, samples: Samples}} Frame */
/**
 * @typedef {object} Source Frames to look at.
 * @property {string} name
 * @property {() => Promise<Facts>} facts
 * @property {(number: number) => Promise<Frame>} frame
 */

const PIECE = 16;
const MOST_BYTES = 32e6;
/** Of levels, which have no window of their own. */
const LEVELS = { centre: 127.5, width: 255 };

/** @param {Response} response */
async function problem(response) {
  const body = await response.json().catch(() => ({}));
  return new Error(body.detail ?? `The file cannot be shown (status ${response.status}).`);
}

/** A frame that the server left out of those that were asked for together. */
class UnreadError extends Error {}

/** A file, decoded by the server; what has come is kept as long as the page. */
export class FileFrames {
  /**
   * @param {File} file
   * @param {string} address
   */
  constructor(file, address) {
    this.name = file.name;
    this.file = file;
    this.address = address;
    /** @type {Promise<Facts> | undefined} */
    this.said = undefined;
    /** @type {Map<number, Promise<Samples>>} */
    this.samples = new Map();
  }

  /**
   * @param {string} query
   */
  async ask(query) {
    const body = new FormData();
    body.append("image", this.file);
    const response = await fetch(this.address + query, { method: "POST", body });
    if (!response.ok) throw await problem(response);
    return response;
  }

  /** @returns {Promise<Facts>} */
  facts() {
    this.said ??= this.ask("").then((response) => response.json());
    this.said.catch(() => { this.said = undefined; });
    return this.said;
  }

  /**
   * @param {number} number
   * @returns {Promise<Frame>}
   */
  async frame(number) {
    const facts = await this.facts();
    if (!this.samples.has(number)) this.load(facts, number, this.samples.size ? PIECE : 1);
    const asked = /** @type {Promise<Samples>} */ (this.samples.get(number));
    const samples = await asked.catch((error) => {
      if (!(error instanceof UnreadError)) throw error;
      // Asked for alone, it is told why.
      this.load(facts, number, 1);
      return /** @type {Promise<Samples>} */ (this.samples.get(number));
    });
    const slice = facts.slices.find((one) => one.frame === number) ?? facts.slices[0];
    return { facts, slice, samples };
  }

  /**
   * Asks for a frame and those after it, or before it at the end, that have not been asked for.
   * @param {Facts} facts
   * @param {number} number
   * @param {number} most
   */
  load(facts, number, most) {
    const size = facts.width * facts.height * facts.channels;
    const fits = Math.max(1, Math.min(most, Math.floor(MOST_BYTES / (size * facts.bits / 8))));
    let [first, end] = [number, number + 1];
    while (end < facts.frames && end - first < fits && !this.samples.has(end)) end += 1;
    while (first > 0 && end - first < fits && !this.samples.has(first - 1)) first -= 1;
    const answer = this.ask(`?first=${first}&count=${end - first}`).then(async (response) => ({
      read: (response.headers.get("X-Frames") ?? "").split(",").map(Number),
      buffer: await response.arrayBuffer(),
    }));
    for (let frame = first; frame < end; frame += 1) {
      const one = answer.then(({ read, buffer }) => {
        const place = read.indexOf(frame);
        if (place < 0) throw new UnreadError();
        return facts.bits === 16
          ? new Uint16Array(buffer, 2 * place * size, size) : new Uint8Array(buffer, place * size, size);
      });
      one.catch(() => this.samples.delete(frame));
      this.samples.set(frame, one);
    }
  }
}

/** The pictures that a card shows: of 256 levels, by frame. */
export class PictureFrames {
  /**
   * @param {string} name
   * @param {Map<number, {picture?: string, orientation?: Orientation}>} shown By frame.
   * @param {number} count
   */
  constructor(name, shown, count) {
    this.name = name;
    this.shown = shown;
    this.count = count;
  }

  /** @returns {Promise<Facts>} */
  async facts() {
    const first = await this.frame([...this.shown.keys()][0] ?? 0);
    return first.facts;
  }

  /**
   * @param {number} number
   * @returns {Promise<Frame>}
   */
  async frame(number) {
    const { picture: address, orientation } = this.shown.get(number) ?? {};
    if (address === undefined) throw new Error("This frame is of a single colour.");
    const picture = await loaded(address);
    const [width, height] = [picture.naturalWidth, picture.naturalHeight];
    const canvas = new OffscreenCanvas(width, height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    const samples = new Uint8Array(3 * width * height);
    for (let from = 0, to = 0; to < samples.length; from += 4, to += 3) {
      samples[to] = pixels[from];
      samples[to + 1] = pixels[from + 1];
      samples[to + 2] = pixels[from + 2];
    }
    const slice = {
      frame: number, slope: 1, intercept: 0, window: null, said_window: null,
      orientation: orientation ?? null,
    };
    const facts = {
      frames: this.count, width, height, channels: 3, bits: 8, inverted: false, spacing_mm: null,
      thickness_mm: null, plane: null, modality: null, sequence: null, side: null, slices: [slice],
    };
    return { facts, slice, samples };
  }
}

/**
 * @param {string} address
 * @returns {Promise<HTMLImageElement>}
 */
export async function loaded(address) {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  return picture;
}

/**
 * The window that a frame is shown in at first.
 * @param {Frame} frame
 * @returns {Window}
 */
export function ownWindow(frame) {
  return frame.slice.window ?? LEVELS;
}

/**
 * How wide a pixel of a frame is for its height.
 * @param {Facts} facts
 */
export function aspect(facts) {
  return facts.spacing_mm ? facts.spacing_mm[1] / facts.spacing_mm[0] : 1;
}

/**
 * Draws a frame, a pixel for a pixel.
 * @param {Frame} frame
 * @param {Window} window
 * @param {boolean} inverted Whether to turn black and white round.
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas It becomes as large as the frame.
 */
export function draw(frame, window, inverted, canvas) {
  const { facts, slice, samples } = frame;
  const [width, height] = [facts.width, facts.height];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  const shades = table(facts, slice, window, inverted);
  const out = image.data;
  const step = facts.channels;
  for (let from = 0, to = 0; to < out.length; from += step, to += 4) {
    out[to] = shades[samples[from]];
    out[to + 1] = shades[samples[step === 1 ? from : from + 1]];
    out[to + 2] = shades[samples[step === 1 ? from : from + 2]];
    out[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/**
 * The grey of each sample.
 * @param {Facts} facts
 * @param {Slice} slice
 * @param {Window} window
 * @param {boolean} inverted
 */
function table(facts, slice, window, inverted) {
  const shades = new Uint8ClampedArray(2 ** facts.bits);
  const turned = facts.inverted !== inverted;
  const width = Math.max(window.width, Number.EPSILON);
  const black = window.centre - width / 2;
  for (let sample = 0; sample < shades.length; sample += 1) {
    const share = (slice.slope * sample + slice.intercept - black) / width;
    shades[sample] = 255 * (turned ? 1 - share : share);
  }
  return shades;
}

/**
 * What cannot be shown by the browser itself, or not with all that it holds.
 * @param {File} file
 */
export async function needsServer(file) {
  const bytes = new Uint8Array(await file.slice(0, 32).arrayBuffer());
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50;
  const isOther = [[0xff, 0xd8], [0x47, 0x49], [0x42, 0x4d], [0x52, 0x49]]
    .some(([first, second]) => bytes[0] === first && bytes[1] === second);
  return isPng ? bytes[24] === 16 : !isOther;
}
