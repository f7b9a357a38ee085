// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const box = element.querySelector(".lanes");
let latest = -1;

function make(tag, name, parent) {
  const node = document.createElement(tag);
  node.className = name;
  parent.append(node);
  return node;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function build(count) {
  const lane = make("section", "", box);
  const heading = make("h4", "", lane);
  make("span", "", heading);
  make("small", "", heading);
  const where = make("div", "where", lane);
  const board = make("div", "board", where);
  board.setAttribute("role", "img");
  for (let index = 0; index < count; index++) {
    const cell = make("div", "cell", board);
    make("canvas", "", cell);
    const tag = make("div", "tag", cell);
    make("i", "", tag);
    make("span", "", tag);
  }
  make("div", "why", where);
  make("p", "", lane);
}

function label(tag, shown) {
  const [colour, name] = tag.children;
  colour.style.background = shown ? `var(--gm-class-${shown.label % 10})` : "none";
  write(name, shown ? shown.name : "");
}

function describe(lane) {
  const taken = lane.tags.flatMap((tag, index) => (tag ? [`picture ${index + 1} for ${tag.name}`] : []));
  return `${lane.title}: ${lane.shown} pictures${taken.length ? `; taken: ${taken.join(", ")}` : ""}`;
}

async function show() {
  const { serial, count, lanes } = props.value;
  latest = serial;
  while (box.children.length < lanes.length) build(count);
  const strips = await Promise.all(
    lanes.map(async ({ src }) => {
      if (!src) return null;
      const strip = new Image();
      strip.src = src;
      await strip.decode();
      return strip;
    }),
  );
  if (serial !== latest) return; // newer ones came meanwhile
  lanes.forEach((lane, at) => {
    const section = box.children[at];
    section.className = lane.state;
    write(section.querySelector("h4 span"), lane.title);
    write(section.querySelector("h4 small"), lane.line);
    write(section.querySelector("p"), lane.state === "absent" ? "" : lane.caption);
    write(section.querySelector(".why"), lane.state === "absent" ? lane.caption : "");
    const board = section.querySelector(".board");
    board.setAttribute("aria-label", describe(lane));
    [...board.children].forEach((cell, index) => {
      const [canvas, tag] = cell.children;
      const { width, height } = lane;
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, width, height); // what is not drawn yet lets the grey ground through
      const isThere = index < lane.shown;
      cell.classList.toggle("empty", lane.state === "done" && !isThere);
      if (isThere) pen.drawImage(strips[at], 0, index * height, width, lane.rows, 0, 0, width, lane.rows);
      label(tag, lane.tags[index]);
    });
  });
  box.dataset.serial = serial;
}

watch("value", show);
show();
