// What seams cut, and the questions whose answers stand on the page.
function drawCut() {
  const cut = data.cut[chosen.document],
    names = Object.keys(cut.whole),
    own = cut.by_steps[data.bptt - 1];
  const share = (found) =>
    found.difference < 1e-9 ? "nothing" : `cos ${printed(found.cosine, 3)}, difference ${printed(found.difference, 3)}`;
  const head = make(
    "tr",
    {},
    make("th", {}, "steps in a window"),
    ...names.map((name) => make("th", {}, `∂J/∂${name}`)),
  );
  const rows = cut.by_steps.map((found, n) =>
    make(
      "tr",
      n + 1 === data.bptt ? { class: "mine" } : {},
      make("th", {}, n + 1 === cut.by_steps.length ? `${n + 1}: no seam` : String(n + 1)),
      ...names.map((name) => make("td", {}, share(found[name]))),
    ),
  );
  const titles = ["∂J/∂", "mean of the windows", "one window of all steps", "cut by the seams"];
  const of = (i, j) => [cut.mean.W[i][j], cut.whole.W[i][j], cut.whole.W[i][j] - cut.mean.W[i][j]];
  const three = make(
    "div",
    { class: "wide" },
    make(
      "table",
      {},
      make("tr", {}, ...titles.map((title) => make("th", {}, title))),
      ...data.units.flatMap((unit, i) =>
        data.columns.map((column, j) =>
          make(
            "tr",
            {},
            make("th", {}, `W[${unit}→${column}]`),
            ...of(i, j).map((value) => make("td", {}, printed(value))),
          ),
        ),
      ),
    ),
  );
  by("cut-told").replaceChildren(
    make(
      "p",
      {},
      `Nothing renewed, so that both can be compared: the gradient from windows of ${data.bptt} steps (the mean over `,
      `windows) beside that of one window of all ${cut.by_steps.length} steps. Of W: ${share(own.W)}. The cosine says how `,
      "far the direction is the same (1: the same); the difference is as long as so many times the whole gradient. It is ",
      "no share: it can be above 1.",
    ),
    three,
    make(
      "p",
      {},
      "Windows of other lengths. Longer is not always nearer: it matters which seam cuts what. V and c lose nothing, since ",
      "an output looks at its own step only.",
    ),
    make("div", { class: "wide" }, make("table", {}, head, ...rows)),
  );
}

const ownUnits = (key, at) => data.units.map((_, j) => printed(numberOf(`${key}.${at}.${j}`)));

function errorOrGradient(last) {
  const da = data.rows.find((row) => row.key.startsWith("da")),
    sum = "sum_W.0.0.0";
  return (
    `An error belongs to a step: ${da.name.replaceAll("(t)", `(${last})`)} is ${printed(numberOf(`${da.key}.${last}.0`))} ` +
    `for unit 1 at step ${last}, another number at every other step (red rows). A gradient belongs to a parameter: ` +
    `∂J/∂W[1→${data.columns[0]}] of window 1 is ${printed(numberOf(sum))}, the sum of what its steps give (green rows): ` +
    `${filled(sum)}. Errors are never used to change anything; the gradient is.`
  );
}

function whyZero() {
  const first = "grad_W.0.0.0";
  return (
    "(∂J/∂W)(t) = h(t−1) ∂J/∂a(t), and the first step of a document sees no state of before: h is 0 there. " +
    `${printed(numberOf(first))} = ${filled(first)}. The error ∂J/∂a(0) itself is not 0: U and b get their part. With “a ` +
    `document begins at step ${data.document}” the same holds at that step, though it lies inside a window.`
  );
}

function whatIsCut() {
  if (windowCount() === 1) return "In this view there is no seam: choose windows above.";
  const seam = view().begins[1],
    before = seam - 1;
  return (
    `Not the state: h(${before}) crosses, and step ${seam} begins with it. It cuts the error: step ${seam} would send ` +
    `${ownUnits("cut_h", 1).join(" and ")} back to h(${before}), but the row “+ from step t+1” has 0 at step ${before}. So ` +
    `steps 0 to ${before} do not learn what they did to the losses from step ${seam} on.` +
    (view().carry[seam] ? "" : " Here a document begins at the seam, so there is nothing to cut.")
  );
}

function whenRenewed(last) {
  if (chosen.mode === "same") return "In this view never. Choose “as training does” above.";
  const before = "theta_W.0.0.0",
    after = "theta_W.1.0.0",
    how = formulaOf(after) ? ` = ${filled(after)}` : "";
  return (
    `Once per window, after its last step, with the sum over its steps: W[1→${data.columns[0]}] goes from ` +
    `${printed(numberOf(before))} to ${printed(numberOf(after))}${how}. The next window begins with h(${last}) = ` +
    `${ownUnits("h", last).join(", ")}, as it was computed with the parameters before they were renewed: it is not ` +
    "computed again."
  );
}

function drawQuestions() {
  const last = view().begins[1] - 1,
    open = [...document.querySelectorAll("#answers details")].map((each) => each.open);
  const answers = {
    "Error or gradient?": errorOrGradient(last),
    "Why is (∂J/∂W)(0) = 0 where a document begins?": whyZero(),
    "What does the seam cut?": whatIsCut(),
    "When is W renewed, and with which h does the next window begin?": whenRenewed(last),
  };
  by("answers").replaceChildren(
    ...Object.entries(answers).map(([question, answer], n) =>
      make("details", open[n] ? { open: "" } : {}, make("summary", {}, question), make("p", {}, answer)),
    ),
  );
}
