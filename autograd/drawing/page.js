// The page around the player: its address, and what of it is seen.

/** The step that the address names, as `lesson.html#8` does. @returns {number | undefined} */
export function readStep() {
  const place = /^#(\d+)$/.exec(location.hash);
  return place ? Number(place[1]) : undefined;
}

/** Writes a step into the address. @param {number} k */
export function writeStep(k) {
  try {
    history.replaceState(null, "", `#${k}`);
  } catch {
    // a frame has no address of its own
  }
}

/** Scrolls so that a card is seen, between what stays at the top and the panel. @param {Element | null} card
 * @param {Element} stage @param {Element} panel */
export function reveal(card, stage, panel) {
  if (!card) return;
  const [box, frame] = [card.getBoundingClientRect(), stage.getBoundingClientRect()];
  if (box.left < frame.left + 40 || box.right > frame.right - 40) {
    stage.scrollLeft += (box.left + box.right - frame.left - frame.right) / 2;
  }
  const bottom = panel.getBoundingClientRect().top;
  if (frame.height > bottom - Math.max(0, frame.top) && (box.top < 40 || box.bottom > bottom - 20)) {
    scrollBy(0, (box.top + box.bottom - bottom) / 2);
  }
}
