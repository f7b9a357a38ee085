// Body of gr.HTML's js_on_load: `element`, `props` and `trigger` are given.
const row = element.querySelector(".chips");
row.setAttribute("aria-label", props.label);
for (const words of props.examples) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = words;
  button.addEventListener("click", () => {
    props.value = words;
    trigger("input");
  });
  row.append(button);
}
