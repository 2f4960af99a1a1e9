// Choosing a number, going from one to the next, and guessing.
const by = (id) => document.getElementById(id);
// order: of all names; rank: the place of each; shown: how many are; asked: which is hidden since its value is asked for.
let order = [],
  rank = {},
  shown = 0,
  current = null,
  asked = null,
  right = 0,
  tried = 0;

// All that show a number, by its name: one of θ stands twice, under the window before and over its own.
const buttons = new Map();
const buttonsOf = (name) => buttons.get(name) || [];
const isShown = (name) => name !== asked && !(rank[name] >= shown);

function show(button) {
  const name = button.dataset.name,
    visible = isShown(name);
  button.classList.toggle("hidden", !visible);
  button.textContent = visible ? printed(numberOf(name)) : "·";
  button.setAttribute("aria-label", `${told(name)[0]}: ${visible ? printed(numberOf(name)) : "not shown yet"}`);
}

function choose(name, from) {
  current = name;
  for (const button of document.querySelectorAll(".n.chosen, .n.used")) button.classList.remove("chosen", "used");
  for (const button of document.querySelectorAll('.n[tabindex="0"]')) button.tabIndex = -1;
  const mine = buttonsOf(name);
  for (const button of mine) button.classList.add("chosen");
  if (mine.length) (from || mine[0]).tabIndex = 0;
  const formula = formulaOf(name);
  for (const used of usedBy(name)) for (const button of buttonsOf(used)) button.classList.add("used");
  const [title, equation, note] = told(name),
    visible = isShown(name);
  by("what").textContent = title;
  by("equation").textContent = equation;
  const given = name === asked ? "?" : visible ? printed(numberOf(name)) : "·";
  const text = formula ? filled(name) : "";
  by("formula").textContent =
    !visible && name !== asked ? "not shown yet" : text && text !== given ? `${text} = ${given}` : given;
  by("note").textContent = visible ? note : "";
  by("answer").hidden = name !== asked;
  if (name !== asked) by("verdict").textContent = "";
}

function redraw() {
  for (const same of buttons.values()) same.forEach(show);
}

function tellPlace() {
  by("place").textContent =
    shown >= order.length ? `all ${order.length} numbers are shown` : `${shown} of ${order.length} are shown`;
}

function goTo(count) {
  asked = null;
  shown = Math.max(0, Math.min(order.length, count));
  redraw();
  tellPlace();
  if (shown) {
    choose(order[shown - 1]);
    bringIntoView(order[shown - 1]);
  }
}

function bringIntoView(name) {
  const button = buttonsOf(name)[0],
    frame = by("scroll");
  if (!button) return;
  const cell = button.getBoundingClientRect(),
    box = frame.getBoundingClientRect(),
    sticky = by("told").getBoundingClientRect();
  const labels = document.querySelector("#unfolded th.label").getBoundingClientRect().width;
  if (cell.left < box.left + labels || cell.right > box.right) frame.scrollLeft += cell.left - box.left - labels - 40;
  if (cell.top < sticky.bottom || cell.bottom > innerHeight) scrollBy(0, cell.top - sticky.bottom - 60);
}

function ask(name) {
  asked = name;
  redraw();
  choose(name);
  bringIntoView(name);
  by("verdict").textContent = "";
  by("guessed").value = "";
  by("guessed").focus({ preventScroll: true });
}

function next() {
  if (asked) return by("guessed").focus();
  if (shown >= order.length) return goTo(shown);
  const name = order[shown];
  if (by("guess").checked && formulaOf(name)) {
    shown += 1;
    tellPlace();
    ask(name);
  } else goTo(shown + 1);
}

// To the end of a step's numbers of one row, or of a sum.
function nextGroup() {
  const group = (name) => parted(name)[0] + "." + parted(name)[1][0];
  let end = shown + 1;
  while (end < order.length && group(order[end]) === group(order[shown])) end++;
  goTo(end);
}

function askOne() {
  const told = order.filter((name) => isShown(name) && usedBy(name).length && numberOf(name) !== 0);
  if (told.length) ask(told[Math.floor(Math.random() * told.length)]);
}

