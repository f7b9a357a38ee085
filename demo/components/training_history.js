// Body of gr.HTML's js_on_load: `element`, `props`, `server` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const SECONDS_A_SNAPSHOT = 0.35;
const HEIGHT = 250; // CSS pixels of the plot
const AREA = { left: 46, right: 16, top: 12, bottom: 40 };
const FRAME = 3; // CSS pixels around a tile, in the colour of its score
const GAP = 2; // CSS pixels between two frames
const COIN = Math.log(2);
const state = { value: null, serial: null, at: 0, tile: null, sheet: null, across: 1, whole: false, playing: false, request: 0, last: 0 };

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function written(number, digits) {
  const text = Math.abs(number).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return number < 0 && Number(text) !== 0 ? `−${text}` : text;
}

function context(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.imageSmoothingEnabled = false;
  return pen;
}

function write(selector, text) {
  if (find(selector).textContent !== text) find(selector).textContent = text;
}

// --- pictures ------------------------------------------------------------------------------

function mean(scores) {
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

// From the colour of the generated to that of the real, with neutral in the middle.
function tint(share) {
  const end = colour(share < 0 ? "--gm-generated" : "--gm-real");
  return `color-mix(in srgb, ${end} ${(100 * Math.min(1, Math.abs(share))).toFixed(0)}%, ${colour("--border-color-primary")})`;
}

function drawTiles() {
  const { value, at, sheet, across, whole, tile } = state;
  const canvas = find(".tiles");
  const width = canvas.clientWidth;
  if (!width || !sheet) return; // a hidden tab
  const { side, scores, clear } = value;
  const pen = context(canvas, width, width);
  const pitch = width / side;
  const inner = pitch - 2 * FRAME - GAP;
  const middle = mean(scores[at]);
  const place = whole ? at : 0;
  if (!whole && at !== value.steps.length - 1) return; // only the last is there yet
  const left = (place % across) * side * value.width;
  const top = Math.floor(place / across) * side * value.height;
  scores[at].forEach((score, index) => {
    const [x, y] = [(index % side) * pitch, Math.floor(index / side) * pitch];
    pen.fillStyle = tint((score - middle) / clear);
    pen.fillRect(x + GAP / 2, y + GAP / 2, pitch - GAP, pitch - GAP);
    pen.drawImage(
      sheet,
      left + (index % side) * value.width, top + Math.floor(index / side) * value.height, value.width, value.height,
      x + GAP / 2 + FRAME, y + GAP / 2 + FRAME, inner, inner,
    );
    if (index === tile) {
      pen.strokeStyle = colour("--gm-student");
      pen.lineWidth = 3;
      pen.strokeRect(x + 1.5, y + 1.5, pitch - 3, pitch - 3);
    }
  });
}

// --- losses --------------------------------------------------------------------------------

function scales(width) {
  const { steps, lossSteps, losses } = state.value;
  const first = Math.min(steps[0], lossSteps[0]);
  const end = Math.max(steps.at(-1), lossSteps.at(-1), first + 1);
  const high = Math.max(1, Math.ceil(Math.max(...losses.flat()) * 2) / 2);
  const across = width - AREA.left - AREA.right;
  const down = HEIGHT - AREA.top - AREA.bottom;
  return {
    first, end, high,
    toX: (step) => AREA.left + (across * Math.log(step / first)) / Math.log(end / first),
    toY: (loss) => AREA.top + (down * (high - loss)) / high,
  };
}

// 1, 2, 5, 10, 20, ... between two steps, both included.
function roundSteps(first, end) {
  const ticks = [];
  for (let power = 1; power <= end; power *= 10) {
    for (const digit of [1, 2, 5]) {
      if (digit * power >= first && digit * power <= end) ticks.push(digit * power);
    }
  }
  return ticks;
}

function drawPlot() {
  const canvas = find(".plot");
  const width = canvas.clientWidth;
  if (!width) return;
  const { value, at } = state;
  const pen = context(canvas, width, HEIGHT);
  const { first, end, high, toX, toY } = scales(width);
  const bottom = HEIGHT - AREA.bottom;
  pen.font = `13px ${getComputedStyle(element).fontFamily}`;
  pen.lineJoin = "round";
  pen.strokeStyle = colour("--border-color-primary");
  pen.fillStyle = colour("--body-text-color-subdued");
  pen.textAlign = "right";
  const grain = high > 3 ? 1 : 0.5;
  for (let tick = 0; tick <= high; tick += grain) {
    const y = Math.round(toY(tick)) + 0.5;
    pen.beginPath();
    pen.moveTo(AREA.left, y);
    pen.lineTo(width - AREA.right, y);
    pen.stroke();
    pen.fillText(written(tick, grain < 1 ? 1 : 0), AREA.left - 7, y + 4);
  }
  pen.textAlign = "center";
  let free = 0; // where the next number may begin
  for (const tick of roundSteps(first, end)) {
    const x = toX(tick);
    const text = written(tick, 0);
    const half = pen.measureText(text).width / 2;
    pen.beginPath();
    pen.moveTo(x, bottom);
    pen.lineTo(x, bottom + 4);
    pen.stroke();
    if (x - half < free || x + half > width) continue;
    pen.fillText(text, x, bottom + 18);
    free = x + half + 10;
  }
  pen.textAlign = "right";
  pen.fillText("training step, log scale", width - AREA.right, bottom + 36);
  const line = (path, style, thickness, dash) => {
    pen.strokeStyle = style;
    pen.lineWidth = thickness;
    pen.setLineDash(dash);
    pen.beginPath();
    path.forEach(([x, y]) => pen.lineTo(x, y));
    pen.stroke();
    pen.setLineDash([]);
  };
  line([[AREA.left, toY(COIN)], [width - AREA.right, toY(COIN)]], colour("--gm-unknown"), 1.5, []);
  const path = (which) => value.lossSteps.map((step, index) => [toX(step), toY(value.losses[index][which])]);
  line(path(1), colour("--gm-generated"), 2.5, []);
  line(path(0), colour("--body-text-color"), 2.5, [6, 4]);
  const x = toX(value.steps[at]);
  line([[x, AREA.top - 6], [x, bottom]], colour("--gm-student"), 3, []);
  for (const loss of value.losses[lossAt(at)]) {
    pen.fillStyle = colour("--gm-student");
    pen.beginPath();
    pen.arc(x, toY(loss), 5, 0, 2 * Math.PI);
    pen.fill();
  }
}

// The losses nearest to a snapshot.
function lossAt(at) {
  const { steps, lossSteps } = state.value;
  const apart = lossSteps.map((step) => Math.abs(step - steps[at]));
  return apart.indexOf(Math.min(...apart));
}

// --- words ---------------------------------------------------------------------------------

function tell() {
  const { value, at, tile, playing } = state;
  const { steps, scores, losses, stages, names } = value;
  const last = steps.length - 1;
  const step = written(steps[at], 0);
  write(".at", `After step ${step} of ${written(steps[last], 0)}`);
  const [ofD, ofG] = losses[lossAt(at)];
  write(".numbers",
    `Step ${step}: loss of D ${written(ofD, 2)}, loss of G ${written(ofG, 2)}. ` +
    `Their gap, ${written(ofG - ofD, 2)}, is how much more real D finds real pictures on average.`);
  write(".stage-words", stages.filter((stage) => stage.step <= steps[at]).at(-1)?.words || "");
  const middle = mean(scores[at]);
  let said = `D's score of these 64: mean ${written(middle, 2)}, a number without a unit. Point at one, or tap it.`;
  if (tile !== null) {
    const apart = scores[at][tile] - middle;
    const name = names[tile] && ` (label ${names[tile]})`;
    said = `Picture ${tile + 1}${name}: D's score ${written(scores[at][tile], 2)}, ` +
      `${written(Math.abs(apart), 2)} ${apart < 0 ? "below" : "above"} the mean of the 64.`;
  }
  write(".read", said);
  find(".tiles").setAttribute("aria-label", `64 generated pictures after training step ${step}`);
  find(".plot").setAttribute("aria-label", `Both losses against the training step. At step ${step}: loss of D ${written(ofD, 2)}, loss of G ${written(ofG, 2)}`);
  find(".scrub").value = at;
  find(".scrub").setAttribute("aria-valuetext", `step ${step}`);
  find(".play").textContent = playing ? "Pause" : "Play";
  find(".stage-words").setAttribute("aria-live", playing ? "off" : "polite");
  for (const [name, end] of [["start", 0], ["back", 0], ["step", last], ["end", last]]) {
    find(`[data-do=${name}]`).disabled = at === end;
  }
  find(".history").dataset.snapshot = at;
}

function show() {
  if (!state.value) return;
  tell();
  drawTiles();
  drawPlot();
}

// --- transport -----------------------------------------------------------------------------

function pause() {
  state.playing = false;
  cancelAnimationFrame(state.request);
}

// The address says where the cursor rests.
function keep() {
  props.value = { ...props.value, step: state.value.steps[state.at] };
}

function seek(at) {
  pause();
  state.at = Math.min(state.value.steps.length - 1, Math.max(0, at));
  keep();
  show();
}

function tick(now) {
  if (!state.playing) return;
  if (!element.isConnected || !element.offsetParent) return seek(state.at); // another tab is open
  if (now - state.last >= 1000 * SECONDS_A_SNAPSHOT) {
    state.last = now;
    state.at++;
    if (state.at >= state.value.steps.length - 1) seek(state.at);
    else show();
  }
  if (state.playing) state.request = requestAnimationFrame(tick);
}

function play() {
  if (state.at === state.value.steps.length - 1) state.at = 0;
  state.playing = true;
  state.last = performance.now();
  state.request = requestAnimationFrame(tick);
  show();
}

const actions = {
  start: () => seek(0),
  back: () => seek(state.at - 1),
  play: () => (state.playing ? seek(state.at) : play()),
  step: () => seek(state.at + 1),
  end: () => seek(state.value.steps.length - 1),
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && state.value) actions[button.dataset.do]();
});
find(".scrub").addEventListener("input", (event) => seek(Number(event.target.value)));

