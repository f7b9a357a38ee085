// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const root = element.querySelector(".tree");
const state = { tree: null, buttons: [] };

function make(tag, name, parent, text = "") {
  const node = document.createElement(tag);
  node.className = name;
  node.textContent = text;
  parent.append(node);
  return node;
}

function build({ versions, branches }) {
  const focused = state.buttons.indexOf(document.activeElement);
  root.replaceChildren();
  state.buttons = [];
  for (const branch of branches) {
    const row = make("div", "branch", root);
    const from = versions[branch[0]].parent;
    if (from !== null) make("span", "from", row, `from version ${from}:`);
    branch.forEach((number, place) => {
      if (place || from !== null) make("span", "arrow", row, "→").setAttribute("aria-hidden", "true");
      const { src, words, numbers, parent } = versions[number];
      const button = make("button", parent === null ? "first" : "", row);
      button.type = "button";
      button.title = words;
      const frame = make("span", "frame", button);
      const image = make("img", "", frame);
      image.alt = "";
      image.decoding = "sync"; // or it would be blank for a moment
      image.src = src;
      make("span", "number", frame, number).setAttribute("aria-hidden", "true");
      make("span", "words", button, words);
      button.setAttribute("aria-label", `Version ${number}: ${words}. ${numbers}`);
      button.addEventListener("click", () => choose(number));
      state.buttons[number] = button;
    });
  }
  state.buttons[focused]?.focus();
}

function show() {
  const { versions } = state.tree;
  const { chosen } = props.value;
  const path = new Set();
  for (let at = chosen; versions[at]; at = versions[at].parent) path.add(at);
  state.buttons.forEach((button, number) => {
    button.setAttribute("aria-pressed", String(number === chosen));
    button.classList.toggle("off", !path.has(number));
  });
  root.dataset.versions = versions.length;
}

function choose(number) {
  props.value = { chosen: number }; // the rest is known
  show();
  trigger("input");
}

function take() {
  const { value } = props;
  if (value.versions && value.serial !== state.tree?.serial) {
    state.tree = value;
    build(value);
  }
  show();
}

watch("value", take);
take();
// Once it is seen: what it opens with takes too long for the start of the app.
const resized = new ResizeObserver(() => {
  if (!element.clientWidth) return; // a hidden tab
  resized.disconnect();
  if (!state.tree.versions.length) trigger("select");
});
resized.observe(element);
