// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const state = { serial: null, deck: null, sheet: null, answers: [], seconds: [], spent: 0, last: 0 };

const isOver = () => !state.deck || state.answers.length === state.deck.count;
const isSeen = () => !document.hidden && element.offsetParent !== null;

function build({ names }) {
  const buttons = names.map((name, label) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.label = label;
    const isDigit = name === String(label);
    if (!isDigit) button.append(Object.assign(document.createElement("kbd"), { textContent: label }));
    button.append(name);
    return button;
  });
  find(".answers").replaceChildren(...buttons);
  find(".answers").classList.toggle("words", names.some((name, label) => name !== String(label)));
}

function draw() {
  const { deck, sheet, answers } = state;
  for (const button of element.querySelectorAll("[data-label]")) button.disabled = isOver() || !sheet;
  if (!deck || !sheet) return;
  const at = Math.min(answers.length, deck.count - 1);
  const canvas = find(".shown");
  canvas.width = deck.width;
  canvas.height = deck.height;
  canvas.getContext("2d").drawImage(sheet, 0, at * deck.height, deck.width, deck.height, 0, 0, deck.width, deck.height);
  canvas.setAttribute("aria-label", `Image ${at + 1}: which class is it?`);
  find(".where").textContent = isOver() ? "All labelled" : `Image ${at + 1} of ${deck.count}`;
  find(".done i").style.width = `${(100 * answers.length) / deck.count}%`;
  find(".labelling").dataset.labelled = answers.length;
  tell();
}

// --- the clock: from the first answer on, while the picture can be seen ----------------------

function tell() {
  const total = state.seconds.reduce((sum, each) => sum + each, state.spent);
  find(".timer").textContent = state.answers.length ? `${total.toFixed(1)} s` : "label to start the clock";
}

function advance() {
  const now = performance.now();
  if (isSeen()) state.spent += (now - state.last) / 1000;
  state.last = now;
}

function tick() {
  if (!element.isConnected || !state.answers.length || isOver()) return;
  advance();
  tell();
  requestAnimationFrame(tick);
}

function onVisibility() {
  if (!element.isConnected) return document.removeEventListener("visibilitychange", onVisibility);
  state.last = performance.now(); // what passed meanwhile was no work
}

// --- labels ----------------------------------------------------------------------------------

function answer(label) {
  if (isOver() || !state.sheet) return;
  if (state.answers.length) {
    advance();
    state.seconds.push(Math.round(1000 * state.spent) / 1000);
  }
  state.spent = 0;
  state.last = performance.now();
  state.answers.push(label);
  draw();
  if (state.answers.length === 1) requestAnimationFrame(tick);
  if (!isOver()) return;
  find(".labelling").focus({ preventScroll: true }); // the buttons can't keep it
  const { serial, dataset, seed } = state.deck;
  props.value = { serial, dataset, seed, answers: state.answers, seconds: state.seconds };
  trigger("input");
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-label]");
  if (button) answer(Number(button.dataset.label));
});

// Keys count wherever the student has clicked last, except where keys mean something else.
function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  const isElsewhere = !element.contains(event.target) && event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable], [role=listbox]");
  const label = /^[0-9]$/.test(event.key) ? Number(event.key) : -1;
  if (isElsewhere || !isSeen() || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (!state.deck || label < 0 || label >= state.deck.names.length) return;
  event.preventDefault();
  answer(label);
}

// A deck of the server's begins anew; the browser's own answers come back with its serial.
async function take(value) {
  if (!value || !value.sheet || value.serial === state.serial) return;
  Object.assign(state, { serial: value.serial, deck: value, sheet: null, answers: [], seconds: [], spent: 0 });
  build(value);
  draw();
  const image = new Image();
  image.src = value.sheet;
  await image.decode();
  if (state.serial !== value.serial) return;
  state.sheet = image;
  draw();
}

document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", onVisibility);
watch("value", () => take(props.value));
take(props.value);
