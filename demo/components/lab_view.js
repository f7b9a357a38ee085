// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const WIDE = 1060; // CSS pixels from which there are three columns
const MIDDLE = 720; // and two
const MOST_SIDE = 460; // CSS pixels of the plane
const LOSSES = 250; // CSS pixels, the height of the plot
const AREA = { left: 44, right: 14, top: 22, bottom: 34 };
const MOST_POINTS = 600; // in the plot; more are thinned out
const UPDATE = 66; // milliseconds between two turns at least
const PATIENCE = 15000; // milliseconds without an answer
const ARROW = 26; // CSS pixels of the longest
const LEAST_RATE = 1e-5; // log scales begin here, 20 ticks a power of ten
const LN2 = Math.log(2);
const SPACING = 0.06; // between two points of a stroke, in the plane's unit
const MOST_DRAWN = 500; // points
const TINTS = { low: "--gm-generated", high: "--gm-real" };
const EXAMPLES = [
  [curve(60, (t) => [1.9 * Math.sin(t) ** 3, 1.55 * Math.cos(t) - 0.6 * Math.cos(2 * t) - 0.25 * Math.cos(3 * t) + 0.2])],
  [curve(70, (t) => [(0.9 + t / 5) * Math.cos(1.6 * t), (0.9 + t / 5) * Math.sin(1.6 * t)])],
  [curve(50, (t) => [2.2 * Math.cos(t), 2.2 * Math.sin(t)]), curve(16, (t) => [1.2 * Math.cos(Math.PI + t / 2), 1.2 * Math.sin(Math.PI + t / 2)]), [[-0.8, 0.8]], [[0.8, 0.8]]],
];
const state = {
  value: null, serial: null, plane: null, history: [], settings: null, preset: 0, set: null, seed: 0,
  strokes: [], sketch: null, example: 0, playing: false, asked: null, ask: 0, wanted: [], next: 0,
  trail: null, pointed: null, times: [], said: 0, predicted: null, revealed: false, changed: false, old: false,
};

