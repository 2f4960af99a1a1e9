// The network unfolded: one column a step, with a seam between windows.
const parameters = 40 + 54 * (data.units.length + data.symbols.length + 1); // as wide as U, W and b are beside each other
const WIDTH = { label: matchMedia("(max-width: 700px)").matches ? 104 : 152, seam: 118, after: 92 };
WIDTH.step = Math.max(108, 10 + 54 * data.units.length, Math.ceil(parameters / data.bptt));
function make(tag, settings = {}, ...inner) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name === "class") made.className = value;
    else made.setAttribute(name, value);
  }
  made.append(...inner);
  return made;
}

function number(name, kind = "") {
  return make("button", { type: "button", class: `n ${kind}`, tabindex: "-1", "data-name": name });
}

// Calls with each column right of the labels: a step, the seam before window w, or what comes after.
function columns(step, seam = () => seamCell(), after = () => afterCell()) {
  const cells = [];
  for (let w = 0; w < windowCount(); w++) {
    if (w) cells.push(seam(w));
    for (let t = view().begins[w]; t < view().begins[w + 1]; t++) cells.push(step(t, w));
  }
  return [...cells, after()];
}

// Likewise, but a cell for each window.
function windows(cell, seam = () => seamCell(), after = () => afterCell()) {
  const cells = [];
  for (let w = 0; w < windowCount(); w++) {
    if (w) cells.push(seam(w));
    const made = cell(w);
    made.colSpan = view().begins[w + 1] - view().begins[w];
    cells.push(made);
  }
  return [...cells, after()];
}

const seamCell = (...inner) => make("td", { class: "seam" }, ...inner);
const afterCell = (...inner) => make("td", { class: "after" }, ...inner);
const columnCount = () => view().begins.at(-1) + windowCount() - 1 + 1;

function label(text, lines = [""], across = [""]) {
  const inner = make("span", {}, make("span", {}, text));
  if (across.some((each) => each)) inner.firstChild.append(make("small", {}, `from h${across.join(", h")}`));
  if (lines.some((line) => line))
    inner.append(make("span", { class: "lines" }, ...lines.map((line) => make("span", {}, line))));
  return make("th", { class: "label", scope: "row" }, inner);
}

function band(text) {
  const head = make("th", { class: "label" }, ""),
    cell = make("th", { colspan: columnCount() }, make("span", {}, text));
  return make("tr", { class: "band" }, head, cell);
}

function line(...inner) {
  return make("div", { class: "line" }, ...inner);
}

function numbersOf(row, t) {
  const key = row.key;
  if (row.lines.length === 1 && row.lines[0] === "") return [line(number(`${key}.${t}`))];
  return row.lines.map((_, n) =>
    row.across.length > 1 || Array.isArray(view().values[key][t][0])
      ? line(...row.across.map((_, i) => number(`${key}.${t}.${i}.${n}`)))
      : line(number(`${key}.${t}.${n}`)),
  );
}

// What crosses a seam, and what does not.
function atSeam(row, w) {
  const begin = view().begins[w],
    before = begin - 1;
  if (row.key === "h" || row.key === "c") {
    if (!view().carry[begin]) return seamCell("a document begins: ", make("b", { class: "state" }, "not carried"));
    const old = chosen.mode === "training" ? ` It was computed with the parameters of window ${w}.` : "";
    return seamCell(make("b", { class: "state" }, `${row.key}(${before}) is carried →`), old);
  }
  const key = { dh_next: "cut_h", dc_next: "cut_c" }[row.key];
  if (!key) return seamCell();
  const gone = data.units.map((_, j) => {
    const made = number(`${key}.${w}.${j}`, "error");
    made.classList.add("gone");
    return line(made);
  });
  return seamCell(make("b", { class: "error" }, `✂ step ${begin} would send`), ...gone);
}

function afterRow(row) {
  const last = view().begins.at(-1) - 1;
  if (row.key === "h" || row.key === "c")
    return afterCell(make("b", { class: "state" }, `${row.key}(${last}) → the next window begins with it`));
  return afterCell();
}

