// Dropping, previews, many images in several requests, the heatmap's slider, saving, printing, and
// what the viewer shows. Without this file the form works as a form.
"use strict";

const form = document.getElementById("form");
const results = document.getElementById("results");
const summary = document.getElementById("summary");
const disclaimer = document.querySelector("header .disclaimer").textContent;
const home = document.currentScript.src;
const files = new WeakMap(); // the file of each card
const sources = new WeakMap(); // the frames of each file
const MANY = 3;
const MOST_PREVIEWS = 20;
const ROOM = 10_000; // bytes of a request beside its images, and as many again for each name
const LONGEST_WAIT = 60; // seconds

function reveal(root) {
  for (const part of root.querySelectorAll(".script")) part.hidden = false;
}

results.addEventListener("input", (event) => {
  if (event.target.type !== "range") return;
  const heat = event.target.closest(".pictures").querySelector(".heat");
  heat.setAttribute("opacity", event.target.value / 100);
});

results.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (event.target.classList.contains("print")) window.print();
  if (event.target.classList.contains("save")) save(card ?? event.target.closest(".series"));
  const picture = event.target.closest(".pictures svg");
  const shown = card ?? document.getElementById(picture?.closest(".pictures").dataset.card);
  if (shown && (picture || event.target.classList.contains("view"))) view(shown);
  const slice = event.target.closest(".strip .slice");
  if (slice) view(card ?? document.getElementById(slice.dataset.card), Number(slice.dataset.frame ?? 0));
});

// The viewer: its code is loaded when it is first needed.

async function framesOf(file) {
  const { FileFrames } = await import("./frames.js");
  if (!sources.has(file)) sources.set(file, new FileFrames(file, results.dataset.frames));
  return sources.get(file);
}

function share(part, whole) {
  return Number(part) / Number(whole);
}

function answers(card) {
  return new Map([...card.querySelectorAll(".slice")].map((slice) => {
    const picture = slice.querySelector("image.scan");
    const heat = slice.querySelector("image.heat");
    const [width, height] = ["width", "height"].map((side) => picture?.getAttribute(side));
    return [Number(slice.dataset.frame), {
      says: slice.dataset.says, doubt: slice.dataset.doubt, picture: picture?.getAttribute("href"),
      heat: heat && {
        address: heat.getAttribute("href"),
        box: [share(heat.getAttribute("x"), width), share(heat.getAttribute("y"), height),
          share(heat.getAttribute("width"), width), share(heat.getAttribute("height"), height)],
      },
      orientation: slice.dataset.left && { ...slice.dataset },
    }];
  }));
}

async function stackOf(card) {
  const { PictureFrames, needsServer } = await import("./frames.js");
  const { name, says, doubt, frames } = card.dataset;
  const of = answers(card);
  const file = files.get(card);
  const pictures = () => new PictureFrames(name, of, Number(frames));
  const source = file && await needsServer(file) ? await framesOf(file) : pictures();
  const slots = [...Array(Number(frames)).keys()].map((frame) => ({ source, frame, ...of.get(frame) }));
  return { name, says, doubt, slots };
}

async function show(stacks, options) {
  if (!document.querySelector("link[data-viewer]")) {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = new URL("viewer.css", home);
    sheet.dataset.viewer = "";
    const ready = new Promise((resolve) => sheet.addEventListener("load", resolve));
    document.head.append(sheet);
    await ready;
  }
  const { open } = await import("./viewer.js");
  open(stacks, { index: 0, disclaimer, legend: results.querySelector(".legend"), ...options });
}

async function view(card, frame) {
  const cards = [...results.querySelectorAll("article.card")];
  const first = frame ?? Number(card.querySelector(".pictures").dataset.best);
  const stacks = await Promise.all(cards.map(stackOf));
  const keys = cards.map((one) => [one.dataset.series, Number(one.dataset.position)]);
  const said = cards.map((one) => one.closest(".series")?.dataset);
  await showTogether(stacks, keys, cards.indexOf(card), first, said);
}

async function lookBefore(chosen, file) {
  const keys = [];
  const stacks = await Promise.all(chosen.map(async (one, index) => {
    const source = await framesOf(one);
    const facts = await source.facts().catch(() => ({ frames: 1 }));
    keys[index] = [facts.frames === 1 && facts.series, facts.position_mm];
    return { name: one.name, slots: [...Array(facts.frames).keys()].map((frame) => ({ source, frame })) };
  }));
  const at = chosen.indexOf(file);
  await showTogether(stacks, keys, at, Math.floor(stacks[at].slots.length / 2));
}

