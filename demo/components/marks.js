// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const NEXT = { "": "with", with: "without", without: "" }; // what a click makes of a mark
const SIGNS = { "": "", with: "✓", without: "−" };
const WORDS = { "": "no mark", with: "has it", without: "has it not" };
let buttons = [];
let asked = false; // for marks that the server makes

function markOf(id) {
  return ["with", "without"].find((group) => props.value[group].includes(id)) || "";
}

function mark(id) {
  const into = NEXT[markOf(id)];
  const others = (group) => props.value[group].filter((other) => other !== id);
  const value = { sheet: props.page.number, with: others("with"), without: others("without") };
  if (into) value[into].push(id);
  props.value = value;
  show();
  trigger("input");
}

function build() {
  find(".tiles").replaceChildren();
  buttons = props.page.tiles.map(({ id, src }) => {
    const button = document.createElement("button");
    button.type = "button";
    const image = document.createElement("img");
    Object.assign(image, { src, alt: "", draggable: false });
    const sign = document.createElement("span");
    sign.className = "mark";
    sign.setAttribute("aria-hidden", "true");
    button.append(image, sign);
    button.addEventListener("click", () => mark(id));
    find(".tiles").append(button);
    return button;
  });
  element.querySelector(".marks").dataset.page = props.page.number;
  show();
}

function show() {
  props.page.tiles.forEach(({ id }, index) => {
    const into = markOf(id);
    const button = buttons[index];
    if (!button) return;
    button.dataset.mark = into;
    button.setAttribute("aria-label", `Generated avatar ${id + 1}: ${WORDS[into]}`);
    const sign = button.querySelector(".mark");
    sign.textContent = SIGNS[into];
    sign.hidden = !into;
  });
  find(".where").textContent = `Sheet ${props.page.number + 1} of ${props.sheets}`;
}

find(".more").addEventListener("click", () => {
  props.value = { ...props.value, sheet: (props.page.number + 1) % props.sheets };
  trigger("select");
});
find(".clear").addEventListener("click", () => {
  props.value = { sheet: props.page.number, with: [], without: [] };
  show();
  trigger("input");
});

for (const name of props.presets) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", () => {
    props.value = { ...props.value, preset: name };
    asked = true;
    trigger("submit");
  });
  find(".presets").append(button);
}

watch("value", () => {
  show();
  if (!asked || props.value.preset) return;
  asked = false;
  trigger("input"); // what follows from marks follows in one way, or an older answer could win
});
// Gradio takes every name in quotes for that of an event.
const [PAGE] = Object.keys({ page: null });
watch(PAGE, build);
build();
requestAnimationFrame(() => trigger("mounted"));
