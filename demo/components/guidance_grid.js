// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const board = find(".board");
const state = { grid: props.value, chosen: null, cells: [], at: null, pointed: false, serial: null };

function make(tag, name, parent) {
  const node = document.createElement(tag);
  node.className = name;
  parent.append(node);
  return node;
}

// --- the board -----------------------------------------------------------------------------

function build({ texts, images }) {
  board.style.setProperty("--columns", texts.length);
  board.replaceChildren();
  state.cells = [];
  images.forEach((image) => {
    make("span", "side", board).textContent = image;
    texts.forEach((text) => {
      const index = state.cells.length;
      const cell = make("button", "cell", board);
      cell.type = "button";
      const picture = make("img", "", cell);
      picture.alt = "";
      picture.hidden = true;
      picture.decoding = "sync"; // or it would be blank for a moment
      const mark = make("span", "mark", cell);
      mark.textContent = "✓";
      mark.hidden = true;
      mark.setAttribute("aria-hidden", "true");
      cell.addEventListener("pointerenter", () => point(index));
      cell.addEventListener("focus", () => point(index));
      cell.addEventListener("click", () => choose(index));
      state.cells.push(cell);
    });
  });
  make("span", "", board);
  for (const text of texts) make("span", "head", board).textContent = text;
}

function guidances(index) {
  const { texts, images } = state.grid;
  return { text: texts[index % texts.length], image: images[Math.floor(index / texts.length)] };
}

function named(index) {
  const { text, image } = guidances(index);
  return `text guidance ${text}, image guidance ${image}`;
}

function paint() {
  const { grid } = state;
  if (state.cells.length !== grid.cells.length || state.serial !== grid.serial) {
    build(grid);
    state.serial = grid.serial;
    state.pointed = false;
    state.at = null;
    state.chosen = null;
  }
  grid.cells.forEach((result, index) => {
    const cell = state.cells[index];
    const [picture, mark] = cell.children;
    cell.disabled = !result?.done;
    cell.classList.toggle("running", Boolean(result && !result.done));
    picture.hidden = !result;
    mark.hidden = !result?.done || !result.good;
    if (result && picture.src !== result.src) picture.src = result.src;
    const words = result?.done ? [...result.numbers, ...(result.good ? ["carried out"] : [])] : ["not computed yet"];
    cell.setAttribute("aria-label", [named(index), ...words].join("; "));
  });
  const done = grid.cells.filter((result) => result?.done).length;
  find(".grid").dataset.done = done;
  find(".grid").dataset.serial = grid.serial;
  // The newest result, until the reader points at another.
  const newest = grid.cells.findLastIndex((result) => result);
  if (!state.pointed && newest >= 0) state.at = newest;
  const { source, truth, about } = grid;
  if (find(".source").src !== source) find(".source").src = source;
  find(".unknown").hidden = Boolean(truth);
  if (truth && find(".truth").src !== truth) find(".truth").src = truth;
  find(".about").textContent = about;
  mark();
  tell();
}

// --- one cell, large -----------------------------------------------------------------------

function tell() {
  const result = state.grid.cells[state.at];
  state.cells.forEach((cell, index) => cell.classList.toggle("shown", index === state.at));
  if (!result) return;
  const words = named(state.at);
  find(".title").textContent = words[0].toUpperCase() + words.slice(1);
  if (find(".large").src !== result.src) find(".large").src = result.src;
  find(".large").alt = `The result with ${words}`;
  const lines = [...result.numbers];
  if (result.done && result.good) lines.push("✓ carried out: nearer to the true result than to the source");
  find(".numbers").replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
}

function point(index) {
  if (!state.grid.cells[index]) return;
  state.pointed = true;
  state.at = index;
  tell();
}

// --- choosing ------------------------------------------------------------------------------

function mark() {
  state.cells.forEach((cell, index) => {
    cell.setAttribute("aria-pressed", String(index === state.chosen));
    cell.tabIndex = index === (state.chosen ?? 0) ? 0 : -1;
  });
}

function choose(index) {
  point(index);
  state.chosen = index;
  props.value = { chosen: { ...state.grid.setting, ...guidances(index) } }; // the rest is known
  mark();
  trigger("input");
}

board.addEventListener("keydown", (event) => {
  const columns = state.grid.texts.length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const next = state.cells.indexOf(event.target) + steps[event.key];
  const isBeside = Math.abs(steps[event.key]) > 1 || Math.floor(next / columns) === Math.floor((next - steps[event.key]) / columns);
  if (isBeside && state.cells[next] && !state.cells[next].disabled) state.cells[next].focus();
});

watch("value", () => {
  if (!props.value.cells) return; // a choice, made here
  state.grid = props.value;
  paint();
});
paint();
// Once it is seen: what it opens with takes too long for the start of the app.
const resized = new ResizeObserver(() => {
  if (!element.clientWidth) return; // a hidden tab
  resized.disconnect();
  if (!state.grid.cells.some(Boolean)) trigger("select");
});
resized.observe(element);
