// Body of gr.HTML's js_on_load: `element` and `trigger` are given.
let seen = false;
const resized = new ResizeObserver(() => {
  if (seen || !element.clientWidth) return; // a hidden tab
  seen = true;
  resized.disconnect();
  trigger("select");
});
resized.observe(element);
