// Body of gr.HTML's js_on_load: `element` is given. The style sheet says how large `beamer` is.
const button = element.querySelector("button");

function show(isLarge) {
  document.documentElement.classList.toggle("beamer", isLarge);
  button.setAttribute("aria-pressed", String(isLarge));
}

// The address says it, too, so that a link or a reload opens the app as it was shown.
button.addEventListener("click", () => {
  const address = new URL(location.href);
  const isLarge = address.searchParams.get("beamer") !== "1";
  if (isLarge) address.searchParams.set("beamer", "1");
  else address.searchParams.delete("beamer");
  history.replaceState(history.state, "", address);
  show(isLarge);
});
show(new URLSearchParams(location.search).get("beamer") === "1");
