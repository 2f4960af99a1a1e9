// Lines over numbers, drawn in SVG as wide as there is room.
function make(tag, settings = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

function svg(tag, settings, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// A number as the page shows it: three digits that count.
function shown(value) {
  if (value === null || value === undefined) return "-";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(3)));
}

// What makes a number a place between two ends; round numbers between these.
function scale(low, high, from, to, log) {
  const f = log ? Math.log10 : (value) => value;
  const [a, b] = [f(low), f(high)], width = b - a || 1;
  const place = (value) => from + (f(value) - a) / width * (to - from);
  const ticks = [];
  if (log) {
    const step = Math.max(1, Math.ceil(width / 6));
    for (let power = Math.ceil(a - 1e-9); power <= b + 1e-9; power += step) ticks.push(10 ** power);
    if (ticks.length < 2) ticks.push(low, high);
  } else {
    const rough = width / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) ticks.push(Number((n * step).toPrecision(12)));
  }
  return { place, ticks };
}

// lines: { name, x, y, style } each, those that are not there left out; band: { x, low, high }; marks: { x, name } each.
function draw(figure, plot) {
  const width = Math.max(280, Math.min(640, figure.clientWidth)), height = 260;
  const left = 52, right = width - 12, top = 14, bottom = height - 38;
  const good = (value, log) => typeof value === "number" && (!log || value > 0);
  const xs = plot.lines.flatMap((line) => line.x).filter((value) => good(value, plot.logX));
  const all = plot.lines.flatMap((line) => line.y).concat(plot.band ? plot.band.low.concat(plot.band.high) : []);
  let ys = all.filter((value) => good(value, plot.logY));
  if (!xs.length || !ys.length) return;
  if (plot.least !== undefined) ys = ys.map((value) => Math.max(value, plot.least));
  let [low, high] = plot.range || [Math.min(...ys), Math.max(...ys)];
  if (low === high) [low, high] = plot.logY ? [low / 2, high * 2] : [low - 1, high + 1];
  const x = scale(Math.min(...xs), Math.max(...xs), left, right, plot.logX);
  const y = scale(low, high, bottom, top, plot.logY);
  const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": plot.name });
  for (const tick of y.ticks) {
    drawing.append(svg("line", { x1: left, x2: right, y1: y.place(tick), y2: y.place(tick), class: "grid" }));
    drawing.append(svg("text", { x: left - 5, y: y.place(tick) + 4, "text-anchor": "end", class: "tick" }, shown(tick)));
  }
  let free = 0;
  for (const tick of plot.ticksX || x.ticks) {
    if (x.place(tick) < free) continue;
    free = x.place(tick) + 24;
    drawing.append(svg("text", { x: x.place(tick), y: bottom + 15, "text-anchor": "middle", class: "tick" }, shown(tick)));
  }
  const clip = (value) => Math.min(high, Math.max(low, value));
  const points = (across, values, least) => across.map((at, n) => [at, values[n]])
    .filter(([at, value]) => good(at, plot.logX) && typeof value === "number" && value >= least)
    .map(([at, value]) => `${x.place(at).toFixed(1)} ${y.place(clip(value)).toFixed(1)}`);
  if (plot.band) {
    const there = points(plot.band.x, plot.band.high, 0), back = points(plot.band.x, plot.band.low, 0).reverse();
    if (there.length && back.length) drawing.append(svg("path", { d: `M${there.join("L")}L${back.join("L")}Z`, class: "band" }));
  }
  for (const line of plot.lines) {
    const at = points(line.x, line.y, low);
    if (at.length) drawing.append(svg("path", { d: `M${at.join("L")}`, class: line.style }));
  }
  (plot.marks || []).forEach((mark, number) => {
    const at = x.place(mark.x), end = at > (left + right) / 2;
    drawing.append(svg("line", { x1: at, x2: at, y1: top, y2: bottom, class: "here" }));
    drawing.append(svg("text", { x: at + (end ? -4 : 4), y: bottom - 5 - 15 * number, "text-anchor": end ? "end" : "start" }, mark.name));
  });
  drawing.append(svg("text", { x: (left + right) / 2, y: height - 5, "text-anchor": "middle", class: "tick" }, plot.across));
  figure.prepend(drawing);
}

function figure(plot) {
  plot.lines = plot.lines.filter(Boolean);
  const legend = make("ul", { class: "legend" }, ...plot.lines.map((line) => make("li", { class: line.style }, line.name)));
  const made = make("figure", {}, legend, make("figcaption", {}, plot.caption));
  made.plot = plot;
  return made;
}

function redraw() {
  for (const each of document.querySelectorAll("figure")) {
    each.querySelector("svg")?.remove();
    draw(each, each.plot);
  }
}

// rows: lists of cells, the first a text. mine: the row that is marked.
function table(head, rows, mine = -1) {
  const body = rows.map((cells, number) => make("tr", number === mine ? { class: "mine" } : {}, ...cells.map((cell) => make("td", {}, shown(cell)))));
  const made = make("table", {}, make("thead", {}, make("tr", {}, ...head.map((cell) => make("th", { scope: "col" }, cell)))), make("tbody", {}, ...body));
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": head.join(", ") }, made);
}

function folded(title, inside) {
  return make("details", {}, make("summary", {}, title), inside);
}
