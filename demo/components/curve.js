// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const HEIGHT = 260; // CSS pixels
const AREA = { left: 58, right: 18, top: 26, bottom: 42 }; // CSS pixels around the plot
const MOST_LINES = 6; // of the grid, across
const state = { value: null, pointed: null };

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function written(number, digits) {
  const text = Math.abs(number).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return number < 0 && Number(text) !== 0 ? `−${text}` : text;
}

// --- axes ----------------------------------------------------------------------------------

// Round numbers that hold the curve and its band, so that the axis hardly changes as it grows.
function range({ y, spread }) {
  const low = Math.min(...y.map((value, at) => value - (spread[at] || 0)));
  const high = Math.max(...y.map((value, at) => value + (spread[at] || 0)));
  const least = Math.max(high - low, Math.abs(high) * 1e-3, 1e-6) / (MOST_LINES - 2);
  const power = 10 ** Math.floor(Math.log10(least));
  const grain = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= least);
  const bottom = Math.floor(low / grain) * grain;
  return { grain, low: bottom, high: Math.max(Math.ceil(high / grain) * grain, bottom + grain) };
}

function powersOfTen(end) {
  const ticks = [];
  for (let tick = 1; tick <= end; tick *= 10) ticks.push(tick);
  if (end > 2 * ticks[ticks.length - 1]) ticks.push(end);
  return ticks;
}

function scales(width) {
  const { end } = state.value;
  const { low, high, grain } = range(state.value);
  const across = width - AREA.left - AREA.right;
  const down = HEIGHT - AREA.top - AREA.bottom;
  return {
    low,
    high,
    grain,
    toX: (x) => AREA.left + (across * Math.log(x)) / Math.log(end),
    toY: (y) => AREA.top + (down * (high - y)) / (high - low),
  };
}

// --- drawing -------------------------------------------------------------------------------

function context(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

function draw() {
  const canvas = find(".plot");
  const width = canvas.clientWidth;
  if (!state.value || !width) return; // a hidden tab
  const { x, y, spread, end, xName, unit } = state.value;
  const pen = context(canvas, width, HEIGHT);
  const { low, high, grain, toX, toY } = scales(width);
  const bottom = HEIGHT - AREA.bottom;
  pen.font = `13px ${getComputedStyle(element).fontFamily}`;
  pen.lineJoin = "round";
  pen.strokeStyle = colour("--border-color-primary");
  pen.fillStyle = colour("--body-text-color-subdued");
  pen.textAlign = "right";
  const digits = Math.max(0, -Math.floor(Math.log10(grain)));
  for (let line = 0; low + line * grain <= high + grain / 2; line++) {
    const height = Math.round(toY(low + line * grain)) + 0.5;
    pen.beginPath();
    pen.moveTo(AREA.left, height);
    pen.lineTo(width - AREA.right, height);
    pen.stroke();
    pen.fillText(written(low + line * grain, digits), AREA.left - 8, height + 4);
  }
  pen.textAlign = "center";
  for (const tick of powersOfTen(end)) {
    const place = Math.round(toX(tick)) + 0.5;
    const isCrowded = tick !== end && toX(end) - place < 60;
    pen.beginPath();
    pen.moveTo(place, AREA.top);
    pen.lineTo(place, bottom + 4);
    pen.stroke();
    if (isCrowded) continue;
    pen.textAlign = tick === end ? "right" : "center";
    pen.fillText(written(tick, 0), tick === end ? width - AREA.right + 6 : place, bottom + 19);
  }
  pen.textAlign = "right";
  pen.fillText(`${xName}, log scale`, width - AREA.right + 6, bottom + 37);
  pen.textAlign = "left";
  pen.fillText(unit, 4, 14);

  const banded = x.map((_, at) => at).filter((at) => spread[at] !== null);
  pen.fillStyle = colour("--gm-generated");
  pen.globalAlpha = 0.3;
  pen.beginPath();
  banded.forEach((at) => pen.lineTo(toX(x[at]), toY(y[at] + spread[at])));
  banded.reverse().forEach((at) => pen.lineTo(toX(x[at]), toY(y[at] - spread[at])));
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = colour("--gm-generated");
  pen.lineWidth = 3;
  pen.beginPath();
  x.forEach((place, at) => pen.lineTo(toX(place), toY(y[at])));
  pen.stroke();
  x.forEach((place, at) => {
    pen.beginPath();
    pen.arc(toX(place), toY(y[at]), 4, 0, 2 * Math.PI);
    pen.fill();
  });
  const pointed = chosen();
  if (state.pointed === null || pointed < 0) return;
  pen.strokeStyle = colour("--gm-student");
  pen.beginPath();
  pen.arc(toX(x[pointed]), toY(y[pointed]), 8, 0, 2 * Math.PI);
  pen.stroke();
}

// --- reading -------------------------------------------------------------------------------

// The point that is pointed at, else the last one.
function chosen() {
  const last = state.value.x.length - 1;
  return state.pointed === null ? last : Math.min(state.pointed, last);
}

function sentence(at) {
  const { x, y, spread, xName, unit } = state.value;
  const band = spread[at] === null ? "" : ` ± ${written(spread[at], 2)}`;
  return `${xName} = ${written(x[at], 0)}: ${written(y[at], 2)}${band} ${unit}`;
}

function tell() {
  const { x, yName, bandName } = state.value;
  find(".of-line").textContent = yName;
  find(".of-band").textContent = bandName;
  const text = x.length ? sentence(chosen()) : "";
  if (find(".read").textContent !== text) find(".read").textContent = text;
  const ends = x.length ? ` From ${sentence(0)} to ${sentence(x.length - 1)}.` : "";
  find(".plot").setAttribute("aria-label", `Curve: ${yName}.${ends}`);
  find(".stage").setAttribute("aria-label", "The points one by one, with the arrow keys");
  find(".plot").dataset.points = x.length;
}

function show() {
  if (!state.value) return;
  tell();
  draw();
}

function point(at, byKey) {
  state.pointed = at;
  find(".read").setAttribute("aria-live", byKey ? "polite" : "off");
  show();
}

find(".plot").addEventListener("pointermove", (event) => pointAt(event));
find(".plot").addEventListener("pointerdown", (event) => pointAt(event));
find(".plot").addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null, false));

function pointAt(event) {
  if (!state.value?.x.length) return;
  const canvas = find(".plot");
  const { toX } = scales(canvas.clientWidth);
  const at = event.offsetX / (element.currentCSSZoom ?? 1); // a beamer's large type
  const distances = state.value.x.map((place) => Math.abs(toX(place) - at));
  point(distances.indexOf(Math.min(...distances)), false);
}

find(".stage").addEventListener("keydown", (event) => {
  const last = (state.value?.x.length || 0) - 1;
  if (last < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
  const places = { ArrowLeft: chosen() - 1, ArrowRight: chosen() + 1, Home: 0, End: last };
  if (!(event.key in places)) return;
  event.preventDefault();
  point(Math.max(0, Math.min(last, places[event.key])), true);
});
find(".stage").addEventListener("blur", () => point(null, false));

function take(value) {
  if (!value || !value.end) return;
  state.value = value;
  show();
}

watch("value", () => take(props.value));
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return observers.forEach((observer) => observer.disconnect());
  draw();
});
resized.observe(find(".stage"));
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(draw);
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
take(props.value);
