// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const row = element.querySelector(".shelf");
row.setAttribute("aria-label", props.label);

function choose(place) {
  props.value = { ...props.value, chosen: place };
  show();
  trigger("input");
}

function make(place) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(document.createElement("img"));
  button.firstChild.draggable = false;
  button.addEventListener("click", () => choose(place));
  return button;
}

function show() {
  const { shelf, chosen, tiles } = props.value || {};
  if (!tiles) return;
  if (row.children.length !== tiles.length) row.replaceChildren(...tiles.map((_, place) => make(place)));
  tiles.forEach(({ src, name }, place) => {
    const button = row.children[place];
    const image = button.firstChild;
    if (image.src !== src) image.src = src;
    image.alt = name;
    button.title = name;
    button.setAttribute("aria-pressed", String(place === chosen));
  });
  row.dataset.shelf = shelf;
}

watch("value", show);
show();
