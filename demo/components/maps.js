// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const GAP = { least: 6, most: 16 }; // CSS pixels between maps
const PHONE = 480; // CSS pixels: with less room than this, at most two maps side by side
const SCROLL_BAR = 20; // CSS pixels that one takes at most
const DARK = "#1c1917"; // the ground of a heat map, the page's neutral dark
const BRIGHT = "#fffaeb"; // its top
const LEAST = 0.14; // where on the way from dark to bright a number begins that is not a special zero
const ZERO = { width: 14, gap: 4 }; // CSS pixels of a special zero's own square beside the bar
const LONGEST = -8.8e-88; // a number that takes the most room when written
const OUTSIDE = "out of reach"; // of the receptive field

const state = { value: null, shape: "", maps: [], pointed: null, active: 0, cursor: null, width: 0, live: false };

function bytes(text) {
  return text && Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// --- colours -------------------------------------------------------------------------------
// Mixed in OKLab (Ottosson 2020), where equal steps look equal: its first number is the lightness.

function toLab(hex) {
  const [r, g, b] = rgb(hex).map((level) => {
    const share = level / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function toRgb([light, a, b]) {
  const l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((share) => {
    const kept = Math.min(1, Math.max(0, share));
    return Math.round(255 * (kept <= 0.0031308 ? 12.92 * kept : 1.055 * kept ** (1 / 2.4) - 0.055));
  });
}

function mix(from, to, share) {
  return from.map((number, at) => number + (to[at] - number) * share);
}

function readPalette() {
  const [dark, middle, bright, real] = [DARK, colour("--gm-generated"), BRIGHT, colour("--gm-real")].map(toLab);
  state.palette = {
    dark,
    middle,
    bright,
    // The lightness rises evenly from the ground to the top, so the orange stands where its own is.
    turn: (middle[0] - dark[0]) / (bright[0] - dark[0]),
    seen: [dark[0] + 0.07, 0.55 * real[1], 0.55 * real[2]],
    unknown: rgb(colour("--gm-unknown")),
  };
}

// Where between dark (0) and bright (1) a number stands.
function position(item, value) {
  if (item.zeroIsSpecial && value === 0) return 0;
  const at = item.scale === "log" ? Math.log : (number) => number;
  const share = value <= item.low ? 0 : (at(value) - at(item.low)) / (at(item.high) - at(item.low));
  const first = item.zeroIsSpecial ? LEAST : 0;
  return first + (1 - first) * Math.min(1, share);
}

function heat(share, ground) {
  const { middle, bright, turn } = state.palette;
  if (share < turn) return toRgb(mix(ground, middle, share / turn));
  return toRgb(mix(middle, bright, (share - turn) / (1 - turn)));
}

function ground(map, at) {
  const { dark, seen } = state.palette;
  const [light, a, b] = map.field && map.field[at] ? seen : dark;
  return [light + (map.below ? (0.2 * map.below[at]) / 255 : 0), a, b];
}

function cellColour(map, at) {
  const { item } = map;
  if (item.kind === "heat") {
    const value = map.values[at];
    return Number.isNaN(value) ? state.palette.unknown : heat(position(item, value), ground(map, at));
  }
  if (map.unknown && map.unknown[at]) return state.palette.unknown;
  const start = at * item.channels;
  return [0, 1, 2].map((channel) => map.pixels[start + (item.channels === 3 ? channel : 0)]);
}

// --- drawing -------------------------------------------------------------------------------

// One pixel a cell, kept until the data or the colours change.
function paint(map) {
  const { width, height } = state.value;
  const { picture } = map;
  if (picture.width !== width || picture.height !== height) {
    picture.width = width;
    picture.height = height;
  }
  const data = new ImageData(width, height);
  for (let at = 0; at < width * height; at++) data.data.set([...cellColour(map, at), 255], 4 * at);
  picture.getContext("2d").putImageData(data, 0, 0);
}

// A border along the inner side of a region, so that the cells outside it stay untouched.
function outline(pen, inside, scale, thickness, style) {
  const { width, height } = state.value;
  const isIn = (row, column) =>
    row >= 0 && row < height && column >= 0 && column < width && inside[row * width + column];
  pen.fillStyle = style;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (!isIn(row, column)) continue;
      for (let down = -1; down <= 1; down++) {
        for (let right = -1; right <= 1; right++) {
          if (isIn(row + down, column + right)) continue;
          pen.fillRect(
            column * scale + (right > 0 ? scale - thickness : 0),
            row * scale + (down > 0 ? scale - thickness : 0),
            right ? thickness : scale,
            down ? thickness : scale,
          );
        }
      }
    }
  }
}

// A frame around a cell, `away` from it, pushed inwards at the picture's edge.
function frame(pen, [row, column], scale, away, thickness, style) {
  const { width, height } = pen.canvas;
  const far = away + thickness;
  const left = Math.max(0, column * scale - far);
  const top = Math.max(0, row * scale - far);
  const across = Math.min(width, (column + 1) * scale + far) - left;
  const down = Math.min(height, (row + 1) * scale + far) - top;
  pen.fillStyle = style;
  pen.fillRect(left, top, across, thickness);
  pen.fillRect(left, top + down - thickness, across, thickness);
  pen.fillRect(left, top, thickness, down);
  pen.fillRect(left + across - thickness, top, thickness, down);
}

function drawMap(map) {
  const { canvas, picture } = map;
  const { cursor, pointed, scale } = state;
  const thin = Math.max(1, Math.round(devicePixelRatio));
  const thick = 2 * thin;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const edge = Math.max(1, Math.min(thick, Math.round(scale / 5)));
  if (map.field) outline(pen, map.field, scale, edge, colour("--gm-real"));
  if (map.marks) outline(pen, map.marks, scale, edge, colour("--gm-generated"));
  if (cursor) {
    frame(pen, cursor, scale, thick, thin, "#fff");
    frame(pen, cursor, scale, 0, thick, colour("--gm-student"));
  }
  if (pointed) {
    const away = cursor && pointed[0] === cursor[0] && pointed[1] === cursor[1] ? thick : 0;
    frame(pen, pointed, scale, away + thin, thin, "#000");
    frame(pen, pointed, scale, away, thin, "#fff");
  }
}

function drawBar(map) {
  const { item, bar } = map;
  const pen = bar.getContext("2d");
  const seen = map.field ? state.palette.seen : state.palette.dark;
  const ratio = bar.width / state.size.width;
  const start = item.zeroIsSpecial ? Math.round((ZERO.width + ZERO.gap) * ratio) : 0;
  const first = item.zeroIsSpecial ? LEAST : 0;
  pen.clearRect(0, 0, bar.width, bar.height);
  if (start) {
    pen.fillStyle = `rgb(${heat(0, seen)})`;
    pen.fillRect(0, 0, Math.round(ZERO.width * ratio), bar.height);
  }
  for (let x = start; x < bar.width; x++) {
    pen.fillStyle = `rgb(${heat(first + ((1 - first) * (x - start)) / (bar.width - 1 - start), seen)})`;
    pen.fillRect(x, 0, 1, bar.height);
  }
  if (!state.pointed) return;
  const at = state.pointed[0] * state.value.width + state.pointed[1];
  const value = map.values[at];
  if (Number.isNaN(value) || (value === 0 && map.field && !map.field[at])) return;
  const thin = Math.max(1, Math.round(ratio));
  const share = (position(item, value) - first) / (1 - first);
  const x =
    share < 0 ? (ZERO.width * ratio) / 2 : Math.min(bar.width - 2 * thin, Math.max(start + 2 * thin, start + share * (bar.width - start)));
  pen.fillStyle = "#000";
  pen.fillRect(Math.round(x) - 2 * thin, 0, 4 * thin, bar.height);
  pen.fillStyle = "#fff";
  pen.fillRect(Math.round(x) - thin, 0, 2 * thin, bar.height);
}

function draw() {
  if (!state.size) return;
  for (const map of state.maps) {
    drawMap(map);
    if (map.bar) drawBar(map);
  }
}

// --- layout --------------------------------------------------------------------------------

// CSS pixels that a map takes at least, if there is room, and at most.
function sizes(count) {
  if (count <= 2) return { least: 336, most: 448 };
  return count <= 4 ? { least: 224, most: 336 } : { least: 140, most: 224 };
}

function layout() {
  if (!state.value) return;
  const room = find(".ruler").clientWidth;
  if (!room) return; // a hidden tab
  // A scroll bar that comes and goes with the maps' height must not make them change it again.
  if (room < state.width || room > state.width + SCROLL_BAR) state.width = room;
  const { width, height, items } = state.value;
  const count = items.length;
  const ratio = devicePixelRatio || 1;
  const { least, most } = sizes(count);
  const broad = (scale) => (width * scale) / ratio;
  let columns;
  if (state.width < PHONE) {
    columns = count <= 2 ? 1 : 2;
  } else {
    const wanted = broad(Math.ceil((least * ratio) / width));
    columns = Math.max(1, Math.min(count, Math.floor((state.width + GAP.least) / (wanted + GAP.least))));
    columns = Math.ceil(count / Math.ceil(count / columns)); // as few gaps in the last row as can be
  }
  columns = Math.min(columns, state.value.columns || count);
  const each = Math.min(most, (state.width - GAP.least * (columns - 1)) / columns);
  const side = Math.min(each, (most * width) / Math.max(width, height));
  const scale = Math.max(1, Math.floor((side * ratio) / width)); // whole, so that all cells are equal
  state.scale = scale;
  state.size = { width: broad(scale), height: (height * scale) / ratio };
  const grid = find(".grid");
  grid.style.gridTemplateColumns = `repeat(${columns}, ${state.size.width}px)`;
  const left = (state.width - columns * state.size.width) / Math.max(1, columns - 1);
  grid.style.columnGap = `${Math.max(GAP.least, Math.min(GAP.most, left))}px`;
  for (const { canvas, bar } of state.maps) {
    resize(canvas, width * scale, height * scale, state.size.width, state.size.height);
    if (bar) resize(bar, width * scale, Math.round(10 * ratio), state.size.width, 10);
  }
}

// Giving a canvas a size clears it, even if it is the size that it has.
function resize(canvas, width, height, cssWidth, cssHeight) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.style.width = `${cssWidth}px`;
  canvas.style.height = `${cssHeight}px`;
}

function make(tag, name, parent) {
  const node = document.createElement(tag);
  node.className = name;
  parent.append(node);
  return node;
}

function build() {
  find(".grid").replaceChildren();
  state.maps = state.value.items.map((item, index) => {
    const figure = make("figure", "", find(".grid"));
    const map = { figure, title: make("figcaption", "title", figure), canvas: make("canvas", "map", figure) };
    map.canvas.dataset.map = index;
    map.canvas.setAttribute("role", "img");
    const scale = make("div", "scale", figure);
    if (item.kind === "heat") {
      map.bar = make("canvas", "bar", scale);
      map.bar.setAttribute("aria-hidden", "true");
      const ends = make("div", "ends", scale);
      map.ends = ["zero", "low", "high"].map((name) => make("span", name, ends));
      map.unit = make("div", "unit", scale);
      map.ends[0].style.width = `${ZERO.width}px`;
      map.ends[0].style.textAlign = "center";
    }
    map.caption = make("div", "caption", figure);
    map.picture = document.createElement("canvas");
    return map;
  });
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function fill(map, item) {
  map.item = item;
  for (const name of ["pixels", "unknown", "marks", "field", "below"]) map[name] = bytes(item[name]);
  const bounds = item.kind === "heat" && [format(item.low), `${format(item.high)} ${item.unit}`.trim()];
  write(map.title, item.title);
  write(map.caption, item.caption);
  if (item.kind === "heat") {
    map.values = new Float32Array(bytes(item.values).buffer);
    const [zero, low, high] = map.ends;
    write(zero, item.zeroIsSpecial ? "0" : "");
    write(low, item.zeroIsSpecial && item.low === 0 ? "> 0" : bounds[0]);
    write(high, format(item.high));
    write(map.unit, [item.unit, item.scale === "log" && "log scale"].filter(Boolean).join(", "));
  }
  const says = [item.title, bounds && `from ${bounds[0]} to ${bounds[1]}`, item.caption];
  map.canvas.setAttribute("aria-label", says.filter(Boolean).join(", "));
}

function writeKey() {
  const { items, cursor, clickable } = state.value;
  const entries = [
    [clickable || cursor, "--gm-student", "chosen pixel"],
    [items.some((item) => item.field), "--gm-real", "theoretical receptive field"],
    [items.some((item) => item.marks), "--gm-generated", "drawn by the model"],
    [items.some((item) => item.unknown), "--gm-unknown", "unknown"],
  ]
    .filter(([shown]) => shown)
    .map(([, name, words]) => [name, words]);
  const key = find(".key");
  key.hidden = entries.length === 0;
  const text = JSON.stringify(entries);
  if (key.dataset.entries === text) return;
  key.dataset.entries = text;
  key.replaceChildren();
  for (const [name, words] of entries) {
    const entry = make("span", name === "--gm-unknown" ? "filled" : "", key);
    entry.style.setProperty("--colour", `var(${name})`);
    entry.textContent = words;
  }
}

// --- reading -------------------------------------------------------------------------------

function format(value) {
  const rounded = Number(value.toPrecision(Math.abs(value) < 0.1 ? 2 : 3));
  const size = Math.abs(rounded);
  if (size === 0 || (size >= 0.001 && size < 1e6)) return String(rounded).replace("-", "−");
  const [digits, power] = rounded.toExponential().split("e");
  const raised = [...power].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)] || "").join("");
  return `${digits} × 10${raised}`.replace("-", "−");
}

