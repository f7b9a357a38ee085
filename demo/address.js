// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given. The map of the
// app is made by address.py, and so are the events gm:values, of all controls, gm:value, of one,
// gm:turned, to another tab, and gm:opened. Everybody else on the page is told by gm:page what is on
// screen, may ask for it by gm:ask, and for a place by gm:open.
const { kept, tabs, watched, lessons, screens } = props.app;
const find = (selector) => element.querySelector(selector);
const QUIET = 150; // ms without a change before the address is written: a drag is one change
const LONGEST = 1000; // ms that it is left unwritten, while what is on screen changes on and on
const PATIENCE = 600; // pictures of the page to wait for what may never come, some ten seconds

const first = screens[0];
const screenOf = (tab, activity) =>
  screens.find((each) => each.tab === tab && (activity == null || each.activity === activity));
const opened = new Set(); // the drawings of the page's first pictures that have ended
const taught = {}; // tab -> { hide, lesson }, as a teacher's link has it
const asked = new URLSearchParams(location.search);
let values = null; // of all controls, then of the watched elements
let opening = null; // the first of these
let shown = null; // the screen that the address names
let isFollowing = false; // whether the address is written
let timer = 0;
let since = null; // of the first change that is not written yet

function until(holds) {
  return new Promise((done) => {
    let left = PATIENCE;
    const look = () => (holds() || !left-- ? done() : requestAnimationFrame(look));
    look();
  });
}

// Of a hidden tab, too, a script knows which of its own tabs is chosen.
const isChosen = (id) =>
  document.querySelector(`[role=tab][data-tab-id="${CSS.escape(id)}"][aria-selected=true]`);

function here() {
  const tab = tabs[0].find(isChosen) ?? first.tab;
  const inner = screens.filter((each) => each.tab === tab);
  return inner.find((each) => each.activity && isChosen(each.id)) ?? inner[0];
}

function settingsOf(screen) {
  let at = 0;
  for (const each of screens) {
    if (each === screen) break;
    at += each.settings.length;
  }
  return screen.settings.map(([name, start, keys], index) => [name, said(values[at + index], keys), start]);
}

