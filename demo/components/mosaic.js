// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const { columns, most, selectable, label, title } = props;
const GAP = 4; // CSS pixels, as in the style sheet
const SMALLEST = 0.85; // of the room
const board = find(".board");
const state = { shown: null, tiles: [] };

// --- tiles ---------------------------------------------------------------------------------

function build(count) {
  board.style.setProperty("--columns", columns);
  find(".title").textContent = title;
  board.setAttribute("role", selectable ? "radiogroup" : "img");
  board.replaceChildren();
  state.tiles = Array.from({ length: count }, (_, index) => {
    const tile = document.createElement(selectable ? "button" : "div");
    tile.className = "tile";
    tile.append(document.createElement("canvas"));
    if (selectable) {
      tile.type = "button";
      tile.setAttribute("role", "radio");
      tile.addEventListener("click", () => choose(index));
    }
    board.append(tile);
    return tile;
  });
}

function paint(image) {
  const { height, width, names, description, serial } = state.shown;
  if (state.tiles.length !== names.length) build(names.length);
  state.tiles.forEach((tile, index) => {
    const canvas = tile.firstElementChild;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d").drawImage(image, 0, index * height, width, height, 0, 0, width, height);
    if (selectable) tile.setAttribute("aria-label", names[index]);
  });
  board.setAttribute("aria-label", `${label}: ${description}`);
  board.dataset.serial = serial;
  layout();
  mark();
}

// A whole scale keeps all pixels equal, where it does not leave most of the room empty.
function layout() {
  const room = Math.min(most, find(".ruler").clientWidth);
  if (!state.shown || !room) return; // a hidden tab
  const { width, height } = state.shown;
  const ratio = devicePixelRatio || 1;
  const side = (room - (columns - 1) * GAP) / columns;
  const whole = Math.floor((side * ratio) / width) / ratio;
  const scale = whole * width < SMALLEST * side ? side / width : whole;
  board.style.setProperty("--width", `${scale * width}px`);
  board.style.setProperty("--height", `${scale * height}px`);
}

// --- choosing ------------------------------------------------------------------------------

function mark() {
  if (!selectable || !props.value) return;
  state.tiles.forEach((tile, index) => {
    const isChosen = index === props.value.chosen;
    tile.setAttribute("aria-checked", String(isChosen));
    tile.tabIndex = isChosen ? 0 : -1;
  });
}

function choose(index) {
  if (index === props.value.chosen) return;
  props.value = { chosen: index };
  mark();
  trigger("input");
}

const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
board.addEventListener("keydown", (event) => {
  if (!selectable || !(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const next = props.value.chosen + steps[event.key];
  if (!state.tiles[next]) return;
  choose(next);
  state.tiles[next].focus();
});

// --- values --------------------------------------------------------------------------------

async function take(shown) {
  if (!shown || shown.serial <= (state.shown?.serial ?? -1)) return;
  const image = new Image();
  image.src = shown.src;
  state.shown = shown;
  await image.decode();
  if (shown === state.shown) paint(image); // else newer ones came meanwhile
}

watch("pictures", () => take(props.pictures));
watch("value", mark);
// A hidden tab mounts late, and a tab's width is only known once it is shown.
const resized = new ResizeObserver(() => {
  if (!element.isConnected) return resized.disconnect();
  layout();
});
resized.observe(find(".ruler"));
take(props.pictures);