// The snapshot nearest to where the plot is pressed or dragged.
function seekTo(event) {
  const { toX } = scales(find(".plot").clientWidth);
  const at = event.offsetX / (element.currentCSSZoom ?? 1); // a beamer's large type
  const apart = state.value.steps.map((step) => Math.abs(toX(step) - at));
  seek(apart.indexOf(Math.min(...apart)));
}
find(".plot").addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  find(".plot").setPointerCapture(event.pointerId);
  seekTo(event);
});
find(".plot").addEventListener("pointermove", (event) => {
  if (find(".plot").hasPointerCapture(event.pointerId)) seekTo(event);
});

function point(tile, byKey) {
  state.tile = tile;
  find(".read").setAttribute("aria-live", byKey ? "polite" : "off");
  show();
}

function tileAt(event) {
  const { side } = state.value;
  const box = find(".tiles").getBoundingClientRect();
  const cell = (share) => Math.min(side - 1, Math.max(0, Math.floor(share * side)));
  return cell((event.clientY - box.top) / box.height) * side + cell((event.clientX - box.left) / box.width);
}
for (const name of ["pointermove", "pointerdown"]) {
  find(".tiles").addEventListener(name, (event) => point(tileAt(event), false));
}
find(".tiles").addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null, false));
find(".sheet").addEventListener("blur", () => point(null, false));
find(".sheet").addEventListener("keydown", (event) => {
  const { side } = state.value;
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -side, ArrowDown: side };
  if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const next = state.tile === null ? 0 : state.tile + moves[event.key];
  if (next >= 0 && next < side * side) point(next, true);
});

// --- values --------------------------------------------------------------------------------

async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

async function take(value) {
  if (!value || !value.steps || value.serial === state.serial) return; // the browser's own
  pause();
  const { serial, steps, step } = value;
  Object.assign(state, { value, serial, at: steps.indexOf(step), tile: null });
  find(".scrub").max = steps.length - 1;
  const sheet = await load(value.last);
  if (!state.whole) state.sheet = sheet;
  show();
  fetchAll();
}

// All snapshots, once the component is first seen.
let asked = false;
async function fetchAll() {
  if (asked || !state.value || !find(".plot").clientWidth) return;
  asked = true;
  const { value } = state;
  try {
    const sheet = await load(await server.pictures(null));
    Object.assign(state, { sheet, whole: true, across: Math.ceil(Math.sqrt(value.steps.length)) });
    find(".history").dataset.whole = "yes";
  } catch {
    asked = false; // the connection failed: the next look at it tries again
  }
  show();
}

watch("value", () => take(props.value));
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return observers.forEach((observer) => observer.disconnect());
  show();
  fetchAll();
});
resized.observe(find(".right"));
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(show);
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
take(props.value);
