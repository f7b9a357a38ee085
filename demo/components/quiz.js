// Body of gr.HTML's js_on_load: `element`, `props`, `watch` and `trigger` are given.
const find = (selector) => element.querySelector(selector);
const { questions, choices } = props;
const state = { serial: null, judged: [], at: 0 };

function make(tag, parent, text = "", name = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = name;
  parent.append(node);
  return node;
}

const isSeen = () => element.offsetParent !== null;
const isOver = () => state.at === questions.length;
const score = () => state.judged.filter(({ right }) => right).length;

const answers = choices.map((choice, index) => {
  const button = make("button", find(".answers"));
  button.type = "button";
  make("kbd", button, index + 1).setAttribute("aria-hidden", "true");
  button.append(choice.title);
  make("i", button);
  button.addEventListener("click", () => answer(index));
  return button;
});
const places = choices.map(({ title }) => {
  const place = make("div", find(".places"));
  make("h4", place, title);
  return make("ul", place);
});

const rest = make("p", find(".places"), "", "rest");

function draw() {
  const { judged, at } = state;
  const known = judged[at];
  find(".quiz").dataset.answered = judged.length;
  find(".quiz").dataset.at = at;
  find(".where").textContent = isOver() ? "All placed" : `Question ${at + 1} of ${questions.length}${judged.length ? `, ${score()} of ${judged.length} right so far` : ""}`;
  find(".name").textContent = isOver() ? `${score()} of ${questions.length} right` : questions[at].name;
  find(".text").textContent = isOver() ? props.value.closing : questions[at].text;
  find(".answers").hidden = isOver();
  answers.forEach((button, index) => {
    const isOurs = Boolean(known) && choices[index].id === known.paradigm;
    const isYours = Boolean(known) && choices[index].id === known.answer;
    button.disabled = Boolean(known);
    button.className = [isOurs && "ours", isYours && "yours"].filter(Boolean).join(" ");
    button.querySelector("i").textContent = isOurs ? "✓" : isYours ? "✗ your answer" : "";
  });
  find(".why").textContent = known ? `${known.right ? "Right." : "Not quite."} ${known.why}` : "";
  find(".why").hidden = isOver();
  find(".go").hidden = !known && !isOver();
  find(".go").textContent = isOver() ? "Start over" : at + 1 < questions.length ? "Next" : "See the score";
  find(".open").hidden = !known || !known.title;
  find(".open").textContent = known ? `Open ${known.title}` : "";
  const later = questions.slice(judged.length).map(({ name }) => name);
  rest.textContent = later.length ? `Still to be placed: ${later.join(", ")}.` : "";
  choices.forEach(({ id }, index) => {
    const rows = judged.flatMap((each, number) => (each.paradigm === id ? [{ ...each, name: questions[number].name }] : []));
    places[index].replaceChildren();
    for (const { name, right } of rows) {
      const item = make("li", places[index], name, right ? "" : "missed");
      make("small", item, right ? "✓" : "✗ you thought otherwise");
    }
  });
}

function answer(index) {
  if (isOver() || state.judged[state.at]) return;
  props.value = { answers: [...state.judged.map((each) => each.answer), choices[index].id] };
  trigger("input");
}

function go() {
  if (isOver()) {
    Object.assign(state, { judged: [], at: 0 });
  } else if (state.judged[state.at]) {
    state.at += 1;
  }
  draw();
  const next = isOver() ? find(".go") : answers[0];
  next.focus({ preventScroll: true });
}

find(".go").addEventListener("click", go);
find(".open").addEventListener("click", () => {
  trigger("select", { question: state.at });
  window.scrollTo(0, 0);
});

// Keys count wherever the student has clicked last, except where keys mean something else.
function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  const isElsewhere = !element.contains(event.target) && event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable], [role=listbox]");
  if (isElsewhere || !isSeen() || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const index = Number(event.key) - 1;
  if (!answers[index]) return;
  event.preventDefault();
  answer(index);
}

// What the server says of the answers; the browser's own value has no serial.
function take(value) {
  if (!value || !value.serial || value.serial === state.serial) return;
  const isNew = value.judged.length > state.judged.length;
  Object.assign(state, { serial: value.serial, judged: value.judged });
  draw();
  if (isNew && isSeen()) find(".go").focus({ preventScroll: true }); // so that Enter goes on
}

document.addEventListener("keydown", onKey);
watch("value", () => take(props.value));
take(props.value);
draw();
