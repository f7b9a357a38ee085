// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const view = find(".view");
const scrub = find(".scrub");
const play = find(".play");
// Not in the template: Gradio writes one that depends on props anew, over what is set here.
view.setAttribute("aria-label", props.label);
const SECONDS = 2; // that playing takes
const FULL_HEAT = 128; // levels of 256: more than this is drawn alike
const HEAT = [[0, 0x10, 0x10, 0x0f], [0.33, 0x7d, 0x3c, 0x00], [0.67, 0xe6, 0x9f, 0x00], [1, 0xff, 0xf3, 0xc4]];

const state = {
  serial: null,
  clip: null, // a value whose pictures are decoded
  at: 0, // the frame that is shown
  divide: 0, // the share of the picture that shows the source
  timer: 0,
};

// --- pictures ------------------------------------------------------------------------------

async function pixels(src, size) {
  const image = new Image();
  await new Promise((resolve) => {
    image.onload = resolve; // decode() would complain of a page that is left meanwhile
    image.src = src;
  });
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, size, size).data;
}

function heat(share) {
  const next = HEAT.findIndex(([place]) => place >= share);
  const [[low, ...from], [high, ...to]] = [HEAT[Math.max(0, next - 1)], HEAT[Math.max(1, next)]];
  return from.map((level, channel) => level + ((to[channel] - level) * (share - low)) / (high - low));
}

const ramp = Array.from({ length: FULL_HEAT + 1 }, (_, level) => heat(level / FULL_HEAT));

// What is left of the column shows the source.
function drawMain(canvas, { size, source }, frame) {
  const column = Math.round(state.divide * size);
  const data = new ImageData(size, size);
  data.data.set(frame || source);
  for (let row = 0; row < size; row++) {
    const start = row * size * 4;
    data.data.set(source.subarray(start, start + column * 4), start);
  }
  canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(data, 0, 0);
}

function drawHeat(canvas, { size, source }, frame) {
  const data = new ImageData(size, size);
  for (let at = 0; at < size * size * 4; at += 4) {
    let most = 0;
    for (let channel = at; channel < at + 3; channel++) {
      if (frame) most = Math.max(most, Math.abs(frame[channel] - source[channel]));
    }
    data.data.set([...ramp[Math.min(FULL_HEAT, most)], 255], at);
  }
  canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(data, 0, 0);
}

// --- the page ------------------------------------------------------------------------------

