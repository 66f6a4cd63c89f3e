// The quiz: what somebody typed, and what is to be said of it.

/** @typedef {import("./recording.js").Step} Step */

import { toNumber } from "./recording.js";

/** What somebody typed, as a number: `-0.5`, `0,5`, `2*(1 - 0.25)`, `inf`; undefined if it is none.
 * @param {string} text @returns {number | undefined} */
export function parse(text) {
  const plain = text.toLowerCase().replaceAll("\u2212", "-").replace(/[×·]/g, "*").replace("∞", "inf").trim();
  if (plain === "nan") return NaN;
  if (/[1-9]\d*,\d{3}(?!\d)/.test(plain)) return undefined; // 1,500 is more than a thousand to some
  const tokens = plain.replaceAll(",", ".").match(/\d*\.?\d+(e[+-]?\d+)?|\d+\.|inf|\S/g) ?? [];
  const sum = () => {
    let x = product();
    while (tokens[0] === "+" || tokens[0] === "-") x = tokens.shift() === "+" ? x + product() : x - product();
    return x;
  };
  const product = () => {
    let x = factor();
    while (tokens[0] === "*" || tokens[0] === "/") x = tokens.shift() === "*" ? x * factor() : x / factor();
    return x;
  };
  /** @returns {number} */
  const factor = () => {
    const token = tokens.shift() ?? "";
    if (token === "-" || token === "+") return token === "-" ? -factor() : factor();
    if (token === "inf") return Infinity;
    let x = token === "(" ? sum() : /\d/.test(token) ? Number(token) : NaN;
    if (token === "(" && tokens.shift() !== ")") x = NaN;
    if (tokens[0] !== "^") return x;
    tokens.shift();
    return x ** factor();
  };
  const x = sum();
  return tokens.length || Number.isNaN(x) ? undefined : x;
}

/** Judges an answer to "what is the gradient after this step?" and says what was forgotten.
 * @param {Step} step @param {number} answer @param {boolean} hasRule whether the slope has to be worked out from cards,
 *   whose numbers are rounded @returns {{right: boolean, say: string}} */
export function judge(step, answer, hasRule = false) {
  const [after, before, contribution, upstream, local] = [
    step.after,
    step.before,
    step.contribution,
    step.upstream,
    step.local,
  ].map(toNumber);
  const adds = !Number.isNaN(before) || step.before === "nan";
  /** Whether two numbers look the same in four digits. @param {number} a @param {number} b */
  const same = (a, b) => Object.is(a, b) || a === b || Math.abs(1 - a / b) <= 5e-4;
  if (same(answer, after)) return { right: true, say: "Right." };
  const hints = [
    [adds && same(answer, contribution), "That is this contribution alone. Add it to what was there before."],
    [adds && same(answer, before), "That is the value before accumulation. Add this contribution to it."],
    [same(answer, upstream), "That is the upstream gradient. Multiply it by the local derivative."],
    [same(answer, local), "That is the local derivative. Multiply it by the upstream gradient."],
    [same(answer, -after), "The size is right; look at the sign again."],
  ];
  const hint = hints.find(([applies]) => applies);
  if (hint) return { right: false, say: String(hint[1]) };
  // From the numbers on the cards, in four digits, one gets this; and 1 - 0.9993² is off by 1e-4 or so.
  const fromCards = (adds ? shown(before) : 0) + shown(upstream) * shown(local);
  const off = Number.isFinite(after) ? Math.min(Math.abs(answer - after), Math.abs(answer - fromCards)) : NaN;
  /** Whether the answer is what is right, rounded to so many digits. @param {number} digits */
  const to = (digits) => [after, fromCards].some((x) => Number(x.toPrecision(digits)) === answer);
  const slack = hasRule ? 1e-4 * Math.abs(upstream) : 0;
  if (to(3) || off <= 0.002 * Math.abs(after) || off <= Math.min(slack, 0.1 * Math.abs(after))) {
    return { right: true, say: "Right." };
  }
  if (to(1) || to(2)) return { right: false, say: "Close: give one more digit." };
  if (off <= slack) {
    return { right: false, say: "The numbers on the cards are too rounded for this one: press Show it." };
  }
  return { right: false, say: `Not yet: it is upstream times local${adds ? ", added to what was there" : ""}.` };
}

/** A number as a card shows it. @param {number} x */
function shown(x) {
  return Number.isFinite(x) ? Number(x.toPrecision(4)) : x;
}
