// The player as a widget.

import { play } from "./player.js";

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