function curve(count, place) {
  return Array.from({ length: count + 1 }, (_, at) => place((2 * Math.PI * at) / count));
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Points of two numbers from -1 to 1.
function points(text) {
  const shorts = new Int16Array(bytes(text).buffer);
  return Array.from({ length: shorts.length / 2 }, (_, at) => [shorts[2 * at] / 32767, shorts[2 * at + 1] / 32767]);
}

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function make(tag, parent, text) {
  const node = document.createElement(tag);
  node.textContent = text;
  parent.append(node);
  return node;
}

function written(number, digits = 2) {
  if (number === null) return "–";
  const size = Math.abs(number);
  const text = size !== 0 && size < 0.5 * 10 ** -digits ? size.toExponential(0) : size.toFixed(digits);
  return number < 0 ? `−${text.replace("e-", "e−")}` : text.replace("e-", "e−");
}

const rateText = (rate) => rate.toFixed(6).replace(/0+$/, "");
const latest = () => state.history[state.history.length - 1];

// --- asking --------------------------------------------------------------------------------

// One thing at a time: the next goes out when the answer to the one before has come.
function ask(action) {
  clearTimeout(state.next);
  if (state.asked) {
    if (action !== "play") state.wanted.push(action);
    return;
  }
  state.ask += 1;
  state.asked = { action, since: performance.now(), before: state.value && { generated: state.plane.generated, told: latest() } };
  state.asked.timer = setTimeout(() => give(`No answer for ${PATIENCE / 1000} s: paused.`), PATIENCE);
  const { settings, set, strokes, seed } = state;
  props.value = { ask: state.ask, do: action, settings: { ...settings }, data: set, strokes: set === props.drawn ? strokes : [], seed, setup: setup() };
  trigger("input");
}

function give(sentence) {
  state.asked = null;
  pause(sentence);
}

function play() {
  closeSketch();
  state.playing = true;
  state.times = [];
  state.trail = null;
  tell("Playing ...", false);
  showPlaying();
  ask("play");
}

function pause(sentence) {
  if (state.playing || sentence) tell(sentence || `Paused after ${latest().gSteps.toLocaleString("en")} steps of G.`);
  state.playing = false;
  clearTimeout(state.next);
  showPlaying();
}

function once(action) {
  if (state.playing) pause();
  ask(action);
}

// Both networks anew, with the settings as they are.
function reset() {
  state.wanted = [];
  state.old = true; // what comes until then is of the networks before
  state.predicted = null;
  state.revealed = false;
  state.changed = isChanged();
  showControls();
  ask("reset");
}

// --- answers -------------------------------------------------------------------------------

function take(value) {
  if (!value || !value.scores || value.serial === state.serial) return; // the browser's own
  const asked = state.asked;
  if (asked) clearTimeout(asked.timer);
  state.asked = null;
  state.serial = value.serial;
  state.value = value;
  if (!state.settings) state.settings = { ...value.settings };
  if (value.begins) {
    state.history = [];
    state.old = false;
  }
  state.history.push(...value.history);
  if (state.history.length > MOST_POINTS) state.history = state.history.filter((_, at) => at % 2 || at === state.history.length - 1);
  state.plane = { real: points(value.real), generated: points(value.generated), arrows: points(value.arrows), map: bytes(value.scores) };
  state.trail = asked?.action === "generator" && asked.before ? asked.before.generated : null;
  comment(asked);
  reveal();
  show();
  const wanted = state.wanted.shift();
  if (wanted) ask(wanted);
  else if (state.playing) state.next = setTimeout(() => ask("play"), Math.max(0, UPDATE - (performance.now() - (asked?.since || 0))));
  if (value.begin) follow(value.begin);
  else if (!state.asked) keep(); // settings may have changed since they were asked with
}

// What an address asks for.
function follow({ data, seed, settings }) {
  const { presets } = props;
  const isIt = (preset) => props.order.every((name) => preset.settings[name] === settings[name]);
  Object.assign(state, { settings: { ...settings }, set: data, seed, preset: Math.max(0, presets.findIndex(isIt)) });
  find(".seed").value = seed;
  reset();
}

// What the address says; a drawing does not fit into it.
function setup() {
  const { set, seed, settings } = state;
  if (set === props.drawn) return null;
  const written = (part) => (typeof part === "number" ? String(Number(part.toFixed(6))) : part);
  return [set, seed, ...props.order.map((name) => settings[name])].map(written);
}

function keep() {
  props.value = { ...props.value, setup: setup() };
}

function comment(asked) {
  const { value } = state;
  const now = latest();
  if (value.note) return tell(value.note);
  if (!asked) return tell(`Just begun: ${now.gSteps} steps each, and G's points leave the middle. Press Play.`);
  const before = asked.before?.told;
  if (asked.action === "discriminator") {
    tell(`One step of D: the map changes, G's points stay. Real minus generated, its mean score went from ${written(before.margin, 3)} to ${written(now.margin, 3)}.`);
  } else if (asked.action === "generator") {
    const moves = state.plane.generated.map(([x, y], at) => Math.hypot(x - state.trail[at][0], y - state.trail[at][1]) * props.reach);
    const mean = moves.reduce((sum, move) => sum + move, 0) / moves.length;
    tell(`One step of G: D's map stays, the points moved along their arrows (green), by ${written(mean)} on average.`);
  } else if (asked.action === "reset") {
    tell("Both networks are new and know nothing: press Play.");
  } else if (state.playing) {
    speak();
  }
}

function speak() {
  const now = performance.now();
  const { gSteps, dSteps } = latest();
  state.times.push({ now, gSteps, dSteps });
  if (state.times.length > 25) state.times.shift();
  const [first] = state.times;
  if (now - state.said < 500 || state.times.length < 4) return;
  state.said = now;
  const seconds = (now - first.now) / 1000;
  const rate = (number) => Math.round(number / seconds).toLocaleString("en");
  const start = gSteps === 0 ? "D's head start: G waits. " : "";
  tell(`${start}Playing: ${((state.times.length - 1) / seconds).toFixed(1)} updates a second; steps a second: ${rate(dSteps - first.dSteps)} of D, ${rate(gSteps - first.gSteps)} of G.`, false);
}

// Changing numbers are not read out.
function tell(text, aloud = true) {
  const line = find(".told");
  line.setAttribute("aria-live", aloud ? "polite" : "off");
  write(line, text);
}

// --- predicting ----------------------------------------------------------------------------

function reveal() {
  const { question, reveal_after: after } = props.presets[state.preset] || {};
  const now = latest();
  if (!question || state.revealed || state.changed || state.old || now.gSteps < after) return;
  state.revealed = true;
  const [cover, still, crowd] = props.predictions;
  const seen = now.covered / now.parts >= 0.75 ? cover : now.push < 1e-3 ? still : crowd;
  const why = {
    [cover]: "this time G got there.",
    [still]: `the mean arrow is ${written(now.push, 3)}: D is never in doubt, so its opinion has no slope to follow.`,
    [crowd]: "all go where D has learned nothing yet, and when it has, they go elsewhere together.",
  };
  const said = state.predicted ? (state.predicted === seen ? "As you predicted, they" : `You predicted: they ${state.predicted}. But they`) : "They";
  write(find(".predict b"), `${said} ${seen}: ${why[seen]}`);
  find(".predict .choice").hidden = true;
}

function showPrediction() {
  const { question } = props.presets[state.preset] || {};
  find(".predict").hidden = !question || state.changed;
  if (!question || state.revealed) return;
  write(find(".predict b"), question);
  find(".predict .choice").hidden = false;
  for (const button of element.querySelectorAll(".predict button")) {
    button.setAttribute("aria-pressed", String(button.textContent === `They ${state.predicted}`));
  }
}

// --- the plane -----------------------------------------------------------------------------

function context(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

const side = () => Math.min(MOST_SIDE, find(".ruler").clientWidth);
const toPixel = ([x, y], size) => [((x + 1) / 2) * size, ((1 - y) / 2) * size];

function rgb(text) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = text;
  pen.fillRect(0, 0, 1, 1);
  return Array.from(pen.getImageData(0, 0, 1, 1).data.slice(0, 3));
}

// Pale ends, so that points of the same colours stand out.
function ramp() {
  const middle = rgb(colour("--background-fill-primary") || "#fff");
  const end = (name) => rgb(colour(TINTS[name])).map((part, at) => Math.round(0.62 * part + 0.38 * middle[at]));
  return { low: end("low"), middle, high: end("high") };
}

function mapPicture() {
  const { map } = state.plane;
  const cells = Math.sqrt(map.length);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = cells;
  const data = new ImageData(cells, cells);
  const { low, middle, high } = ramp();
  map.forEach((byte, at) => {
    const share = byte / 127.5 - 1;
    const end = share < 0 ? low : high;
    data.data.set([...middle.map((part, channel) => part + Math.abs(share) * (end[channel] - part)), 255], 4 * at);
  });
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

function dots(pen, size, all, fill, edge) {
  pen.fillStyle = fill;
  pen.strokeStyle = edge;
  pen.lineWidth = 1;
  for (const point of all) {
    const [x, y] = toPixel(point, size);
    pen.beginPath();
    pen.arc(x, y, 3.1, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }
}

function drawPlane() {
  const size = side();
  const canvas = find(".plane");
  const pen = context(canvas, size, size);
  const { real, generated, arrows } = state.plane;
  pen.fillStyle = colour("--background-fill-primary");
  pen.fillRect(0, 0, size, size);
  if (find(".with-map").checked) {
    pen.imageSmoothingEnabled = true;
    pen.drawImage(mapPicture(), 0, 0, size, size);
  }
  const edge = colour("--background-fill-primary");
  dots(pen, size, real, colour("--gm-real"), edge);
  pen.lineWidth = 1.3;
  pen.strokeStyle = colour("--body-text-color");
  if (find(".with-arrows").checked && !state.trail) {
    pen.beginPath();
    generated.forEach((point, at) => {
      if (at % 2) return; // every second one: all would hide the points
      const [x, y] = toPixel(point, size);
      const [right, up] = arrows[at].map((part) => part * ARROW);
      const length = Math.hypot(right, up);
      if (length < 1) return;
      const [endX, endY] = [x + right, y - up];
      pen.moveTo(x, y);
      pen.lineTo(endX, endY);
      const head = Math.min(5, length / 2) / length;
      for (const turn of [1, -1]) {
        pen.moveTo(endX, endY);
        pen.lineTo(endX - head * (right + turn * 0.6 * up), endY + head * (up - turn * 0.6 * right));
      }
    });
    pen.stroke();
  }
  dots(pen, size, generated, colour("--gm-generated"), edge);
  if (state.trail) {
    pen.strokeStyle = colour("--gm-student");
    pen.lineWidth = 2;
    pen.beginPath();
    generated.forEach((point, at) => {
      pen.moveTo(...toPixel(state.trail[at], size));
      pen.lineTo(...toPixel(point, size));
    });
    pen.stroke();
  }
  const { covered, parts, near, gSteps } = latest();
  canvas.setAttribute("aria-label", `The plane after ${gSteps} steps of G: ${coverage(covered, parts)}; ${Math.round(100 * near)} % of the generated points are near the data.`);
  canvas.dataset.generated = state.plane.generated.slice(0, 8).flat().map((part) => part.toFixed(4)).join(" ");
  canvas.dataset.map = state.plane.map.reduce((sum, byte) => sum + byte, 0);
}

function showLegend() {
  const { scale } = state.value;
  const { low, middle, high } = ramp();
  const legend = find(".legend");
  for (const [name, [red, green, blue]] of Object.entries({ low, middle, high })) legend.style.setProperty(`--${name}`, `rgb(${red} ${green} ${blue})`);
  const end = scale === null ? ["chance 0", "1"] : [`−${written(scale)}`, `+${written(scale)}`];
  write(find(".low"), `D says generated, ${end[0]}`);
  write(find(".high"), `${end[1]}, D says real`);
}

// --- numbers -------------------------------------------------------------------------------

function coverage(covered, parts) {
  const [, title, kind] = props.sets.find(([name]) => name === state.set);
  if (kind) return `${covered} of ${parts} ${kind} covered`;
  const what = state.set === props.drawn ? "your drawing" : `the ${title.toLowerCase()}`;
  return `${Math.round((100 * covered) / parts)} % of ${what} covered`;
}

function showNumbers() {
  const now = latest();
  const said = coverage(now.covered, now.parts);
  const [, number, words] = said.match(/^(\d+ of \d+|\d+ %) (.*)$/);
  write(find(".coverage dt"), words);
  write(find(".coverage dd"), number);
  find(".coverage meter").value = now.covered / now.parts;
  write(find(".near dd"), `${Math.round(100 * now.near)} %`);
  find(".near meter").value = now.near;
  write(find(".push dd"), written(now.push, 3));
  write(find(".margin dd"), written(now.margin));
  write(find(".steps dd"), `${now.dSteps.toLocaleString("en")}, ${now.gSteps.toLocaleString("en")}`);
  Object.assign(find(".lab").dataset, { dSteps: now.dSteps, gSteps: now.gSteps });
}

// --- losses --------------------------------------------------------------------------------

function drawLosses() {
  const canvas = find(".losses");
  const width = canvas.clientWidth;
  if (!width) return;
  const pen = context(canvas, width, LOSSES);
  canvas.style.width = "";
  const known = state.history.filter(({ dLoss, gLoss }) => dLoss !== null || gLoss !== null);
  const values = known.flatMap(({ dLoss, gLoss }) => [dLoss, gLoss]).filter((loss) => loss !== null).sort((one, other) => one - other);
  const even = state.settings.loss === "relativistic" ? LN2 : 2 * LN2; // D's, when it can't tell
  const cut = (share) => values[Math.round(share * (values.length - 1))] ?? 0;
  const [low, high] = [Math.min(0, cut(0.01)), Math.max(1.2 * even, 1.08 * cut(0.99))];
  const first = known[0]?.dSteps ?? 0;
  const last = Math.max(first + 1, known[known.length - 1]?.dSteps ?? 1);
  const bottom = LOSSES - AREA.bottom;
  const toX = (step) => AREA.left + ((width - AREA.left - AREA.right) * (step - first)) / (last - first);
  const toY = (loss) => Math.max(AREA.top, Math.min(bottom, AREA.top + ((bottom - AREA.top) * (high - loss)) / (high - low)));
  pen.font = `13px ${getComputedStyle(element).fontFamily}`;
  pen.strokeStyle = colour("--border-color-primary");
  pen.fillStyle = colour("--body-text-color-subdued");
  pen.lineWidth = 1;
  const grain = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find((size) => (high - low) / size <= 6) || 200;
  pen.textAlign = "right";
  for (let line = Math.ceil(low / grain); line * grain <= high; line++) {
    const y = Math.round(toY(line * grain)) + 0.5;
    pen.beginPath();
    pen.moveTo(AREA.left, y);
    pen.lineTo(width - AREA.right, y);
    pen.stroke();
    pen.fillText(written(line * grain, grain < 1 ? 1 : 0), AREA.left - 7, y + 4);
  }
  pen.textAlign = "left";
  pen.fillText("loss, nats", 2, 13);
  if (known.length) pen.fillText(first.toLocaleString("en"), AREA.left, bottom + 17);
  pen.textAlign = "right";
  pen.fillText(known.length ? `${last.toLocaleString("en")} steps of D` : "steps of D", width - AREA.right, bottom + 17);
  pen.setLineDash([2, 4]);
  pen.strokeStyle = colour("--body-text-color-subdued");
  pen.beginPath();
  pen.moveTo(AREA.left, toY(even));
  pen.lineTo(width - AREA.right, toY(even));
  pen.stroke();
  pen.lineJoin = "round";
  pen.lineWidth = 2;
  for (const [key, stroke, dash] of [["gLoss", "--gm-generated", []], ["dLoss", "--body-text-color", [5, 4]]]) {
    pen.strokeStyle = colour(stroke);
    pen.setLineDash(dash);
    pen.beginPath();
    known.filter((each) => each[key] !== null).forEach((each) => pen.lineTo(toX(each.dSteps), toY(each[key])));
    pen.stroke();
  }
  pen.setLineDash([]);
  state.shown = { known, toX };
  const at = pointedAt();
  if (state.pointed !== null && known[at]) {
    const x = Math.round(toX(known[at].dSteps)) + 0.5;
    pen.lineWidth = 1.5;
    pen.strokeStyle = colour("--gm-student");
    pen.beginPath();
    pen.moveTo(x, AREA.top);
    pen.lineTo(x, bottom);
    pen.stroke();
  }
  const each = known[at];
  const text = each
    ? `After ${each.dSteps.toLocaleString("en")} steps of D and ${each.gSteps.toLocaleString("en")} of G: loss of D ${written(each.dLoss, 3)}, of G ${written(each.gLoss, 3)}; ${coverage(each.covered, each.parts)}.`
    : "No loss yet.";
  write(find(".read"), text);
  canvas.setAttribute("aria-label", `Losses of both networks. ${text}`);
  canvas.dataset.points = known.length;
}

function pointedAt() {
  const last = state.shown.known.length - 1;
  return state.pointed === null ? last : Math.min(state.pointed, last);
}

function point(at, byKey) {
  state.pointed = at;
  find(".read").setAttribute("aria-live", byKey ? "polite" : "off");
  drawLosses();
}

function pointBy(event) {
  const { known, toX } = state.shown || { known: [] };
  if (!known.length) return;
  const at = event.offsetX / (element.currentCSSZoom ?? 1); // a beamer's large type
  const far = known.map(({ dSteps }) => Math.abs(toX(dSteps) - at));
  point(far.indexOf(Math.min(...far)), false);
}

// --- controls ------------------------------------------------------------------------------

function showPlaying() {
  const button = find(".play");
  write(button, state.playing ? "Pause" : "Play");
  find(".lab").dataset.playing = state.playing;
}

const toTick = (rate) => Math.round(20 * Math.log10(Math.max(rate, LEAST_RATE) / LEAST_RATE));
const toRate = (tick) => Number((LEAST_RATE * 10 ** (tick / 20)).toPrecision(2));

function showControls() {
  const { settings } = state;
  for (const input of element.querySelectorAll("[data-set]")) {
    const number = settings[input.dataset.set];
    const isRate = input.dataset.set.endsWith("rate");
    input.value = isRate ? toTick(number) : number;
    const text = isRate ? rateText(number) : String(number);
    write(input.parentNode.querySelector("output"), text);
    input.setAttribute("aria-valuetext", text);
  }
  const press = (name, chosen) => [...find(name).children].forEach((button, at) => button.setAttribute("aria-pressed", String(chosen(at))));
  press(".presets", (at) => at === state.preset && !state.changed);
  press(".sets", (at) => props.sets[at][0] === (state.sketch ? props.drawn : state.set));
  press(".losses-of-g", (at) => props.losses[at][0] === settings.loss);
  write(find(".words"), state.changed ? "Your own settings." : props.presets[state.preset].words);
  showPrediction();
}

function isChanged() {
  const { settings } = props.presets[state.preset];
  return Object.keys(settings).some((key) => settings[key] !== state.settings[key]);
}

function change(name, number) {
  if (state.settings[name] === number) return;
  state.settings[name] = number;
  state.changed = isChanged();
  keep();
  showControls();
  drawLosses();
}

function begin(preset) {
  state.preset = preset;
  state.settings = { ...props.presets[preset].settings };
  closeSketch();
  if (state.playing && props.presets[preset].question) pause(" "); // time to predict
  reset();
  if (props.presets[preset].question) find(".predict").scrollIntoView({ block: "nearest" });
}

// Balanced settings for networks that are as they are.
function mend() {
  state.preset = 0;
  state.settings = { ...props.presets[0].settings };
  state.changed = false;
  keep();
  tell("Balanced settings, for the same D and the same G.");
  showControls();
}

function chooseSet(name) {
  if (name === props.drawn) return openSketch();
  closeSketch();
  state.set = name;
  reset();
}

// --- drawing one's own data ----------------------------------------------------------------

function openSketch() {
  if (state.playing) pause();
  state.sketch = state.sketch || state.strokes.map((stroke) => [...stroke]);
  tell("Draw the real data with the mouse or a finger, or press Example.");
  showSketch();
  find(".sketch").scrollIntoView({ block: "nearest" }); // on a phone it is far from the button
}

function closeSketch() {
  if (!state.sketch) return;
  state.sketch = null;
  showSketch();
}

function showSketch() {
  const { sketch } = state;
  find(".sketch").hidden = find(".drawing").hidden = !sketch;
  find(".player").hidden = !!sketch;
  showControls();
  if (!sketch) return;
  const size = side();
  const pen = context(find(".sketch"), size, size);
  pen.fillStyle = colour("--background-fill-primary");
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = pen.fillStyle = colour("--gm-real");
  pen.lineWidth = 7;
  pen.lineCap = pen.lineJoin = "round";
  for (const stroke of sketch) {
    pen.beginPath();
    stroke.forEach(([x, y]) => pen.lineTo(...toPixel([x / props.reach, y / props.reach], size)));
    const [x, y] = toPixel(stroke[0].map((part) => part / props.reach), size);
    if (stroke.length === 1) pen.arc(x, y, 3, 0, 2 * Math.PI);
    pen.stroke();
  }
}

function useSketch() {
  if (!state.sketch.length) return tell("Nothing is drawn yet: draw with the mouse or a finger, or press Example.");
  state.strokes = state.sketch;
  state.set = props.drawn;
  closeSketch();
  reset();
}

function placeOf(event) {
  const box = find(".sketch").getBoundingClientRect();
  const kept = (share) => Number((props.reach * 0.97 * Math.max(-1, Math.min(1, share))).toFixed(3));
  return [kept((2 * (event.clientX - box.left)) / box.width - 1), kept(1 - (2 * (event.clientY - box.top)) / box.height)];
}

function extend(event) {
  const stroke = state.sketch[state.sketch.length - 1];
  const [x, y] = placeOf(event);
  const [lastX, lastY] = stroke[stroke.length - 1];
  if (Math.hypot(x - lastX, y - lastY) < SPACING) return;
  if (state.sketch.reduce((sum, each) => sum + each.length, 0) < MOST_DRAWN) stroke.push([x, y]);
}

let pointer = null;
find(".sketch").addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || pointer !== null || state.sketch.reduce((sum, each) => sum + each.length, 0) >= MOST_DRAWN) return;
  pointer = event.pointerId;
  event.target.setPointerCapture(pointer);
  state.sketch.push([placeOf(event)]);
  showSketch();
});
find(".sketch").addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer || !state.sketch) return;
  const all = event.getCoalescedEvents?.() || [];
  for (const part of all.length ? all : [event]) extend(part);
  showSketch();
});
for (const name of ["pointerup", "pointercancel"]) find(".sketch").addEventListener(name, () => (pointer = null));

