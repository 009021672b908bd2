// Dropping, previews, one request an image, the heatmap's slider, saving and printing.
// Without this file the form works as a form.
"use strict";

const form = document.getElementById("form");
const results = document.getElementById("results");

function reveal(root) {
  for (const part of root.querySelectorAll(".script")) part.hidden = false;
}

results.addEventListener("input", (event) => {
  if (event.target.type !== "range") return;
  const heat = event.target.closest("figure").querySelector(".heat");
  heat.setAttribute("opacity", event.target.value / 100);
});

results.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (event.target.classList.contains("print")) window.print();
  if (event.target.classList.contains("save")) save(card);
});

async function save(card) {
  const sheets = [...document.styleSheets].map((sheet) => [...sheet.cssRules].map((rule) => rule.cssText).join("\n"));
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
  const maxFiles = Number(form.dataset.maxFiles);
  const maxBytes = Number(form.dataset.maxBytes);

  function preview() {
    for (const image of previews.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    previews.replaceChildren(...[...input.files].slice(0, maxFiles).map((file) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = file.name;
      const image = document.createElement("img");
      image.alt = "";
      image.onerror = () => {
        const blank = document.createElement("span");
        blank.className = "blank";
        blank.textContent = "no preview";
        image.replaceWith(blank);
      };
      image.src = URL.createObjectURL(file);
      item.append(image, name);
      return item;
    }));
    const count = input.files.length;
    status.textContent = count ? `${count} ${count === 1 ? "image" : "images"} chosen.` : "";
  }

  async function send(name, field, value) {
    if (value.size > maxBytes) return failure(name, `The image is larger than the limit of ${maxBytes / 1e6} MB.`);
    const body = new FormData();
    body.append("csrf_token", form.elements.csrf_token.value);
    body.append(field, value);
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { "X-Fragment": "1" } });
      const cards = new DOMParser().parseFromString(await response.text(), "text/html").querySelectorAll(".card");
      const holder = document.createDocumentFragment();
      holder.append(...cards);
      if (!cards.length) holder.append(failure(name, `No result (status ${response.status}). Try again.`));
      const card = holder.querySelector(".card.failed");
      if (card && !card.querySelector("h2")) card.prepend(failure(name, "").firstChild);
      return holder;
    } catch {
      return failure(name, "The page's server cannot be reached. Check the connection and try again.");
    }
  }

  async function look(event) {
    event.preventDefault();
    if (results.hasAttribute("aria-busy")) return; // the same form, sent twice at once
    const example = event.submitter?.name === "example" ? event.submitter : null;
    const images = example
      ? [[example.textContent.trim(), "example", example.value]]
      : [...input.files].map((file) => [file.name, "image", file]);
    if (images.length > maxFiles) {
      status.textContent = `Choose at most ${maxFiles} images at once.`;
      return;
    }
    for (const button of buttons) button.disabled = true;
    results.replaceChildren();
    results.setAttribute("aria-busy", "true");
    for (const [index, image] of images.entries()) {
      status.textContent = `Looking at image ${index + 1} of ${images.length} ...`;
      results.append(await send(...image));
      if (index === 0) status.scrollIntoView();
      reveal(results);
    }
    const failed = results.querySelectorAll(".failed").length;
    const done = results.querySelectorAll(".card").length - failed;
    status.textContent = `${done} ${done === 1 ? "result" : "results"}${failed ? `, ${failed} failed` : ""}.`;
    results.removeAttribute("aria-busy");
    for (const button of buttons) button.disabled = false;
    (event.submitter ?? buttons[0]).focus({ preventScroll: true });
  }

  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  }
  drop.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    preview();
  });
  // A file that misses the field would replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  input.addEventListener("change", preview);
  form.addEventListener("submit", look);
}

reveal(document);
if (form) start();
