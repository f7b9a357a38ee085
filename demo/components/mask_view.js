// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const state = { value: null, networks: [], scale: 0 };

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function colour(name) {
  return getComputedStyle(find(".mask-view")).getPropertyValue(name).trim();
}

function make(tag, name, parent, text = "") {
  const node = document.createElement(tag);
  node.className = name;
  node.textContent = text;
  parent.append(node);
  return node;
}

// --- masks ---------------------------------------------------------------------------------

function buildGrid(grid, parent) {
  const columns = grid.cells[0].length;
  const block = make("figure", columns > 3 ? "grid-block wide" : "grid-block", parent);
  make("figcaption", "title", block, grid.title);
  const cells = make("div", "cells", block);
  cells.style.setProperty("--columns", columns);
  const rows = grid.cells.map((row) => row.map(([text]) => text || "blank").join(" "));
  cells.setAttribute("role", "img");
  cells.setAttribute("aria-label", `${grid.title}, row by row: ${rows.join("; ")}`);
  grid.cells.forEach((row, down) => {
    row.forEach(([text, kind], right) => {
      const isCentre = down === grid.centre[0] && right === grid.centre[1];
      make("span", `cell ${kind}${isCentre ? " centre" : ""}`, cells, text);
    });
  });
  make("div", "words", block, grid.words);
}

// --- views ---------------------------------------------------------------------------------

function view(network, layers) {
  const { width, height } = state.value;
  const size = width * height;
  const start = Math.min(layers, network.layers) * size;
  return network.fields.subarray(start, start + size);
}

// Later pixels have no colour; hatching tells the blind spot from what is only not seen yet.
function drawView(network, layers) {
  const { width, height, row, column } = state.value;
  const { canvas, scale } = network;
  const pen = canvas.getContext("2d");
  const seen = view(network, layers);
  const last = view(network, network.layers);
  const chosen = row * width + column;
  const blind = new Path2D();
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [(at % width) * scale, Math.floor(at / width) * scale];
    if (at === chosen) pen.fillStyle = colour("--gm-student");
    else if (seen[at]) pen.fillStyle = colour("--gm-real");
    else if (at < chosen && last[at]) pen.fillStyle = colour("--closed");
    else {
      if (at < chosen) blind.rect(x, y, scale, scale);
      continue;
    }
    pen.fillRect(x, y, scale - 1, scale - 1);
  }
  pen.save();
  pen.clip(blind);
  pen.strokeStyle = colour("--body-text-color");
  pen.lineWidth = Math.max(1, Math.round(scale / 9));
  pen.beginPath();
  for (let x = -canvas.height; x < canvas.width; x += Math.max(4, Math.round(scale / 2))) {
    pen.moveTo(x, canvas.height);
    pen.lineTo(x + canvas.height, 0);
  }
  pen.stroke();
  pen.restore();
}

function describe(network, layers) {
  const { width, row, column } = state.value;
  const earlier = row * width + column;
  const count = (field) => field.subarray(0, earlier).reduce((sum, cell) => sum + cell, 0);
  const all = count(view(network, network.layers));
  const depth = layers < network.layers ? `${layers} of ${network.layers}` : `all ${network.layers}`;
  const blind = earlier - all ? `${earlier - all} in the blind spot` : "no blind spot";
  return `After ${depth} layers: ${count(view(network, layers))} of ${earlier} earlier pixels seen, ${blind}.`;
}

function draw() {
  if (!state.value) return;
  const layers = Number(find(".layers").value);
  const words = layers ? `after the first convolution and ${layers} layer${layers > 1 ? "s" : ""}` : "after the first convolution alone";
  find(".after").textContent = words;
  find(".layers").setAttribute("aria-valuetext", words);
  for (const network of state.networks) {
    const text = describe(network, layers);
    network.caption.textContent = text;
    network.canvas.setAttribute("aria-label", `${network.title}. ${text}`);
    if (network.scale) drawView(network, layers);
  }
}

function layout() {
  if (!state.value) return;
  const { width, height } = state.value;
  const ratio = devicePixelRatio || 1;
  for (const network of state.networks) {
    const room = network.figure.clientWidth;
    if (!room) return; // a hidden tab
    network.scale = Math.max(1, Math.floor((Math.min(room, 448) * ratio) / width)); // whole: equal cells
    const [across, down] = [width * network.scale, height * network.scale];
    if (network.canvas.width !== across || network.canvas.height !== down) {
      network.canvas.width = across;
      network.canvas.height = down;
      network.canvas.style.width = `${across / ratio}px`;
      network.canvas.style.height = `${down / ratio}px`;
    }
  }
}

function take(value) {
  if (!value || !value.networks) return;
  state.value = value;
  find(".masks").replaceChildren();
  find(".views").replaceChildren();
  state.networks = value.networks.map((network) => {
    const card = make("section", "network", find(".masks"));
    make("div", "name", card, network.title);
    const grids = make("div", "grids", card);
    network.grids.forEach((grid) => buildGrid(grid, grids));
    const figure = make("div", "network", find(".views"));
    make("div", "name", figure, network.title);
    const canvas = make("canvas", "view", figure);
    canvas.setAttribute("role", "img");
    return { ...network, fields: bytes(network.views), figure, canvas, caption: make("div", "caption", figure) };
  });
  const most = Math.max(...value.networks.map((network) => network.layers));
  find(".layers").max = most;
  find(".layers").value = most;
  layout();
  draw();
}

find(".layers").addEventListener("input", draw);
watch("value", () => take(props.value));
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return observers.forEach((observer) => observer.disconnect());
  layout();
  draw();
});
resized.observe(find(".views"));
// The colours follow the page into dark mode.
const recoloured = new MutationObserver(() => draw());
recoloured.observe(document.body, { attributes: true, attributeFilter: ["class"] });
const observers = [resized, recoloured];
take(props.value);