// Of what a script draws, a part: numbers and lists with commas.
function said(value, keys) {
  if (!keys) return value;
  const parts = keys.map((key) => value?.[key]);
  const asText = (part) =>
    Array.isArray(part) ? part.map(asText).join(",") : String(typeof part === "number" ? Number(part.toFixed(2)) : part);
  return parts.some((part) => part === null || part === undefined) ? null : parts.map(asText).join(",");
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const text = (value) => (typeof value === "boolean" ? (value ? "on" : "off") : String(value));

function addressOf(screen, { hide = [], lesson = 0 } = {}) {
  const query = new URLSearchParams();
  if (screen.tab !== first.tab) query.set("tab", screen.tab);
  if (screen !== screenOf(screen.tab)) query.set("activity", screen.activity);
  for (const [name, value, start] of settingsOf(screen)) {
    if (value === null || value === undefined || same(value, start)) continue;
    for (const each of Array.isArray(value) && value.length ? value : [value])
      query.append(name, Array.isArray(each) ? "" : text(each));
  }
  if (hide.length) query.set("hide", hide.join(","));
  if (lesson) query.set("lesson", lesson);
  return query;
}

const spell = (query) => String(query).replaceAll("%2C", ",");

const isKept = (name) => name.startsWith("__") || kept.includes(name);

function write() {
  if (!isFollowing || !values) return;
  const screen = here();
  const full = addressOf(screen, taught[screen.tab]);
  for (const [name, value] of new URLSearchParams(location.search))
    if (isKept(name)) full.append(name, value);
  const query = spell(full);
  const address = location.pathname + (query ? `?${query}` : "") + location.hash;
  if (query !== spell(new URLSearchParams(location.search))) {
    if (screen === shown) history.replaceState(history.state, "", address);
    else history.pushState(null, "", address);
    // On a Space the app is a frame, and the address bar that of the page around it.
    if (parent !== window) parent.postMessage({ queryString: query }, "https://huggingface.co");
  }
  shown = screen;
  draw();
}

function tell() {
  if (!values) return;
  const screen = here();
  const from = values.length - watched.length;
  const said = (all) => Object.fromEntries(watched.map((id, index) => [id, all[from + index]]));
  const detail = {
    tab: screen.tab,
    activity: screen.activity,
    settings: Object.fromEntries(settingsOf(screen)),
    said: said(values),
    opening: said(opening),
    lesson: taught[screen.tab]?.lesson ?? 0,
  };
  document.dispatchEvent(new CustomEvent("gm:page", { detail }));
}

function follow() {
  since ??= performance.now();
  clearTimeout(timer);
  timer = setTimeout(() => {
    since = null;
    tell();
    write();
  }, Math.min(QUIET, since + LONGEST - performance.now()));
}

document.addEventListener("gm:values", ({ detail }) => {
  values = detail;
  opening ??= [...detail];
  follow();
});
document.addEventListener("gm:value", ({ detail: [place, value] }) => {
  if (values) values[place] = value;
  follow();
});
document.addEventListener("gm:turned", follow);
document.addEventListener("gm:opened", ({ detail }) => opened.add(detail[0]));
document.addEventListener("gm:ask", tell);
document.addEventListener("gm:open", ({ detail: { tab, activity } }) => {
  const screen = screenOf(tab, activity);
  if (screen) open(screen);
});

async function open(screen) {
  const ids = [screen.tab, screen.id];
  props.value = { open: tabs.map((some) => some.find((id) => ids.includes(id)) ?? null) };
  trigger("select");
  await until(() => here() === screen);
}

// What an address asks for, and what of it this app does not know.
function read(query) {
  const wrong = [];
  const tab = query.get("tab") ?? first.tab;
  const steps = lessons[tab] ?? [];
  const lesson = Number(query.get("lesson") ?? 0);
  const isLesson = Number.isInteger(lesson) && lesson >= 0 && lesson <= steps.length;
  if (!isLesson) wrong.push("lesson");
  const activity = query.get("activity") ?? (isLesson && lesson ? steps[lesson - 1] : null);
  const screen = screenOf(tab, activity) ?? screenOf(tab) ?? first;
  if (screen.tab !== tab) wrong.push("tab");
  else if (activity !== null && screen.activity !== activity) wrong.push("activity");
  const names = (query.get("hide") ?? "").split(",").filter(Boolean);
  const inTab = screens.filter((each) => each.tab === screen.tab);
  const known = inTab.flatMap(({ hideable }) => hideable.map(([name]) => name));
  const hide = names.filter((name) => known.includes(name));
  if (hide.length < names.length) wrong.push("hide");
  taught[screen.tab] = { hide, lesson: isLesson ? lesson : 0 };
  const settings = [...query.keys()].filter(
    (name) => !["tab", "activity", "hide", "lesson"].includes(name) && !isKept(name),
  );
  return { screen, wrong, settings: screen.tab === tab ? settings : [] };
}

const style = document.head.appendChild(document.createElement("style"));
function hide() {
  style.textContent = screens
    .flatMap(({ tab, hideable }) =>
      hideable.filter(([name]) => taught[tab]?.hide.includes(name)).map(([, , id]) => id))
    .map((id) => `#${CSS.escape(id)} { display: none !important; }`)
    .join("\n");
}

function complain(names) {
  const all = [...new Set(names)];
  find(".ignored").textContent = all.length
    ? `Not known here, and left out of the address: ${all.slice(0, 5).join(", ").slice(0, 80)}.`
    : "";
}

let restored = null;
watch("value", () => {
  if (props.value?.wrong) restored?.(props.value.wrong);
});

async function start() {
  const { screen, wrong, settings } = read(asked);
  hide();
  await until(() => values);
  shown = screen;
  if (screen !== here()) await open(screen);
  if (settings.length) {
    await until(() => screen.opens.every((id) => opened.has(id)));
    const answer = new Promise((done) => (restored = done));
    props.value = { screen: screen.id, query: location.search };
    trigger("submit");
    wrong.push(...(await answer));
    const before = values;
    trigger("input"); // asks for the values as they are now
    await until(() => values !== before);
    if (screen.run && settings.some((name) => !wrong.includes(name))) {
      const button = () => document.getElementById(screen.run);
      await until(button);
      button()?.click();
    }
  }
  complain(wrong);
  isFollowing = true;
  find("details").dataset.follows = true;
  tell();
  write();
}

window.addEventListener("popstate", async () => {
  isFollowing = false;
  const { screen } = read(new URLSearchParams(location.search));
  hide();
  shown = screen;
  await open(screen);
  isFollowing = true;
  tell();
  write();
});

// The panel: what a teacher ticks goes into the link only, and hides nothing here.
const [names, steps, link, copy] = [".names", "select", ".link input", "button"].map(find);
let drawn = null;

function draw() {
  if (!find("details").open) return;
  const screen = here();
  if (drawn !== screen) {
    drawn = screen;
    names.replaceChildren(
      ...screen.hideable.map(([name, label]) => {
        const choice = document.createElement("label");
        const box = choice.appendChild(document.createElement("input"));
        box.type = "checkbox";
        box.value = name;
        box.checked = taught[screen.tab]?.hide.includes(name) ?? false;
        choice.append(label);
        return choice;
      }),
    );
    steps.replaceChildren(
      new Option("as it is", 0),
      ...(lessons[screen.tab] ?? []).map((_, index) => new Option(`step ${index + 1}`, index + 1)),
    );
    steps.value = taught[screen.tab]?.lesson ?? 0;
  }
  const ticked = [...names.querySelectorAll(":checked")].map(({ value }) => value);
  const query = spell(addressOf(screen, { hide: ticked, lesson: Number(steps.value) }));
  link.value = location.origin + location.pathname + (query ? `?${query}` : "");
}

find("details").addEventListener("toggle", draw);
names.addEventListener("change", draw);
steps.addEventListener("change", draw);
link.addEventListener("focus", () => link.select());
copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(link.value);
  } catch { // only a page that came over TLS, or from this machine, may write there
    link.select();
    document.execCommand("copy");
  }
  copy.textContent = "Copied";
  setTimeout(() => { copy.textContent = "Copy"; }, 2000);
});
start();
