// Body of gr.HTML's js_on_load: `element`, `props`, `trigger` and `watch` are given.
const find = (selector) => element.querySelector(selector);
const JUDGES = ["density", "classifier"];
const WAITING = "…";

// --- counting ------------------------------------------------------------------------------

const refuses = {
  density: ({ nats }, { least, most }) => nats.map((cost) => cost > most || (least !== null && cost < least)),
  classifier: ({ doubt }, rule) => doubt.map((one) => one > rule.doubt),
};

function area({ auroc }, judge, rule) {
  if (!auroc) return null;
  return judge === "classifier" ? auroc[2] : auroc[rule.least === null ? 0 : 1];
}

const countRefused = (row, judge, rule) => refuses[judge](row, rule).filter(Boolean).length;

// Never rounded to what it is not.
function percent(count, all) {
  const rounded = Math.round((100 * count) / all);
  if (count > 0 && rounded === 0) return "< 1 %";
  if (count < all && rounded === 100) return "> 99 %";
  return `${rounded} %`;
}

// --- the table -----------------------------------------------------------------------------

function cell(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
}

// A row for every kind from the beginning, so that nothing moves as the scores come.
const table = props.kinds.map(({ name, src }, index) => {
  const isTotal = index === props.kinds.length - 1;
  const row = cell("tr", index === 0 ? "usual" : isTotal ? "total" : "", find("tbody"));
  const thumb = cell("td", "thumb", row);
  if (src) Object.assign(cell("img", "", thumb), { src, alt: "" });
  const head = cell("th", "", row);
  head.scope = "row";
  head.textContent = name;
  return JUDGES.map((judge) => {
    const share = cell("div", "share", cell("td", "", row));
    const [bar, text] = [cell("i", "", share), cell("span", "", share)];
    text.textContent = WAITING;
    return { judge, bar, text, area: cell("td", "", row) };
  });
});

function write(row, scores, rule) {
  const areas = row.map(({ judge }) => area(scores, judge, rule));
  row.forEach(({ judge, bar, text, area }, index) => {
    const [count, all] = [countRefused(scores, judge, rule), scores.nats.length];
    bar.style.width = `${(100 * count) / all}%`;
    text.textContent = percent(count, all);
    text.title = `${count} of ${all}`;
    area.textContent = areas[index] === null ? "" : areas[index].toFixed(2);
    area.classList.toggle("better", areas[index] !== null && areas[index] > areas[1 - index]);
  });
}

function tell(rows, rule) {
  if (rows.length < table.length) return `Scoring kind ${rows.length || 1} of ${table.length - 1} ...`;
  const [usual, others] = [rows[0], rows[rows.length - 1]];
  const count = (scores, judge) => countRefused(scores, judge, rule).toLocaleString("en");
  return (
    `By p(x), ${count(others, "density")} of ${others.nats.length} other pictures are refused, and wrongly ` +
    `${count(usual, "density")} of ${usual.nats.length.toLocaleString("en")} digits. ` +
    `By the classifier's certainty: ${count(others, "classifier")}, and ${count(usual, "classifier")}.`
  );
}

function draw() {
  const { rule, value } = props;
  const rows = value?.rows || [];
  rows.forEach((scores, index) => write(table[index], scores, rule));
  find(".told").textContent = tell(rows, rule);
  find(".refusals").dataset.rows = rows.length;
}

watch("value", draw);
watch("rule", draw);
draw();

// A hidden tab mounts late, and what nobody looks at need not be measured.
let isSeen = false;
const resized = new ResizeObserver(() => {
  if (isSeen || !element.clientWidth) return;
  isSeen = true;
  resized.disconnect();
  trigger("select");
});
resized.observe(element);
