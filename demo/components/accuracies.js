// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const AREA = { left: 46, right: 16, top: 28, bottom: 46 }; // CSS pixels around the plot
const CHANCE = 0.1; // of ten classes
const SIZE = 5; // CSS pixels, half of a mark
const MARKS = {
  supervised: `M${-SIZE} 0a${SIZE} ${SIZE} 0 1 0 ${2 * SIZE} 0a${SIZE} ${SIZE} 0 1 0 ${-2 * SIZE} 0Z`,
  clustering: `M${-SIZE} ${-SIZE}H${SIZE}V${SIZE}H${-SIZE}Z`,
  probe: `M0 ${-SIZE - 1}L${SIZE + 1} ${SIZE}H${-SIZE - 1}Z`,
  spreading: `M0 ${-SIZE - 2}L${SIZE + 2} 0L0 ${SIZE + 2}L${-SIZE - 2} 0Z`,
};
const state = { value: null, pointed: null, showsBeforehand: true };

function svg(tag, attributes, parent, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  parent.append(node);
  return node;
}

function make(tag, parent, text = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  parent.append(node);
  return node;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const written = (number) => number.toLocaleString("en");

function placeName(x) {
  return state.value.scale === "percent" ? `${Math.round(100 * x)} %` : written(x);
}

// --- axes ----------------------------------------------------------------------------------

function scales() {
  const { scale, ends } = state.value;
  const width = find(".stage svg").clientWidth;
  const height = find(".stage svg").clientHeight;
  const along = scale === "log" ? Math.log : (x) => x;
  const [low, high] = ends.map(along);
  const right = width - AREA.right;
  const bottom = height - AREA.bottom;
  return {
    right,
    bottom,
    toX: (x) => AREA.left + ((right - AREA.left) * (along(x) - low)) / (high - low),
    toY: (share) => bottom - (bottom - AREA.top) * share,
  };
}

function ticks() {
  const { scale, ends } = state.value;
  if (scale === "percent") return [0, 0.2, 0.4, 0.6, 0.8, 1];
  const powers = [];
  for (let tick = ends[0]; tick <= ends[1]; tick *= 10) powers.push(tick);
  if (ends[1] > 2 * powers[powers.length - 1]) powers.push(ends[1]);
  return powers;
}

function drawAxes({ toX, toY, right, bottom }) {
  const axes = find(".axes");
  axes.replaceChildren();
  for (let share = 0; share < 1.01; share += 0.2) {
    svg("path", { d: `M${AREA.left} ${toY(share)}H${right}` }, axes);
    svg("text", { x: AREA.left - 8, y: toY(share) + 5, "text-anchor": "end" }, axes, Math.round(100 * share));
  }
  for (const tick of ticks()) {
    const isLast = tick === state.value.ends[1];
    svg("path", { d: `M${toX(tick)} ${AREA.top}V${bottom + 4}` }, axes);
    if (!isLast && right - toX(tick) < 52) continue; // no room beside the last
    const at = { x: isLast ? right + 8 : toX(tick), y: bottom + 20, "text-anchor": isLast ? "end" : "middle" };
    svg("text", at, axes, placeName(tick));
  }
  svg("text", { x: right + 8, y: bottom + 40, "text-anchor": "end" }, axes, state.value.xName);
  svg("text", { x: 4, y: 14 }, axes, "accuracy, %");
  svg("path", { class: "chance", d: `M${AREA.left} ${toY(CHANCE)}H${right}` }, axes);
  svg("text", { x: AREA.left + 4, y: toY(CHANCE) - 5 }, axes, "guessing");
}

// --- curves --------------------------------------------------------------------------------

const shown = () => state.value.lines.filter((line) => state.showsBeforehand || !line.isBeforehand);

function drawLine(line, { toX, toY }) {
  const curve = svg("g", { class: `${line.method}${line.isBeforehand ? " is-beforehand" : ""}` }, find(".curves"));
  const { points, level } = line;
  if (level !== null) {
    const [low, high] = state.value.ends;
    svg("path", { class: "line", d: `M${toX(low)} ${toY(level)}H${toX(high)}` }, curve);
  } else {
    const path = (rows) => rows.map(([x, y], at) => `${at ? "L" : "M"}${toX(x)} ${toY(Math.min(1, Math.max(0, y)))}`).join("");
    const banded = points.filter(([, , spread]) => spread !== null);
    if (banded.length > 1 && !line.isBeforehand) {
      const above = banded.map(([x, y, spread]) => [x, y + spread]);
      const below = banded.map(([x, y, spread]) => [x, y - spread]).reverse();
      svg("path", { class: "band", d: `${path([...above, ...below])}Z` }, curve);
    }
    svg("path", { class: "line", d: path(points) }, curve);
  }
  for (const [x, y] of points) {
    const mark = svg("path", { class: "mark", d: MARKS[line.method] }, curve);
    mark.setAttribute("transform", `translate(${toX(x)} ${toY(y)})${line.isBeforehand ? " scale(.7)" : ""}`);
  }
}

function draw() {
  if (!state.value || !find(".stage svg").clientWidth) return; // a hidden tab
  const scale = scales();
  drawAxes(scale);
  find(".curves").replaceChildren();
  const lines = shown();
  for (const line of [...lines].sort((a, b) => b.isBeforehand - a.isBeforehand)) drawLine(line, scale);
  const at = chosen();
  find(".cursor").replaceChildren();
  if (at !== null) svg("path", { d: `M${scale.toX(at)} ${AREA.top}V${scale.bottom}` }, find(".cursor"));
}

// --- reading -------------------------------------------------------------------------------

function places() {
  const all = new Set(shown().flatMap(({ points }) => points.map(([x]) => x)));
  return [...all].sort((a, b) => a - b);
}

// The place that is pointed at, else the one that the app names, else the last one of this run.
function chosen() {
  const all = places();
  if (!all.length) return null;
  if (state.pointed !== null && all.includes(state.pointed)) return state.pointed;
  if (state.value.chosen !== null && all.includes(state.value.chosen)) return state.value.chosen;
  const here = state.value.lines.filter((line) => !line.isBeforehand).flatMap(({ points }) => points.map(([x]) => x));
  return here.length ? Math.max(...here) : all[all.length - 1];
}

function reading(line, at) {
  if (!line) return ["–", ""];
  const point = line.points.find(([x]) => x === at);
  if (line.level !== null && !point) return [percent(line.level), "everywhere"];
  if (!point) return ["–", ""];
  const [, mean, spread, runs] = point;
  return [percent(mean), spread === null ? (runs === 1 ? "1 run" : "") : `± ${(100 * spread).toFixed(1)}`];
}

function fill(cell, [value, note]) {
  cell.replaceChildren();
  make("b", cell, value);
  make("small", cell, note);
}

function tell() {
  const { lines, xName, here, beforehand, invitation, scale } = state.value;
  const at = chosen();
  const word = scale === "percent" ? xName : xName.replace(/ \(.*/, "");
  find(".at").textContent = at === null ? "" : scale === "percent" ? `${word}: ${placeName(at)}` : `${placeName(at)} ${word}`;
  find(".here").textContent = here;
  find(".beforehand").hidden = !beforehand;
  find(".beforehand span").textContent = beforehand;
  const body = find("tbody");
  body.replaceChildren();
  const said = [];
  for (const name of [...new Set(lines.map((line) => line.name))]) {
    const [live, before] = [false, true].map((is) => lines.find((line) => line.name === name && line.isBeforehand === is));
    const { method } = live || before;
    const row = make("tr", body);
    const head = make("th", row);
    head.scope = "row";
    const key = svg("svg", { class: method, viewBox: "0 0 30 14", "aria-hidden": "true" }, head);
    svg("path", { class: "line", d: "M0 7H30" }, key);
    svg("path", { class: "mark", d: MARKS[method], transform: "translate(15 7)" }, key);
    head.append(name);
    fill(make("td", row), reading(live, at));
    if (beforehand) fill(make("td", row), state.showsBeforehand ? reading(before, at) : ["", ""]);
    said.push(`${name}: ${reading(live || before, at).join(" ")}`);
  }
  const isEmpty = lines.every((line) => line.isBeforehand || !(line.points.length || line.level !== null));
  find(".invitation").textContent = isEmpty ? invitation : "";
  find(".stage svg").setAttribute("aria-label", `Accuracy against ${xName}. ${find(".at").textContent}. ${said.join(". ")}`);
  find(".accuracies").dataset.scale = scale;
  find(".accuracies").dataset.points = lines.filter((line) => !line.isBeforehand).flatMap((line) => line.points).length;
}

function show() {
  if (!state.value) return;
  tell();
  draw();
}

function point(at, byKey) {
  state.pointed = at;
  find(".side").setAttribute("aria-live", byKey ? "polite" : "off");
  show();
}

function pointAt(event) {
  const all = state.value ? places() : [];
  if (!all.length) return;
  const { toX } = scales();
  const zoom = element.currentCSSZoom ?? 1; // a beamer's large type
  const x = (event.clientX - find(".stage svg").getBoundingClientRect().left) / zoom;
  point(all.reduce((best, each) => (Math.abs(toX(each) - x) < Math.abs(toX(best) - x) ? each : best)), false);
}

for (const name of ["pointermove", "pointerdown"]) find(".stage svg").addEventListener(name, pointAt);
find(".stage svg").addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null, false));
find(".stage").addEventListener("keydown", (event) => {
  const all = state.value ? places() : [];
  if (!all.length || event.ctrlKey || event.altKey || event.metaKey) return;
  const now = all.indexOf(chosen());
  const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  point(all[Math.min(all.length - 1, Math.max(0, next))], true);
});
find("input").addEventListener("change", ({ target }) => {
  state.showsBeforehand = target.checked;
  show();
});

watch("value", () => {
  if (!props.value?.lines) return;
  state.value = props.value;
  show();
});
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return resized.disconnect();
  draw();
});
resized.observe(find(".stage"));
state.value = props.value?.lines ? props.value : null;
show();
