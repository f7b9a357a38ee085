// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const END = 3; // prior sigmas that a track reaches to both sides
const TICKS = [-2, -1, 0, 1, 2];
const STEP = 0.05; // of a slider; what is typed or encoded may lie between
const PICTURE = 336; // CSS pixels at most
const GAP = 14; // CSS pixels between pictures
const SIDES = { small: 84, left: 102, decoded: 224 }; // CSS pixels on a phone: the pictures, and what is left of the large one
const ROOM = { phone: 480, wide: 760 }; // CSS pixels: up to, and from
const BY_HAND = "z moved by you";
const OWN = "z is your image's code";
const names = ["image", "reconstruction", "decoded"];
const state = { value: null, serial: null, z: [], moved: false, words: "", all: false, shape: "", rows: [] };

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

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

const kept = (number, most) => Math.min(most, Math.max(-most, number));
const toPercent = (number) => (100 * (kept(number, END) + END)) / (2 * END);
const rounded = (number, digits) => number.toFixed(digits).replace(/^-(?=0\.?0*$)/, ""); // never −0
const signed = (number, digits) => rounded(number, digits).replace("-", "−");

// --- pictures ------------------------------------------------------------------------------

function paint(name, text) {
  const canvas = find(`.${name} canvas`);
  const { width, height } = state.value;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const data = new ImageData(width, height);
  bytes(text).forEach((grey, at) => data.data.set([grey, grey, grey, 255], 4 * at));
  canvas.getContext("2d").putImageData(data, 0, 0);
}

// A whole scale keeps all pixels equal.
function layout() {
  const room = find(".ruler").clientWidth;
  if (!state.value || !room) return; // a hidden tab
  const ratio = devicePixelRatio || 1;
  const { width, height } = state.value;
  const isPhone = room <= ROOM.phone;
  find(".sliders").classList.toggle("phone", isPhone);
  find(".sliders").classList.toggle("wide", room >= ROOM.wide);
  for (const name of names) {
    let most = Math.min(PICTURE, (room - 2 * GAP) / 3);
    if (isPhone) most = name === "decoded" ? Math.min(SIDES.decoded, room - SIDES.left) : SIDES.small;
    const scale = Math.max(1, Math.floor((most * ratio) / width)) / ratio;
    const { style } = find(`.${name} canvas`);
    style.width = `${scale * width}px`;
    style.height = `${scale * height}px`;
  }
}

function showDecoded(picture) {
  paint("decoded", picture);
  write(find(".from"), state.words);
}

// --- rows ----------------------------------------------------------------------------------

function buildAxis() {
  const axis = make("div", "axis", find(".board"));
  axis.setAttribute("aria-hidden", "true");
  make("span", "", axis);
  const scale = make("div", "scale", axis);
  for (const number of [-END, ...TICKS, END]) {
    make("span", number % 2 ? "odd" : "", scale, signed(number, 0)).style.left = `${toPercent(number)}%`;
  }
  make("span", "", axis, "z");
  make("span", "", axis, `KL, 0–${state.value.klEnd} nats`);
}

function buildRow(dimension) {
  const name = `z ${dimension + 1}`;
  const box = make("div", "dimension", find(".board"));
  make("span", "name", box, name);
  const track = make("div", "track", box);
  const rail = make("div", "rail", track);
  for (const tick of TICKS) make("i", tick ? "" : "zero", rail).style.left = `${toPercent(tick)}%`;
  const row = { box, dimension, band: make("div", "band", rail), mean: make("div", "mean", rail) };
  row.range = make("input", "", track);
  Object.assign(row.range, { type: "range", min: -END, max: END, step: STEP });
  row.range.setAttribute("aria-label", name);
  row.beyond = make("span", "beyond", rail);
  row.typed = make("input", "typed", box);
  Object.assign(row.typed, { type: "number", step: "any", inputMode: "text" });
  row.typed.setAttribute("aria-label", `${name} as a number`);
  const price = make("div", "kl", box);
  row.bar = make("div", "", make("div", "bars", price));
  row.told = make("output", "", price);
  row.told.setAttribute("aria-live", "off");
  row.range.addEventListener("input", () => move(row, Number(row.range.value)));
  row.typed.addEventListener("input", () => {
    const number = row.typed.valueAsNumber;
    if (Number.isFinite(number)) move(row, kept(number, state.value.limit));
  });
  row.typed.addEventListener("change", () => place(row));
  return row;
}

function build() {
  const { order } = state.value;
  find(".board").replaceChildren();
  buildAxis();
  state.rows = order.map(buildRow);
  buildAxis(); // of the right side, see arrange
}

