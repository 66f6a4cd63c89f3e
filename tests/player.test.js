// The player's pure parts: what is known after a step, and how an answer is judged. Runs with deno test or node --test.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mathElement } from "../autograd/drawing/elements.js";
import { judge, parse } from "../autograd/drawing/quiz.js";
import { stateAt, toNumber } from "../autograd/drawing/recording.js";

/** x * x at 3: two contributions to one node. */
const recording = {
  root: "y",
  scale: 6,
  nodes: [
    { role: "leaf", name: "x", symbol: "", text: "3", module: "", line: "", does: "", math: null },
    { role: "operation", name: "y", symbol: "×", text: "9", module: "", line: "", does: "", math: null },
  ],
  edges: [
    { source: 0, target: 1, local: 3, text: "3", rule: null },
    { source: 0, target: 1, local: 3, text: "3", rule: null },
  ],
  steps: [
    { phase: "start", say: "", math: null },
    { phase: "forward", say: "", math: null, node: 1, shown: "9" },
    { phase: "seed", say: "", math: null, node: 1, shown: "1" },
    backward({ edge: 0, upstream: 1, local: 3, contribution: 3, before: null, after: 3, shown: "3" }),
    backward({ edge: 1, upstream: 1, local: 3, contribution: 3, before: 3, after: 6, shown: "6" }),
    { phase: "end", say: "", math: null },
  ],
};

/** @param {Partial<import("../autograd/drawing/recording.js").Step>} step
 * @returns {import("../autograd/drawing/recording.js").Step} */
function backward(step) {
  return { phase: "backward", say: "", math: null, ...step };
}

test("what is known after each step", () => {
  const states = recording.steps.map((_, k) => stateAt(recording, k));
  assert.deepEqual(states.map((s) => s.data), [["3", ""], ...Array(5).fill(["3", "9"])]);
  assert.deepEqual(states.map((s) => s.grad), [
    ["", ""],
    ["", ""],
    ["", "1"],
    ["3", "1"],
    ["6", "1"],
    ["6", "1"],
  ]);
  assert.deepEqual(states.map((s) => s.used.size), [0, 0, 0, 1, 2, 2]);
  assert.deepEqual(states[4].size, [1, 1 / 6]);
});

test("where nothing flows nothing changes", () => {
  const step = backward({
    edge: 0,
    upstream: 1,
    local: null,
    contribution: null,
    before: null,
    after: null,
    shown: "",
  });
  const shut = { ...recording, steps: [...recording.steps.slice(0, 3), step] };
  assert.deepEqual(stateAt(shut, 3), stateAt(shut, 2));
});

test("a gradient that is no number is as large as can be", () => {
  const step = backward({
    edge: 0,
    upstream: 1,
    local: "nan",
    contribution: "nan",
    before: null,
    after: "nan",
    shown: "nan",
  });
  assert.equal(stateAt({ ...recording, steps: [step] }, 0).size[0], 1);
});

test("numbers that JSON does not have", () => {
  assert.deepEqual([toNumber("inf"), toNumber("-inf"), toNumber(2)], [Infinity, -Infinity, 2]);
  assert.deepEqual([toNumber("nan"), toNumber(null), toNumber(undefined)], [NaN, NaN, NaN]);
});

test("what people type", () => {
  const typed = [
    "2",
    " -1.5 ",
    "\u22121.5",
    "0,25",
    "1e-3",
    "inf",
    "-∞",
    "nan",
    "2*-3",
    "(−2) × 0.5",
    "7/10",
    "2·3/4",
    "0,786",
    "1 + 2*(3 - .5)",
    "2e-1-1",
  ];
  assert.deepEqual(typed.map(parse), [
    2,
    -1.5,
    -1.5,
    0.25,
    0.001,
    Infinity,
    -Infinity,
    NaN,
    -6,
    -1,
    0.7,
    1.5,
    0.786,
    6,
    -0.8,
  ]);
  for (const none of ["", " ", "two", "1 2", "2*", "/", "1,500", "(1", "1)", "e", ".", "1+", "2x", "inf-inf"]) {
    assert.equal(parse(none), undefined);
  }
});

const step = backward({ upstream: 2, local: -3, contribution: -6, before: 10, after: 4 });

