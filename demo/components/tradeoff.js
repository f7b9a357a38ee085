// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const AREA = { left: 46, right: 372, top: 12, bottom: 186 }; // of the plot, in the drawing's units
const USUAL_LOW = 0.4; // where the axis of quality begins, unless a point lies below
const points = new Map(); // setting -> [quality, diversity]
const state = { serial: -1, of: "" };

function svg(tag, attributes, parent, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  parent.append(node);
  return node;
}

const percent = (share) => `${Math.round(100 * share)} %`;
const written = (number) => number.toLocaleString("en");

// --- plot ----------------------------------------------------------------------------------

function scales() {
  const all = [...points.values(), props.value?.real ?? [1, 1]];
  const low = all.some(([quality]) => quality < USUAL_LOW) ? 0 : USUAL_LOW;
  return {
    low,
    toX: (diversity) => AREA.left + (AREA.right - AREA.left) * diversity,
    toY: (quality) => AREA.bottom - ((AREA.bottom - AREA.top) * (quality - low)) / (1 - low),
  };
}

function drawAxes({ low, toX, toY }) {
  const axes = find(".axes");
  axes.replaceChildren();
  for (let tick = low; tick < 1.01; tick += 0.2) {
    svg("path", { d: `M${AREA.left} ${toY(tick)}H${AREA.right}` }, axes);
    svg("text", { class: "y", x: AREA.left - 7, y: toY(tick) + 4 }, axes, Math.round(100 * tick));
  }
  for (let tick = 0; tick < 1.01; tick += 0.2) {
    svg("path", { d: `M${toX(tick)} ${AREA.top}V${AREA.bottom}` }, axes);
    svg("text", { class: "x", x: toX(tick), y: AREA.bottom + 18 }, axes, Math.round(100 * tick));
  }
  svg("text", { class: "y", x: AREA.right, y: AREA.bottom + 37 }, axes, "diversity (recall), % →");
  const side = { class: "x", transform: `translate(11 ${(AREA.top + AREA.bottom) / 2}) rotate(-90)` };
  svg("text", side, axes, "quality (precision), % →");
}

// Marks what is shown now, and names it where there is room.
function markNow(x, y, text) {
  find(".now").setAttribute("transform", `translate(${x} ${y})`);
  const words = find(".now text");
  const isRight = x > (AREA.left + AREA.right) / 2;
  words.textContent = text;
  words.setAttribute("text-anchor", isRight ? "end" : "start");
  words.setAttribute("x", isRight ? -12 : 12);
  words.setAttribute("y", 22);
}

function drawPoints({ setting, real }, { toX, toY }) {
  const tried = [...points].sort(([first], [second]) => first - second);
  find("polyline").setAttribute("points", tried.map(([, [q, d]]) => `${toX(d)},${toY(q)}`).join(" "));
  find(".points").replaceChildren();
  for (const [at, [quality, diversity]] of tried) {
    const dot = svg("circle", { cx: toX(diversity), cy: toY(quality), r: 3.5 }, find(".points"));
    svg("title", {}, dot, `${props.name} ${at.toFixed(2)}: quality ${percent(quality)}, diversity ${percent(diversity)}`);
  }
  const [quality, diversity] = points.get(setting);
  find(".goal").setAttribute("transform", `translate(${toX(real[1])} ${toY(real[0])})`);
  markNow(toX(diversity), toY(quality), `${props.name} ${setting.toFixed(2)}`);
  find("svg").setAttribute(
    "aria-label",
    `Quality against diversity, ${points.size} of ${props.name} tried. At ${setting.toFixed(2)}: ` +
      `quality ${percent(quality)}, diversity ${percent(diversity)}. ` +
      `Real pictures: quality ${percent(real[0])}, diversity ${percent(real[1])}.`,
  );
}

// --- gauges --------------------------------------------------------------------------------

function drawGauge(name, share, real, words) {
  const gauge = find(`.${name}`);
  gauge.querySelector("output").textContent = percent(share);
  gauge.querySelector("i").style.width = `${100 * share}%`;
  gauge.querySelector(".real").style.left = `${100 * real}%`;
  gauge.querySelector("p").textContent = words;
}

function show() {
  const scale = scales();
  drawAxes(scale);
  const { value } = props;
  if (!points.size) return;
  drawPoints(value, scale);
  const [quality, diversity] = points.get(value.setting);
  const [count, among] = [written(value.count), written(value.among)];
  drawGauge("quality", quality, value.real[0], `of ${count} generated pictures lie among ${among} real ones (precision)`);
  drawGauge("diversity", diversity, value.real[1], `of these ${among} real pictures lie among the generated ones (recall)`);
  find(".key").textContent = `${count} real pictures`;
  const { dataset } = find(".tradeoff");
  Object.assign(dataset, { setting: value.setting, points: points.size, of: value.of });
}

function take(value) {
  if (!value || value.serial <= state.serial) return; // an answer to an earlier question
  state.serial = value.serial;
  if (value.of !== state.of) points.clear();
  state.of = value.of;
  for (const [setting, quality, diversity] of value.points) points.set(setting, [quality, diversity]);
  show();
}

watch("value", () => take(props.value));
show();
take(props.value);
