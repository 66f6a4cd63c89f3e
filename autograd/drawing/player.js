// Plays a recording of both passes over its picture. It computes no gradient: every number comes from the recording,
// whose format stands in recording.py. Whatever a person wrote reaches the page as text, never as markup.

/** A piece of MathML as nested lists: [tag, child, ...]; a tag may carry a class, "mrow.grad".
 * @typedef {string | number | any[]} Markup */
/** @typedef {number | "nan" | "inf" | "-inf" | null} Num */
/** @typedef {{role: string, name: string, symbol: string, text: string, module: string, line: string, does: string,
 *   math: Markup | null}} Node */
/** @typedef {{source: number, target: number, local: Num, text: string, rule: Markup | null}} Edge */
/** @typedef {{phase: string, say: string, math: Markup | null, node?: number, edge?: number, shown?: string,
 *   upstream?: Num, local?: Num, contribution?: Num, before?: Num, after?: Num}} Step */
/** @typedef {{root: string, scale: number, nodes: Node[], edges: Edge[], steps: Step[], pieces?: Markup[]}} Recording */
/** @typedef {{step: number, go: (step: number) => void, stop: () => void}} Player */
/** What is known after a step: the text of each node's data and gradient, and where the gradient flowed.
 * @typedef {{data: string[], grad: string[], size: number[], used: Set<number>}} State */

const MATHML = "http://www.w3.org/1998/Math/MathML";
const TAGS = new Set(["math", "mrow", "mi", "mn", "mo", "mtext", "mfrac", "msub", "msup", "msqrt", "munder"]);
const SECONDS = 1.6;
const ICONS = {
  first: "M5 4v12M16 4 8 10l8 6z",
  back: "M13 3.5 6.5 10 13 16.5 14.5 15 9.5 10l5-5z",
  play: "M6 3.5 16 10 6 16.5z",
  pause: "M6 4h3v12H6zM12 4h3v12h-3z",
  next: "M7 3.5 13.5 10 7 16.5 5.5 15l5-5-5-5z",
  last: "M15 4v12M4 4l8 6-8 6z",
};

/** @param {Num | undefined} x @returns {number} */
export function toNumber(x) {
  if (x === "inf") return Infinity;
  if (x === "-inf") return -Infinity;
  return typeof x === "number" ? x : NaN;
}

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

/** Everything that the page shows after step k, from the beginning. @param {Recording} recording @param {number} k
 * @returns {State} */
export function stateAt(recording, k) {
  const data = recording.nodes.map((n) => n.role === "operation" ? "" : n.text);
  const grad = recording.nodes.map(() => "");
  const size = recording.nodes.map(() => 0);
  const used = new Set();
  for (const step of recording.steps.slice(0, k + 1)) {
    if (step.phase === "forward") data[step.node ?? 0] = step.shown ?? "";
    if (step.phase === "seed") {
      grad[step.node ?? 0] = step.shown ?? "";
      size[step.node ?? 0] = 1 / recording.scale;
    }
    if (step.phase === "backward" && step.edge !== undefined && step.contribution !== null) {
      const node = recording.edges[step.edge].source;
      grad[node] = step.shown ?? "";
      const share = Math.abs(toNumber(step.after)) / recording.scale;
      size[node] = share <= 1 ? share : 1; // what is no number is as large as can be
      used.add(step.edge);
    }
    if (step.phase === "end") recording.nodes.forEach((n, i) => grad[i] ||= n.role === "constant" ? "" : "0");
  }
  return { data, grad, size, used };
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

/** @param {string} tag @param {Record<string, string>} attributes @param {...(string | Element | Text)} children
 * @returns {HTMLElement} */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** @param {string} path @returns {SVGElement} */
function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/**
 * Makes `host`, which holds the picture as an SVG, into a player. Keys reach it through `keys`, the host unless told.
 * @param {HTMLElement} host @param {Recording} recording
 * @param {{keys?: EventTarget, changed?: (step: number) => void}} options @returns {Player}
 */
export function play(host, recording, { keys = host, changed = () => {} } = {}) {
  const { nodes, edges, steps, pieces = [] } = recording;
  /** @param {Markup | null} math */
  const formula = (math) => math === null ? [] : [mathElement(["math", math], pieces)];
  const svg = host.querySelector("svg.agraph");
  if (!svg) throw new Error("the player needs the picture");
  let current = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  let speed = 1;
  let quiz = false;
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
  speeds.addEventListener("change", () => {
    speed = Number(speeds.value);
    if (timer) start();
  });
  const quizButton = make("button", { type: "button", class: "quiz", "aria-pressed": "false" }, "Quiz");
  quizButton.addEventListener("click", () => {
    quiz = !quiz;
    stop();
    answered.clear();
    missed.clear();
    solved.clear();
    quizButton.setAttribute("aria-pressed", String(quiz));
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
  const arrows = edges.map((_, i) => svg.querySelector(`.arrow[data-edge="${i}"]`));
  const pills = edges.map((_, i) => svg.querySelector(`.pill[data-edge="${i}"]`));
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
    timer = setInterval(() => go(current + 1), (1000 * SECONDS) / speed);
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
    rule.replaceChildren(...formula(reason));
    question.hidden = !hidden;
    question.replaceChildren(...(hidden ? ask(step) : []));
    if (open >= 0) describe(open);
    if (active !== undefined) follow(cards[active]);
  }

  /** Scrolls so that the active card is seen. @param {Element | null} card */
  function follow(card) {
    if (!card || current === 0) return;
    const [box, frame] = [card.getBoundingClientRect(), stage.getBoundingClientRect()];
    if (box.left < frame.left + 40 || box.right > frame.right - 40) {
      stage.scrollLeft += (box.left + box.right - frame.left - frame.right) / 2;
    }
    const bottom = panel.getBoundingClientRect().top;
    if (frame.height > bottom - Math.max(0, frame.top) && (box.top < 40 || box.bottom > bottom - 20)) {
      scrollBy(0, (box.top + box.bottom - bottom) / 2);
    }
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
        reply.textContent = "Write a number, such as 1500 or -0.25, or a sum such as 1 + 2*3.";
        return;
      }
      const verdict = judge(step, answer, edge.rule !== null);
      if (!verdict.right) missed.add(k);
      else if (!missed.has(k)) solved.add(k);
      if (verdict.right) done(`Right. (${solved.size} of ${answered.size + 1} at the first try.)`);
      else reply.textContent = verdict.say;
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
      const shown = edge.local === null ? "nothing flows there" : edge.rule !== null ? ` = ${number}` : number;
      entry(`by ${nodes[edge.source].name}`, ...formula(edge.rule), shown);
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
  return {
    get step() {
      return current;
    },
    go,
    stop,
  };
}

/** For anywidget: the same player, whose step Python can set and read. */
export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el }) {
    const { svg, ...recording } = model.get("recording");
    const picture = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
    el.append(document.importNode(picture, true));
    const player = play(el, recording, {
      changed(step) {
        if (model.get("step") !== step) {
          model.set("step", step);
          model.save_changes();
        }
      },
    });
    const follow = () => {
      if (model.get("step") !== player.step) player.go(model.get("step"));
    };
    follow();
    model.on("change:step", follow);
    return () => {
      model.off("change:step", follow);
      player.stop();
    };
  },
};