function valueText(map, at) {
  const { item } = map;
  if (item.kind === "heat") {
    const value = map.values[at];
    const text = Number.isNaN(value) ? "no value" : `${format(value)} ${item.unit}`.trim();
    if (!map.field || map.field[at]) return text;
    return value === 0 ? OUTSIDE : `${text}, though ${OUTSIDE}`;
  }
  if (map.unknown && map.unknown[at]) return "unknown";
  const levels = Array.from(map.pixels.slice(at * item.channels, (at + 1) * item.channels), (level) =>
    Math.round((level * (item.levels - 1)) / 255),
  );
  if (item.channels === 3) return `RGB ${levels.join(" ")}`;
  if (item.levels === 2) return levels[0] ? "white" : "black";
  return `level ${levels[0]}`;
}

function longestText({ item, field }) {
  if (item.kind === "picture") return item.channels === 3 ? "RGB 255 255 255" : "level 255";
  const text = `${format(LONGEST)} ${item.unit}`.trim();
  return field ? `${text}, though ${OUTSIDE}` : text;
}

function readOut(line, where, texts) {
  const { items } = state.value;
  const ends = texts.map((text, index) => `${items[index].title} ${text}${index < texts.length - 1 ? "," : ""}`);
  const words = [`${where}:`, ...ends];
  if (line.children.length !== words.length) {
    line.replaceChildren();
    for (const _ of words) {
      make("span", "", line);
      line.append(" ");
    }
  }
  words.forEach((text, index) => write(line.children[index], text));
}

