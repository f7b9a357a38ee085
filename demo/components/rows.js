// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const box = element.querySelector(".rows");

function make(tag, name, parent) {
  const node = document.createElement(tag);
  node.className = name;
  parent.append(node);
  return node;
}

function build(rows) {
  box.replaceChildren();
  for (const { count, names } of rows) {
    const group = make("div", "group", box);
    make("div", "title", group);
    const line = make("div", "row", group);
    for (let index = 0; index < count; index++) {
      const cell = make("div", "cell", line);
      make("canvas", "", cell).setAttribute("role", "img");
      if (names.length) make("div", "name", cell);
    }
  }
}

function show() {
  const { rows, serial } = props.value;
  if (box.children.length !== rows.length) build(rows);
  rows.forEach(({ title, names, height, width, pixels }, at) => {
    const [heading, line] = box.children[at].children;
    if (heading.textContent !== title) heading.textContent = title;
    const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
    [...line.children].forEach((cell, index) => {
      const [canvas, name] = cell.children;
      const data = new ImageData(width, height);
      const start = index * height * width * 3;
      for (let pixel = 0; pixel < height * width; pixel++) {
        data.data.set(bytes.subarray(start + 3 * pixel, start + 3 * pixel + 3), 4 * pixel);
        data.data[4 * pixel + 3] = 255;
      }
      if (canvas.width !== width) [canvas.width, canvas.height] = [width, height];
      canvas.getContext("2d").putImageData(data, 0, 0);
      canvas.setAttribute("aria-label", `${title}: ${names[index] || index + 1}`);
      if (name) name.textContent = names[index];
    });
  });
  box.dataset.serial = serial;
}

watch("value", show);
show();
