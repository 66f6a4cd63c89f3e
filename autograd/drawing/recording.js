// What a recording holds, and what of it is known after each step. The format is described in recording.py.

/** @typedef {import("./elements.js").Markup} Markup */
/** @typedef {number | "nan" | "inf" | "-inf" | null} Num */
/** @typedef {{phase: string, say: string, math: Markup | null, node?: number, edge?: number, shown?: string,
 *   upstream?: Num, local?: Num, contribution?: Num, before?: Num, after?: Num}} Step */

/** @typedef {{role: string, name: string, symbol: string, text: string, module: string, line: string, does: string,
 *   math: Markup | null}} Node */
/** @typedef {{source: number, target: number, local: Num, text: string, rule: Markup | null}} Edge */
/** @typedef {{root: string, scale: number, nodes: Node[], edges: Edge[], steps: Step[], pieces?: Markup[]}} Recording */
/** What is known after a step: the text of each node's data and gradient, and where the gradient flowed.
 * @typedef {{data: string[], grad: string[], size: number[], used: Set<number>}} State */

/** @param {Num | undefined} x @returns {number} */
export function toNumber(x) {
  if (x === "inf") return Infinity;
  if (x === "-inf") return -Infinity;
  return typeof x === "number" ? x : NaN;
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