test("the right answer, within tolerance", () => {
  const third = backward({ upstream: 2, local: 0.6175, contribution: 1.235, before: null, after: 1.235 });
  for (const answer of [1.24, 1.235, 1.234]) assert.equal(judge(third, answer).right, true);
  for (const answer of [4, 4.005, 3.995]) assert.equal(judge(step, answer).right, true);
  for (const answer of [4.1, 0, NaN, Infinity]) assert.equal(judge(step, answer).right, false);
  assert.match(judge(step, 4.1).say, /Not yet/);
  const fourth = backward({ upstream: 1, local: 0.7864, contribution: 0.7864, before: null, after: 0.7864 });
  for (const answer of [0.8, 0.79]) assert.match(judge(fourth, answer).say, /Close: give one more digit/);
  for (const answer of [0.75, 0.81, 0.82]) assert.match(judge(fourth, answer).say, /Not yet/);
});

test("a wrong answer is told which factor was forgotten", () => {
  /** @type {[number, RegExp][]} */
  const hints = [
    [-6, /contribution alone\. Add it/],
    [10, /before accumulation\. Add/],
    [2, /upstream gradient\. Multiply it by the local/],
    [-3, /local derivative\. Multiply it by the upstream/],
    [-4, /look at the sign/],
    [77, /Not yet: it is upstream times local, added to what was there/],
    [NaN, /Not yet/],
  ];
  for (const [answer, text] of hints) {
    const verdict = judge(step, answer);
    assert.equal(verdict.right, false);
    assert.match(verdict.say, text);
  }
});

test("without anything there before, accumulation is not mentioned", () => {
  const first = backward({ upstream: 2, local: -3, contribution: -6, before: null, after: -6 });
  assert.equal(judge(first, -6).right, true);
  assert.match(judge(first, 5).say, /upstream times local\.$/);
  assert.match(judge(first, 6).say, /sign/);
});

test("a small contribution to a large gradient is not rounded away", () => {
  const small = backward({ upstream: 1, local: 0.01, contribution: 0.01, before: 1, after: 1.01 });
  assert.match(judge(small, 1).say, /before accumulation/);
  const tiny = backward({ upstream: 1, local: 1, contribution: 1, before: 1200, after: 1201 });
  assert.match(judge(tiny, 1200).say, /before accumulation/);
  const cancel = backward({ upstream: 1, local: -999.5, contribution: -999.5, before: 1000, after: 0.5 });
  assert.equal(judge(cancel, 0).right, false);
  assert.match(judge(cancel, -0.5).say, /sign/);
  const small2 = backward({ upstream: 1e-10, local: 1e-10, contribution: 1e-20, before: null, after: 1e-20 });
  assert.match(judge(small2, 1e-10).say, /upstream/);
});

test("what follows from the rounded numbers on the cards is right", () => {
  const steep = backward({ upstream: 1, local: 0.001341, contribution: 0.001341, before: null, after: 0.001341 });
  assert.equal(judge(steep, 0.001399, true).right, true); // 1 - 0.9993²
  assert.equal(judge(steep, 0.001399).right, false);
  const flat = backward({ upstream: 1e5, local: 1e-4, contribution: 10, before: null, after: 10 });
  for (const answer of [0, 5, 20]) assert.equal(judge(flat, answer, true).right, false);
  const saturated = backward({ upstream: 1, local: 2.458e-5, contribution: 2.458e-5, before: null, after: 2.458e-5 });
  assert.match(judge(saturated, 0, true).say, /too rounded for this one: press Show it/);
  const sum = backward({ upstream: 0.33333, local: 3000, contribution: 999.99, before: -999.6, after: 0.39 });
  assert.equal(judge(sum, 0.3333 * 3000 - 999.6).right, true);
});

test("answers that are no numbers", () => {
  const endless = backward({ upstream: 1, local: "inf", contribution: "inf", before: null, after: "inf" });
  assert.equal(judge(endless, Infinity).right, true);
  assert.equal(judge(endless, 3).right, false);
  const none = backward({ upstream: 1, local: "nan", contribution: "nan", before: null, after: "nan" });
  assert.equal(judge(none, NaN).right, true);
});

test("zero is zero", () => {
  const zero = backward({ upstream: 0, local: 5, contribution: 0, before: null, after: 0 });
  assert.equal(judge(zero, 0).right, true);
  assert.match(judge(zero, 5).say, /local derivative/);
});

test("only known tags become elements, and text stays text", () => {
  /** @type {string[]} */
  const made = [];
  const node = { setAttribute() {}, append() {} };
  Object.assign(globalThis, {
    document: {
      createElementNS(/** @type {string} */ _, /** @type {string} */ tag) {
        made.push(tag);
        return node;
      },
      createTextNode: (/** @type {string} */ text) => text,
    },
  });
  mathElement(["script", ["mi", "<b>"], ["mrow.grad", "x"], ["iframe"]]);
  assert.deepEqual(made.sort(), ["mi", "mrow", "mrow", "mrow"]);
  assert.equal(mathElement("<script>"), "<script>");
});
