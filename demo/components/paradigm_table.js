// Body of gr.HTML's js_on_load: `element`, `props` and `trigger` are given.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-activity]");
  if (!button) return;
  const { activity, task = "" } = button.dataset;
  element.querySelector(".paradigms").dataset.task = task;
  document.dispatchEvent(new CustomEvent("paradigms-task", { detail: task }));
  trigger("select", { activity });
  // Eyes and keyboard go where the demonstration is.
  const activities = document.getElementById(props.opens);
  if (!activities) return;
  activities.style.minHeight = "70vh"; // or what is short could not be scrolled to the top
  activities.tabIndex = -1;
  activities.focus({ preventScroll: true });
  activities.scrollIntoView({ block: "start" });
});
