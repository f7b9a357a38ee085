// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const PLACES = 100; // to a unit: where a place can be, and what its numbers say
const STEP = { near: 0.1, far: 0.5 }; // of the arrow keys, without and with Shift
const ZOOMS = [1, 1.5, 3, 6]; // how much of the plane is in sight: all of it, two thirds, ...
const OPENING = 1; // of them
const NAMED_FROM = 2; // from this zoom on, points bear their classes' names
const REACH = { mouse: 12, touch: 24 }; // CSS pixels from a pointer to the image that it means
const BESIDE_WIDTH = 780; // CSS pixels, from which the controls lie beside the plane
const DOT = 2.4; // CSS pixels, radius
const COIN = 6.5; // the same of a point with its class's name
const FADED = 0.12; // opacity of the classes that are not highlighted
const CONTOURS = [1, 2, 3]; // in sigma of the prior

const { plane } = props;
const points = new Float32Array(decode(plane.points).buffer); // mean x, y, sigma x, y, KL of each
const labels = decode(plane.labels);
const state = {
  place: { ...props.value },
  nearest: 0,
  zoom: OPENING,
  middle: { x: 0, y: 0 }, // of the view
  background: "prior",
  shown: true, // the points
  pressed: null, // the class that is highlighted
  hinted: null, // the class whose legend entry is pointed at
  pointer: null, // the one that drags
  side: 0, // CSS pixels of the plane
};
const sprites = { images: load(plane.images), tiles: load(plane.tiles) };