// Why there are zeros: where no state came in, and where no error comes back.
function why(row, t) {
  const begins = t === 0 || !view().carry[t],
    stops = view().begins.includes(t + 1) || !view().carry[t + 1];
  const text =
    row.key === "grad_W" && begins ? `h(t−1) is 0 here` : row.key.endsWith("_next") && stops ? "0: it stops here" : "";
  return text ? [make("div", { class: "why" }, text)] : [];
}

function rowFor(row) {
  const cells = columns(
    (t) => make("td", {}, ...numbersOf(row, t), ...why(row, t)),
    (w) => atSeam(row, w),
    () => afterRow(row),
  );
  return make("tr", { class: row.kind }, label(row.label, row.lines, row.across), ...cells);
}

function draw() {
  const head = make(
    "tr",
    {},
    label("step"),
    ...columns(
      (t) => make("th", { scope: "col" }, `t = ${t}`),
      (w) => make("td", { class: "seam" }, make("b", { class: "error" }, "seam")),
      () => afterCell("next window"),
    ),
  );
  const inputs = make(
    "tr",
    {},
    label("x(t)"),
    ...columns((t) =>
      make(
        "td",
        {},
        make("span", { class: "symbol" }, data.text[t]),
        ...(view().carry[t] || t === 0 ? [] : [make("div", { class: "state" }, "carry 0")]),
      ),
    ),
  );
  const targets = make(
    "tr",
    {},
    label("target"),
    ...columns((t) =>
      make(
        "td",
        {},
        make("span", { class: "symbol" }, data.text[t + 1]),
        ...(view().weight[t] ? [] : [make("div", { class: "faint" }, "not counted")]),
      ),
    ),
  );
  const rows = (kind) => data.rows.filter((row) => row.kind === kind).map(rowFor);
  const states = rows("state");
  states.splice(states.length - 1, 0, targets);
  const many = windowCount() > 1,
    renewed = chosen.mode !== "same";
  const theta = (w) => make("td", { class: "theta" }, make("b", {}, thetaTitle(w)), box("theta", w));
  const sums = (w) => make("td", {}, box("sum", w));
  const losses = make(
    "tr",
    {},
    label("J of the window"),
    ...windows((w) => make("td", {}, line("J = ", number(`loss.${w}`, "state")))),
  );
  const table = document.getElementById("unfolded");
  const widths = [
    WIDTH.label,
    ...columns(
      () => WIDTH.step,
      () => WIDTH.seam,
      () => WIDTH.after,
    ),
  ];
  table.style.width = `${widths.reduce((sum, width) => sum + width, 0)}px`;
  table.replaceChildren(
    make("colgroup", {}, ...widths.map((width) => make("col", { width }))),
    head,
    make("tr", {}, label("the network, unfolded"), make("td", { colspan: columnCount(), id: "picture" }, picture())),
    make(
      "tr",
      {},
      label("θ: drawn once, since all steps share it"),
      ...windows(theta, (w) => seamCell(renewed ? make("b", {}, "W, U, b, V, c are renewed here") : "")),
    ),
    band(
      `1. Forward, left to right: ${many ? "each window begins with the state that the one before has left" : "one window"}`,
    ),
    inputs,
    ...states,
    losses,
    band("2. Errors, right to left: of each step its own; at a window's last step nothing comes from step t+1"),
    ...rows("error"),
    band("3. What each step gives to the gradients: (∂J/∂θ)(t), one for every step"),
    ...rows("gradient"),
    band("4. Their sum over the window: the gradient"),
    make("tr", { class: "gradient" }, label("∂J/∂θ = Σ over t of (∂J/∂θ)(t)"), ...windows(sums)),
  );
  if (renewed) {
    table.append(
      band(`5. Renewed, once per window: θ ← θ − ${data.rate} × ∂J/∂θ`),
      make(
        "tr",
        {},
        label(`θ after the window`),
        ...windows((w) => make("td", { class: "theta" }, box("theta", w + 1))),
      ),
    );
  }
  afterDrawing();
}