function tell() {
  const { value, pointed, maps } = state;
  const line = find(".line");
  line.setAttribute("aria-live", state.live ? "polite" : "off");
  if (!pointed) {
    const hint = `Point at a pixel to read its values${value.clickable ? ", click to choose it" : ""}.`;
    write(line, hint);
    return;
  }
  const [row, column] = pointed;
  const at = row * value.width + column;
  readOut(line, `row ${row + 1}, column ${column + 1}`, maps.map((map) => valueText(map, at)));
}

function reserve() {
  const { height, width } = state.value;
  readOut(find(".room"), `row ${height}, column ${width}`, state.maps.map(longestText));
}

// --- pointing and choosing -----------------------------------------------------------------

function point(cell, active = state.active) {
  const old = state.pointed;
  const same = old && cell ? old[0] === cell[0] && old[1] === cell[1] : old === cell;
  if (same && active === state.active) return;
  state.pointed = cell;
  state.active = active;
  state.maps.forEach(({ figure }, index) => figure.classList.toggle("active", index === active));
  draw();
  tell();
}

function select([row, column]) {
  if (!state.value.clickable) return;
  state.cursor = [row, column];
  draw();
  trigger("select", { row, column, map: state.active });
}

function under(event) {
  const canvas = event.target.closest(".map");
  if (!canvas || !state.value) return null;
  const box = canvas.getBoundingClientRect();
  const { width, height } = state.value;
  const inside = (share, cells) => Math.min(cells - 1, Math.max(0, Math.floor(share * cells)));
  return {
    cell: [
      inside((event.clientY - box.top) / box.height, height),
      inside((event.clientX - box.left) / box.width, width),
    ],
    active: Number(canvas.dataset.map),
  };
}

