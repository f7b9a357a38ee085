// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const MARGIN = 14; // CSS pixels between the outermost points and the edge
const SIZE = 3.3; // CSS pixels, radius of a point
const CROSS = 3.6; // CSS pixels, half the width of what marks a mistake
const FADED = 0.1; // opacity of the groups that are not highlighted
const REACH = { mouse: 14, touch: 26 }; // CSS pixels from a pointer to the point that it means
const MOVE = 700; // ms from one map to the next
const NAMED = 2; // classes that a cluster's mixture names
const SHARP = 4; // backing pixels to a pixel of a typical image, for hard edges
const MEANS = {
  cluster: "What was put together without a label: letters and colours mean nothing yet.",
  name: "Your name of a cluster, given to all its images at once.",
  prediction: "What a classifier says, which learnt from 60,000 labelled images.",
  hidden: "The truth is hidden: all points are grey until you have named the clusters, or ask.",
  truth: "What people wrote beside each image.",
};

const state = {
  key: "", // of the clusters that the names are of
  names: [],
  colouring: "cluster",
  isRevealed: false, // the truth
  isChecked: false, // the names have been compared with it
  chosen: 0,
  pressed: null, // what is highlighted: {by, group}
  hinted: null, // what is pointed at, the same
  places: [], // where the points are drawn, on their way from one map to the next
  side: 0, // CSS pixels of the map
};
const pictures = new Image();
let moving = 0; // the animation's frame

const board = () => props.board;
const style = (name) => getComputedStyle(find(".clusters")).getPropertyValue(name).trim();
const percent = (share) => `${Math.round(100 * share)} %`;

// --- groups --------------------------------------------------------------------------------

// Far from each other on the wheel, and light or dark in turn. No colours of classes: a cluster is
// none until it is named.
const clusterColour = (group) =>
  `oklch(${[0.62, 0.78, 0.48][group % 3]} 0.13 ${(20 + 137.5 * group) % 360})`;

// Which group a point belongs to by a colouring; -1 is none, or not to be known yet.
function groupOf(index, by) {
  const { assigned, predicted, truth, classNames } = board();
  if (by === "cluster") return assigned[index];
  if (by === "prediction") return predicted[index];
  if (by === "truth") return state.isRevealed ? truth[index] : -1;
  return classNames.indexOf(state.names[assigned[index]]);
}

function groups(by) {
  if (by === "cluster") {
    return Array.from({ length: board().clusters }, (_, group) => ({
      title: props.letters[group],
      colour: clusterColour(group),
    }));
  }
  return board().classNames.map((title, group) => ({ title, colour: style(`--gm-class-${group}`) }));
}

function isWrong(index) {
  if (!state.isRevealed || !["name", "prediction"].includes(state.colouring)) return false;
  return groupOf(index, state.colouring) !== board().truth[index];
}

// Any colour of CSS as its bytes.
function pixel(colour) {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
}