function decode(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function load(address) {
  const image = new Image();
  image.onload = draw;
  image.src = address;
  return image;
}

function colour(name) {
  return getComputedStyle(find(".latent")).getPropertyValue(name).trim();
}

// What is drawn on: the page's ground, or the decoded tiles, which are black in both modes.
const ground = () => (state.background === "tiles" ? "#000" : colour("--background-fill-primary"));
const ink = () => (state.background === "tiles" ? "#fff" : colour("--body-text-color"));

function say(number) {
  return number.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−");
}

const pair = (x, y) => `(${say(x)}, ${say(y)})`;
const half = () => plane.reach / ZOOMS[state.zoom]; // from the view's middle to its edge
const bounded = (number, most) => Math.min(most, Math.max(-most, number));

// --- between the plane and the screen ------------------------------------------------------

function toScreen(x, y) {
  const scale = state.side / (2 * half());
  return [(x - state.middle.x + half()) * scale, (state.middle.y + half() - y) * scale];
}

// A drag that leaves the view stays at its edge.
function toPlane(event) {
  const box = find(".marks").getBoundingClientRect();
  const across = bounded(2 * ((event.clientX - box.left) / box.width) - 1, 1);
  const up = bounded(1 - 2 * ((event.clientY - box.top) / box.height), 1);
  return { x: state.middle.x + across * half(), y: state.middle.y + up * half() };
}

// The nearest image to a place that is within reach of it; of the highlighted class, if there is one.
function nearestTo({ x, y }, reach) {
  let best = null;
  let least = ((reach * 2 * half()) / state.side) ** 2;
  for (let index = 0; index < plane.count; index++) {
    if (state.pressed !== null && labels[index] !== state.pressed) continue;
    const distance = (points[5 * index] - x) ** 2 + (points[5 * index + 1] - y) ** 2;
    if (distance < least) [best, least] = [index, distance];
  }
  return best;
}

// --- drawing -------------------------------------------------------------------------------

// A canvas's context in CSS pixels, its backing store matched to the screen.
function context(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const pixels = Math.round(state.side * ratio);
  if (canvas.width !== pixels) {
    canvas.width = canvas.height = pixels;
    canvas.style.width = canvas.style.height = `${state.side}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, state.side, state.side);
  return pen;
}

function drawPrior(pen) {
  const [x, y] = toScreen(0, 0);
  const unit = state.side / (2 * half());
  const shade = pen.createRadialGradient(x, y, 0, x, y, 4 * unit);
  const [red, green, blue] = pixel(colour("--gm-unknown"));
  for (let stop = 0; stop <= 20; stop++) {
    const density = Math.exp(-((stop / 5) ** 2) / 2);
    shade.addColorStop(stop / 20, `rgb(${red} ${green} ${blue} / ${0.45 * density})`);
  }
  pen.fillStyle = shade;
  pen.fillRect(0, 0, state.side, state.side);
}

function drawContours(pen) {
  const [x, y] = toScreen(0, 0);
  const unit = state.side / (2 * half());
  for (const sigma of CONTOURS) {
    pen.strokeStyle = ink();
    pen.lineWidth = 1;
    pen.setLineDash([6, 4]);
    pen.beginPath();
    pen.arc(x, y, sigma * unit, 0, 2 * Math.PI);
    pen.stroke();
    pen.setLineDash([]);
    const share = Math.round(100 * (1 - Math.exp(-(sigma ** 2) / 2)));
    const aside = sigma * unit * Math.SQRT1_2;
    write(pen, `${sigma}σ: ${share} %`, x + aside, y + aside, "center");
  }
}

// Text that can be read on any ground.
function write(pen, text, x, y, align) {
  pen.font = `12px ${getComputedStyle(element).fontFamily}`;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.strokeStyle = ground();
  pen.lineWidth = 4;
  pen.strokeText(text, x, y);
  pen.fillStyle = ink();
  pen.fillText(text, x, y);
}

function drawTiles(pen) {
  const [left, top] = toScreen(-plane.reach, plane.reach);
  const [right, bottom] = toScreen(plane.reach, -plane.reach);
  const across = (right - left) * (window.devicePixelRatio || 1);
  pen.imageSmoothingEnabled = across < plane.tilesAcross * plane.width; // else with hard edges
  pen.drawImage(sprites.tiles, left, top, right - left, bottom - top);
}

function ticks() {
  const step = half() > 2.5 ? 1 : half() > 1.2 ? 0.5 : 0.25;
  const { x, y } = state.middle;
  const between = (middle) => {
    const all = [];
    for (let at = Math.ceil((middle - half()) / step) * step; at <= middle + half(); at += step) all.push(at);
    return all;
  };
  return [between(x), between(y)];
}

function drawLines(pen) {
  const [columns, rows] = ticks();
  pen.lineWidth = 1;
  pen.strokeStyle = colour("--border-color-primary");
  pen.beginPath();
  for (const at of columns) {
    pen.moveTo(toScreen(at, 0)[0], 0);
    pen.lineTo(toScreen(at, 0)[0], state.side);
  }
  for (const at of rows) {
    pen.moveTo(0, toScreen(0, at)[1]);
    pen.lineTo(state.side, toScreen(0, at)[1]);
  }
  pen.stroke();
}

function drawNumbers(pen) {
  const [columns, rows] = ticks();
  const label = (at) => String(Number(at.toFixed(2))).replace("-", "−");
  const isFree = (at) => at > 24 && at < state.side - 30;
  for (const at of columns) {
    const [x] = toScreen(at, 0);
    if (isFree(x)) write(pen, label(at), x, state.side - 10, "center");
  }
  for (const at of rows) {
    const [, y] = toScreen(0, at);
    if (isFree(y)) write(pen, label(at), 6, y, "left");
  }
  write(pen, "z₁", state.side - 8, state.side - 10, "right");
  write(pen, "z₂", 6, 12, "left");
}

// Black or white, whichever stands out more from a colour.
function inkOn(style) {
  const [red, green, blue] = pixel(style).map((level) => (level / 255) ** 2.2);
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return light > 0.18 ? "#000" : "#fff";
}

// Any colour of CSS as its four bytes.
function pixel(style) {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.fillStyle = style;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
}

function drawPoints(pen) {
  const colours = plane.classNames.map((_, label) => colour(`--gm-class-${label}`));
  const inks = colours.map(inkOn);
  const chosen = state.hinted ?? state.pressed;
  pen.font = `700 10px ${getComputedStyle(element).fontFamily}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = 0.5;
  // A thin line, or light colours would be lost on a light page.
  pen.strokeStyle = state.background === "tiles" ? ground() : colour("--body-text-color-subdued");
  const drawPoint = (index) => {
    const [x, y] = toScreen(points[5 * index], points[5 * index + 1]);
    if (Math.min(x, y) < -COIN || Math.max(x, y) > state.side + COIN) return;
    const label = labels[index];
    const isNamed = label === chosen || (chosen === null && state.zoom >= NAMED_FROM);
    pen.fillStyle = colours[label];
    pen.beginPath();
    pen.arc(x, y, isNamed ? COIN : DOT, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
    if (!isNamed) return;
    pen.fillStyle = inks[label];
    pen.fillText(plane.classNames[label], x, y + 0.5);
  };
  pen.globalAlpha = chosen === null ? 1 : FADED;
  labels.forEach((label, index) => label !== chosen && drawPoint(index));
  pen.globalAlpha = 1;
  labels.forEach((label, index) => label === chosen && drawPoint(index));
}

function drawPlane() {
  const pen = context(find(".plane"));
  pen.fillStyle = ground();
  pen.fillRect(0, 0, state.side, state.side);
  if (state.background === "tiles") drawTiles(pen);
  else drawLines(pen);
  if (state.background === "prior") drawPrior(pen);
  if (state.shown) drawPoints(pen);
  if (state.background === "prior") drawContours(pen);
  drawNumbers(pen);
}

// A line with a light and a dark side, to be seen on pictures too.
function trace(pen, path, name, thickness) {
  pen.strokeStyle = ground();
  pen.lineWidth = thickness + 2;
  pen.stroke(path);
  pen.strokeStyle = colour(name);
  pen.lineWidth = thickness;
  pen.stroke(path);
}

function drawMarks() {
  const pen = context(find(".marks"));
  const [x, y] = toScreen(state.place.x, state.place.y);
  const cross = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    cross.moveTo(x + 9 * dx, y + 9 * dy);
    cross.lineTo(x + 2 * state.side * dx, y + 2 * state.side * dy);
  }
  pen.strokeStyle = colour("--gm-student");
  pen.lineWidth = 1.5;
  pen.stroke(cross);
  const ring = new Path2D();
  ring.arc(x, y, 9, 0, 2 * Math.PI);
  trace(pen, ring, "--gm-student", 2);

  if (!state.shown) return;
  const [meanX, meanY, sigmaX, sigmaY] = points.subarray(5 * state.nearest);
  const [left, top] = toScreen(meanX, meanY);
  const unit = state.side / (2 * half());
  for (const [sigmas, dashes] of [[1, []], [2, [4, 3]]]) {
    const ellipse = new Path2D();
    ellipse.ellipse(left, top, sigmas * sigmaX * unit, sigmas * sigmaY * unit, 0, 0, 2 * Math.PI);
    pen.setLineDash(dashes);
    trace(pen, ellipse, "--gm-real", 1.5);
  }
  pen.setLineDash([]);
  pen.fillStyle = colour("--gm-real");
  pen.beginPath();
  pen.arc(left, top, DOT, 0, 2 * Math.PI);
  pen.fill();
}

function drawCard() {
  const { nearest } = state;
  const { height, width, columns } = plane;
  const [meanX, meanY, sigmaX, sigmaY, kl] = points.subarray(5 * nearest);
  const name = plane.classNames[labels[nearest]];
  const canvas = find(".image");
  canvas.width = width;
  canvas.height = height;
  const from = [(nearest % columns) * width, Math.floor(nearest / columns) * height];
  canvas.getContext("2d").drawImage(sprites.images, ...from, width, height, 0, 0, width, height);
  canvas.setAttribute("aria-label", `test image ${nearest + 1}, class ${name}`);
  find(".class").textContent = name;
  find(".mean").textContent = pair(meanX, meanY);
  find(".sigma").textContent = pair(sigmaX, sigmaY);
  find(".kl").textContent = `${say(kl)} nats`;
}

function drawControls() {
  const box = find(".latent");
  for (const button of element.querySelectorAll("[data-background]")) {
    button.setAttribute("aria-pressed", String(button.dataset.background === state.background));
  }
  [...find(".legend").children].forEach((button, label) => {
    button.setAttribute("aria-pressed", String(label === state.pressed));
  });
  find(".shown").setAttribute("aria-pressed", String(state.shown));
  for (const button of element.querySelectorAll("[data-zoom]")) {
    button.disabled = !(state.zoom + Number(button.dataset.zoom) in ZOOMS);
  }
  find(".span").textContent = `±${half()}`;
  box.dataset.view = [state.middle.x, state.middle.y, half()].join(" ");
  box.dataset.place = [state.place.x, state.place.y].join(" ");
  box.dataset.nearest = state.nearest;
}

function draw() {
  if (!state.side || !Object.values(sprites).every((image) => image.complete)) return;
  drawPlane();
  drawMarks();
  drawCard();
  drawControls();
}

// --- choosing ------------------------------------------------------------------------------

function look(place, reach) {
  const found = nearestTo(place, reach);
  if (found === null || found === state.nearest) return;
  state.nearest = found;
  drawMarks();
  drawCard();
  drawControls();
}

function rounded(number) {
  return Math.round(bounded(number, plane.reach) * PLACES) / PLACES + 0; // never -0
}

function choose(place, reach) {
  const [x, y] = [rounded(place.x), rounded(place.y)];
  look({ x, y }, reach);
  if (x === state.place.x && y === state.place.y) return;
  state.place = { x, y };
  keepInSight();
  drawMarks();
  drawControls();
  props.value = { x, y };
  trigger("input");
}

// By keyboard, the place can leave the view: then the view follows.
function keepInSight() {
  const { x, y } = state.middle;
  const follow = (middle, at) => bounded(Math.abs(at - middle) > half() ? at : middle, plane.reach - half());
  state.middle = { x: follow(x, state.place.x), y: follow(y, state.place.y) };
  if (state.middle.x !== x || state.middle.y !== y) drawPlane();
}

function zoom(by) {
  if (!(state.zoom + by in ZOOMS)) return;
  state.zoom += by;
  const most = plane.reach - half();
  state.middle = { x: bounded(state.place.x, most), y: bounded(state.place.y, most) };
  draw();
}

const marks = find(".marks");
const reachOf = (event) => (event.pointerType === "mouse" ? REACH.mouse : REACH.touch);

marks.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || state.pointer !== null) return; // one finger at a time
  marks.setPointerCapture(event.pointerId);
  marks.focus({ preventScroll: true });
  state.pointer = event.pointerId;
  choose(toPlane(event), reachOf(event));
});
marks.addEventListener("pointermove", (event) => {
  if (event.pointerId === state.pointer) choose(toPlane(event), reachOf(event));
  else if (event.pointerType === "mouse") look(toPlane(event), REACH.mouse);
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
  if (direction) {
    const step = event.shiftKey ? STEP.far : STEP.near;
    choose({ x: state.place.x + step * direction[0], y: state.place.y + step * direction[1] }, REACH.mouse);
  } else if (event.key === "+" || event.key === "-") {
    zoom(event.key === "+" ? 1 : -1);
  } else {
    return;
  }
  event.preventDefault();
});

