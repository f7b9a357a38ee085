// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const TOP = 300; // nats: the first few steps of a network that knows nothing are above
const GRAIN = 50; // nats between two lines of the grid
const SMOOTH = 10; // steps that the bold curves are the mean of
const HEIGHT = 300; // CSS pixels
const TILE = { most: 84, gap: 4 }; // CSS pixels that an image takes, and between two
const state = { value: null };

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function colour(name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function make(tag, name, parent, text = "") {
  const node = document.createElement(tag);
  node.className = name;
  node.textContent = text;
  parent.append(node);
  return node;
}

// Mean of the last few steps: one batch is easier than the next.
function mean(losses, end) {
  const recent = losses.slice(Math.max(0, end - SMOOTH), end);
  return recent.reduce((sum, loss) => sum + loss, 0) / recent.length;
}

// --- curves --------------------------------------------------------------------------------

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
  if (!state.value || !width) return;
  const { steps, right, broken, honest } = state.value;
  const pen = context(canvas, width, HEIGHT);
  const area = { left: 48, right: width - 14, top: 24, bottom: HEIGHT - 38 };
  const toX = (step) => area.left + ((area.right - area.left) * step) / steps;
  const toY = (loss) => area.bottom - ((area.bottom - area.top) * loss) / TOP;
  pen.font = `13px ${getComputedStyle(element).fontFamily}`;
  pen.lineJoin = "round";
  pen.strokeStyle = colour("--border-color-primary");
  pen.fillStyle = colour("--body-text-color-subdued");
  pen.textAlign = "right";
  for (let tick = 0; tick <= TOP; tick += GRAIN) {
    pen.beginPath();
    pen.moveTo(area.left, toY(tick));
    pen.lineTo(area.right, toY(tick));
    pen.stroke();
    pen.fillText(String(tick), area.left - 8, toY(tick) + 4);
  }
  pen.fillText(`step ${steps}`, area.right, area.bottom + 20);
  pen.textAlign = "left";
  pen.fillText("loss, nats an image", 4, 13);
  pen.fillText("step 1", area.left, area.bottom + 20);
  if (honest !== null) {
    pen.strokeStyle = colour("--body-text-color-subdued");
    pen.lineWidth = 2;
    pen.setLineDash([7, 5]);
    pen.beginPath();
    pen.moveTo(area.left, toY(honest));
    pen.lineTo(area.right, toY(honest));
    pen.stroke();
    pen.setLineDash([]);
  }
  const curve = (losses, name) => {
    const trace = (value, thickness, opacity) => {
      pen.globalAlpha = opacity;
      pen.lineWidth = thickness;
      pen.beginPath();
      losses.forEach((_, at) => pen.lineTo(toX(at + 1), toY(value(at))));
      pen.stroke();
      pen.globalAlpha = 1;
    };
    pen.strokeStyle = pen.fillStyle = colour(name);
    trace((at) => losses[at], 1, 0.45);
    trace((at) => mean(losses, at + 1), 3, 1);
    if (!losses.length) return;
    pen.beginPath();
    pen.arc(toX(losses.length), toY(mean(losses, losses.length)), 5, 0, 2 * Math.PI);
    pen.fill();
  };
  pen.beginPath();
  pen.rect(0, area.top, width, HEIGHT); // the curves come in from above
  pen.clip();
  curve(broken, "--gm-generated");
  curve(right, "--gm-real");
}

function tell() {
  const { steps, right, broken, honest, invitation, answer } = state.value;
  const done = right.length;
  const now = (losses) => (done ? `${mean(losses, done).toFixed(1)} nats` : "");
  find(".right-now").textContent = now(right);
  find(".broken-now").textContent = now(broken);
  find(".where").textContent = done ? `step ${done} of ${steps}, mean of the last ${Math.min(done, SMOOTH)}` : "";
  find(".honest").hidden = honest === null;
  if (honest !== null) {
    find(".honest").textContent = `${honest.toFixed(1)} nats: the shipped gated PixelCNN, on test digits. No honest model gets under here easily.`;
  }
  find(".invitation").textContent = done ? "" : invitation;
  if (find(".answer").textContent !== answer) find(".answer").textContent = answer;
  const curves = done ? `After step ${done} of ${steps}: right mask ${now(right)}, broken mask ${now(broken)} an image` : invitation;
  find(".plot").setAttribute("aria-label", `Loss of both networks. ${curves}`);
  find(".plot").dataset.step = done;
}

// --- drawings ------------------------------------------------------------------------------

function paint(canvas, pixels, width, height) {
  canvas.width = width;
  canvas.height = height;
  const data = new ImageData(width, height);
  pixels.forEach((level, at) => data.data.set([level, level, level, 255], 4 * at));
  canvas.getContext("2d").putImageData(data, 0, 0);
}

// A row of images fits into the room there is; a whole scale keeps all pixels equal.
function layout() {
  const room = find(".stage").clientWidth;
  const ratio = devicePixelRatio || 1;
  for (const row of element.querySelectorAll(".row")) {
    const count = row.children.length;
    const side = Math.min(TILE.most, (room - (count - 1) * TILE.gap) / count);
    for (const { width, height, style } of row.children) {
      const scale = Math.max(1, Math.floor((side * ratio) / width)) / ratio;
      style.width = `${scale * width}px`;
      style.height = `${scale * height}px`;
    }
  }
}

function show() {
  const { drawings } = state.value;
  const box = find(".drawings");
  box.hidden = !drawings.length;
  box.replaceChildren();
  for (const { title, rows, images, height, width, pixels, words } of drawings) {
    const group = make("figure", "group", box);
    const caption = make("figcaption", "", group);
    make("b", "", caption, `${title}: `);
    caption.append(words);
    const block = make("div", "rows", group);
    block.setAttribute("role", "img");
    block.setAttribute("aria-label", `${title}: ${rows} times ${images} images`);
    const all = bytes(pixels);
    const size = width * height;
    for (let row = 0; row < rows; row++) {
      const tiles = make("div", "row", block);
      tiles.style.gridTemplateColumns = `repeat(${images}, auto)`;
      tiles.style.gap = `${TILE.gap}px`;
      for (let image = 0; image < images; image++) {
        const at = (row * images + image) * size;
        paint(make("canvas", "", tiles), all.subarray(at, at + size), width, height);
      }
    }
  }
}

function take(value) {
  if (!value || !value.steps) return;
  state.value = value;
  tell();
  show();
  layout();
  draw();
}

watch("value", () => take(props.value));
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return observers.forEach((observer) => observer.disconnect());
  layout();
  draw();
});
resized.observe(find(".stage"));
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(() => draw());
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
take(props.value);