// The files of one series are one stack, in the order in which they lie.
function together(keys) {
  const groups = new Map();
  for (const [index, [series]] of keys.entries()) {
    const key = series || index;
    groups.set(key, [...(groups.get(key) ?? []), index]);
  }
  return [...groups.values()].map((group) => group.sort((one, other) => keys[one][1] - keys[other][1] || one - other));
}

async function showTogether(stacks, keys, looked, index, said = []) {
  const groups = together(keys);
  const merged = groups.map((group) => group.length === 1 ? stacks[group[0]] : {
    name: `Series of ${group.length} files`,
    says: said[group[0]]?.says ?? (stacks[looked].says && "each file judged by itself"),
    doubt: said[group[0]]?.doubt,
    slots: group.map((one, place) => ({
      ...stacks[one].slots[0], label: `${place + 1} of ${group.length}: ${stacks[one].name}`,
    })),
  });
  const at = groups.findIndex((group) => group.includes(looked));
  await show(merged, { stack: at, index: groups[at].length === 1 ? index : groups[at].indexOf(looked) });
}

// Results of one patient stand beside each other, those of one series under one strip.
async function arrange() {
  const cards = [...results.querySelectorAll(".card")];
  results.classList.toggle("many", cards.length > 1);
  const patient = (card) => card.dataset.patient ?? card.dataset.study;
  const patients = new Map(cards.map((card, index) => [patient(card), index]).reverse());
  const place = (card) => patient(card) ? patients.get(patient(card)) : cards.indexOf(card);
  const groups = together(cards.map((card, index) => [card.dataset.series, Number(card.dataset.position), index]));
  const sorted = groups.map((group) => group.map((index) => cards[index]));
  const failed = (card) => Number(!card.classList.contains("failed"));
  sorted.sort(([one], [other]) => failed(one) - failed(other) || place(one) - place(other)
    || cards.indexOf(one) - cards.indexOf(other));
  results.replaceChildren(...await Promise.all(sorted.map((group) => group.length === 1 ? group[0] : seriesOf(group))));
  showShown();
}

// A strip begins where the slice is whose picture stands above it.
function showShown() {
  for (const slice of results.querySelectorAll(".strip .shown")) {
    const strip = slice.parentElement;
    strip.scrollLeft = slice.offsetLeft - strip.offsetLeft - (strip.clientWidth - slice.clientWidth) / 2;
  }
}

// The server's answer for a series, by what it has said of its files.
async function answerOf(cards) {
  try {
    const response = await fetch(results.dataset.series, {
      method: "POST", body: `[${cards.map((card) => card.dataset.answer)}]`,
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrf_token.value, "X-Fragment": "1" },
    });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return response.ok ? page.querySelector(".says") : null;
  } catch {
    return null;
  }
}

