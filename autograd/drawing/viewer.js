// Walks in a picture: a click on a module shows its inside, the path above leads back, and the picture has a zoom.

import { make } from "./elements.js";

const ZOOM = 1.25;
const views = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".view")]);
const names = new Set(views.map((view) => view.dataset.view ?? ""));
const nav = /** @type {HTMLElement} */ (document.querySelector("nav"));
let shown = "";
let zoom = 0; // 0 fits the width

/** The modules around a path, from the outside. @param {string} path @returns {string[]} */
function around(path) {
  const parts = path.match(/[^.]+(?:\.\d+)*/g) ?? [];
  return ["", ...parts.map((_, n) => parts.slice(0, n + 1).join("."))].filter((name) => names.has(name));
}

/** @param {string} path @param {boolean} [focus] */
function open(path, focus = true) {
  if (!names.has(path)) return;
  shown = path;
  zoom = 0;
  show();
  try {
    history.replaceState(null, "", path ? `#${encodeURIComponent(path)}` : "#");
  } catch {
    // a frame has no address of its own
  }
  if (focus) /** @type {HTMLElement | null} */ (nav.querySelector("[aria-current]"))?.focus();
}

function show() {
  for (const view of views) view.hidden = view.dataset.view !== shown;
  const steps = around(shown).map((name, n, all) => {
    const before = all[n - 1] ?? "";
    const text = name === "" ? "whole graph" : before ? name.slice(before.length + 1) : name;
    return button(text, () => open(name), name === shown ? { "aria-current": "page" } : {});
  });
  const space = make("span", { class: "space" });
  const fit = button("Fit", () => scale(0));
  const out = button("−", () => scale((zoom || fitted()) / ZOOM), { "aria-label": "Smaller" });
  const into = button("+", () => scale((zoom || fitted()) * ZOOM), { "aria-label": "Larger" });
  nav.replaceChildren(...steps, space, out, fit, into);
  scale(zoom);
}

/** @param {string} text @param {() => void} act @param {Record<string, string>} attributes */
function button(text, act, attributes = {}) {
  const b = make("button", { type: "button", ...attributes }, text);
  b.addEventListener("click", act);
  return b;
}

function picture() {
  return /** @type {SVGSVGElement} */ (views.find((view) => !view.hidden)?.querySelector("svg"));
}

/** The zoom at which the picture is as wide as the page, but not larger than it is. */
function fitted() {
  return Math.min(1, (document.documentElement.clientWidth - 24) / picture().viewBox.baseVal.width);
}

/** @param {number} factor */
function scale(factor) {
  zoom = factor;
  const svg = picture();
  svg.style.width = `${Math.max(zoom || fitted(), 0.05) * svg.viewBox.baseVal.width}px`;
}

for (const card of document.querySelectorAll("[data-path]")) {
  const path = card.getAttribute("data-path") ?? "";
  if (!names.has(path)) continue;
  card.setAttribute("tabindex", "0");
  card.setAttribute("role", "button");
  card.setAttribute("aria-label", `open ${path}`);
  card.addEventListener("click", () => open(path));
  card.addEventListener("keydown", (event) => {
    const key = /** @type {KeyboardEvent} */ (event).key;
    if (key !== "Enter" && key !== " ") return;
    event.preventDefault();
    open(path);
  });
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape") open(around(shown).at(-2) ?? "");
});
addEventListener("resize", () => scale(zoom));
open(decodeURIComponent(location.hash.slice(1)), false);
show();