// --- everything ----------------------------------------------------------------------------

const actions = {
  play: () => (state.playing ? pause() : play()),
  discriminator: () => once("discriminator"),
  generator: () => once("generator"),
  reset,
  mend,
  use: useSketch,
  example: () => {
    state.sketch = EXAMPLES[state.example++ % EXAMPLES.length].map((stroke) => stroke.map((place) => place.map((part) => Number(part.toFixed(3)))));
    showSketch();
  },
  clear: () => {
    state.sketch = [];
    showSketch();
  },
  cancel: () => {
    closeSketch();
    tell("The data are as before.");
  },
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && state.value) actions[button.dataset.do]();
});
for (const input of element.querySelectorAll("[data-set]")) {
  input.addEventListener("input", () => {
    const number = Number(input.value);
    change(input.dataset.set, input.dataset.set.endsWith("rate") ? toRate(number) : number);
  });
}
find(".seed").addEventListener("change", (event) => {
  const number = event.target.valueAsNumber;
  if (!Number.isInteger(number) || number < 0 || number > Number(event.target.max)) {
    event.target.value = state.seed;
    return tell(`The seed is a whole number from 0 to ${event.target.max}.`);
  }
  state.seed = number;
  reset();
});
for (const name of [".with-map", ".with-arrows"]) find(name).addEventListener("change", () => drawPlane());
find(".losses").addEventListener("pointermove", pointBy);
find(".losses").addEventListener("pointerdown", pointBy);
find(".losses").addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null, false));
find(".track").addEventListener("keydown", (event) => {
  const last = (state.shown?.known.length || 0) - 1;
  if (last < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
  const places = { ArrowLeft: pointedAt() - 1, ArrowRight: pointedAt() + 1, Home: 0, End: last };
  if (!(event.key in places)) return;
  event.preventDefault();
  point(Math.max(0, Math.min(last, places[event.key])), true);
});
find(".track").addEventListener("blur", () => state.value && point(null, false));

function build() {
  const add = (name, text, act) => {
    const button = make("button", find(name), text);
    button.type = "button";
    button.addEventListener("click", act);
  };
  props.presets.forEach(({ name }, at) => add(".presets", name, () => begin(at)));
  props.sets.forEach(([name, title]) => add(".sets", title, () => chooseSet(name)));
  props.losses.forEach(([name, title]) => add(".losses-of-g", title, () => change("loss", name)));
  props.predictions.forEach((text) =>
    add(".predict .choice", `They ${text}`, () => {
      state.predicted = text;
      showPrediction();
    }),
  );
  for (const name of ["d_steps", "head_start"]) find(`[data-set=${name}]`).max = props.limits[name];
  state.set = props.first;
}

function show() {
  if (!state.value || !side()) return; // a hidden tab
  drawPlane();
  showLegend();
  showNumbers();
  drawLosses();
  find(".lab").dataset.serial = state.serial;
}

function layout() {
  if (!element.isConnected) {
    state.playing = false;
    clearTimeout(state.next);
    return observers.forEach((observer) => observer.disconnect());
  }
  const { clientWidth } = element;
  find(".lab").classList.toggle("wide", clientWidth >= WIDE);
  find(".lab").classList.toggle("middle", clientWidth >= MIDDLE && clientWidth < WIDE);
  show();
  if (state.sketch) showSketch();
}

watch("value", () => take(props.value));
const resized = new ResizeObserver(() => requestAnimationFrame(layout));
resized.observe(element);
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(() => state.value && layout());
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
// Whoever looks at another tab has stopped the training.
const leave = () => state.playing && pause("Paused, as you left this tab.");
const seen = new IntersectionObserver(([entry]) => !entry.isIntersecting && leave());
seen.observe(element);
document.addEventListener("visibilitychange", () => document.hidden && leave());
const observers = [resized, recoloured, seen];
build();
take(props.value);
showControls();
showPlaying();
layout();
