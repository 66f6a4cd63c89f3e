// Elements of the page. Whatever a person wrote reaches it as text, never as markup.

/** A piece of MathML as nested lists: [tag, child, ...]; a tag may carry a class, "mrow.grad".
 * @typedef {string | number | any[]} Markup */

const MATHML = "http://www.w3.org/1998/Math/MathML";
const TAGS = new Set(["math", "mrow", "mi", "mn", "mo", "mtext", "mfrac", "msub", "msup", "msqrt", "munder"]);
export const ICONS = {
  first: "M5 4v12M16 4 8 10l8 6z",
  back: "M13 3.5 6.5 10 13 16.5 14.5 15 9.5 10l5-5z",
  play: "M6 3.5 16 10 6 16.5z",
  pause: "M6 4h3v12H6zM12 4h3v12h-3z",
  next: "M7 3.5 13.5 10 7 16.5 5.5 15l5-5-5-5z",
  last: "M15 4v12M4 4l8 6-8 6z",
};

/** MathML from nested lists; anything that is not known as a tag becomes a row. A number stands for a piece that occurs
 * more than once. @param {Markup} math @param {Markup[]} pieces @returns {Element | Text} */
export function mathElement(math, pieces = []) {
  if (typeof math === "number") return mathElement(pieces[math], pieces);
  if (typeof math === "string") return document.createTextNode(math);
  const [tag, look] = String(math[0]).split(".");
  const element = document.createElementNS(MATHML, TAGS.has(tag) ? tag : "mrow");
  if (look) element.setAttribute("class", look);
  element.append(...math.slice(1).map((/** @type {Markup} */ child) => mathElement(child, pieces)));
  return element;
}

/** An element of HTML. @param {string} tag @param {Record<string, string>} attributes @param {...(string | Element | Text)} children
 * @returns {HTMLElement} */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** @param {string} path @returns {SVGElement} */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}
