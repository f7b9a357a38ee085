// Body of gr.HTML's js_on_load: `element`, `props` and `watch` are given.
const canvas = element.querySelector("canvas");

function show() {
  const { height, width, channels, pixels, description } = props.value;
  const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
  const data = new ImageData(width, height);
  for (let at = 0; at < height * width; at++) {
    for (let channel = 0; channel < 3; channel++) {
      data.data[4 * at + channel] = bytes[at * channels + (channels === 3 ? channel : 0)];
    }
    data.data[4 * at + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(data, 0, 0);
  canvas.setAttribute("aria-label", description);
}

watch("value", show);
show();