function follow(event) {
  const found = under(event);
  // A finger that is gone has not pointed away, nor has a mouse while keys point.
  if (!found && (event.pointerType !== "mouse" || state.live)) return;
  state.live = false;
  point(found && found.cell, found ? found.active : state.active);
}

element.addEventListener("pointermove", follow);
element.addEventListener("pointerdown", follow);
element.addEventListener("pointerleave", follow);
element.addEventListener("click", (event) => {
  const found = under(event);
  if (!found) return;
  point(found.cell, found.active);
  select(found.cell);
});

const start = () => state.cursor || [Math.floor(state.value.height / 2), Math.floor(state.value.width / 2)];
const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

element.addEventListener("focusin", () => {
  if (!state.value || !find(".maps").matches(":focus-visible")) return;
  state.live = true;
  if (!state.pointed) point(start());
});
element.addEventListener("focusout", () => {
  state.live = false;
  if (state.value) point(null);
});
element.addEventListener("keydown", (event) => {
  if (!state.value) return;
  const brackets = { "[": -1, "]": 1 };
  // Brackets are typed with AltGr on some keyboards, which reports itself as Alt and Control.
  if ((event.altKey || event.ctrlKey || event.metaKey) && !(event.key in brackets)) return;
  const { height, width } = state.value;
  const count = state.maps.length;
  const [row, column] = state.pointed || start();
  if (event.key in moves) {
    const [down, right] = moves[event.key];
    const kept = (number, cells) => Math.min(cells - 1, Math.max(0, number));
    state.live = true;
    point([kept(row + down, height), kept(column + right, width)]);
  } else if (event.key in brackets) {
    state.live = true;
    point([row, column], (state.active + brackets[event.key] + count) % count);
  } else if ((event.key === "Enter" || event.key === " ") && state.value.clickable) {
    state.live = true;
    point([row, column]);
    select([row, column]);
  } else {
    return;
  }
  event.preventDefault();
});