// --- controls ------------------------------------------------------------------------------

function buildLegend() {
  plane.classNames.forEach((name, label) => {
    const button = document.createElement("button");
    button.type = "button";
    const swatch = document.createElement("i");
    swatch.style.setProperty("--colour", `var(--gm-class-${label})`);
    button.append(swatch, name);
    const hint = (hinted) => () => {
      state.hinted = hinted;
      draw();
    };
    button.addEventListener("click", () => {
      state.pressed = state.pressed === label ? null : label;
      state.hinted = null;
      draw();
    });
    button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && hint(label)());
    button.addEventListener("pointerleave", hint(null));
    find(".legend").append(button);
  });
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-background], [data-zoom]");
  if (!button) return;
  if (button.dataset.zoom) return zoom(Number(button.dataset.zoom));
  state.background = button.dataset.background;
  draw();
});
find(".shown").addEventListener("click", () => {
  state.shown = !state.shown;
  draw();
});

// --- values --------------------------------------------------------------------------------

function layout() {
  if (!element.isConnected) return observers.forEach((observer) => observer.disconnect());
  find(".latent").classList.toggle("beside", element.clientWidth >= BESIDE_WIDTH);
  const side = Math.floor(find(".ruler").firstElementChild.clientWidth);
  if (!side) return; // a hidden tab
  state.side = side;
  draw();
}

watch("value", () => {
  const { x, y } = props.value;
  if (x === state.place.x && y === state.place.y) return;
  state.place = { x, y };
  keepInSight();
  draw();
});
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => requestAnimationFrame(layout));
resized.observe(element);
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(draw);
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
state.nearest = nearestTo(state.place, Infinity) ?? 0;
buildLegend();
layout();