async function seriesOf(cards) {
  const make = (tag, className, ...children) => {
    const made = document.createElement(tag);
    made.className = className;
    made.append(...children);
    return made;
  };
  const judged = cards.filter((card) => card.dataset.answer);
  const answer = judged.length > 1 ? await answerOf(judged) : null;
  const named = `Series of ${cards.length} files`;
  const title = make("h2", "", named);
  title.tabIndex = -1;
  const says = answer ?? make("div", "says", title,
    make("p", "small", `${counted(cards)}. The model judged each file by itself: there is no answer for the series as a whole.`));
  const facts = cards[0].querySelector(".facts");
  if (answer && facts) answer.querySelector(".quiet.small")?.prepend(facts.cloneNode(true), " ");
  const best = judged[Number(answer?.dataset.best ?? judged.length / 2 | 0)] ?? cards[0];
  const strip = make("ol", "strip", ...cards.map((card, index) => {
    const item = make("li", "slice", make("span", "number", String(index + 1)),
      make("span", "", card.dataset.says ?? "No answer"));
    const drawing = card.querySelector("figure svg")?.cloneNode(true);
    if (drawing) item.prepend(drawing);
    drawing?.setAttribute("aria-hidden", "true");
    for (const name of ["role", "aria-label"]) drawing?.removeAttribute(name);
    for (const part of item.querySelectorAll("[id]")) part.removeAttribute("id");
    if (card.dataset.doubt) item.append(make("em", "doubt", card.dataset.doubt));
    if (answer?.dataset.counted[judged.indexOf(card)] === "0") item.append(make("em", "", "not counted"));
    item.dataset.card = card.id;
    item.classList.toggle("shown", card === best);
    return item;
  }));
  strip.tabIndex = 0;
  strip.setAttribute("aria-label", named);
  const [open, keep] = [["view", "Open the viewer"], ["plain save", "Save this result"]].map(([kind, words]) => {
    const button = make("button", kind, words);
    button.type = "button";
    return button;
  });
  open.addEventListener("click", () => view(best));
  const series = make("section", "series", says, picturesOf(best, `${cards.indexOf(best) + 1} of ${cards.length}`),
    make("div", "slices", make("h3", "", `${cards.length} files`), strip),
    make("div", "foot", make("p", "disclaimer", disclaimer), make("p", "actions script", open, " ", keep)),
    make("details", "", make("summary", "", `The ${cards.length} results`), make("div", "cards", ...cards)));
  series.setAttribute("aria-label", named);
  const doubtful = cards.filter((card) => card.dataset.doubt).length;
  Object.assign(series.dataset, { name: named, says: answer?.dataset.says ?? counted(cards) });
  const doubt = answer ? answer.dataset.doubt : doubtful && `${doubtful} to be referred`;
  if (doubt) series.dataset.doubt = doubt;
  return series;
}

// A card's pictures, legend and slider once more: with names of their own, as what is folded away
// colours nothing.
function picturesOf(card, words) {
  const pictures = card.querySelector(".pictures").cloneNode(true);
  pictures.classList.remove("slice");
  pictures.dataset.card = card.id;
  for (const part of pictures.querySelectorAll("[id]")) part.id = `series-${part.id}`;
  pictures.querySelector("label")?.setAttribute("for", pictures.querySelector("input").id);
  pictures.querySelector(".legend rect")?.setAttribute("fill", `url(#${pictures.querySelector("linearGradient").id})`);
  const caption = pictures.querySelector("figcaption");
  if (caption) caption.textContent = `Image ${words}: ${card.dataset.name}`;
  return pictures;
}

// Above many results: what was said, with links.

function summarize() {
  const parts = [...results.children];
  summary.hidden = parts.length <= MANY;
  const list = document.createElement("ol");
  for (const part of parts) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    part.id ||= `result-${list.childElementCount}`;
    link.href = `#${part.id}`;
    link.textContent = part.dataset.name;
    item.append(link, `: ${part.dataset.says ?? "not judged"}`);
    if (part.dataset.doubt) {
      const doubt = document.createElement("strong");
      doubt.textContent = part.dataset.doubt.toLowerCase();
      item.append(", ", doubt);
    }
    item.className = part.classList.contains("failed") ? "bad" : "";
    list.append(item);
  }
  summary.replaceChildren(list);
}

// What is said of the files of a series: how many of each.
function counted(cards) {
  const counts = new Map();
  for (const { dataset } of cards) {
    const said = (dataset.says ?? "No answer").replace(/ \S+%$/, "");
    counts.set(said, (counts.get(said) ?? 0) + 1);
  }
  return [...counts].map(([said, count]) => `${said} ${count}`).join(", ");
}

async function save(card) {
  const own = [...document.styleSheets].filter((sheet) => !("viewer" in sheet.ownerNode.dataset));
  const sheets = own.map((sheet) => [...sheet.cssRules].map((rule) => rule.cssText).join("\n"));
  const copy = card.cloneNode(true);
  for (const part of copy.querySelectorAll(".script, .links")) part.remove();
  const when = document.createElement("p");
  when.className = "quiet";
  when.textContent = new Date().toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });
  // Text, not a document made here: the page's policy would forbid that one's style, too.
  const page = [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Result - Brain MRI</title>',
    '<meta name="viewport" content="width=device-width, initial-scale=1"><style>', ...sheets, "</style></head><body><main><h1>Result</h1>",
    copy.outerHTML, when.outerHTML, "</main></body></html>",
  ];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(page, { type: "text/html" }));
  link.download = "result.html";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function failure(name, text) {
  const card = document.createElement("div");
  card.className = "card failed";
  card.dataset.name = name;
  card.setAttribute("role", "alert");
  const title = document.createElement("h2");
  title.textContent = name;
  const words = document.createElement("p");
  words.className = "bad";
  words.textContent = text;
  card.append(title, words);
  return card;
}

