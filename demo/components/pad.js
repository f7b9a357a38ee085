// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const MILLISECONDS_BETWEEN_VALUES = 150; // while a stroke goes on
const UNDO_STEPS = 50;
const LEAST_WIDTH = 336; // CSS pixels of the canvas, where there is room
const BESIDE_WIDTH = 620; // CSS pixels of the pad, from which the controls lie beside the canvas
const THUMBNAIL_WIDTH = 28; // CSS pixels

// A drawing is { height, width, pixels, painted, sheet, rows }. What is hidden is the union of two
// masks: `painted`, by hand, and `sheet`, laid by the slider over all rows from `rows` on. Moving
// the slider lays a new sheet and leaves `painted` alone; Show cuts through both.
const state = {
  drawing: null,
  serial: null,
  undo: [],
  before: null, // the drawing as it was when the gesture that goes on began
  tool: "draw",
  last: null, // where the stroke that goes on has come to, in pixels of the image
  pointer: null, // its pointer, or "key"
  hover: null, // where the mouse is
  cursor: { row: 0, column: 0 }, // of the keyboard
  byKey: false,
  timer: 0,
  sent: 0,
};

function decode(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function encode(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function same(one, other) {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function copy(drawing) {
  const { pixels, painted, sheet } = drawing;
  return { ...drawing, pixels: pixels.slice(), painted: painted.slice(), sheet: sheet.slice() };
}

function isHidden(drawing, pixel) {
  return drawing.painted[pixel] || drawing.sheet[pixel];
}

function layRows(drawing, rows) {
  drawing.rows = rows;
  drawing.sheet.fill(0).fill(1, rows * drawing.width);
}

// --- values --------------------------------------------------------------------------------

function send() {
  clearTimeout(state.timer);
  state.timer = 0;
  state.sent = performance.now();
  const { drawing } = state;
  const { height, width, pixels } = drawing;
  const hidden = Uint8Array.from(pixels, (_, pixel) => isHidden(drawing, pixel));
  const value = { serial: state.serial, height, width, pixels: encode(pixels), hidden: encode(hidden) };
  props.value = props.pickable ? { ...value, example: exampleOf(pixels) } : value;
  trigger("input");
}

// The number of the example that lies there; null for a drawing.
function exampleOf(pixels) {
  const number = examples.findIndex((example) => same(example.pixels, pixels));
  return number < 0 ? null : number;
}

function sendSoon() {
  const passed = performance.now() - state.sent;
  state.timer ||= setTimeout(send, Math.max(0, MILLISECONDS_BETWEEN_VALUES - passed));
}

// Everything that changes the drawing happens between `begin` and `end`: one step of undo.
function begin() {
  end();
  state.before = copy(state.drawing);
}

function remember(drawing) {
  state.undo.push(drawing);
  if (state.undo.length > UNDO_STEPS) state.undo.shift();
}

function end() {
  const { before, drawing } = state;
  state.last = null;
  state.pointer = null;
  if (!before) return;
  state.before = null;
  const isSame = before.rows === drawing.rows && ["pixels", "painted", "sheet"].every((name) => same(before[name], drawing[name]));
  if (!isSame) remember(before);
  send();
  draw();
}

function act(change) {
  begin();
  change(state.drawing);
  end();
}

// A value of the server's replaces the drawing; the browser's own comes back with a known serial.
function take(value) {
  if (!value || value.serial === state.serial) return;
  const { height, width } = value;
  if (state.drawing) remember(state.before || copy(state.drawing));
  state.before = state.last = state.pointer = null;
  clearTimeout(state.timer);
  state.timer = 0;
  state.serial = value.serial;
  const hidden = decode(value.hidden);
  let rows = height;
  while (rows > 0 && hidden.subarray((rows - 1) * width, rows * width).every(Boolean)) rows--;
  const drawing = { height, width, pixels: decode(value.pixels), painted: hidden, sheet: new Uint8Array(height * width) };
  drawing.painted.fill(0, rows * width);
  layRows(drawing, rows);
  state.drawing = drawing;
  if (props.pickable && value.example === undefined) props.value = { ...value, example: exampleOf(drawing.pixels) };
  draw();
}

// --- tools ---------------------------------------------------------------------------------

const hides = () => state.tool === "hide" || state.tool === "show";

// What is hidden is whole pixels, and mostly more than a line of them: the brush is wider there.
function brushWidth() {
  const size = Number(find(".brush").value);
  return hides() ? 2 * size - 1 : size;
}

// The tool from one point to another, both in pixels of the image.
function stroke(from, to) {
  const { drawing, tool } = state;
  const { height, width, pixels, painted, sheet } = drawing;
  const radius = brushWidth() / 2;
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  for (let pixel = 0; pixel < height * width; pixel++) {
    const x = (pixel % width) + 0.5 - from.x;
    const y = Math.floor(pixel / width) + 0.5 - from.y;
    const along = length ? Math.min(1, Math.max(0, (x * dx + y * dy) / length)) : 0;
    const distance = Math.hypot(x - along * dx, y - along * dy);
    if (hides()) {
      if (distance > radius) continue;
      painted[pixel] = tool === "hide" ? 1 : 0;
      if (tool === "show") sheet[pixel] = 0;
      continue;
    }
    // A soft edge, one pixel wide. The most of all strokes counts, so that crossings look alike.
    const coverage = Math.min(1, Math.max(0, radius + 0.5 - distance));
    const ink = Math.round(255 * coverage);
    pixels[pixel] = tool === "draw" ? Math.max(pixels[pixel], ink) : Math.min(pixels[pixel], 255 - ink);
    if (coverage >= 0.5) painted[pixel] = sheet[pixel] = 0; // what was drawn there is known
  }
}

function middle(point) {
  return { x: Math.floor(point.x) + 0.5, y: Math.floor(point.y) + 0.5 };
}

function press(point, pointer) {
  begin();
  state.pointer = pointer;
  drag(point);
}

function drag(point) {
  const to = hides() ? middle(point) : point;
  stroke(state.last || to, to);
  state.last = to;
  sendSoon();
}

const actions = {
  undo: () => {
    end();
    if (!state.undo.length) return;
    state.drawing = state.undo.pop();
    send();
    draw();
  },
  clear: () =>
    act((drawing) => {
      drawing.pixels.fill(0);
      drawing.painted.fill(0);
      layRows(drawing, drawing.height);
    }),
  uncover: () =>
    act((drawing) => {
      drawing.painted.fill(0);
      layRows(drawing, drawing.height);
    }),
};

// --- pictures ------------------------------------------------------------------------------

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

// A canvas's context in CSS pixels, its backing store matched to the screen.
function context(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.imageSmoothingEnabled = false;
  return pen;
}

// A grey image at its own size.
function picture(pixels, height, width) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const data = new ImageData(width, height);
  pixels.forEach((grey, pixel) => data.data.set([grey, grey, grey, 255], 4 * pixel));
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

// A whole scale keeps pixels equal; before its tab is shown, the pad has no width.
function scaleOf({ width }) {
  const most = Math.ceil(LEAST_WIDTH / width);
  return Math.max(1, Math.min(most, Math.floor((find(".pad").clientWidth || LEAST_WIDTH) / width)));
}

function drawPaper() {
  const { drawing } = state;
  const { height, width, pixels } = drawing;
  const scale = scaleOf(drawing);
  const pen = context(find(".paper"), width * scale, height * scale);
  pen.drawImage(picture(pixels, height, width), 0, 0, width * scale, height * scale);
  const cells = new Path2D();
  for (let pixel = 0; pixel < height * width; pixel++) {
    if (isHidden(drawing, pixel)) {
      cells.rect((pixel % width) * scale, Math.floor(pixel / width) * scale, scale, scale);
    }
  }
  pen.save();
  pen.clip(cells);
  pen.fillStyle = colour("--gm-unknown");
  pen.fillRect(0, 0, width * scale, height * scale);
  // Hatched, or it would be taken for a grey that was drawn.
  pen.strokeStyle = "rgb(255 255 255 / 55%)";
  pen.lineWidth = 1;
  pen.beginPath();
  for (let x = -height * scale; x < width * scale; x += scale / 2) {
    pen.moveTo(x, height * scale);
    pen.lineTo(x + height * scale, 0);
  }
  pen.stroke();
  pen.restore();
}

// Above the paper: the ring of the brush, the cell of the keyboard's cursor.
function drawMarks() {
  const { drawing, hover, byKey, cursor } = state;
  const { height, width } = drawing;
  const scale = scaleOf(drawing);
  const pen = context(find(".marks"), width * scale, height * scale);
  const mark = (path) => {
    for (const [style, thickness] of [["#000", 4], [colour("--gm-student"), 2]]) {
      pen.strokeStyle = style;
      pen.lineWidth = thickness;
      pen.stroke(path);
    }
  };
  const path = new Path2D();
  if (byKey) {
    path.rect(cursor.column * scale, cursor.row * scale, scale, scale);
    mark(path);
  } else if (hover) {
    const { x, y } = hides() ? middle(hover) : hover;
    path.arc(x * scale, y * scale, (brushWidth() / 2) * scale, 0, 2 * Math.PI);
    mark(path);
  }
}

function drawControls() {
  const { drawing, undo, tool, byKey } = state;
  for (const button of element.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
  find(".brush-size").textContent = `${brushWidth()} px`;
  find(".brush").setAttribute("aria-valuetext", `${brushWidth()} pixels`);
  find("[data-do=undo]").disabled = !undo.length && !state.before;
  find(".pad").classList.toggle("by-key", byKey);
  if (props.hideable) {
    const { rows, height } = drawing;
    const from = rows === height ? "none" : rows === 0 ? "all" : `row ${rows + 1}`;
    find(".rows").max = height;
    find(".rows").value = rows;
    find(".rows").setAttribute("aria-valuetext", from);
    find(".rows-from").textContent = from;
  }
  examples.forEach(({ pixels, button }) => {
    button.setAttribute("aria-pressed", String(same(pixels, drawing.pixels)));
  });
}

function draw() {
  if (!state.drawing) return;
  if (!element.isConnected) {
    observers.forEach((observer) => observer.disconnect());
    return;
  }
  find(".pad").classList.toggle("beside", element.clientWidth >= BESIDE_WIDTH);
  drawPaper();
  drawMarks();
  drawControls();
}

function buildExamples() {
  if (!props.pickable) return [];
  const { names } = props.pickable;
  const { height, width } = props.value;
  const size = height * width;
  const all = decode(props.pickable.pixels);
  const scale = Math.max(1, Math.round(THUMBNAIL_WIDTH / width));
  find(".strip").style.setProperty("--columns", names.length > 10 ? Math.ceil(names.length / 2) : names.length);
  return names.map((name, index) => {
    const pixels = all.slice(index * size, (index + 1) * size);
    const button = document.createElement("button");
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", `test image ${index + 1}: ${name}`);
    const canvas = picture(pixels, height, width);
    canvas.style.width = `${width * scale}px`;
    button.append(canvas);
    button.addEventListener("click", () => act((drawing) => drawing.pixels.set(pixels)));
    find(".strip").append(button);
    return { pixels, button };
  });
}

// --- mouse, finger, pen --------------------------------------------------------------------

const paper = find(".paper");

function pointOf(event) {
  const box = paper.getBoundingClientRect();
  const { height, width } = state.drawing;
  return {
    x: ((event.clientX - box.left) / box.width) * width,
    y: ((event.clientY - box.top) / box.height) * height,
  };
}

paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || typeof state.pointer === "number") return; // one finger at a time
  paper.setPointerCapture(event.pointerId);
  paper.focus({ preventScroll: true });
  state.byKey = false;
  press(pointOf(event), event.pointerId);
  draw();
});
paper.addEventListener("pointermove", (event) => {
  state.hover = event.pointerType === "mouse" ? pointOf(event) : null;
  if (event.pointerId === state.pointer) {
    const all = event.getCoalescedEvents?.() || [];
    for (const part of all.length ? all : [event]) drag(pointOf(part));
    draw();
  } else {
    drawMarks();
  }
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
  paper.addEventListener(name, (event) => {
    if (event.pointerId === state.pointer) end();
  });
}
paper.addEventListener("pointerleave", () => {
  state.hover = null;
  drawMarks();
});

// --- keyboard ------------------------------------------------------------------------------

const arrows = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function cell() {
  return { x: state.cursor.column + 0.5, y: state.cursor.row + 0.5 };
}

function tell() {
  const { drawing, cursor } = state;
  const pixel = cursor.row * drawing.width + cursor.column;
  const what = isHidden(drawing, pixel) ? "hidden" : `${Math.round((100 * drawing.pixels[pixel]) / 255)} % white`;
  find(".where").textContent = `Row ${cursor.row + 1}, column ${cursor.column + 1}: ${what}`;
}

paper.addEventListener("focus", () => {
  state.byKey = paper.matches(":focus-visible");
  tell();
  draw();
});
paper.addEventListener("blur", () => {
  end();
  state.byKey = false;
  draw();
});
paper.addEventListener("keydown", (event) => {
  const isTool = event.key === " " || event.key === "Enter";
  const step = arrows[event.key];
  if ((!isTool && !step) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (state.pointer !== null && state.pointer !== "key") return; // a stroke of the mouse goes on
  state.byKey = true;
  if ((isTool || event.shiftKey) && state.pointer === null) press(cell(), "key");
  if (step) {
    const { drawing, cursor } = state;
    cursor.row = Math.min(drawing.height - 1, Math.max(0, cursor.row + step[0]));
    cursor.column = Math.min(drawing.width - 1, Math.max(0, cursor.column + step[1]));
    if (state.pointer === "key") drag(cell());
  }
  tell();
  draw();
});
paper.addEventListener("keyup", (event) => {
  if (state.pointer === "key" && [" ", "Enter", "Shift"].includes(event.key)) end();
});
element.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
  event.preventDefault();
  actions.undo();
});

// --- buttons and sliders -------------------------------------------------------------------

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-tool], [data-do]");
  if (!button) return;
  if (button.dataset.do) actions[button.dataset.do]();
  if (button.dataset.tool) {
    end();
    state.tool = button.dataset.tool;
    draw();
  }
});
find(".brush").addEventListener("input", draw);
if (props.hideable) {
  const rows = find(".rows");
  rows.addEventListener("input", () => {
    const wanted = Number(rows.value);
    if (!state.before) begin();
    layRows(state.drawing, wanted);
    sendSoon();
    draw();
  });
  // A drag that comes back to where it began is no change.
  rows.addEventListener("change", end);
  rows.addEventListener("pointerup", end);
}

watch("value", () => take(props.value));
// The scale follows the width; in the next frame, as it changes the height that is observed.
const resized = new ResizeObserver(() => requestAnimationFrame(draw));
resized.observe(element);
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(draw);
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
const examples = buildExamples();
take(props.value);
state.cursor = { row: state.drawing.height >> 1, column: state.drawing.width >> 1 };
