const image = document.querySelector("img");
const play = document.querySelector("button");
const slider = document.querySelector("input");
const count = document.querySelector("output");
const data = document.querySelector('script[type="application/json"]');

if (image && play && slider && count && data) {
  /** @type {string[]} */
  const frames = JSON.parse(data.textContent ?? "[]");
  const seconds = Number(document.body.dataset.seconds);
  const last = frames.length - 1;
  let timer = 0;

  /** @param {number} i */
  const show = (i) => {
    image.src = `data:image/png;base64,${frames[i]}`;
    slider.value = String(i);
    count.value = `${i + 1} of ${frames.length}`;
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  play.addEventListener("click", () => {
    if (timer) {
      stop();
      return;
    }
    play.textContent = "Pause";
    let i = Number(slider.value) === last ? 0 : Number(slider.value);
    show(i);
    timer = setInterval(() => {
      i += 1;
      show(i);
      if (i === last) stop();
    }, 1000 * seconds);
  });
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
}
