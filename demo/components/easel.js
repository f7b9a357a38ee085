// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const frame = find(".easel");
const paper = find(".paper");
const marks = find(".marks");
// Not in the template: Gradio writes one that depends on props anew, over what is set here.
frame.setAttribute("aria-label", props.label);
find(".heading").textContent = props.label;

const state = {
  serial: null,
  size: 0,
  mask: null, // a byte a pixel
  tool: "", // or "paint", "erase"
  pointer: null,
  last: null, // where the stroke that goes on has come to, in pixels of the picture
  cursor: null, // of the keyboard
};

// --- values --------------------------------------------------------------------------------

function unpack(text, count) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Uint8Array.from({ length: count }, (_, pixel) => (bytes[pixel >> 3] >> (7 - (pixel & 7))) & 1);
}

function pack(mask) {
  const bytes = new Uint8Array(mask.length / 8);
  mask.forEach((set, pixel) => (bytes[pixel >> 3] |= set << (7 - (pixel & 7))));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function send() {
  const isPainted = state.mask.some(Boolean);
  props.value = { ...props.value, mask: isPainted ? pack(state.mask) : null };
  tell();
  trigger("input");
}

function take() {
  const { value } = props;
  if (!value?.src || value.serial === state.serial) return;
  const { size } = value;
  Object.assign(state, { serial: value.serial, size, pointer: null, last: null });
  state.mask = value.mask ? unpack(value.mask, size * size) : new Uint8Array(size * size);
  state.cursor = { x: size >> 1, y: size >> 1 };
  const image = new Image();
  image.onload = () => {
    if (value.serial !== state.serial) return;
    paper.width = paper.height = size;
    paper.getContext("2d").drawImage(image, 0, 0);
    frame.dataset.serial = value.serial;
  };
  image.src = value.src;
  draw();
  tell();
}

// --- painting ------------------------------------------------------------------------------

function radius() {
  return (Number(find(".brush").value) * state.size) / 2;
}

function stroke(from, to) {
  const { size, mask, tool } = state;
  const reach = radius();
  for (let pixel = 0; pixel < size * size; pixel++) {
    const x = (pixel % size) + 0.5 - from.x;
    const y = Math.floor(pixel / size) + 0.5 - from.y;
    const along = { x: to.x - from.x, y: to.y - from.y };
    const length = along.x ** 2 + along.y ** 2;
    const share = length ? Math.min(1, Math.max(0, (x * along.x + y * along.y) / length)) : 0;
    if (Math.hypot(x - share * along.x, y - share * along.y) <= reach) mask[pixel] = tool === "paint" ? 1 : 0;
  }
}

function drag(point) {
  stroke(state.last || point, point);
  state.last = point;
  draw();
}

function end() {
  if (state.pointer === null) return;
  state.pointer = state.last = null;
  send();
}

function pointOf(event) {
  const box = marks.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) / box.width) * state.size,
    y: ((event.clientY - box.top) / box.height) * state.size,
  };
}

marks.addEventListener("pointerdown", (event) => {
  if (!state.tool || event.button !== 0 || state.pointer !== null) return;
  marks.setPointerCapture(event.pointerId);
  state.pointer = event.pointerId;
  drag(pointOf(event));
});
marks.addEventListener("pointermove", (event) => {
  if (event.pointerId === state.pointer) drag(pointOf(event));
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
  marks.addEventListener(name, (event) => event.pointerId === state.pointer && end());
}

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

marks.addEventListener("keydown", (event) => {
  const step = arrows[event.key];
  const paints = event.key === " " || event.key === "Enter";
  if ((!step && !paints) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (typeof state.pointer === "number") return; // a stroke of the mouse goes on
  const { cursor, size } = state;
  const from = { ...cursor };
  if (step) {
    const far = Math.max(1, Math.round(size / 32));
    cursor.x = Math.min(size - 1, Math.max(0, cursor.x + far * step[0]));
    cursor.y = Math.min(size - 1, Math.max(0, cursor.y + far * step[1]));
  }
  if (state.tool && (paints || event.shiftKey)) {
    stroke(from, cursor);
    send();
  }
  draw();
});
for (const name of ["focus", "blur"]) marks.addEventListener(name, () => draw());

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-tool], [data-do]");
  if (!button) return;
  if (button.dataset.do) {
    state.mask.fill(0);
    send();
  } else {
    state.tool = state.tool === button.dataset.tool ? "" : button.dataset.tool;
  }
  draw();
});

// --- pictures ------------------------------------------------------------------------------

function tell() {
  const painted = state.mask.reduce((sum, set) => sum + set, 0);
  const share = Math.round((100 * painted) / state.mask.length);
  find(".told").textContent = painted ? `Only what is painted may change: ${Math.max(1, share)} % of the pixels.` : "No mask: everything may change.";
}

function draw() {
  const { size, mask, tool, cursor } = state;
  if (!size) return;
  frame.classList.toggle("painting", Boolean(tool));
  marks.tabIndex = tool ? 0 : -1;
  for (const button of element.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }
  const scale = Math.max(1, Math.round(512 / size));
  if (marks.width !== size * scale) marks.width = marks.height = size * scale;
  const pen = marks.getContext("2d");
  pen.clearRect(0, 0, marks.width, marks.height);
  const cells = new Path2D();
  const edge = new Path2D();
  for (let pixel = 0; pixel < size * size; pixel++) {
    if (!mask[pixel]) continue;
    const [x, y] = [pixel % size, Math.floor(pixel / size)];
    cells.rect(x * scale, y * scale, scale, scale);
    if (!x || !mask[pixel - 1]) edge.rect(x * scale, y * scale, 2, scale);
    if (x === size - 1 || !mask[pixel + 1]) edge.rect((x + 1) * scale - 2, y * scale, 2, scale);
    if (!y || !mask[pixel - size]) edge.rect(x * scale, y * scale, scale, 2);
    if (y === size - 1 || !mask[pixel + size]) edge.rect(x * scale, (y + 1) * scale - 2, scale, 2);
  }
  const green = getComputedStyle(element).getPropertyValue("--gm-student").trim();
  pen.fillStyle = green;
  pen.globalAlpha = 0.4;
  pen.fill(cells);
  pen.globalAlpha = 1;
  pen.fill(edge);
  if (tool && marks.matches(":focus-visible")) {
    for (const [style, width] of [["#000", 6], ["#fff", 3]]) {
      pen.strokeStyle = style;
      pen.lineWidth = width;
      pen.beginPath();
      pen.arc(cursor.x * scale, cursor.y * scale, radius() * scale, 0, 2 * Math.PI);
      pen.stroke();
    }
  }
}

watch("value", take);
take();
