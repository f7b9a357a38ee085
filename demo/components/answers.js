// Body of gr.HTML's js_on_load: `element` is given. A picture that is pressed is shown large.
const dialog = element.querySelector("dialog");
element.addEventListener("click", (event) => {
  const button = event.target.closest(".enlarge");
  if (button) {
    dialog.querySelector(".large").replaceChildren(button.firstElementChild.cloneNode(true));
    dialog.showModal();
  } else if (event.target === dialog) {
    dialog.close(); // beside it
  }
});

// The example that was asked for in the table above the tabs is outlined, whenever this is mounted.
const outline = (task) => {
  const panel = element.querySelector(".answer");
  panel.classList.toggle("asked", panel.getAttribute("aria-label").toLowerCase() === task);
};
document.addEventListener("paradigms-task", (event) => outline(event.detail));
outline(document.querySelector("#paradigms-table .paradigms")?.dataset.task);
