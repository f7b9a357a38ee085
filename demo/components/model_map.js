// Body of gr.HTML's js_on_load: `element` and `trigger` are given.
element.addEventListener("click", (event) => {
  const leaf = event.target.closest("[data-tab]");
  if (leaf) trigger("select", { tab: leaf.dataset.tab });
});
