"use strict";
// Numbers by their names, how they are printed, and the formulas that give them.
const data = JSON.parse(document.getElementById("data").textContent);
const PLACES = 4;
const chosen = { mode: "training", document: 0 };
const rowOf = Object.fromEntries(data.rows.map((row) => [row.key, row]));

const view = () => data.views[chosen.mode + chosen.document];
const along = (found, indices) => indices.reduce((inner, index) => inner[index], found);
const parted = (name) => {
  const [key, ...indices] = name.split(".");
  return [key, indices.map(Number)];
};

function numberOf(name) {
  const [key, indices] = parted(name);
  return along(view().values[key], indices);
}

function formulaOf(name) {
  const [key, indices] = parted(name);
  return along(data.formulas[view().formulas[key]], indices);
}

function printed(value, places = PLACES) {
  const text = Math.abs(value).toFixed(places);
  return (value < 0 && /[1-9]/.test(text) ? "−" : "") + text;
}

// A formula with its numbers; a negative one stands in brackets where a sign is beside it.
function filled(name) {
  const formula = formulaOf(name);
  const places = view().places[name] || PLACES;
  return formula.replace(/\{([^}]+)\}/g, (braced, inner, at) => {
    const text = printed(numberOf(inner), places);
    const before = formula[at - 1],
      after = formula[at + braced.length];
    const alone = after !== "²" && (before === undefined || (before === "(" && after === ")"));
    return text.startsWith("−") && !alone ? `(${text})` : text;
  });
}

const usedBy = (name) => [...formulaOf(name).matchAll(/\{([^}]+)\}/g)].map((found) => found[1]);
const windowCount = () => view().begins.length - 1;
const parametersOf = () =>
  Object.keys(view().values)
    .filter((key) => key.startsWith("theta_"))
    .map((key) => key.slice(6));

// Every name of a key's numbers at a step or window, in the order of reading.
function namesOf(key, at) {
  const found = [];
  const within = (inner, name) =>
    Array.isArray(inner) ? inner.forEach((each, i) => within(each, `${name}.${i}`)) : found.push(name);
  within(view().values[key][at], `${key}.${at}`);
  return found;
}

// The order in which training computes them: forward, backward, gradients, sum, renewal, window by window.
function inOrder() {
  const names = [],
    rows = (kind) => data.rows.filter((row) => row.kind === kind);
  for (let w = 0; w < windowCount(); w++) {
    const begin = view().begins[w],
      end = view().begins[w + 1];
    for (let t = begin; t < end; t++) for (const row of rows("state")) names.push(...namesOf(row.key, t));
    names.push(`loss.${w}`);
    for (let t = end - 1; t >= begin; t--) for (const row of rows("error")) names.push(...namesOf(row.key, t));
    if (w) for (const key of ["cut_h", "cut_c"]) if (view().values[key]) names.push(...namesOf(key, w));
    for (let t = begin; t < end; t++) for (const row of rows("gradient")) names.push(...namesOf(row.key, t));
    for (const name of parametersOf()) names.push(...namesOf(`sum_${name}`, w));
    if (chosen.mode !== "same") for (const name of parametersOf()) names.push(...namesOf(`theta_${name}`, w + 1));
  }
  return names;
}

// What a name means, in words: [title, equation, note].
function told(name) {
  const [key, indices] = parted(name);
  const [prefix, parameter] = key.split("_");
  if (key === "loss")
    return [
      `J of window ${indices[0] + 1}`,
      "J = mean of the losses of its targets that count",
      "The mean over the window. All errors and gradients of the window are derivatives of this number.",
    ];
  if (prefix === "cut") {
    const seam = view().begins[indices[0]];
    return [
      `What step ${seam} would send back to ${parameter}(${seam - 1}), unit ${indices[1] + 1}: an error, cut away`,
      parameter === "h" ? "W ∂J/∂a(t+1)" : "∂J/∂c(t+1) f(t+1)",
      "The seam is here: the state crosses it as a number, the error does not come back. The window before is " +
        "finished, and its parameters are renewed already.",
    ];
  }
  if (key in rowOf) {
    const row = rowOf[key],
      where = element(row, indices.slice(1));
    const kind = {
      state: "a state",
      error: `an error: it belongs to step ${indices[0]} alone`,
      gradient: `step ${indices[0]}'s part of a gradient`,
    }[row.kind];
    const title = row.name.replaceAll("(t)", `(${indices[0]})`).replace("t+1", indices[0] + 1);
    return [`${title}${where}: ${kind}`, row.equation, row.note];
  }
  const rest = key.slice(prefix.length + 1),
    place = inParameter(rest, indices.slice(1)),
    w = indices[0];
  if (prefix === "sum")
    return [
      `∂J/∂${rest}${place} of window ${w + 1}: a gradient, the sum of its steps' parts`,
      `∂J/∂${rest} = Σ over t of (∂J/∂${rest})(t)`,
      "The number with which the parameter is renewed: one for the whole window, however many steps it has.",
    ];
  if (w === 0) return [`${rest}${place}: a parameter, as given`, "", "One copy, which every step of the window uses."];
  if (chosen.mode === "same")
    return [
      `${rest}${place}: a parameter`,
      "",
      "In this view nothing is renewed: all windows use the same parameters.",
    ];
  return [
    `${rest}${place} renewed after window ${w}`,
    `${rest} ← ${rest} − ${data.rate} × ∂J/∂${rest}`,
    `Once per window, with the sum over its steps, not once a step. All steps of window ${w + 1} use this one.`,
  ];
}

function element(row, indices) {
  if (!indices.length || (indices.length === 1 && row.lines.length === 1 && row.lines[0] === "")) return "";
  const line = row.lines[indices.at(-1)];
  if (indices.length === 2) return ` [${row.across[indices[0]]}→${line}]`;
  return row.lines.length === data.symbols.length && row.lines.every((each, i) => each === data.symbols[i])
    ? ` of ${line}`
    : `, unit ${line}`;
}

function inParameter(name, indices) {
  const { units, symbols, columns } = data;
  const of = {
    W: [units, columns],
    U: [symbols, columns],
    b: [columns],
    b_h: [units],
    V: [units, symbols],
    c: [symbols],
  }[name];
  return `[${indices.map((index, n) => of[n][index]).join("→")}]`;
}
