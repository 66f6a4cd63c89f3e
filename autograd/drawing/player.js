// Plays a recording of both passes over its picture. It computes no gradient: every number comes from the recording,
// whose format stands in recording.py. The page and the widget hold this and the files it imports as one script.

/** @typedef {import("./elements.js").Markup} Markup */
/** @typedef {import("./recording.js").Node} Node */
/** @typedef {import("./recording.js").Step} Step */
/** @typedef {import("./recording.js").Recording} Recording */
/** @typedef {{step: number, go: (step: number) => void, stop: () => void}} Player */

import { icon, ICONS, make, mathElement } from "./elements.js";
import { readStep, reveal, writeStep } from "./page.js";
import { judge, parse } from "./quiz.js";
import { stateAt } from "./recording.js";

const SECONDS = 1.6;

/**
 * Makes `host`, which holds the picture as an SVG, into a player. Keys reach it through `keys`, the host unless told.
 * @param {HTMLElement} host @param {Recording} recording
 * linked: whether the address of the page names the step, as `lesson.html#8` does. quizzed: whether it opens as a quiz.
 * @param {{keys?: EventTarget, changed?: (step: number) => void, linked?: boolean, quizzed?: boolean}} options
 * @returns {Player}
 */
export function play(host, recording, { keys = host, changed = () => {}, linked = false, quizzed = false } = {}) {
  const { nodes, edges, steps, pieces = [] } = recording;
  /** @param {Markup | null} math */
  const formula = (math) => math === null ? [] : [mathElement(["math", math], pieces)];
  const svg = host.querySelector("svg.agraph");
  if (!svg) throw new Error("the player needs the picture");
  let current = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  let quiz = false;
  let hard = false; // the formulas are hidden too
  let open = -1; // the node whose card is enlarged
  /** @type {Set<number>} steps whose number is known to the reader */
  const answered = new Set();
  /** @type {Set<number>} steps with a wrong answer */
  const missed = new Set();
  /** @type {Set<number>} steps whose first answer was right */
  const solved = new Set();

  /** @param {string} label @param {string} path @param {() => void} act */
  const button = (label, path, act) => {
    const b = make("button", { type: "button", "aria-label": label, title: label }, icon(path));
    b.addEventListener("click", act);
    return b;
  };
  /** @param {Node} node */
  const kind = (node) => node.role === "operation" ? node.symbol : node.role === "leaf" ? "input" : node.role;
  const playButton = button("Play", ICONS.play, () => timer ? stop() : start());
  const slider = /** @type {HTMLInputElement} */ (make("input", {
    type: "range",
    min: "0",
    max: String(steps.length - 1),
    value: "0",
    "aria-label": "Step",
  }));
  slider.addEventListener("input", () => go(Number(slider.value)));
  const count = make("span", { class: "count" });
  const speeds = /** @type {HTMLSelectElement} */ (make(
    "select",
    { "aria-label": "Speed" },
    ...["0.5", "1", "2", "4"].map((x) => make("option", { value: x }, `${x}×`)),
  ));
  speeds.value = "1";
  speeds.addEventListener("change", () => timer ? start() : undefined);
  const quizButton = make("button", { type: "button", class: "quiz", "aria-pressed": "false" }, "Quiz");
  const hardButton = make(
    "button",
    { type: "button", class: "hard", "aria-pressed": "false", hidden: "" },
    "Without formulas",
  );
  hardButton.addEventListener("click", () => {
    hard = !hard;
    hardButton.setAttribute("aria-pressed", String(hard));
    show();
  });
  quizButton.addEventListener("click", () => {
    quiz = !quiz;
    stop();
    answered.clear();
    missed.clear();
    solved.clear();
    quizButton.setAttribute("aria-pressed", String(quiz));
    hardButton.hidden = !quiz;
    go(quiz && !hides(current) ? nextQuestion() : current);
    if (quiz && !hides(current)) say.textContent = "There is nothing to ask here: no gradient is handed on.";
    (quiz ? question.querySelector("input") : host)?.focus();
  });
  const phase = make("span", { class: "phase" });
  const bar = make(
    "div",
    { class: "bar" },
    button("First step (Home)", ICONS.first, () => go(0)),
    button("Previous step (left arrow)", ICONS.back, () => go(current - 1)),
    playButton,
    button("Next step (right arrow)", ICONS.next, () => go(current + 1)),
    button("Last step (End)", ICONS.last, () => go(steps.length - 1)),
    slider,
    count,
    speeds,
    quizButton,
    hardButton,
    phase,
  );

  const stage = make("div", { class: "stage" });
  const heading = make("span");
  const list = make("dl");
  const cross = make("button", { type: "button", "aria-label": "Close" }, "×");
  cross.addEventListener("click", close);
  const details = make(
    "section",
    { class: "details", role: "dialog", "aria-label": "Node", hidden: "" },
    make("h3", {}, heading, cross),
    list,
  );
  stage.append(svg);
  const say = make("p", { class: "say" });
  const equation = make("div", { class: "equation" });
  const rule = make("div", { class: "rule" });
  const question = make("form", { class: "question", hidden: "" });
  const panel = make(
    "div",
    { class: "panel" },
    make("div", { role: "status", "aria-live": "polite" }, say, equation, rule),
    question,
    make(
      "p",
      { class: "hint" },
      "Click a card for more. Orange frames grow with the gradient; black receives, dashed gives.",
    ),
  );
  host.classList.add("stepper");
  host.append(bar, stage, panel, details);

  /** @param {string} selector @returns {(Element | null)[]} */
  const parts = (selector) => nodes.map((_, i) => svg.querySelector(`.node[data-node="${i}"]${selector}`));
  const [cards, dataTexts, gradTexts] = [parts(""), parts(" .number.data"), parts(" .number.grad")];
  const ownTexts = parts(" .number.local"); // what another engine found
  const own = ownTexts.map((text) => text?.textContent ?? "");
  const arrows = edges.map((_, i) => svg.querySelector(`.arrow[data-edge="${i}"]`));
  const pills = edges.map((_, i) => svg.querySelector(`.label[data-edge="${i}"]`));
  cards.forEach((card, i) => {
    if (!card || nodes[i].role === "constant") return;
    card.setAttribute("tabindex", "0");
    card.setAttribute("role", "button");
    card.addEventListener("click", () => enlarge(i));
    card.addEventListener("keydown", (event) => {
      const key = /** @type {KeyboardEvent} */ (event).key;
      if (key === "Enter" || key === " ") {
        event.preventDefault();
        event.stopPropagation();
        enlarge(i);
      }
    });
  });
  stage.addEventListener("click", (event) => {
    if (!(/** @type {Element} */ (event.target).closest(".node"))) close();
  });

  /** Whether a step's number is still to be found by the reader. @param {number} k */
  const hides = (k) => quiz && steps[k].phase === "backward" && steps[k].contribution !== null && !answered.has(k);

  /** The next step that asks something; after the last one the first. */
  function nextQuestion() {
    const asking = steps.map((_, k) => k).filter(hides);
    return asking.find((k) => k > current) ?? asking[0] ?? current;
  }

  function start() {
    clearInterval(timer);
    if (hides(current)) return;
    if (current >= steps.length - 1) go(0);
    timer = setInterval(() => go(current + 1), (1000 * SECONDS) / Number(speeds.value));
    showPlaying();
  }

  function stop() {
    clearInterval(timer);
    timer = undefined;
    showPlaying();
  }

  function showPlaying() {
    const [word, path] = timer ? ["Pause", ICONS.pause] : ["Play", ICONS.play];
    playButton.replaceChildren(icon(path), word);
    playButton.setAttribute("aria-label", word);
    playButton.title = `${word} (space)`;
  }

  /** @param {number} k */
  function go(k) {
    k = Math.max(0, Math.min(steps.length - 1, k));
    for (let open = current; open < k; open++) if (hides(open)) k = open; // a question is answered before one goes on
    current = k;
    if (timer && (current === steps.length - 1 || hides(current))) stop();
    show();
    if (linked) writeStep(current);
    changed(current);
  }

  function show() {
    const step = steps[current];
    const hidden = hides(current);
    const state = stateAt(recording, current);
    const edge = step.edge === undefined ? undefined : edges[step.edge];
    const active = edge ? edge.source : step.node;
    nodes.forEach((node, i) => {
      const grad = hidden && i === active ? "?" : state.grad[i] || "·";
      const data = state.data[i] || "·";
      if (dataTexts[i]) dataTexts[i].textContent = data;
      if (gradTexts[i]) gradTexts[i].textContent = grad;
      const asked = steps.some((s, k) => hides(k) && edges[s.edge ?? 0].source === i);
      if (ownTexts[i]) ownTexts[i].textContent = asked ? "?" : own[i];
      const card = cards[i];
      if (!card) return;
      card.classList.toggle("active", i === active);
      card.classList.toggle("giver", i === edge?.target);
      card.classList.toggle("waiting", !state.data[i]);
      const size = hidden && i === active ? 0 : state.size[i];
      /** @type {SVGElement} */ (card).style.setProperty("--share", size.toFixed(3));
      const known = [state.data[i] && `data ${data}`, state.grad[i] && `gradient ${grad}`].filter(Boolean);
      card.setAttribute("aria-label", [node.name || node.text, kind(node), ...known].join(", "));
    });
    edges.forEach((_, i) => {
      const on = i === step.edge;
      arrows[i]?.classList.toggle("active", on && step.contribution !== null);
      arrows[i]?.classList.toggle("shut", on && step.contribution === null);
      arrows[i]?.classList.toggle("used", state.used.has(i) && !on);
      arrows[i]?.classList.toggle("feeding", step.phase === "forward" && edges[i].target === step.node);
      pills[i]?.classList.toggle("on", on && !hidden);
    });
    slider.value = String(current);
    slider.setAttribute("aria-valuetext", `${current} of ${steps.length - 1}, ${step.phase}: ${step.say}`);
    count.textContent = `${current} / ${steps.length - 1}`;
    phase.textContent = step.phase;
    phase.className = `phase ${step.phase}`;
    say.textContent = step.say;
    equation.replaceChildren(...formula(hidden ? null : step.math));
    const reason = step.edge === undefined ? null : edges[step.edge].rule;
    rule.replaceChildren(...formula(hidden && hard ? null : reason));
    if (quiz && step.phase === "end") say.append(" ", ...score());
    question.hidden = !hidden;
    question.replaceChildren(...(hidden ? ask(step) : []));
    if (open >= 0) describe(open);
    if (active !== undefined && current > 0) reveal(cards[active], stage, panel);
  }

  /** How the quiz went, and what to look at again. @returns {(string | Element)[]} */
  function score() {
    const asked = steps.filter((step) => step.phase === "backward" && step.contribution !== null).length;
    const again = [...answered].filter((k) => !solved.has(k)).sort((a, b) => a - b);
    const links = again.flatMap((k, n) => {
      const link = make("button", { type: "button", class: "again" }, String(k));
      link.addEventListener("click", () => go(k));
      return n ? [", ", link] : [link];
    });
    return [
      `${solved.size} of ${asked} right at the first try.`,
      ...(links.length ? [" Look again at: ", ...links] : []),
    ];
  }

  /** The question of a backward step. @param {Step} step @returns {Element[]} */
  function ask(step) {
    const k = current;
    const edge = edges[step.edge ?? 0];
    const operand = nodes[edge.source].name;
    const state = stateAt(recording, k - 1);
    const given = [`The gradient of ${nodes[edge.target].name} is ${state.grad[edge.target]}.`];
    if (step.before !== null) given.push(`${operand} has ${state.grad[edge.source]} already.`);
    const input = /** @type {HTMLInputElement} */ (make("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      size: "12",
    }));
    const reply = make("span", { class: "reply", role: "status" });
    const reveal = make("button", { type: "button" }, "Show it");
    const label = make(
      "label",
      {},
      `${given.join(" ")} What is the gradient of ${operand} after this step, to 3 digits? `,
      input,
    );
    /** @param {string} text */
    const done = (text) => {
      answered.add(k);
      show();
      say.textContent = `${text} ${step.say}`.trim();
      const next = make("button", { type: "button" }, "Next");
      next.addEventListener("click", () => {
        go(current + 1);
        (question.querySelector("input") ?? host).focus();
      });
      question.replaceChildren(next);
      question.hidden = false;
      next.focus();
    };
    question.onsubmit = (event) => {
      event.preventDefault();
      const answer = parse(input.value);
      if (answer === undefined) {
        reply.textContent = "✗ Write a number, such as 1500 or -0.25, or a sum such as 1 + 2*3.";
        return;
      }
      const verdict = judge(step, answer, edge.rule !== null);
      if (!verdict.right) missed.add(k);
      else if (!missed.has(k)) solved.add(k);
      if (verdict.right) done(`✓ Right. (${solved.size} of ${answered.size + 1} at the first try.)`);
      else reply.textContent = `✗ ${verdict.say}`;
    };
    reveal.addEventListener("click", () => done(""));
    return [label, make("button", { type: "submit" }, "Check"), reveal, reply];
  }

  /** Shows a node's card enlarged, beside where it stands. @param {number} i */
  function enlarge(i) {
    open = i;
    details.hidden = false;
    describe(i);
    const card = /** @type {Element} */ (cards[i]).getBoundingClientRect();
    const frame = host.getBoundingClientRect();
    const left = (card.left + card.right) / 2 - frame.left - details.offsetWidth / 2;
    const top = Math.max(card.top, 0) - frame.top - 12;
    /** @param {number} x @param {number} most */
    const within = (x, most) => `${Math.max(8, Math.min(most - 8, x))}px`;
    details.style.left = within(left, host.clientWidth - details.offsetWidth);
    details.style.top = within(top, host.clientHeight - details.offsetHeight);
    cross.focus({ preventScroll: true });
  }

  function close() {
    if (open < 0) return;
    details.hidden = true;
    /** @type {HTMLElement | null} */ (/** @type {unknown} */ (cards[open]))?.focus();
    open = -1;
  }

  /** @param {number} i */
  function describe(i) {
    const node = nodes[i];
    const state = stateAt(recording, current);
    const hidden = hides(current) && edges[steps[current].edge ?? 0].source === i;
    list.replaceChildren();
    /** @param {string} term @param {...(string | Element | Text)} description */
    const entry = (term, ...description) => {
      const text = description.filter((x) => x !== "");
      if (text.length) list.append(make("dt", {}, term), make("dd", { class: term }, ...text));
    };
    entry("data", state.data[i] || "not computed yet");
    entry("grad", hidden ? "?" : state.grad[i] || "no gradient yet");
    entry("computed", ...formula(state.data[i] ? node.math : null));
    edges.forEach((edge, e) => {
      if (edge.target !== i || nodes[edge.source].role === "constant") return;
      const asks = steps.some((step, k) => step.edge === e && k >= current && hides(k));
      const number = asks || !state.data[i] ? "?" : edge.text;
      const told = asks && hard ? null : edge.rule;
      const shown = edge.local === null ? "nothing flows there" : edge.rule !== null ? ` = ${number}` : number;
      entry(`by ${nodes[edge.source].name}`, ...formula(told), shown);
    });
    entry("does", node.does);
    entry("module", node.module);
    if (node.line) entry("made at", make("code", {}, node.line));
    heading.replaceChildren(node.name, " ", make("small", {}, kind(node)));
    details.setAttribute("aria-label", `${node.name}, enlarged`);
  }

  host.tabIndex = -1;
  keys.addEventListener("keydown", (raw) => {
    const event = /** @type {KeyboardEvent} */ (raw);
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target instanceof HTMLInputElement && target !== slider;
    if (typing) event.stopPropagation(); // a notebook has shortcuts of its own
    if (event.key === "Escape" && open >= 0) close();
    else if (event.altKey || event.ctrlKey || event.metaKey || typing || target instanceof HTMLSelectElement) return;
    else if (event.key === " " && target instanceof HTMLButtonElement) return;
    else if (event.key === " ") timer ? stop() : start();
    else if (event.key === "ArrowRight" || (event.key === "ArrowUp" && target === slider)) go(current + 1);
    else if (event.key === "ArrowLeft" || (event.key === "ArrowDown" && target === slider)) go(current - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(steps.length - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  showPlaying();
  show();
  const named = linked ? readStep() : undefined;
  if (named !== undefined) go(named);
  else if (quizzed) quizButton.click(); // a link to a step shows that step
  if (linked) addEventListener("hashchange", () => go(readStep() ?? current));
  return {
    get step() {
      return current;
    },
    go,
    stop,
  };
}
