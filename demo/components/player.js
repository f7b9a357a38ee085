// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const SECONDS_AT_NORMAL_SPEED = 8; // for a whole trajectory
const TILE_GAP = 4; // CSS pixels
const TILES_HEIGHT = 184; // CSS pixels that the tiles may take before they shrink

const state = { clip: null, step: 0, playing: false, chosen: 0, last: 0, exact: 0, request: 0 };

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function decode(value) {
  const clip = { ...value, frames: bytes(value.frames) };
  clip.size = clip.height * clip.width;
  clip.pictures = Array.from({ length: clip.images }, () => {
    const canvas = document.createElement("canvas");
    canvas.width = clip.width;
    canvas.height = clip.height;
    return { canvas, data: new ImageData(clip.width, clip.height) };
  });
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
    clip.draws = {
      names: value.draws.names,
      title: value.draws.title,
      edges: new Float32Array(bytes(value.draws.edges).buffer),
      noise: new Float32Array(bytes(value.draws.noise).buffer),
      chosen: bytes(value.draws.chosen),
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

// One image of the current step, at its own size.
function picture(image) {
  const { clip, step } = state;
  const data = clip.pictures[image].data;
  const frame = clip.order === "raster" ? 0 : step;
  const start = (frame * clip.images + image) * clip.size * clip.channels;
  const { unknown } = state;
  for (let pixel = 0; pixel < clip.size; pixel++) {
    const drawn = clip.order !== "raster" || pixel < step;
    for (let channel = 0; channel < 3; channel++) {
      const source = start + pixel * clip.channels + (clip.channels === 3 ? channel : 0);
      data.data[pixel * 4 + channel] = drawn ? clip.frames[source] : unknown[channel];
    }
    data.data[pixel * 4 + 3] = 255;
  }
  const { canvas } = clip.pictures[image];
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
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
  if (clip.order === "raster" && step > 0 && step < clip.steps) {
    const pixel = step - 1; // the pixel drawn last
    pen.strokeStyle = colour("--gm-generated");
    pen.lineWidth = 4;
    const column = pixel % clip.width;
    const row = Math.floor(pixel / clip.width);
    pen.strokeRect(column * scale - 1, row * scale - 1, scale + 2, scale + 2);
  }
}

// As large as fits in about three rows of large tiles; a whole scale keeps pixels equal.
function tileLayout() {
  const { clip } = state;
  const width = find(".side").clientWidth || 320;
  for (let scale = 3; ; scale--) {
    const pitchX = clip.width * scale + TILE_GAP;
    const pitchY = clip.height * scale + TILE_GAP;
    const columns = Math.max(1, Math.min(clip.images, Math.floor(width / pitchX)));
    const rows = Math.ceil(clip.images / columns);
    if (scale === 1 || rows * pitchY <= TILES_HEIGHT) return { columns, rows, scale, pitchX, pitchY };
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
  for (let image = 0; image < clip.images; image++) {
    const x = (image % columns) * pitchX + TILE_GAP / 2;
    const y = Math.floor(image / columns) * pitchY + TILE_GAP / 2;
    pen.drawImage(picture(image), x, y, clip.width * scale, clip.height * scale);
    if (image === state.chosen) {
      pen.strokeStyle = colour("--gm-student");
      pen.lineWidth = 2;
      pen.strokeRect(x - 1, y - 1, clip.width * scale + 2, clip.height * scale + 2);
    }
  }
}

// --- numbers -------------------------------------------------------------------------------

function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

function drawDistribution() {
  const { clip, step, chosen } = state;
  find(".draw-block").hidden = !clip.draws;
  if (!clip.draws) return;
  const { names, edges, noise, chosen: levels, title } = clip.draws;
  const canvas = find(".draw");
  const width = canvas.clientWidth || 320;
  const pen = context(canvas, width, 72);
  const bar = { top: 8, height: 28 };
  if (step === 0) {
    find(".draw-heading").textContent = `Nothing is drawn yet`;
    find(".draw-text").textContent = `Play, or step to the first ${clip.stepName}.`;
    return;
  }
  const at = chosen * clip.steps + step - 1;
  const count = names.length;
  const bounds = [0];
  for (let level = 0; level < count - 1; level++) {
    bounds.push(edges[at * (count - 1) + level]);
  }
  bounds.push(1);
  for (let level = 0; level < count; level++) {
    const shade = Math.round((255 * level) / (count - 1));
    pen.fillStyle = `rgb(${shade}, ${shade}, ${shade})`;
    pen.fillRect(bounds[level] * width, bar.top, (bounds[level + 1] - bounds[level]) * width, bar.height);
  }
  pen.strokeStyle = colour("--border-color-primary");
  pen.lineWidth = 1;
  pen.strokeRect(0.5, bar.top + 0.5, width - 1, bar.height - 1);
  const dice = noise[at];
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

  const row = Math.floor((step - 1) / clip.width) + 1;
  const column = ((step - 1) % clip.width) + 1;
  const level = levels[at];
  const share = bounds[level + 1] - bounds[level];
  find(".draw-heading").textContent = `Row ${row}, column ${column}: ${title}`;
  const odds = count > 2 ? "" : `${names[0]} ${percent(bounds[1])}, ${names[1]} ${percent(1 - bounds[1])}. `;
  find(".draw-text").textContent =
    `${odds}The dice fell into the share of ${names[level]}, which had ${percent(share)}.`;
}

function drawSeries() {
  const { clip, step, chosen } = state;
  find(".series-block").hidden = !clip.series;
  if (!clip.series) return;
  const { name, unit, sums } = clip.series;
  const canvas = find(".series");
  const width = canvas.clientWidth || 320;
  const height = 168;
  const pen = context(canvas, width, height);
  const area = { left: 44, right: width - 10, top: 10, bottom: height - 34 };
  const start = chosen * (clip.steps + 1);
  const highest = Math.max(1, sums[start + clip.steps]);
  const grain = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((tick) => highest / tick <= 5) || 10000;
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
  pen.fillText(`${clip.steps} ${clip.stepName}s`, area.right, area.bottom + 14);
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
  find(".series-heading").textContent = `${name} = ${value} ${unit} after ${step} ${clip.stepName}s`;
  canvas.setAttribute("aria-label", `${name}: ${value} ${unit} of ${sums[start + clip.steps].toFixed(2)}`);
}

// --- transport -----------------------------------------------------------------------------

function draw() {
  const { clip } = state;
  if (!clip) return;
  if (!element.isConnected) {
    pause();
    observers.forEach((observer) => observer.disconnect());
    return;
  }
  state.unknown = rgb("--gm-unknown");
  drawMain();
  drawTiles();
  drawDistribution();
  drawSeries();
  find(".caption").textContent = clip.captions[state.chosen] || "";
  find(".main").setAttribute("aria-label", clip.captions[state.chosen] || "The picture");
  find(".scrub").value = state.step;
  find(".scrub").setAttribute("aria-valuetext", `${clip.stepName} ${state.step} of ${clip.steps}`);
  find(".where").textContent = `${clip.stepName} ${state.step} of ${clip.steps}`;
  find(".play").textContent = state.playing ? "Pause" : "Play";
  for (const name of ["start", "step-back", "jump-back"]) {
    find(`[data-do=${name}]`).disabled = state.step === 0;
  }
  for (const name of ["end", "step", "jump"]) {
    find(`[data-do=${name}]`).disabled = state.step === clip.steps;
  }
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
  if (!element.offsetParent) pause(); // another tab is open
  const pace = (clip.steps / SECONDS_AT_NORMAL_SPEED) * Number(find(".speed").value);
  const passed = Math.min(100, Math.max(0, now - state.last)); // a frame may be older than the click
  state.exact += (passed / 1000) * pace;
  state.last = now;
  state.step = Math.min(clip.steps, Math.floor(state.exact));
  if (state.step === clip.steps) {
    pause();
  } else if (state.playing) {
    state.request = requestAnimationFrame(tick);
  }
  draw();
}

function seek(step) {
  pause();
  show(step);
}

const actions = {
  start: () => seek(0),
  "jump-back": () => seek(Math.ceil(state.step / state.clip.jump - 1) * state.clip.jump),
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
  jump: () => seek(Math.floor(state.step / state.clip.jump + 1) * state.clip.jump),
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
    const column = Math.floor((event.clientX - box.left) / pitchX);
    const image = Math.floor((event.clientY - box.top) / pitchY) * columns + column;
    if (column < columns && image < state.clip.images) choose(image);
  }
});
element.addEventListener("keydown", (event) => {
  const action = keys[event.key];
  const inField = event.target.matches("select, input"); // these have keys of their own
  const isPress = event.key === " " && event.target.matches("button");
  if (!action || !state.clip || inField || isPress) return;
  // Brackets are typed with AltGr on some keyboards, which reports itself as Alt and Control.
  if ((event.altKey || event.ctrlKey || event.metaKey) && !"[]".includes(event.key)) return;
  event.preventDefault();
  actions[action]();
});
element.addEventListener("input", (event) => {
  if (event.target.matches(".scrub") && state.clip) seek(Number(event.target.value));
});

function take(value) {
  if (!value || !value.frames) return;
  pause();
  state.clip = decode(value);
  state.chosen = Math.min(state.chosen, state.clip.images - 1);
  const { clip } = state;
  find(".scrub").max = clip.steps;
  find("[data-do=step-back]").textContent = `− ${clip.stepName}`;
  find("[data-do=step]").textContent = `+ ${clip.stepName}`;
  find("[data-do=jump-back]").textContent = `− ${clip.jumpName}`;
  find("[data-do=jump]").textContent = `+ ${clip.jumpName}`;
  const plays = clip.autoplay && !calm.matches;
  show(plays ? 0 : clip.steps);
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