// As many rows on the left as on the right, each side under an axis of its own.
function arrange() {
  const { most_shown: few } = props;
  const { order } = state.value;
  const shown = state.all ? order.length : Math.min(few, order.length);
  const half = Math.ceil(shown / 2);
  state.rows.forEach(({ box }, at) => (box.hidden = at >= shown));
  find(".board").style.setProperty("--rows", half + 1);
  const second = element.querySelectorAll(".axis")[1];
  second.hidden = shown < 2;
  if (second.nextSibling !== state.rows[half]?.box) find(".board").insertBefore(second, state.rows[half]?.box || null);
  const more = find(".more");
  more.hidden = order.length <= few;
  more.setAttribute("aria-expanded", String(state.all));
  write(more, state.all ? `Only the ${few} most used` : `All ${order.length} dimensions`);
}

// What a row says of the image.
function fill({ box, dimension, band, mean, beyond, typed, bar, told }) {
  const { value } = state;
  const [centre, sigma, nats] = [value.mean[dimension], value.sigma[dimension], value.kl[dimension]];
  const isUsed = value.used[dimension];
  const isBeyond = Math.abs(centre) > END;
  box.classList.toggle("unused", !isUsed);
  const [low, high] = [toPercent(centre - sigma), toPercent(centre + sigma)];
  band.style.left = `${low}%`;
  band.style.width = `${high - low}%`;
  band.hidden = high === low;
  mean.style.left = `${toPercent(centre)}%`;
  beyond.hidden = !isBeyond;
  beyond.className = `beyond ${centre < 0 ? "low" : "high"}`;
  write(beyond, centre < 0 ? `◂ ${signed(centre, 1)}` : `${signed(centre, 1)} ▸`);
  typed.min = -value.limit;
  typed.max = value.limit;
  // Where a bar ends is fixed: a dearer dimension fills it, and its number says by how much.
  bar.style.width = `${Math.min(100, (100 * nats) / value.klEnd)}%`;
  write(told, isUsed ? nats.toFixed(nats < 99.95 ? 2 - (nats >= 9.995) : 0) : "unused");
}

// Where a row's slider stands.
function place({ dimension, range, typed }) {
  const number = state.z[dimension];
  range.value = kept(number, END);
  range.setAttribute("aria-valuetext", `${rounded(number, 2)} prior sigma units`);
  const text = rounded(number, Math.abs(number) < 9.995 ? 2 : 1);
  if (element.ownerDocument.activeElement !== typed || typed.valueAsNumber !== number) typed.value = text;
}

function writeNumbers() {
  const list = find(".numbers");
  const { numbers } = state.value;
  if (list.children.length !== numbers.length) {
    list.replaceChildren();
    for (const _ of numbers) {
      const box = make("div", "", list);
      for (const tag of ["dt", "dd"]) make(tag, "", box);
    }
  }
  numbers.forEach(([name, text, sign], at) => {
    const box = list.children[at];
    const [term, number] = box.children;
    box.dataset.sign = sign;
    write(term, name);
    write(number, text);
  });
}

// --- moving --------------------------------------------------------------------------------

// The whole value goes along: what the browser shows can be drawn from it at any time.
function keep() {
  const { value, z, moved, words, serial } = state;
  props.value = { ...value, serial, z: [...z], moved, code: moved ? [...z] : null, words };
}

function send() {
  keep();
  trigger("input");
}

function move(row, number) {
  if (number === state.z[row.dimension]) return;
  state.z[row.dimension] = number;
  state.moved = true;
  state.words = BY_HAND;
  place(row);
  send();
}

function moveAll(z, moved, words) {
  Object.assign(state, { z: [...z], moved, words });
  state.rows.forEach(place);
}

const actions = {
  reset: () => {
    moveAll(state.value.mean, false, OWN);
    send();
  },
  zero: () => {
    moveAll(state.z.map(() => 0), true, "z = 0: the middle of the prior");
    send();
  },
  random: () => {
    keep();
    trigger("select");
  },
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], .more");
  if (!button || !state.value) return;
  if (button.dataset.do) return actions[button.dataset.do]();
  state.all = !state.all;
  arrange();
});

// --- values --------------------------------------------------------------------------------

// The browser's own value comes back with a known serial.
function take(value) {
  if (!value || !value.order || value.serial === state.serial) return;
  state.value = value;
  state.serial = value.serial;
  const shape = JSON.stringify([value.order, value.klEnd]);
  if (shape !== state.shape) {
    state.shape = shape;
    build();
  }
  state.rows.forEach(fill);
  arrange();
  moveAll(value.z, value.moved, value.words || OWN);
  writeNumbers();
  for (const name of names) paint(name, value[name]);
  write(find(".from"), state.words);
  layout();
  find(".sliders").dataset.serial = value.serial;
  follow(props.answer); // if it came together with the value
}

function follow(answer) {
  if (!answer || answer.of !== state.serial) return; // to a code that is gone
  if (answer.z) {
    state.serial = answer.serial;
    moveAll(answer.z, true, answer.words);
    keep();
  }
  state.value.decoded = answer.picture;
  showDecoded(answer.picture);
}

watch("value", () => take(props.value));
// Gradio takes every name in quotes for that of an event.
const [ANSWER] = Object.keys({ answer: null });
watch(ANSWER, () => follow(props.answer));
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return resized.disconnect();
  layout();
});
resized.observe(find(".ruler"));
take(props.value);