// --- values --------------------------------------------------------------------------------

function recolour() {
  readPalette();
  state.maps.forEach(paint);
  draw();
}

function take(value) {
  if (!value || !value.items) return;
  state.value = value;
  state.cursor = value.cursor;
  const shape = JSON.stringify([value.height, value.width, value.items.map((item) => item.kind)]);
  if (shape !== state.shape) {
    state.shape = shape;
    state.pointed = null;
    state.active = 0;
    build();
  }
  state.maps.forEach((map, index) => fill(map, value.items[index]));
  const box = find(".maps");
  box.classList.toggle("clickable", value.clickable);
  box.classList.toggle("captioned", value.items.some((item) => item.caption));
  const keys = `Arrow keys point at a pixel, brackets change the map${value.clickable ? ", Enter chooses the pixel" : ""}.`;
  box.setAttribute("aria-label", [props.label, keys].filter(Boolean).join(". "));
  box.dataset.serial = value.serial;
  writeKey();
  reserve();
  layout();
  recolour();
  tell();
}

watch("value", () => take(props.value));
// A hidden tab mounts late, and a tab's width is only known once it is shown. The ruler's height
// does not change with what is drawn.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return observers.forEach((observer) => observer.disconnect());
  layout();
  draw();
});
resized.observe(find(".ruler"));
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(() => state.value && recolour());
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
take(props.value);
