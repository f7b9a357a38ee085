// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
watch("value", () => {
  if (!props.value) return;
  const link = document.createElement("a");
  link.href = props.value.url;
  link.download = props.value.name;
  element.append(link);
  link.click();
  link.remove();
});
