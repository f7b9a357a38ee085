// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const group = element.querySelector(".gallery");
group.setAttribute("aria-label", props.label);
element.querySelector(".heading").textContent = props.label;

const buttons = props.tiles.map(({ src, name }, place) => {
  const button = document.createElement("button");
  const image = document.createElement("img");
  button.type = "button";
  image.src = src;
  image.alt = "";
  image.draggable = false;
  button.append(image, name);
  button.addEventListener("click", () => {
    props.value = { chosen: place };
    mark();
    trigger("input");
  });
  group.append(button);
  return button;
});

function mark() {
  buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === props.value?.chosen)));
}

watch("value", mark);
mark();
