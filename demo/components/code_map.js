// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const PLACES = 10; // to a unit: where a place can be
const STEP = { near: 0.2, far: 1 }; // of the arrow keys, without and with Shift
const LABEL = 34; // CSS pixels that a number on an axis takes
const RING = 10; // CSS pixels, radius

const marks = find(".marks");
const image = new Image();
const state = { place: { ...props.value }, pointer: null, side: 0 };
const reach = () => props.tiles.reach;
const bounded = (number, most) => Math.min(most, Math.max(-most, number));

function toScreen(x, y) {
  const unit = state.side / (2 * reach());
  return [(x + reach()) * unit, (reach() - y) * unit];
}

// A drag that leaves the plane stays at its edge.
function toPlane(event) {
  const box = marks.getBoundingClientRect();
  const across = bounded(2 * ((event.clientX - box.left) / box.width) - 1, 1);
  const up = bounded(1 - 2 * ((event.clientY - box.top) / box.height), 1);
  return { x: across * reach(), y: up * reach() };
}

// --- drawing -------------------------------------------------------------------------------

// A canvas's context in CSS pixels, its backing store matched to the screen.
function context(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const pixels = Math.round(state.side * ratio);
  if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, state.side, state.side);
  return pen;
}

// Text that can be read on pictures.
function write(pen, text, x, y, align) {
  pen.font = `12px ${getComputedStyle(element).fontFamily}`;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.strokeStyle = "#000";
  pen.lineWidth = 4;
  pen.strokeText(text, x, y);
  pen.fillStyle = "#fff";
  pen.fillText(text, x, y);
}

// A line that is seen on light and on dark pictures.
function trace(pen, path, colour, thickness) {
  pen.strokeStyle = "#000";
  pen.lineWidth = thickness + 2;
  pen.stroke(path);
  pen.strokeStyle = colour;
  pen.lineWidth = thickness;
  pen.stroke(path);
}

function drawPlane() {
  const pen = context(find(".plane"));
  const { side } = state;
  pen.imageSmoothingEnabled = image.naturalWidth > pen.canvas.width; // else with hard edges
  pen.drawImage(image, 0, 0, side, side);
  const [middle] = toScreen(0, 0);
  const unit = side / (2 * reach());
  for (const [radius, words] of props.tiles.circles) {
    const circle = new Path2D();
    circle.arc(middle, middle, radius * unit, 0, 2 * Math.PI);
    pen.setLineDash([6, 4]);
    trace(pen, circle, "#fff", 1);
    pen.setLineDash([]);
    const aside = radius * unit * Math.SQRT1_2;
    write(pen, words, middle + aside, middle + aside, "center");
  }
}

function label(axis, at, side) {
  const text = document.createElement("span");
  text.textContent = `${String(at).replace("-", "−")}${at === 0 ? "σ" : ""}`;
  text.style[side] = `${50 + (50 * at) / reach()}%`;
  find(axis).append(text);
}

function drawAxes() {
  for (const axis of element.querySelectorAll(".axis")) axis.replaceChildren();
  const step = [1, 2, 5, 10].find((each) => (2 * reach()) / each <= state.side / LABEL) || 20;
  for (let at = -Math.floor(reach() / step) * step; at <= reach(); at += step) {
    label(".axis.x", at + 0, "left");
    label(".axis.y", at + 0, "bottom");
  }
}

function drawMarks() {
  const pen = context(marks);
  const [x, y] = toScreen(state.place.x, state.place.y);
  const green = getComputedStyle(element).getPropertyValue("--gm-student").trim();
  const cross = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    cross.moveTo(x + RING * dx, y + RING * dy);
    cross.lineTo(x + 2 * state.side * dx, y + 2 * state.side * dy);
  }
  trace(pen, cross, green, 1.5);
  const ring = new Path2D();
  ring.arc(x, y, RING, 0, 2 * Math.PI);
  trace(pen, ring, green, 2.5);
}

function draw() {
  if (!element.isConnected) return resized.disconnect();
  const side = Math.floor(find(".layers").clientWidth);
  if (!side || !props.tiles || !image.complete) return; // a hidden tab, or tiles that are to come
  state.side = side;
  drawPlane();
  drawAxes();
  drawMarks();
  const box = find(".code-map").dataset;
  box.place = [state.place.x, state.place.y].join(" ");
  box.serial = image.dataset.serial;
}

// --- choosing ------------------------------------------------------------------------------

const rounded = (number) => Math.round(bounded(number, reach()) * PLACES) / PLACES + 0; // never -0

function choose(place) {
  if (!props.tiles) return;
  const [x, y] = [rounded(place.x), rounded(place.y)];
  if (x === state.place.x && y === state.place.y) return;
  state.place = { x, y };
  drawMarks();
  find(".code-map").dataset.place = `${x} ${y}`;
  props.value = { x, y };
  trigger("input");
}

marks.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || state.pointer !== null) return; // one finger at a time
  marks.setPointerCapture(event.pointerId);
  marks.focus({ preventScroll: true });
  state.pointer = event.pointerId;
  choose(toPlane(event));
});
marks.addEventListener("pointermove", (event) => {
  if (event.pointerId === state.pointer) choose(toPlane(event));
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
  marks.addEventListener(name, (event) => {
    if (event.pointerId === state.pointer) state.pointer = null;
  });
}

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
marks.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const direction = arrows[event.key];
  if (!direction && event.key !== "Home") return;
  event.preventDefault();
  const step = event.shiftKey ? STEP.far : STEP.near;
  const [dx, dy] = direction || [0, 0];
  const { x, y } = direction ? state.place : { x: 0, y: 0 };
  choose({ x: x + step * dx, y: y + step * dy });
});

// --- values --------------------------------------------------------------------------------

function load() {
  if (!props.tiles) return;
  image.dataset.serial = props.tiles.serial;
  image.src = props.tiles.src;
}

image.onload = draw;
watch("value", () => {
  state.place = { ...props.value };
  draw();
});
// Gradio takes every name in quotes for that of an event.
const [TILES] = Object.keys({ tiles: null });
watch(TILES, load);
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => requestAnimationFrame(draw));
resized.observe(element);
load();