function check(event) {
  event.preventDefault();
  const text = by("guessed").value.trim().replace("−", "-").replace(",", "."),
    guess = Number(text),
    value = numberOf(asked);
  if (text === "" || !Number.isFinite(guess)) {
    by("verdict").textContent = "Give a number, such as −0.05.";
    return;
  }
  tried += 1;
  const good = Math.abs(guess - value) <= Math.max(0.0051, 0.05 * Math.abs(value));
  right += good;
  answer(`${good ? "Right" : `Not quite: you said ${printed(guess)}`}. ${right} of ${tried} so far.`);
}

function answer(verdict) {
  const name = asked;
  asked = null;
  redraw();
  choose(name);
  by("verdict").textContent = verdict;
  by("next").focus({ preventScroll: true });
}

// Arrow keys: left and right to the same number of the next step, up and down within a column.
function move(event) {
  const button = event.target.closest(".n");
  if (!button) return;
  const [key, indices] = parted(button.dataset.name),
    shift = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  let other = null;
  if (shift) other = buttonsOf([key, indices[0] + shift, ...indices.slice(1)].join("."))[0];
  else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    const middle = (each) => {
      const box = each.getBoundingClientRect();
      return box.left + box.width / 2;
    };
    const near = [...document.querySelectorAll("#unfolded .n")].filter(
      (each) => Math.abs(middle(each) - middle(button)) < 30,
    );
    other = near[near.indexOf(button) + (event.key === "ArrowDown" ? 1 : -1)];
  } else return;
  event.preventDefault();
  if (other) {
    other.focus();
    choose(other.dataset.name, other);
  }
}

function afterDrawing() {
  asked = null;
  buttons.clear();
  for (const button of document.querySelectorAll("#unfolded .n")) {
    const name = button.dataset.name;
    buttons.set(name, [...buttonsOf(name), button]);
  }
  order = inOrder();
  rank = Object.fromEntries(order.map((name, place) => [name, place]));
  shown = order.length;
  redraw();
  tellPlace();
  const first = data.rows.find((row) => row.key.startsWith("da")).key;
  choose(current && exists(current) ? current : `${first}.${view().begins[1] - 1}.0`);
  drawCut();
  drawQuestions();
}

function exists(name) {
  try {
    return numberOf(name) !== undefined && typeof numberOf(name) === "number";
  } catch {
    return false;
  }
}

function begin() {
  const cell = { simple: "A simple recurrent network", lstm: "An LSTM", gru: "A GRU" }[data.cell];
  const several = (count, what) => `${count} ${what}${count > 1 ? "s" : ""}`;
  by("intro").textContent =
    `${cell} with ${several(data.units.length, "hidden unit")} reads ` +
    `“${data.text.slice(0, -1).join("")}” symbol by symbol and guesses each next one. It learns in windows of ` +
    `${several(data.bptt, "step")}.`;
  const modes = {
    training: "as training does: θ is renewed after each window",
    same: "nothing renewed, to compare",
    whole: `one window of all ${data.text.length - 1} steps: no seam`,
  };
  for (const [mode, text] of Object.entries(modes)) {
    const input = make("input", { type: "radio", name: "mode", value: mode });
    input.checked = mode === chosen.mode;
    input.addEventListener("change", () => {
      chosen.mode = mode;
      draw();
    });
    by("modes").append(make("label", {}, input, ` ${text}`), " ");
  }
  by("document-label").textContent = `a document begins at step ${data.document} (carry = 0)`;
  by("document").addEventListener("change", () => {
    chosen.document = by("document").checked ? 1 : 0;
    draw();
  });
  by("first").addEventListener("click", () => {
    goTo(0);
    next();
  });
  by("back").addEventListener("click", () => goTo(shown - 1));
  by("next").addEventListener("click", next);
  by("group").addEventListener("click", nextGroup);
  by("all").addEventListener("click", () => goTo(order.length));
  by("ask").addEventListener("click", askOne);
  by("answer").addEventListener("submit", check);
  by("give-up").addEventListener("click", () => answer(""));
  for (const form of ["controls", "walk"]) by(form).addEventListener("submit", (event) => event.preventDefault());
  by("unfolded").addEventListener("click", (event) => {
    const button = event.target.closest(".n");
    if (!button || button.dataset.name === asked) return;
    if (asked) answer("");
    choose(button.dataset.name, button);
  });
  by("unfolded").addEventListener("keydown", move);
  draw();
}

document.addEventListener("DOMContentLoaded", begin);
