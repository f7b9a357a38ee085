// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const pens = Object.fromEntries(
  Array.from(element.querySelectorAll("canvas"), (canvas) => [canvas.dataset.tile, canvas.getContext("2d", { willReadFrequently: true })]),
);
const TILES = ["nothing", "picture", "both", "sum"];
const LESS = [0, 114, 178];
const MORE = [213, 94, 0];
const FRAME_MS = 350; // a step while it plays
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const state = { value: null, steps: [], at: -1, follows: true, timer: 0 };

// --- pictures ------------------------------------------------------------------------------

async function load(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
}

function cut(image, index, count) {
  const side = image.height;
  const canvas = document.createElement("canvas");
  canvas.width = image.width / count;
  canvas.height = side;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, -index * canvas.width, 0);
  return pen.getImageData(0, 0, canvas.width, side);
}

function put(name, data) {
  const { canvas } = pens[name];
  if (canvas.width !== data.width || canvas.height !== data.height) [canvas.width, canvas.height] = [data.width, data.height];
  pens[name].putImageData(data, 0, 0);
}

// Where `more` is brighter than `less`, the mean of red, green and blue: orange; darker: blue.
function difference(more, less) {
  const data = new ImageData(more.width, more.height);
  let squares = 0;
  for (let at = 0; at < data.data.length; at += 4) {
    let sum = 0;
    for (let channel = 0; channel < 3; channel++) {
      const apart = more.data[at + channel] - less.data[at + channel];
      sum += apart;
      squares += apart * apart;
    }
    const share = Math.max(-1, Math.min(1, sum / 3 / props.ends));
    const end = share < 0 ? LESS : MORE;
    for (let channel = 0; channel < 3; channel++) {
      data.data[at + channel] = Math.round(255 + Math.abs(share) * (end[channel] - 255));
    }
    data.data[at + 3] = 255;
  }
  return { data, size: Math.sqrt(squares / (data.data.length * 0.75)) };
}

// --- drawing -------------------------------------------------------------------------------

function tell(name, words) {
  pens[name].canvas.setAttribute("aria-label", words);
}

function draw() {
  const { value, steps, at } = state;
  const step = steps[at];
  if (!step) return;
  for (const name of TILES) put(name, step[name]);
  put("image", step.byImage.data);
  put("text", step.byText.data);
  const when = `step ${step.number} of ${value.total}`;
  find(".where").textContent = when;
  find(".scrub").value = step.number;
  find(".scrub").setAttribute("aria-valuetext", when);
  const image = step.byImage.size.toFixed(1);
  const text = step.byText.size.toFixed(1);
  find(".sizes").textContent = `Size of the differences (root mean square): B − A ${image}, C − B ${text} levels.`;
  tell("nothing", `What the model foresees knowing nothing, ${when}`);
  tell("picture", `What the model foresees knowing the picture, ${when}`);
  tell("both", `What the model foresees knowing picture and instruction, ${when}`);
  tell("sum", `The guided sum, ${when}`);
  tell("image", `What knowing the picture changes: ${image} of 255 levels, root mean square`);
  tell("text", `What knowing the instruction changes: ${text} of 255 levels, root mean square`);
  find(".apart").dataset.step = step.number;
  find(".play").disabled = steps.length < 2;
}

function pause() {
  clearInterval(state.timer);
  state.timer = 0;
  find(".play").textContent = "Play";
}

function play() {
  if (state.at >= state.steps.length - 1) state.at = 0;
  state.follows = false;
  find(".play").textContent = "Pause";
  draw();
  state.timer = setInterval(() => {
    if (!element.isConnected) return pause();
    state.at++;
    draw();
    if (state.at >= state.steps.length - 1) {
      state.follows = true;
      pause();
    }
  }, calm.matches ? 3 * FRAME_MS : FRAME_MS);
}

find(".play").addEventListener("click", () => (state.timer ? pause() : play()));
find(".scrub").addEventListener("input", (event) => {
  pause();
  const wanted = Number(event.target.value);
  const apart = ({ number }) => Math.abs(number - wanted);
  state.at = state.steps.reduce((best, step, index) => (apart(step) < apart(state.steps[best]) ? index : best), 0);
  state.follows = state.at === state.steps.length - 1;
  draw();
});

// --- values --------------------------------------------------------------------------------

async function still(name, src, words) {
  if (!src) return;
  const image = await load(src);
  put(name, cut(image, 0, 1));
  tell(name, words);
}

async function take(value) {
  if (!value) return;
  const fresh = value.serial !== state.value?.serial;
  state.value = value;
  if (fresh) {
    pause();
    state.steps = [];
    state.follows = true;
    find(".scrub").max = value.total;
    find("i.image").textContent = value.image;
    find("i.text").textContent = value.text;
    find(".unknown").hidden = Boolean(value.truth);
    still("source", value.source, "The source");
    still("truth", value.truth, `The true result. ${value.says}`);
  }
  const first = state.steps.length;
  const images = await Promise.all(value.steps.slice(first).map(([, src]) => load(src)));
  if (state.value !== value || state.steps.length > first) return; // newer ones came meanwhile
  images.forEach((image, index) => {
    const step = { number: value.steps[first + index][0] };
    TILES.forEach((name, tile) => { step[name] = cut(image, tile, TILES.length); });
    step.byImage = difference(step.picture, step.nothing);
    step.byText = difference(step.both, step.picture);
    state.steps.push(step);
  });
  if (state.follows) state.at = state.steps.length - 1;
  find(".apart").dataset.done = state.steps.length;
  find(".apart").dataset.serial = value.serial;
  draw();
}

find(".low").textContent = `darker by ${props.ends}`;
find(".high").textContent = `brighter by ${props.ends} of 255 levels, or more (mean of red, green, blue)`;
watch("value", () => take(props.value));
take(props.value);
// Once it is seen: what it opens with takes too long for the start of the app.
const resized = new ResizeObserver(() => {
  if (!element.clientWidth) return; // a hidden tab
  resized.disconnect();
  if (!props.value) trigger("select");
});
resized.observe(element);
