// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const { tiles, grouped, label } = props;
const GROUPS = ["with", "without"];
const MARKS = { chosen: "✓", with: "✓", without: "−" };

function make(tag, name, parent) {
  const node = document.createElement(tag);
  node.className = name;
  parent.append(node);
  return node;
}

const buttons = tiles.map(({ id, src }) => {
  const button = make("button", "", find(".tiles"));
  button.type = "button";
  const image = make("img", "", button);
  Object.assign(image, { src, alt: "", draggable: false });
  make("span", "mark", button).setAttribute("aria-hidden", "true");
  button.addEventListener("click", () => choose(id));
  return button;
});
find(".label").textContent = label;
find(".tiles").setAttribute("aria-label", label);
find("fieldset").hidden = !grouped;
for (const radio of element.querySelectorAll("input")) radio.name = `${element.id || label}-group`;

function groupOf(id) {
  if (!grouped) return props.value.chosen === id ? "chosen" : "";
  return GROUPS.find((group) => props.value[group].includes(id)) || "";
}

function choose(id) {
  if (!grouped) {
    props.value = { chosen: id };
  } else {
    const into = find("input:checked").value;
    const was = groupOf(id);
    const others = (group) => props.value[group].filter((other) => other !== id);
    const value = Object.fromEntries(GROUPS.map((group) => [group, others(group)]));
    if (was !== into) value[into].push(id);
    props.value = value;
  }
  show();
  trigger("input");
}

function show() {
  if (!props.value) return;
  tiles.forEach(({ id, name }, index) => {
    const group = groupOf(id);
    const button = buttons[index];
    button.dataset.group = group;
    button.setAttribute("aria-pressed", String(Boolean(group)));
    button.setAttribute("aria-label", [name, grouped && group && `in “${group}”`].filter(Boolean).join(", "));
    const mark = button.querySelector(".mark");
    mark.textContent = MARKS[group] || "";
    mark.hidden = !group;
  });
}

watch("value", show);
show();
