// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const row = element.querySelector(".pictures");

function make(tag, name, parent) {
  const node = document.createElement(tag);
  node.className = name;
  parent.append(node);
  return node;
}

function build(count) {
  row.replaceChildren();
  for (let index = 0; index < count; index++) {
    const term = make("div", "term", row);
    make("span", "sign", term);
    const figure = make("figure", "", term);
    make("figcaption", "", figure);
    make("img", "", figure).decoding = "sync"; // or it would be blank for a moment
  }
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show() {
  const { pictures, serial } = props.value || {};
  if (!pictures) return;
  if (row.children.length !== pictures.length) build(pictures.length);
  pictures.forEach(({ title, kind, src, description, sign }, index) => {
    const [before, figure] = row.children[index].children;
    const [caption, image] = figure.children;
    write(before, sign);
    before.classList.toggle("amount", /\d/.test(sign));
    figure.className = kind;
    write(caption, title);
    if (image.src !== src) image.src = src;
    image.alt = description;
  });
  row.dataset.serial = serial;
}

watch("value", show);
show();