function start() {
  const input = document.getElementById("image");
  const drop = document.getElementById("drop");
  const previews = document.getElementById("previews");
  const status = document.getElementById("status");
  const buttons = form.querySelectorAll("button");
  const [maxFiles, maxBytes, maxSentFiles, maxSentBytes] = ["maxFiles", "maxBytes", "maxSentFiles", "maxSentBytes"]
    .map((name) => Number(form.dataset[name]));
  document.getElementById("most").textContent = String(maxFiles);

  // A picture of each file before it is sent: the browser's own, or by the server where the browser
  // cannot show the file, or not all that it holds.
  async function preview() {
    for (const image of previews.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    const chosen = [...input.files].slice(0, maxFiles);
    const items = chosen.slice(0, MOST_PREVIEWS).map((file) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.className = "name";
      name.title = name.textContent = file.name;
      item.append(blank("..."), name);
      return item;
    });
    const more = document.createElement("li");
    more.append(blank(`and ${chosen.length - items.length} more`));
    previews.replaceChildren(...items, ...(chosen.length > items.length ? [more] : []));
    const count = input.files.length;
    status.textContent = count > maxFiles ? `Choose at most ${maxFiles} images at once: these are ${count}.`
      : count ? `${count} ${count === 1 ? "image" : "images"} chosen.` : "";
    for (const [index, file] of chosen.slice(0, MOST_PREVIEWS).entries()) {
      const picture = file.size <= maxBytes ? await pictured(file).catch(() => null) : null;
      if (!items[index].isConnected) return; // others were chosen in the meantime
      items[index].firstChild.replaceWith(picture ? looker(picture, chosen, file) : blank("no preview"));
    }
  }

  function blank(words) {
    const made = document.createElement("span");
    made.className = "blank";
    made.textContent = words;
    return made;
  }

  function looker(picture, chosen, file) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.setAttribute("aria-label", `Look at ${file.name} before it is sent`);
    button.append(picture);
    button.addEventListener("click", () => lookBefore(chosen, file));
    return button;
  }

  async function pictured(file) {
    const { draw, needsServer, ownWindow } = await import("./frames.js");
    if (await needsServer(file)) {
      const source = await framesOf(file);
      const { slices } = await source.facts();
      const frame = await source.frame(slices[Math.floor(slices.length / 2)].frame);
      const canvas = document.createElement("canvas");
      draw(frame, ownWindow(frame), false, canvas);
      return canvas;
    }
    const image = document.createElement("img");
    image.alt = "";
    image.src = URL.createObjectURL(file);
    await image.decode();
    return image;
  }

  async function dropped(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return transfer.files;
    const found = (await Promise.all(entries.map(inside))).flat();
    const all = new DataTransfer();
    for (const file of found) all.items.add(file);
    return all.files;
  }

  async function inside(entry) {
    if (entry.name.startsWith(".") || entry.name === "DICOMDIR") return [];
    if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
    const reader = entry.createReader();
    const found = [];
    for (let some = [null]; some.length;) {
      some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      found.push(...some);
    }
    found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
    return (await Promise.all(found.map(inside))).flat();
  }

  // What goes into a request: an image, or of many so many that there are few requests. None has more
  // images or bytes than the server takes.
  function requests(images) {
    const most = Math.min(maxSentFiles, Math.ceil(images.length / maxSentFiles));
    const found = [];
    let bytes = Infinity;
    for (const image of images) {
      const size = ROOM + image.value.size;
      if (found.at(-1)?.length >= most || bytes + size > maxSentBytes) {
        found.push([]);
        bytes = ROOM;
      }
      found.at(-1).push(image);
      bytes += size;
    }
    return found;
  }

  // The cards of images that are sent together, in the order of the images.
  async function send(images) {
    const cards = new Map();
    const sent = images.filter(({ name, field, value }, index) => {
      const fits = field !== "image" || value.size <= maxBytes;
      if (!fits) cards.set(index, failure(name, `The image is larger than the limit of ${maxBytes / 1e6} MB.`));
      return fits;
    });
    if (sent.length) {
      const answered = await ask(sent);
      for (const [number, image] of sent.entries()) {
        const card = answered.card(String(number));
        if (card && image.field === "image") files.set(card, image.value);
        cards.set(images.indexOf(image), card ?? failure(image.name, answered.words));
      }
    }
    return images.map((_, index) => cards.get(index));
  }

  async function ask(sent) {
    const body = new FormData();
    body.append("csrf_token", form.elements.csrf_token.value);
    for (const { field, value } of sent) body.append(field, value);
    try {
      const response = await patiently(() => fetch(form.action, { method: "POST", body, headers: { "X-Fragment": "1" } }));
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      return {
        card: (number) => [...page.querySelectorAll(".card")].find((card) => card.dataset.number === number),
        words: page.querySelector(".failed .bad")?.textContent ?? `No result (status ${response.status}). Try again.`,
      };
    } catch {
      return { card: () => undefined, words: "The page's server cannot be reached. Check the connection and try again." };
    }
  }

  // Of many images, those that come faster than the server takes them wait.
  async function patiently(request) {
    const response = await request();
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status !== 429 || !(wait > 0 && wait <= LONGEST_WAIT)) return response;
    status.textContent = `The server takes more images in ${wait} ${wait === 1 ? "second" : "seconds"} ...`;
    await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
    return request();
  }

  // One version of the model answers for a series: what an older one said is asked again, once.
  async function renew() {
    const newest = new Map();
    const judged = [...results.querySelectorAll(".card[data-series][data-version]")];
    for (const { dataset: { series, version } } of judged) {
      newest.set(series, Math.max(version, newest.get(series) ?? 0));
    }
    const old = judged.filter(({ dataset }) => Number(dataset.version) < newest.get(dataset.series));
    if (!old.length) return;
    status.textContent = `A new version of the model has taken over: asking it again about ${old.length} ${old.length === 1 ? "image" : "images"} ...`;
    const images = old.map((card) => ({ name: card.dataset.name, field: "image", value: files.get(card), card }));
    for (const some of requests(images)) {
      for (const [index, renewed] of (await send(some)).entries()) {
        reveal(renewed);
        some[index].card.replaceWith(renewed);
      }
    }
  }

  async function look(event) {
    event.preventDefault();
    if (results.hasAttribute("aria-busy")) return; // the same form, sent twice at once
    const example = event.submitter?.name === "example" ? event.submitter : null;
    const images = example
      ? [{ name: example.textContent.trim(), field: "example", value: example.value }]
      : [...input.files].map((file) => ({ name: file.name, field: "image", value: file }));
    if (images.length > maxFiles) {
      status.textContent = `Choose at most ${maxFiles} images at once: these are ${images.length}.`;
      return;
    }
    for (const button of buttons) button.disabled = true;
    results.replaceChildren();
    results.classList.remove("many");
    summary.hidden = true;
    results.setAttribute("aria-busy", "true");
    let first = 1;
    for (const some of example ? [images] : requests(images)) {
      const last = first + some.length - 1;
      status.textContent = `Looking at ${first === last ? `image ${first}` : `images ${first} to ${last}`} of ${images.length} ...`;
      results.append(...await send(some));
      if (first === 1) status.scrollIntoView();
      first = last + 1;
      reveal(results);
      showShown();
      results.classList.toggle("many", images.length > 1);
      summarize();
    }
    await renew();
    const attended = results.contains(document.activeElement) || document.querySelector("dialog[open]");
    if (!attended) await arrange();
    summarize();
    const failed = results.querySelectorAll(".failed").length;
    const done = results.querySelectorAll(".card").length - failed;
    status.textContent = `${done} ${done === 1 ? "result" : "results"}${failed ? `, ${failed} failed` : ""}.`;
    results.removeAttribute("aria-busy");
    for (const button of buttons) button.disabled = false;
    // Whoever looks at a result already is left there.
    if (!attended) {
      results.querySelector("h2")?.focus({ preventScroll: images.length > MANY });
    }
  }

  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  }
  drop.addEventListener("drop", async (event) => {
    const chosen = await dropped(event.dataTransfer);
    if (!chosen.length) return;
    input.files = chosen;
    preview();
  });
  // A file that misses the field would replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  input.addEventListener("change", preview);
  form.addEventListener("submit", look);
}

reveal(document);
if (form) start();
