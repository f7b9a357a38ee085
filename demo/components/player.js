// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const SECONDS_AT_NORMAL_SPEED = 8; // for a whole trajectory
const TILE_GAP = 4; // CSS pixels
const TILE_LABEL = 18; // CSS pixels under a tile that has a name
const PLANE_GAP = 10; // CSS pixels
const CHANNELS = ["red", "green", "blue"];
const TURNS = ["red", "green given red", "blue given red and green"];
const ROUNDING = 1e-5; // of shares and dice, which arrive in single precision

const state = {
  clip: null, step: 0, playing: false, chosen: 0, last: 0, exact: 0, request: 0,
  told: "", // the resting place last told to listeners
  held: false, // a key is being held down
};

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function decode(value) {
  const clip = { ...value, frames: bytes(value.frames) };
  clip.size = clip.height * clip.width;
  clip.raster = clip.order === "raster";
  clip.hasPlanes = clip.raster && clip.channels === 3;
  clip.marks = value.marks && bytes(value.marks);
  const blank = () => {
    const canvas = document.createElement("canvas");
    canvas.width = clip.width;
    canvas.height = clip.height;
    return { canvas, data: new ImageData(clip.width, clip.height) };
  };
  clip.pictures = Array.from({ length: clip.images }, blank);
  clip.plane = blank();
  if (value.series) {
    const values = new Float32Array(bytes(value.series.values).buffer);
    const sums = new Float64Array(clip.images * (clip.steps + 1));
    for (let image = 0; image < clip.images; image++) {
      let sum = 0;
      for (let step = 0; step < clip.steps; step++) {
        sum += values[image * clip.steps + step];
        sums[image * (clip.steps + 1) + step + 1] = sum;
      }
    }
    clip.series = { ...value.series, values, sums };
  }
  if (value.draws) {
    const { bounds, edges, noise } = value.draws;
    clip.draws = {
      ...value.draws,
      noise: new Float32Array(bytes(noise).buffer),
      edges: bounds
        ? Float32Array.from(new Uint16Array(bytes(edges).buffer), (edge) => edge / 65535)
        : new Float32Array(bytes(edges).buffer),
      bounds: bounds && new Float32Array(bytes(bounds).buffer),
    };
  }
  return clip;
}

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function rgb(name) {
  const hex = colour(name).replace("#", "");
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// --- pictures ------------------------------------------------------------------------------

// One image of the current step, at its own size. A half-drawn pixel lacks its later channels.
function picture(image) {
  const { clip, step, unknown } = state;
  const { canvas, data } = clip.pictures[image];
  const start = (clip.raster ? image : step * clip.images + image) * clip.size * clip.channels;
  for (let pixel = 0; pixel < clip.size; pixel++) {
    const first = pixel * clip.channels;
    const begun = !clip.raster || first < step;
    for (let channel = 0; channel < 3; channel++) {
      const at = first + (clip.channels === 3 ? channel : 0);
      const drawn = !clip.raster || at < step;
      const value = drawn ? clip.frames[start + at] : 0;
      data.data[pixel * 4 + channel] = begun ? value : unknown[channel];
    }
    data.data[pixel * 4 + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

// One channel of the chosen image, in its own colour.
function plane(channel) {
  const { clip, step, unknown, chosen } = state;
  const { canvas, data } = clip.plane;
  for (let pixel = 0; pixel < clip.size; pixel++) {
    const at = pixel * 3 + channel;
    const value = clip.frames[chosen * clip.steps + at];
    for (let shown = 0; shown < 3; shown++) {
      const drawn = shown === channel ? value : 0;
      data.data[pixel * 4 + shown] = at < step ? drawn : unknown[shown];
    }
    data.data[pixel * 4 + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

// Where a step draws: counted from 0.
function place(step) {
  const { clip } = state;
  const pixel = Math.floor((step - 1) / clip.channels);
  return {
    row: Math.floor(pixel / clip.width),
    column: pixel % clip.width,
    channel: (step - 1) % clip.channels,
  };
}

// Calls back with the place of every marked pixel of an image that is drawn.
function eachMark(image, call) {
  const { clip, step } = state;
  if (!clip.marks) return;
  for (let pixel = 0; pixel < clip.size; pixel++) {
    const drawn = !clip.raster || (pixel + 1) * clip.channels <= step;
    if (drawn && clip.marks[image * clip.size + pixel]) {
      call(pixel % clip.width, Math.floor(pixel / clip.width));
    }
  }
}

// A canvas's context in CSS pixels, its backing store matched to the screen.
function context(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.imageSmoothingEnabled = false;
  return pen;
}

function drawMain() {
  const { clip, step } = state;
  const canvas = find(".main");
  canvas.style.aspectRatio = `${clip.width} / ${clip.height}`;
  const scale = Math.max(12, Math.ceil(448 / clip.width)); // whole, so that all pixels are equal
  canvas.width = clip.width * scale;
  canvas.height = clip.height * scale;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(picture(state.chosen), 0, 0, canvas.width, canvas.height);
  pen.strokeStyle = colour("--gm-student");
  pen.lineWidth = 2;
  eachMark(state.chosen, (column, row) => {
    pen.strokeRect(column * scale + 1, row * scale + 1, scale - 2, scale - 2);
  });
  if (clip.raster && step > 0 && step < clip.steps) {
    const { row, column } = place(step);
    pen.strokeStyle = colour("--gm-generated");
    pen.lineWidth = 4;
    pen.strokeRect(column * scale - 1, row * scale - 1, scale + 2, scale + 2);
  }
}

// As large as fits; a whole scale keeps pixels equal. Many images may take more room than few, and
// a few that have names are there to be compared.
function tileLayout() {
  const { clip } = state;
  const width = find(".side").clientWidth || 320;
  const longest = Math.max(clip.width, clip.height);
  const label = clip.names ? TILE_LABEL : 0;
  const compared = clip.names && clip.images <= 4;
  const room = clip.images > 8 ? 300 : clip.hasPlanes ? 122 : 184; // CSS pixels of height
  const least = compared ? Math.ceil(84 / longest) : 1;
  const most = Math.max(least, Math.floor((compared ? room : 96) / longest));
  for (let scale = most; ; scale--) {
    const pitchX = clip.width * scale + TILE_GAP;
    const pitchY = clip.height * scale + TILE_GAP + label;
    const columns = Math.max(1, Math.min(clip.images, Math.floor(width / pitchX)));
    const rows = Math.ceil(clip.images / columns);
    if (scale === least || rows * pitchY <= room) return { columns, rows, scale, pitchX, pitchY };
  }
}

function drawTiles() {
  const { clip } = state;
  find(".tiles-block").hidden = clip.images < 2;
  if (clip.images < 2) return;
  const canvas = find(".tiles");
  const { columns, rows, scale, pitchX, pitchY } = tileLayout();
  const width = columns * pitchX;
  const height = rows * pitchY;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = context(canvas, width, height);
  pen.font = `13px ${getComputedStyle(element).fontFamily}`;
  pen.textAlign = "center";
  const corner = Math.ceil(scale / 3);
  const [student, ink] = [colour("--gm-student"), colour("--body-text-color")];
  for (let image = 0; image < clip.images; image++) {
    const x = (image % columns) * pitchX + TILE_GAP / 2;
    const y = Math.floor(image / columns) * pitchY + TILE_GAP / 2;
    pen.drawImage(picture(image), x, y, clip.width * scale, clip.height * scale);
    if (scale > 1) {
      pen.fillStyle = student;
      eachMark(image, (column, row) => {
        pen.fillRect(x + column * scale, y + row * scale, corner, corner);
      });
    }
    if (image === state.chosen) {
      pen.strokeStyle = student;
      pen.lineWidth = 2;
      pen.strokeRect(x - 1, y - 1, clip.width * scale + 2, clip.height * scale + 2);
    }
    if (clip.names) {
      pen.fillStyle = ink;
      const middle = x + (clip.width * scale) / 2;
      pen.fillText(clip.names[image], middle, y + clip.height * scale + 15, pitchX - TILE_GAP);
    }
  }
  const name = clip.names ? clip.names[state.chosen] : `image ${state.chosen + 1}`;
  canvas.setAttribute("aria-label", `All ${clip.images} images; ${name} is chosen`);
}

function drawPlanes() {
  const { clip, step } = state;
  find(".planes-block").hidden = !clip.hasPlanes;
  if (!clip.hasPlanes) return;
  const canvas = find(".planes");
  const room = ((find(".side").clientWidth || 320) - 2 * PLANE_GAP - 4) / 3;
  const longest = Math.max(clip.width, clip.height);
  const scale = Math.max(1, Math.floor(Math.min(84, room) / longest));
  const [tall, wide] = [clip.height * scale, clip.width * scale];
  const width = 3 * wide + 2 * PLANE_GAP + 4;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${tall + 24}px`;
  const pen = context(canvas, width, tall + 24);
  pen.font = `13px ${getComputedStyle(element).fontFamily}`;
  pen.textAlign = "center";
  const now = step > 0 && step < clip.steps && place(step);
  for (const [channel, name] of CHANNELS.entries()) {
    const [x, y] = [2 + channel * (wide + PLANE_GAP), 2];
    pen.drawImage(plane(channel), x, y, wide, tall);
    const isNow = now && now.channel === channel;
    if (isNow) {
      pen.strokeStyle = colour("--gm-generated");
      pen.lineWidth = 2;
      pen.strokeRect(x + now.column * scale - 1, y + now.row * scale - 1, scale + 2, scale + 2);
    }
    pen.fillStyle = colour("--body-text-color");
    pen.fillText(name, x + wide / 2, y + tall + 16);
  }
}

// --- numbers -------------------------------------------------------------------------------

function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

function plural(count, name) {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

// Brightness in [0, 1] as the current step paints it: grey, or a channel's own colour.
function paint(brightness, channel) {
  const value = Math.round(255 * brightness);
  const shown = [0, 1, 2].map((at) => (state.clip.channels < 3 || at === channel ? value : 0));
  return `rgb(${shown.join(", ")})`;
}

// The level behind a brightness; without levels, the brightness itself.
function levelOf(brightness) {
  const { draws } = state.clip;
  return draws ? Math.round((brightness * (draws.levels - 1)) / 255) : brightness;
}

// The level that a step drew, and where its share of [0, 1] begins and ends.
function drawnAt(at, bounds) {
  const own = state.clip.draws.bounds;
  const level = levelOf(state.clip.frames[at]);
  const [low, high] = own ? [own[2 * at], own[2 * at + 1]] : [bounds[level], bounds[level + 1]];
  return { level, low, high };
}

function levelName(level) {
  const { names } = state.clip.draws;
  return names ? names[level] : `level ${level}`;
}

// The shares of all bars side by side, and the dice that fell on one of them.
function drawShares(pen, width, bar, bounds, channel, dice) {
  const bars = bounds.length - 1;
  const { levels } = state.clip.draws;
  const group = levels / bars;
  for (let index = 0; index < bars; index++) {
    const middle = index * group + (group - 1) / 2;
    pen.fillStyle = paint(middle / (levels - 1), channel);
    pen.fillRect(bounds[index] * width, bar.top, (bounds[index + 1] - bounds[index]) * width, bar.height);
  }
  pen.strokeStyle = colour("--border-color-primary");
  pen.lineWidth = 1;
  pen.strokeRect(0.5, bar.top + 0.5, width - 1, bar.height - 1);
  const x = Math.min(width - 2, Math.max(2, dice * width));
  pen.fillStyle = colour("--gm-generated");
  pen.fillRect(x - 2, bar.top - 6, 4, bar.height + 12);
  pen.beginPath();
  pen.moveTo(x, bar.top + bar.height + 4);
  pen.lineTo(x - 6, bar.top + bar.height + 14);
  pen.lineTo(x + 6, bar.top + bar.height + 14);
  pen.fill();
  pen.fillStyle = colour("--body-text-color");
  pen.font = `13px ${getComputedStyle(element).fontFamily}`;
  const text = `dice ${dice.toFixed(3)}`;
  const half = pen.measureText(text).width / 2;
  pen.textAlign = "center";
  pen.fillText(text, Math.min(width - half, Math.max(half, x)), bar.top + bar.height + 30);
}

// Probability over brightness; the bar of the drawn level is orange, the level itself pointed at.
function drawHistogram(pen, width, bounds, channel, drawn) {
  const bars = bounds.length - 1;
  const { levels, title } = state.clip.draws;
  const group = levels / bars;
  const shares = Array.from({ length: bars }, (_, index) => bounds[index + 1] - bounds[index]);
  const highest = Math.max(...shares);
  const area = { top: 20, bottom: 66 };
  const [orange, grey] = [colour("--gm-generated"), colour("--gm-unknown")];
  for (const [index, share] of shares.entries()) {
    const isDrawn = index === Math.floor(drawn / group);
    const left = Math.round((index * width) / bars);
    const right = Math.round(((index + 1) * width) / bars);
    const height = ((area.bottom - area.top) * share) / highest;
    pen.fillStyle = isDrawn ? orange : grey;
    pen.fillRect(left, area.bottom - height, right - left - 1, height);
  }
  for (let level = 0; level < levels; level++) {
    const left = Math.round((level * width) / levels);
    pen.fillStyle = paint(level / (levels - 1), channel);
    pen.fillRect(left, area.bottom + 2, Math.round(((level + 1) * width) / levels) - left, 10);
  }
  pen.strokeStyle = colour("--border-color-primary");
  pen.lineWidth = 1;
  pen.strokeRect(0.5, area.bottom + 2.5, width - 1, 9);
  pen.font = `12px ${getComputedStyle(element).fontFamily}`;
  pen.fillStyle = colour("--body-text-color-subdued");
  pen.textAlign = "left";
  const each = group > 1 ? ` (${group} levels a bar)` : "";
  pen.fillText(`${title}: highest ${percent(highest)}${each}`, 0, 12, width);
  const x = Math.min(width - 6, Math.max(6, ((drawn + 0.5) * width) / levels));
  const under = area.bottom + 13;
  if (x > 40) pen.fillText("0", 0, under + 12);
  pen.textAlign = "right";
  if (x < width - 50) pen.fillText(String(levels - 1), width, under + 12);
  pen.fillStyle = orange;
  pen.beginPath();
  pen.moveTo(x, under);
  pen.lineTo(x - 5, under + 9);
  pen.lineTo(x + 5, under + 9);
  pen.fill();
  pen.fillStyle = colour("--body-text-color");
  pen.textAlign = x < width - 40 ? "left" : "right";
  pen.fillText(String(drawn), x + (x < width - 40 ? 8 : -8), under + 12);
}

function drawDistribution() {
  const { clip, step, chosen } = state;
  find(".draw-block").hidden = !clip.draws;
  if (!clip.draws) return;
  const { bars, edges, levels, noise, title } = clip.draws;
  const canvas = find(".draw");
  const width = canvas.clientWidth || 320;
  const height = levels === 2 ? 72 : 156;
  canvas.style.height = `${height}px`;
  canvas.title = levels === 2 ? "" : "Above: how likely each level is. Below: all levels side by " +
    "side, each as wide as it is likely; the dice falls on one of them.";
  const pen = context(canvas, width, height);
  if (step === 0) {
    find(".draw-heading").textContent = `Nothing is drawn yet`;
    find(".draw-text").textContent = `Play, or step to the first ${clip.stepName}.`;
    return;
  }
  const at = chosen * clip.steps + step - 1;
  const bounds = [0, ...edges.subarray(at * (bars - 1), (at + 1) * (bars - 1)), 1];
  const { level, low, high } = drawnAt(at, bounds);
  const { row, column, channel } = place(step);
  const dice = noise[at];
  const top = levels === 2 ? 8 : 104;
  if (levels > 2) drawHistogram(pen, width, bounds, channel, level);
  drawShares(pen, width, { top, height: levels === 2 ? 28 : 16 }, bounds, channel, dice);

  const turn = clip.channels === 3 ? `, ${TURNS[channel]}` : "";
  const which = levels === 2 ? `: ${title}` : ""; // a histogram says it above its bars
  find(".draw-heading").textContent = `Row ${row + 1}, column ${column + 1}${turn}${which}`;
  const share = percent(high - low);
  const odds = `${levelName(0)} ${percent(bounds[1])}, ${levelName(1)} ${percent(1 - bounds[1])}. `;
  const fell = levels === 2
    ? `The dice fell into the share of ${levelName(level)}, which had ${share}.`
    : `The draw: ${levelName(level)}, which had ${share}. The dice fell into its share, ` +
      `${low.toFixed(3)} to ${high.toFixed(3)}.`;
  const isDrawn = dice > low - ROUNDING && dice < high + ROUNDING;
  const set = `Not drawn but set: ${levelName(level)}, which had ${share}.`;
  find(".draw-text").textContent = (levels === 2 ? odds : "") + (isDrawn ? fell : set);
}

function drawSeries() {
  const { clip, step, chosen } = state;
  find(".series-block").hidden = !clip.series;
  if (!clip.series) return;
  const { name, unit, sums } = clip.series;
  const canvas = find(".series");
  const width = canvas.clientWidth || 320;
  const isCrowded = clip.hasPlanes || clip.draws?.levels > 2; // there is more above it
  const height = isCrowded ? 112 : 168;
  canvas.style.height = `${height}px`;
  const pen = context(canvas, width, height);
  const area = { left: 44, right: width - 10, top: 10, bottom: height - 34 };
  const start = chosen * (clip.steps + 1);
  const highest = Math.max(1, sums[start + clip.steps]);
  const most = isCrowded ? 3 : 5; // lines of the grid
  const grain = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((tick) => highest / tick <= most) || 10000;
  const top = Math.ceil(highest / grain) * grain;
  const toX = (at) => area.left + ((area.right - area.left) * at) / clip.steps;
  const toY = (value) => area.bottom - ((area.bottom - area.top) * value) / top;
  pen.font = `12px ${getComputedStyle(element).fontFamily}`;
  pen.fillStyle = colour("--body-text-color-subdued");
  pen.strokeStyle = colour("--border-color-primary");
  pen.lineWidth = 1;
  pen.textAlign = "right";
  for (let tick = 0; tick <= top; tick += grain) {
    pen.beginPath();
    pen.moveTo(area.left, toY(tick));
    pen.lineTo(area.right, toY(tick));
    pen.stroke();
    pen.fillText(String(tick), area.left - 6, toY(tick) + 4);
  }
  pen.textAlign = "left";
  pen.fillText("0", area.left, area.bottom + 14);
  pen.textAlign = "right";
  pen.fillText(plural(clip.steps, clip.stepName), area.right, area.bottom + 14);
  const curve = (until, style, thickness) => {
    pen.strokeStyle = style;
    pen.lineWidth = thickness;
    pen.beginPath();
    for (let at = 0; at <= until; at++) pen.lineTo(toX(at), toY(sums[start + at]));
    pen.stroke();
  };
  curve(clip.steps, colour("--gm-unknown"), 1.5);
  curve(step, colour("--gm-generated"), 3);
  pen.fillStyle = colour("--gm-generated");
  pen.beginPath();
  pen.arc(toX(step), toY(sums[start + step]), 4.5, 0, 2 * Math.PI);
  pen.fill();
  const value = sums[start + step].toFixed(2);
  find(".series-heading").textContent = `${name} = ${value} ${unit} after ${plural(step, clip.stepName)}`;
  canvas.setAttribute("aria-label", `${name}: ${value} ${unit} of ${sums[start + clip.steps].toFixed(2)}`);
}

// --- transport -----------------------------------------------------------------------------

function draw() {
  const { clip } = state;
  if (!clip) return;
  if (!element.isConnected) {
    pause();
    observers.forEach((observer) => observer.disconnect());
    gone.abort();
    return;
  }
  state.unknown = rgb("--gm-unknown");
  drawMain();
  drawTiles();
  drawPlanes();
  drawDistribution();
  drawSeries();
  find(".caption").textContent = clip.captions[state.chosen] || "";
  find(".main").setAttribute("aria-label", clip.captions[state.chosen] || "The picture");
  find(".scrub").value = state.step;
  find(".scrub").setAttribute("aria-valuetext", `${clip.stepName} ${state.step} of ${clip.steps}`);
  find(".where").textContent = `${clip.stepName} ${state.step} of ${clip.steps}`;
  find(".play").textContent = state.playing ? "Pause" : "Play";
  const focused = element.contains(document.activeElement) && document.activeElement;
  for (const name of ["start", "step-back", "skip-back", "jump-back"]) {
    find(`[data-do=${name}]`).disabled = state.step === 0;
  }
  for (const name of ["end", "step", "skip", "jump"]) {
    find(`[data-do=${name}]`).disabled = state.step === clip.steps;
  }
  if (focused && focused.disabled) find(".player").focus({ preventScroll: true }); // keep the keys
  find(".player").dataset.step = state.step;
}

function show(step) {
  state.step = Math.min(state.clip.steps, Math.max(0, step));
  state.exact = state.step;
  draw();
}

function pause() {
  state.playing = false;
  cancelAnimationFrame(state.request);
  find(".where").setAttribute("aria-live", "polite");
}

function play() {
  if (state.step === state.clip.steps) show(0);
  state.playing = true;
  state.last = performance.now();
  find(".where").setAttribute("aria-live", "off");
  state.request = requestAnimationFrame(tick);
}

function tick(now) {
  if (!state.playing) return;
  const { clip } = state;
  const pace = (clip.steps / SECONDS_AT_NORMAL_SPEED) * Number(find(".speed").value);
  const passed = Math.min(100, Math.max(0, now - state.last)); // a frame may be older than the click
  state.exact += (passed / 1000) * pace;
  state.last = now;
  state.step = Math.min(clip.steps, Math.floor(state.exact));
  const isHidden = !element.offsetParent; // another tab is open
  if (isHidden || state.step === clip.steps) {
    pause();
  } else {
    state.request = requestAnimationFrame(tick);
  }
  draw();
  tellRest();
}

// Tells listeners where playback rests, each place once; `pixel` is one that was clicked.
function tellRest(pixel) {
  if (state.playing || !element.isConnected) return;
  const { chosen: image, step } = state;
  const rest = `${image} ${step}`;
  if (!pixel && rest === state.told) return;
  state.told = rest;
  trigger("select", { image, step, ...pixel });
}

function seek(step) {
  pause();
  show(step);
}

function forward(jump) {
  seek(Math.floor(state.step / jump.steps + 1) * jump.steps);
}

function backward(jump) {
  seek(Math.ceil(state.step / jump.steps - 1) * jump.steps);
}

// To the step after a pixel of the picture.
function visit(event) {
  const { clip } = state;
  const box = find(".main").getBoundingClientRect();
  const toCell = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
  const row = toCell((event.clientY - box.top) / box.height, clip.height);
  const column = toCell((event.clientX - box.left) / box.width, clip.width);
  const step = (row * clip.width + column + 1) * clip.channels;
  seek(step);
  const first = state.chosen * clip.steps + step - clip.channels;
  const level = Array.from(clip.frames.subarray(first, first + clip.channels), levelOf);
  tellRest({ row, column, level });
}

// The longest jump is always there; one between it and a step is not.
const actions = {
  start: () => seek(0),
  "jump-back": () => backward(state.clip.jumps.at(-1)),
  "skip-back": () => backward(state.clip.jumps[0]),
  "step-back": () => seek(state.step - 1),
  play: () => {
    if (state.playing) {
      pause();
      draw();
    } else {
      play();
    }
  },
  step: () => seek(state.step + 1),
  skip: () => forward(state.clip.jumps[0]),
  jump: () => forward(state.clip.jumps.at(-1)),
  end: () => seek(state.clip.steps),
  "choose-back": () => choose(state.chosen - 1),
  choose: () => choose(state.chosen + 1),
};

const keys = {
  " ": "play",
  ArrowLeft: "step-back",
  ArrowRight: "step",
  ArrowUp: "jump-back",
  ArrowDown: "jump",
  "Shift ArrowLeft": "skip-back",
  "Shift ArrowRight": "skip",
  Home: "start",
  End: "end",
  "[": "choose-back",
  "]": "choose",
};

function choose(image) {
  state.chosen = (image + state.clip.images) % state.clip.images;
  draw();
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!state.clip) return;
  if (button) actions[button.dataset.do]();
  if (event.target.closest(".tiles")) {
    const box = event.target.getBoundingClientRect();
    const { columns, pitchX, pitchY } = tileLayout();
    const zoom = element.currentCSSZoom ?? 1; // a beamer's large type
    const column = Math.floor((event.clientX - box.left) / zoom / pitchX);
    const row = Math.floor((event.clientY - box.top) / zoom / pitchY);
    const image = row * columns + column;
    const isInside = row >= 0 && column >= 0 && column < columns && image < state.clip.images;
    if (isInside) choose(image);
  }
  if (event.target === find(".main") && state.clip.raster) {
    visit(event);
  } else if (event.target.closest("[data-do], .tiles")) {
    tellRest();
  }
});
element.addEventListener("keydown", (event) => {
  const shifted = event.shiftKey && state.clip?.jumps.length > 1 && keys[`Shift ${event.key}`];
  const action = shifted || keys[event.key];
  const inField = event.target.matches("select, input"); // these have keys of their own
  const isPress = event.key === " " && event.target.matches("button");
  if (!action || !state.clip || inField || isPress) return;
  // Brackets are typed with AltGr on some keyboards, which reports itself as Alt and Control.
  if ((event.altKey || event.ctrlKey || event.metaKey) && !"[]".includes(event.key)) return;
  event.preventDefault();
  actions[action]();
  state.held = event.repeat;
  if (!event.repeat) tellRest();
});
// A held key may be let go elsewhere: a button that leads nowhere any more loses the focus.
const gone = new AbortController();
document.addEventListener("keyup", () => {
  if (state.held) tellRest();
  state.held = false;
}, { signal: gone.signal });
element.addEventListener("input", (event) => {
  if (event.target.matches(".scrub") && state.clip) seek(Number(event.target.value));
});
element.addEventListener("change", (event) => {
  if (event.target.matches(".scrub") && state.clip) tellRest(); // it was let go
});

function take(value) {
  if (!value || !value.frames) return;
  pause();
  state.clip = decode(value);
  state.chosen = Math.min(value.chosen ?? state.chosen, state.clip.images - 1);
  state.told = "";
  const { clip } = state;
  const [skip, jump] = [clip.jumps[0], clip.jumps.at(-1)];
  const hasSkip = clip.jumps.length > 1;
  find(".scrub").max = clip.steps;
  for (const [name, what] of [["step", clip.stepName], ["skip", skip.name], ["jump", jump.name]]) {
    find(`[data-do=${name}-back]`).textContent = `− ${what}`;
    find(`[data-do=${name}]`).textContent = `+ ${what}`;
  }
  find("[data-do=skip-back]").hidden = !hasSkip;
  find("[data-do=skip]").hidden = !hasSkip;
  find(".buttons").classList.toggle("two-rows", hasSkip);
  find(".player").classList.toggle("colour", clip.hasPlanes);
  find(".main").classList.toggle("raster", clip.raster);
  find(".main").title = clip.raster ? "Click a pixel: back to when it was drawn" : "";
  const plays = clip.autoplay && !calm.matches;
  show(plays ? clip.start : clip.steps);
  if (plays) {
    find(".bar").scrollIntoView({ block: "nearest" }); // on a phone the button is far above
    play();
  }
}

watch("value", () => take(props.value));
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => draw());
resized.observe(element);
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(() => draw());
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
take(props.value);
