// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const SECONDS = 4; // for each answer, against the clock
const NO_ANSWER = 0;
const ANSWER_OF_KEY = { 1: 4, 2: 3, 3: 2, 4: 1 };
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const state = { serial: null, deck: null, sheet: null, answers: [], until: 0, request: 0 };

const isOver = () => !state.deck || state.answers.length === state.deck.count;

function draw() {
  const { deck, sheet, answers } = state;
  const canvas = find(".shown");
  for (const button of element.querySelectorAll("[data-answer]")) button.disabled = isOver() || !sheet;
  if (!deck || !sheet) return;
  const at = Math.min(answers.length, deck.count - 1);
  canvas.width = deck.width;
  canvas.height = deck.height;
  canvas.getContext("2d").drawImage(sheet, 0, at * deck.height, deck.width, deck.height, 0, 0, deck.width, deck.height);
  canvas.setAttribute("aria-label", `Picture ${at + 1}: real or generated?`);
  find(".where").textContent = isOver() ? "All answered: see how you did" : `Picture ${at + 1} of ${deck.count}`;
  find(".duel").dataset.answered = answers.length;
}

// --- the clock -----------------------------------------------------------------------------

function stopClock() {
  cancelAnimationFrame(state.request);
  find(".time i").style.width = 0;
}

// Every picture has its own time; it runs only where it can be seen.
function startClock() {
  stopClock();
  if (!find(".against").checked || isOver() || !state.sheet) return;
  state.until = performance.now() + 1000 * SECONDS;
  state.request = requestAnimationFrame(tick);
}

function tick(now) {
  if (!element.isConnected) return;
  if (!element.offsetParent) { // another tab is open
    find(".against").checked = false;
    return stopClock();
  }
  const left = Math.max(0, state.until - now) / (1000 * SECONDS);
  const shown = calm.matches ? Math.ceil(left * SECONDS) / SECONDS : left;
  find(".time i").style.width = `${100 * shown}%`;
  if (left === 0) return answer(NO_ANSWER);
  state.request = requestAnimationFrame(tick);
}

// --- the game ------------------------------------------------------------------------------

function answer(grade) {
  if (isOver() || !state.sheet) return;
  state.answers.push(grade);
  draw();
  startClock();
  if (!isOver()) return;
  find(".duel").focus({ preventScroll: true }); // the buttons can't keep it
  const { serial, model, seed } = state.deck;
  props.value = { serial, model, seed, answers: state.answers };
  trigger("input");
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-answer]");
  if (button) answer(Number(button.dataset.answer));
});
element.addEventListener("keydown", (event) => {
  const grade = ANSWER_OF_KEY[event.key];
  if (!grade || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  answer(grade);
});
find(".against").addEventListener("change", startClock);

// A deck of the server's begins a new game; the browser's own answers come back with its serial.
async function take(value) {
  if (!value || !value.sheet || value.serial === state.serial) return;
  stopClock();
  Object.assign(state, { serial: value.serial, deck: value, sheet: null, answers: [] });
  draw();
  const image = new Image();
  image.src = value.sheet;
  await image.decode();
  if (state.serial !== value.serial) return;
  state.sheet = image;
  draw();
  startClock();
}

watch("value", () => take(props.value));
take(props.value);