// Black or white, whichever stands out more from a colour.
function inkOn(colour) {
  const [red, green, blue] = pixel(colour).map((level) => (level / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000" : "#fff";
}

// --- the map -------------------------------------------------------------------------------

function toScreen([x, y]) {
  const scale = state.side / 2 - MARGIN;
  return [state.side / 2 + x * scale, state.side / 2 - y * scale];
}

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

// A cluster is drawn in squares, a class in dots.
function outline(x, y, size) {
  const path = new Path2D();
  if (state.colouring === "cluster") path.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
  else path.arc(x, y, size, 0, 2 * Math.PI);
  return path;
}

function drawPoints(pen) {
  const colours = groups(state.colouring).map(({ colour }) => colour);
  const unknown = style("--gm-unknown");
  const ink = style("--body-text-color");
  const highlighted = state.hinted ?? state.pressed;
  const isLit = (index) => !highlighted || groupOf(index, highlighted.by) === highlighted.group;
  // A thin line, or light colours would be lost on a light page.
  const edge = style("--body-text-color-subdued");
  const drawPoint = (place, index) => {
    const [x, y] = toScreen(place);
    pen.fillStyle = colours[groupOf(index, state.colouring)] || unknown;
    pen.strokeStyle = edge;
    pen.lineWidth = 0.5;
    const path = outline(x, y, SIZE);
    pen.fill(path);
    pen.stroke(path);
    if (!isWrong(index)) return;
    pen.strokeStyle = ink;
    pen.lineWidth = 1.2;
    pen.beginPath();
    for (const slope of [1, -1]) {
      pen.moveTo(x - CROSS, y - CROSS * slope);
      pen.lineTo(x + CROSS, y + CROSS * slope);
    }
    pen.stroke();
  };
  pen.globalAlpha = FADED;
  state.places.forEach((place, index) => isLit(index) || drawPoint(place, index));
  pen.globalAlpha = 1;
  state.places.forEach((place, index) => isLit(index) && drawPoint(place, index));
}

// A group's name stands at its point that lies most in its middle.
function drawTitles(pen) {
  pen.font = `700 13px ${getComputedStyle(element).fontFamily}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const middle = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
  groups(state.colouring).forEach(({ title, colour }, group) => {
    const members = state.places.filter((_, index) => groupOf(index, state.colouring) === group);
    if (!members.length) return;
    const [x, y] = [0, 1].map((axis) => middle(members.map((place) => place[axis])));
    const distance = (place) => Math.hypot(place[0] - x, place[1] - y);
    const best = members.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    const name = state.colouring === "cluster" ? state.names[group] : "";
    const text = name && name !== props.cantSay ? `${title} = ${name}` : title;
    const width = Math.max(20, pen.measureText(text).width + 10);
    const [left, top] = toScreen(best);
    const at = Math.min(state.side - width / 2 - 2, Math.max(width / 2 + 2, left));
    const box = new Path2D();
    box.roundRect(at - width / 2, top - 10, width, 20, state.colouring === "cluster" ? 3 : 10);
    pen.fillStyle = colour;
    pen.fill(box);
    pen.strokeStyle = style("--background-fill-primary");
    pen.lineWidth = 1.5;
    pen.stroke(box);
    pen.fillStyle = inkOn(colour);
    pen.fillText(text, at, top + 0.5);
  });
}

function drawMarks() {
  const pen = context(find(".marks"));
  const [x, y] = toScreen(state.places[state.chosen]);
  for (const [colour, thickness] of [[style("--background-fill-primary"), 6], [style("--gm-student"), 3]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = thickness;
    pen.beginPath();
    pen.arc(x, y, 9, 0, 2 * Math.PI);
    pen.stroke();
  }
}

// --- pictures ------------------------------------------------------------------------------

const hasPictures = () => pictures.complete && pictures.naturalWidth > 0 && props.sheet.dataset === board().dataset;

function place(index) {
  const { columns, height, width } = props.sheet;
  return [(index % columns) * width, Math.floor(index / columns) * height, width, height];
}

function drawCard() {
  const { assigned, predicted, truth, classNames } = board();
  const { chosen } = state;
  const letter = props.letters[assigned[chosen]];
  const name = state.names[assigned[chosen]];
  find(".number").textContent = `${chosen + 1} of ${truth.length.toLocaleString("en")}`;
  find("dd.cluster").textContent = name ? `${letter}: ${name}` : letter;
  find("dd.prediction").textContent = classNames[predicted[chosen]];
  find("dd.truth").textContent = state.isRevealed ? classNames[truth[chosen]] : "hidden";
  find("dd.truth").classList.toggle("hidden", !state.isRevealed);
  const canvas = find(".image");
  canvas.setAttribute("aria-label", `test image ${chosen + 1}, of cluster ${letter}`);
  find(".clusters").dataset.chosen = chosen;
  if (!hasPictures()) return;
  const { width, height } = props.sheet;
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(pictures, ...place(chosen), 0, 0, width, height);
}

function drawTypical() {
  if (!hasPictures()) return;
  const { width, height } = props.sheet;
  [...element.querySelectorAll(".typical")].forEach((canvas, group) => {
    const row = board().typical[group];
    Object.assign(canvas, { width: row.length * width * SHARP, height: height * SHARP });
    const pen = canvas.getContext("2d");
    pen.scale(SHARP, SHARP);
    pen.imageSmoothingEnabled = false;
    row.forEach((index, at) => pen.drawImage(pictures, ...place(index), at * width, 0, width, height));
  });
}

// --- names ---------------------------------------------------------------------------------

function make(tag, name, parent, text = "") {
  const node = document.createElement(tag);
  node.className = name;
  node.textContent = text;
  parent.append(node);
  return node;
}

function buildNaming() {
  const list = find("ol");
  list.replaceChildren();
  groups("cluster").forEach(({ title, colour }, group) => {
    const item = make("li", "", list);
    const letter = make("button", "letter", item, title);
    letter.type = "button";
    letter.style.setProperty("--colour", colour);
    letter.style.setProperty("--ink", inkOn(colour));
    letter.setAttribute("aria-label", `Highlight cluster ${title}`);
    highlights(letter, "cluster", group);
    const typical = make("canvas", "typical", item);
    typical.setAttribute("role", "img");
    typical.setAttribute("aria-label", `Typical images of cluster ${title}`);
    typical.addEventListener("click", (event) => {
      const box = typical.getBoundingClientRect();
      const row = board().typical[group];
      const at = Math.floor(((event.clientX - box.left) / box.width) * row.length);
      choose(row[Math.min(row.length - 1, Math.max(0, at))]);
    });
    const size = board().assigned.filter((other) => other === group).length;
    const select = make("select", "", item);
    select.setAttribute("aria-label", `Name of cluster ${title}, ${size} images`);
    select.append(new Option("name …", ""));
    for (const name of [...board().classNames, props.cantSay]) select.append(new Option(name, name));
    select.addEventListener("change", () => {
      state.names[group] = select.value;
      tell();
    });
    make("div", "mix", item);
  });
}

// What each cluster is a mixture of, once the truth is known.
function drawNaming() {
  const { assigned, truth, classNames } = board();
  [...find("ol").children].forEach((item, group) => {
    const select = item.querySelector("select");
    select.value = state.names[group];
    if (state.names[group]) select.classList.remove("missing");
    const mix = item.querySelector(".mix");
    mix.replaceChildren();
    const members = truth.filter((_, index) => assigned[index] === group);
    if (!state.isRevealed) {
      make("span", "", mix, `${members.length} images`);
      return;
    }
    const shares = classNames
      .map((name, label) => [members.filter((other) => other === label).length / members.length, name, label])
      .filter(([share]) => share > 0)
      .sort((a, b) => b[0] - a[0]);
    const bar = make("div", "bar", mix);
    bar.setAttribute("aria-hidden", "true");
    for (const [share, , label] of shares) {
      const part = make("i", "", bar);
      part.style.width = `${100 * share}%`;
      part.style.setProperty("--colour", `var(--gm-class-${label})`);
    }
    for (const [share, name] of shares.slice(0, NAMED)) make("span", "", mix, `${percent(share)} ${name}`);
  });
}

function keep() {
  const { dataset, grouping, clusters } = board();
  props.value = { dataset, grouping, clusters, names: [...state.names], checked: state.isChecked };
}

// The server says what the names are worth.
function tell() {
  keep();
  draw();
  trigger("input");
}

find(".check").addEventListener("click", () => {
  const missing = state.names.findIndex((name) => !name);
  state.isChecked = missing < 0;
  if (state.isChecked) {
    state.isRevealed = true;
  } else {
    const selects = [...element.querySelectorAll("select")];
    selects.forEach((select, group) => select.classList.toggle("missing", !state.names[group]));
    selects[missing].focus();
  }
  tell();
});

find(".again").addEventListener("click", () => {
  begin();
  tell();
});

find(".reveal").addEventListener("click", () => {
  state.isRevealed = !state.isRevealed;
  draw();
});

// --- choosing ------------------------------------------------------------------------------

function choose(index) {
  state.chosen = index;
  drawMarks();
  drawCard();
}

// The nearest point that fits, on the screen.
function nearest(x, y, most, fits = () => true) {
  let best = null;
  let least = most;
  state.places.forEach((place, index) => {
    const [left, top] = toScreen(place);
    const distance = Math.hypot(left - x, top - y);
    if (distance < least && fits(left - x, top - y, index)) [best, least] = [index, distance];
  });
  return best;
}

const marks = find(".marks");
marks.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  const box = marks.getBoundingClientRect();
  const reach = event.pointerType === "mouse" ? REACH.mouse : REACH.touch;
  const zoom = element.currentCSSZoom ?? 1; // a beamer's large type
  const found = nearest((event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom, reach);
  if (found !== null) choose(found);
});

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
marks.addEventListener("keydown", (event) => {
  const direction = arrows[event.key];
  if (!direction || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const [right, down] = direction;
  const [x, y] = toScreen(state.places[state.chosen]);
  const isThatWay = (dx, dy, index) =>
    index !== state.chosen && dx * right + dy * down > Math.abs(dx * down - dy * right);
  choose(nearest(x, y, Infinity, isThatWay) ?? state.chosen);
});

// --- colours and highlights ----------------------------------------------------------------

function highlights(button, by, group) {
  const isThis = (other) => other?.by === by && other.group === group;
  button.dataset.by = by;
  button.dataset.group = group;
  button.addEventListener("click", () => {
    state.pressed = isThis(state.pressed) ? null : { by, group };
    state.hinted = null;
    draw();
  });
  button.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "mouse") return;
    state.hinted = { by, group };
    drawMap();
  });
  button.addEventListener("pointerleave", () => {
    if (!state.hinted) return;
    state.hinted = null;
    drawMap();
  });
}

element.addEventListener("click", (event) => {
  const button = event.target.closest(".tools button");
  if (!button) return;
  state.colouring = button.dataset.colouring;
  if (state.pressed?.by !== "cluster") state.pressed = null;
  draw();
});

function drawLegend() {
  const legend = find(".legend");
  const { colouring } = state;
  const kind = `${state.key} ${colouring}`;
  if (legend.dataset.shown !== kind) {
    legend.dataset.shown = kind;
    legend.dataset.kind = colouring;
    legend.replaceChildren();
    groups(colouring).forEach(({ title }, group) => {
      const button = make("button", "", legend);
      button.type = "button";
      make("i", "", button);
      button.append(title);
      highlights(button, colouring, group);
    });
  }
  groups(colouring).forEach(({ colour }, group) =>
    legend.children[group].style.setProperty("--colour", colour));
  for (const button of element.querySelectorAll("[data-group]")) {
    const { pressed } = state;
    const isPressed = pressed?.by === button.dataset.by && pressed.group === Number(button.dataset.group);
    button.setAttribute("aria-pressed", String(isPressed));
  }
}

function drawControls() {
  const { colouring, isRevealed } = state;
  for (const button of element.querySelectorAll(".tools button")) {
    button.setAttribute("aria-pressed", String(button.dataset.colouring === colouring));
  }
  const wrong = state.places.filter((_, index) => isWrong(index)).length;
  const marked = isRevealed && ["name", "prediction"].includes(colouring) ? ` ×: not the truth (${wrong}).` : "";
  find(".means").textContent = `${MEANS[colouring === "truth" && !isRevealed ? "hidden" : colouring]}${marked}`;
  find(".reveal").textContent = isRevealed ? "Hide the truth" : "Show the truth";
  Object.assign(find(".clusters").dataset, { shown: colouring, serial: board().serial, revealed: isRevealed });
}

function drawMap() {
  if (!state.side) return; // a hidden tab
  const pen = context(find(".plane"));
  drawPoints(pen);
  drawTitles(pen);
  drawMarks();
}

function draw() {
  if (!element.isConnected) return [resized, recoloured].forEach((observer) => observer.disconnect());
  state.side = Math.floor(find(".layers").clientWidth);
  drawMap();
  drawLegend();
  drawControls();
  drawNaming();
  drawCard();
}

// --- values --------------------------------------------------------------------------------

function begin() {
  state.names = Array(board().clusters).fill("");
  state.isRevealed = false;
  state.isChecked = false;
  state.pressed = state.hinted = null;
}

// From where the points are to where they belong: who is whose neighbour on which map is seen.
function move(from) {
  cancelAnimationFrame(moving);
  const to = board().places;
  let start = null;
  const step = (now) => {
    start ??= now;
    const share = Math.min(1, (now - start) / MOVE);
    const eased = share * share * (3 - 2 * share);
    state.places = to.map(([x, y], index) => {
      const [left, top] = from[index];
      return [left + eased * (x - left), top + eased * (y - top)];
    });
    drawMap();
    if (share < 1) moving = requestAnimationFrame(step);
  };
  moving = requestAnimationFrame(step);
}

function take() {
  const { dataset, grouping, clusters, places } = board();
  const key = `${dataset} ${grouping} ${clusters}`;
  const isOther = !state.key.startsWith(`${dataset} `);
  const before = state.places;
  cancelAnimationFrame(moving);
  state.places = places;
  if (state.key !== key) {
    state.key = key;
    begin();
    if (before.length) keep(); // or the next event would send names of other clusters
    if (isOther) state.chosen = board().typical[0][0];
    buildNaming();
    drawTypical();
  }
  const isStill = isOther || matchMedia("(prefers-reduced-motion: reduce)").matches;
  const isMoved = before.some(([x, y], index) => x !== places[index]?.[0] || y !== places[index]?.[1]);
  if (!isStill && isMoved && state.side) {
    state.places = before;
    draw();
    move(before);
  } else {
    draw();
  }
}

pictures.onload = () => {
  drawTypical();
  drawCard();
};
const loadPictures = () => {
  pictures.src = props.sheet.src;
};
// Gradio takes every name in quotes for that of an event.
const [BOARD, SHEET] = Object.keys({ board: null, sheet: null });
watch(BOARD, take);
watch(SHEET, loadPictures);
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => requestAnimationFrame(draw));
resized.observe(element);
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(draw);
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
take();
loadPictures();
