// Body of gr.HTML's js_on_load: `element` and `props` are given. What happens on the page comes as
// gm:page events, which address.js sends; nothing of a lesson leaves the page.
const { tab, steps } = props;
const find = (selector) => element.querySelector(selector);
const place = `gm-lesson-${tab}`;
const titles = steps.map(({ title }) => title);

// found: step -> what `says` found by name; picked: step -> the answer given. A lesson that was
// written anew since then starts anew.
function remembered() {
  const none = { titles, found: {}, picked: {} };
  try {
    const kept = JSON.parse(sessionStorage.getItem(place));
    return JSON.stringify(kept?.titles) === JSON.stringify(titles) ? kept : none;
  } catch { // a frame may be forbidden to remember
    return none;
  }
}
let state = remembered();
let said = null; // by the watched lines, when last looked at
let unfolded = null; // the step that shows its words
let led = 0; // the step that a link has opened

const isDone = (index) =>
  index in state.found && (!steps[index].asks || index in state.picked);
const current = () => steps.findIndex((_, index) => !isDone(index));

function make(tag, parent, text = "", name = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = name;
  parent.append(node);
  return node;
}

const items = steps.map((step, index) => {
  const item = make("li", find("ol"));
  const head = make("button", item, "", "head");
  head.type = "button";
  const tick = make("span", head, "", "tick");
  tick.setAttribute("aria-hidden", "true");
  make("span", head, step.title);
  const mark = make("span", head, "", "told"); // what the tick says to those who don't see it
  head.addEventListener("click", () => {
    unfolded = unfolded === index ? null : index;
    draw();
  });
  const body = make("div", item, "", "body");
  make("div", body).innerHTML = step.words;
  const choices = [];
  if (step.asks) {
    make("p", body, step.asks.question, "question");
    const row = make("div", body, "", "choices");
    step.asks.choices.forEach((choice, which) => {
      const button = make("button", row, choice);
      button.type = "button";
      button.addEventListener("click", () => {
        state.picked[index] = which;
        progress(index);
      });
      choices.push(button);
    });
  }
  const open = make("button", body, "Open this activity", "open");
  open.type = "button";
  open.addEventListener("click", () => document.dispatchEvent(
    new CustomEvent("gm:open", { detail: { tab, activity: step.activity } })));
  const reveal = make("div", body, "", "reveal");
  return { item, head, tick, mark, body, choices, open, reveal };
});

// What was found goes in as text, whatever it says.
function fill(node, words) {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    text.data = text.data.replace(/\{(\w+)\}/g, (all, name) => words[name] ?? all);
  }
}

let activity = null;
function draw() {
  const now = current();
  const count = steps.filter((_, index) => isDone(index)).length;
  find(".count").textContent = `${count} of ${steps.length} done`;
  find(".again").hidden = !Object.keys({ ...state.found, ...state.picked }).length;
  items.forEach(({ item, head, tick, mark, body, choices, open, reveal }, index) => {
    const { asks, activity: where } = steps[index];
    const done = isDone(index);
    item.classList.toggle("done", done);
    item.classList.toggle("current", index === now);
    tick.textContent = done ? "✓" : index + 1;
    head.setAttribute("aria-expanded", String(unfolded === index));
    mark.textContent = done ? "done" : "";
    body.hidden = unfolded !== index;
    open.hidden = !where || where === activity;
    choices.forEach((button, which) => {
      button.disabled = index in state.picked;
      button.setAttribute("aria-pressed", String(state.picked[index] === which));
    });
    reveal.hidden = !done || !steps[index].reveal;
    if (!reveal.hidden) {
      reveal.innerHTML = steps[index].reveal;
      fill(reveal, state.found[index]);
      if (asks) {
        const right = state.picked[index] === asks.answer;
        const verdict = make("b", reveal, right ? "As you predicted. " : "Not as you predicted. ");
        (reveal.querySelector("p") ?? reveal).prepend(verdict);
      }
    }
  });
}

function progress(index) {
  try {
    sessionStorage.setItem(place, JSON.stringify(state));
  } catch { /* then it is forgotten with the page */ }
  if (isDone(index)) find(".told").textContent = `Step ${index + 1} is done: ${titles[index]}`;
  // What has just been revealed stays open until the student goes on.
  unfolded = isDone(index) && !steps[index].reveal && current() >= 0 ? current() : index;
  draw();
}

function stands(settings = {}, wanted = {}) {
  return Object.entries(wanted).every(([name, want]) => {
    const value = settings[name];
    if (typeof want !== "object") return value === want;
    return (want.most === undefined || value <= want.most)
      && (want.least === undefined || value >= want.least)
      && (want.not === undefined || value !== want.not);
  });
}

function follow({ detail }) {
  if (detail.tab !== tab) return;
  const before = said ?? detail.opening;
  said = detail.said;
  if (activity !== detail.activity) {
    activity = detail.activity;
    draw();
  }
  steps.forEach(({ activity: where, done }, index) => {
    if (index in state.found || (where && where !== activity)) return;
    if (!stands(detail.settings, done.settings)) return;
    let found = { groups: {} };
    if (done.says) {
      const text = String(detail.said[done.element] ?? "");
      if (text === String(before[done.element] ?? "")) return;
      found = new RegExp(done.says).exec(text);
    }
    if (!found) return;
    state.found[index] = { ...found.groups };
    progress(index);
  });
  if (detail.lesson && detail.lesson !== led) {
    led = detail.lesson;
    unfolded = led - 1;
    find("details").open = true;
    draw();
    items[unfolded]?.item.scrollIntoView({ block: "nearest" });
  }
}

find(".again").addEventListener("click", () => {
  state = { titles, found: {}, picked: {} };
  unfolded = 0;
  try {
    sessionStorage.removeItem(place);
  } catch { /* nothing was kept */ }
  draw();
});
find("details").open = window.innerWidth > 900;
unfolded = Math.max(0, current());
draw();
document.addEventListener("gm:page", follow);
document.dispatchEvent(new CustomEvent("gm:ask"));