function make(tag, name, parent, text = "") {
  const node = document.createElement(tag);
  node.className = name;
  node.textContent = text;
  parent.append(node);
  return node;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function figure(lane, name) {
  const node = make("figure", name, lane);
  make("figcaption", "", node);
  return make("div", "picture", node);
}

function build(count) {
  find(".lanes").replaceChildren();
  view.classList.toggle("two", count > 1);
  for (let index = 0; index < count; index++) {
    const lane = make("section", "lane", find(".lanes"));
    const main = figure(lane, "main");
    const canvas = make("canvas", "", main);
    canvas.setAttribute("role", "img");
    make("div", "edge", main);
    const divide = make("input", "divide", main);
    Object.assign(divide, { type: "range", min: 0, max: 100, step: 1, value: 0 });
    divide.setAttribute("aria-label", "Before and after: how much of the picture shows the source");
    divide.addEventListener("input", () => {
      state.divide = Number(divide.value) / 100;
      draw();
    });
    const sides = make("div", "sides", main.parentNode);
    make("span", "from", sides, "source");
    make("span", "", sides, "drag: before and after");
    make("span", "to", sides, "result");
    make("canvas", "", figure(lane, "heat")).setAttribute("role", "img");
    const scale = make("div", "scale", lane.querySelector(".heat"));
    make("span", "", scale, "0");
    make("i", "", scale);
    make("span", "", scale, `${FULL_HEAT}+ of 255`);
    const truth = figure(lane, "truth");
    make("img", "", truth).alt = "The true result";
    make("div", "missing", truth);
    make("dl", "", lane);
  }
}

function fill(lane, { title, truth, missing, amounts }, isOnly) {
  const caption = lane.querySelector(".main figcaption");
  write(caption, isOnly ? "Result" : title);
  caption.title = title;
  write(lane.querySelector(".heat figcaption"), "Change");
  write(lane.querySelector(".truth figcaption"), "True result");
  const image = lane.querySelector("img");
  if (truth && image.src !== truth) image.src = truth;
  image.hidden = !truth;
  const gap = lane.querySelector(".missing");
  gap.hidden = Boolean(truth);
  write(gap, missing);
  lane.querySelector(".truth").classList.toggle("known", Boolean(truth));
  const list = lane.querySelector("dl");
  list.replaceChildren();
  for (const [name, value, means] of amounts) {
    const group = make("div", "", list);
    make("dt", "", group, name);
    make("small", "", make("dd", "", group, `${value} `), means);
  }
}

function where({ steps, total, runs, lanes }, at) {
  if (!steps.length) return "being drawn ...";
  if (runs) return `step ${steps.at(-1)} of ${total} ...`;
  return `step ${steps[at]} of ${total}: ${steps[at] === total ? "the result" : "foreseen"}`;
}

function draw() {
  const { clip, at, divide } = state;
  if (!clip) return;
  const isDone = !clip.runs && clip.steps.length > 0;
  [...find(".lanes").children].forEach((lane, index) => {
    const frames = clip.lanes[index].pixels;
    const frame = frames[Math.min(at, frames.length - 1)];
    const main = lane.querySelector(".main canvas");
    drawMain(main, clip, frame);
    main.setAttribute("aria-label", frame ? `The result of “${clip.lanes[index].title}”` : "The source");
    drawHeat(lane.querySelector(".heat canvas"), clip, frame);
    lane.querySelector(".heat canvas").setAttribute("aria-label", "How much each pixel differs from the source");
    const slider = lane.querySelector(".divide");
    slider.value = Math.round(divide * 100);
    slider.setAttribute("aria-valuetext", `${slider.value} % source, the rest result`);
    lane.querySelector(".edge").style.left = `${(Math.round(divide * clip.size) / clip.size) * 100}%`;
  });
  const last = clip.runs ? clip.total : Math.max(1, clip.steps.length);
  scrub.max = last;
  scrub.value = clip.runs ? clip.steps.at(-1) || 1 : at + 1;
  scrub.disabled = play.disabled = !isDone;
  const words = where(clip, at);
  write(find(".where"), words);
  scrub.setAttribute("aria-valuetext", words);
  write(play, state.timer ? "Pause" : "Play");
  view.dataset.step = isDone ? clip.steps[at] : 0;
  view.dataset.serial = clip.serial;
}

// --- values --------------------------------------------------------------------------------

async function take() {
  const { value } = props;
  if (!value || value.serial === state.serial) return;
  state.serial = value.serial;
  const { size } = value;
  const load = (src) => pixels(src, size);
  const [source, ...lanes] = await Promise.all([
    load(value.source),
    ...value.lanes.map(async (lane) => ({ ...lane, pixels: await Promise.all(lane.frames.map(load)) })),
  ]);
  if (state.serial !== value.serial) return; // a newer one has come meanwhile
  stop();
  state.clip = { ...value, source, lanes };
  state.at = Math.max(0, value.runs ? 0 : value.steps.length - 1);
  if (find(".lanes").children.length !== lanes.length) build(lanes.length);
  lanes.forEach((lane, index) => fill(find(".lanes").children[index], lane, lanes.length === 1));
  draw();
}

function stop() {
  clearInterval(state.timer);
  state.timer = 0;
}

play.addEventListener("click", () => {
  const count = state.clip.steps.length;
  if (state.timer || count < 2) {
    stop();
  } else {
    if (state.at === count - 1) state.at = 0;
    state.timer = setInterval(() => {
      if (!element.isConnected) return stop();
      if (state.at < count - 1) state.at += 1;
      if (state.at === count - 1) stop();
      draw();
    }, (1000 * SECONDS) / count);
  }
  draw();
});
scrub.addEventListener("input", () => {
  stop();
  state.at = Number(scrub.value) - 1;
  draw();
});

watch("value", take);
take();
// Only what is looked at is worth an edit: a tab that is hidden does not get here.
if (props.value && !props.value.steps.length) setTimeout(() => trigger("load"), 0);
