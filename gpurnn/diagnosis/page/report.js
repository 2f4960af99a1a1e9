// The panels of a report: a title, what is said, and pictures and tables of its numbers.
const data = JSON.parse(document.getElementById("data").textContent);
const TITLES = {
  looked_at: "What was looked at", reach: "How far does an error reach?", window: "What do windows cut?",
  state: "What is the carried state worth?", recovery: "Do states recover?", units: "What do units and gates do?",
  text: "Where does the text cost?", run: "How does training go?",
};

const DRAWN = {
  looked_at: (of) => [table(["", ""], Object.entries(of))],

  reach: (of) => {
    const pictures = Object.entries(of.falls).map(([name, fall]) => {
      const lags = fall.median.map((_, lag) => lag), least = fall.median[0] * 1e-8;
      return figure({
        name: `The error ${name} by lag`, caption: `${name}: the norm of the error of one target, so many steps back. The band leaves out a tenth of the targets on each side; the root mean square is what few large errors make of a mean.`,
        across: "steps back", logY: true, least, range: [least, Math.max(...fall.rms, ...fall.high) * 1.5],
        band: { x: lags, low: fall.low, high: fall.high },
        lines: [{ name: "median", x: lags, y: fall.median, style: "first" }, { name: "root mean square", x: lags, y: fall.rms, style: "second" }],
      });
    });
    const rows = Object.entries(of.falls).map(([name, fall]) => [name, fall.beta, fall.half, fall.one_percent, fall.one_percent_of_few]);
    const falling = table(["error", "factor a step", "halves every", "1 % left after", "all but a tenth"], rows);
    if (of.words) {
      const words = of.words.map((each) => [each.word, each.share, each.times]);
      return [make("div", { class: "figures" }, ...pictures), falling, words.length ? table(["word", "share of the error", "times"], words) : ""];
    }
    const names = Object.keys(of.shares), lags = of.shares[names[0]].map((_, lag) => lag);
    const sums = names.map((name) => { let sum = 0; return of.shares[name].map((share) => sum += share); });
    const matrix = Math.max(0, names.findIndex((name) => name.endsWith(".W")));
    const share = figure({
      name: `Share of the gradient of ${names[matrix]} by lag`, caption: `Of the gradient of ${names[matrix]}, what comes from at most so many steps back: shares, which add up to 1.`,
      across: "steps back", range: [0, 1.05], low: true, lines: [{ name: "share", x: lags, y: sums[matrix], style: "first" }],
    });
    const at = [0, 1, 4, 16, 32, 64, 128].filter((lag) => lag < lags.length);
    return [
      make("div", { class: "figures" }, ...pictures, share),
      falling,
      make("p", {}, `An error of random direction changes by the factor ${shown(of.exponent === null ? null : Math.exp(of.exponent))} a step in the long run.`),
      folded("Shares of all gradients", table(["at most so many steps back", ...at.map(String), "mean lag"], names.map((name, n) => [name, ...at.map((lag) => sums[n][lag]), of.mean_lag[name]]))),
    ];
  },

  window: (of) => {
    const kept = of.kept[of.parameter], own = of.widths.indexOf(of.widths.at(-3)), here = { x: of.widths[own], name: "this run" };
    const plot = (what, name, caption, range) => figure({
      name: `${name} by window`, caption, across: "steps of a window", logX: true, range, ticksX: of.widths, here, low: true,
      lines: [{ name: of.parameter, x: of.widths, y: kept[what], style: "first" }, { name: "all parameters", x: of.widths, y: of.kept.all[what], style: "second" }],
    });
    const names = Object.keys(of.kept);
    return [
      make("div", { class: "figures" },
        plot("cosine", "Cosine", "Cosine of the gradient through windows with the whole one: 1 is the same direction.", [Math.min(0.5, ...kept.cosine), 1]),
        plot("share", "Share", "What windows keep of the gradient, as a share of it.", [0, 1])),
      table(["gradient of", "share kept", "+-", "cosine", "+-", "missed", "+-"], names.map((name) => { const k = of.kept[name]; return [name, k.share[own], k.share_spread[own], k.cosine[own], k.cosine_spread[own], k.missed[own], k.missed_spread[own]]; }), names.indexOf(of.parameter)),
      folded("Windows of other lengths", table(["steps", "share kept", "cosine", "missed"], of.widths.map((width, n) => [width, kept.share[n], kept.cosine[n], kept.missed[n]]), own)),
    ];
  },

  state: (of) => {
    const x = of.positions.map((position) => Math.max(position, 0.5));
    const band = { x, low: of.lost.map((lost, n) => Math.max(lost - 2 * of.error[n], 0)), high: of.lost.map((lost, n) => Math.max(lost + 2 * of.error[n], 0)) };
    return [
      figure({
        name: "What the state before a position is worth", caption: "How much more a target costs so many steps after the state was taken away; the band is two standard errors to each side.",
        across: "steps since", logX: true, logY: true, least: 1e-3, band, ticksX: [1, 2, 4, 8, 16, 32, 64, 128],
        lines: [{ name: "worth of the state", x, y: of.lost, style: "first" }],
      }),
      folded("Numbers", table(["steps since", "worth", "standard error"], of.positions.map((position, n) => [position, of.lost[n], of.error[n]]))),
    ];
  },

  recovery: (of) => of.stuck ? [folded("Where they begin", make("p", {}, of.places.join(", ")))] : [],

  units: (of) => {
    const hidden = Object.keys(of.units).map((name) => [name, of.units[name], of.dead[name], of.extreme[name]]);
    const gates = Object.entries(of.gates).map(([name, gate]) => [name, gate.open, gate.closed, gate.always_open, gate.units]);
    const found = [table(["hidden state", "units", "hardly move", "share at +-1"], hidden)];
    if (gates.length) found.push(table(["gate", "open (above .9)", "closed (below .1)", "units always open", "units"], gates));
    const constants = Object.entries(of.constants).map(([name, steps]) => [name, ...steps]);
    if (constants.length) found.push(table(["units keep by", "a tenth for at most (steps)", "half", "nine tenths", "longest"], constants));
    return found;
  },

  text: (of) => {
    const classes = Object.entries(of.classes).sort((a, b) => b[1].share - a[1].share).map(([name, cost]) => [name, cost.share, cost.each, cost.count]);
    const passage = make("p", { class: "passage" });
    of.passage.forEach((symbol, n) => {
      const mark = document.createElement("span");
      mark.textContent = symbol === "\n" ? "↵\n" : symbol;
      mark.title = shown(of.passage_losses[n]);
      mark.style.background = `rgba(var(--heat), ${Math.min(0.75, of.passage_losses[n] / 8).toFixed(2)})`;
      passage.append(mark);
    });
    return [
      table(["class", "share of all loss", "each", "targets"], classes),
      make("p", { class: "rests" }, "The redder a symbol, the more it cost:"), passage,
      folded("The dearest pairs", table(["read", "to be found", "loss of all", "times"], of.pairs.map(([read, found, loss, count]) => [JSON.stringify(read), JSON.stringify(found), loss, count]))),
    ];
  },

  run: (of) => {
    const found = [];
    if (of.curve && of.curve.windows.length > 1) {
      found.push(figure({
        name: "Loss by window", caption: "The loss of training and of validation, as the log has them.", across: "windows",
        lines: [{ name: "training", x: of.curve.windows, y: of.curve.loss, style: "first" }, { name: "validation", x: of.curve.windows.filter((_, n) => of.curve.valid[n] !== null), y: of.curve.valid.filter((value) => value !== null), style: "second" }],
      }));
    }
    if (of.updates) found.push(folded("The next updates, made on a copy", table(["update", "moves the parameters by", "norm of the gradient", "rate"], of.updates.ratio.map((ratio, n) => [n + 1, ratio, of.updates.norm[n], of.updates.rate[n]]))));
    return found;
  },
};

function panel(name, found) {
  const level = make("span", { class: `level ${found.level}` }, found.level);
  const made = make("section", { id: name, "aria-labelledby": `${name}-title` }, level, make("h2", { id: `${name}-title` }, TITLES[name]), make("p", { class: "sentence" }, found.sentence));
  if (found.level !== "none") {
    const rests = [found.samples ? `${shown(found.samples)} samples` : "", found.parameters ? `${found.parameters} parameters` : "", found.seconds ? `${shown(found.seconds)} s` : ""];
    made.append(make("p", { class: "rests" }, rests.filter(Boolean).join(", ")), ...DRAWN[name](found.numbers));
  }
  return made;
}

document.getElementById("about").textContent = `${data.run}: ${data.checkpoint}, seed ${data.seed}`;
document.getElementById("panels").append(...Object.entries(data.panels).map(([name, found]) => panel(name, found)));
document.getElementById("contents").append(make("ul", {}, ...Object.entries(data.panels).map(([name, found]) => make("li", {}, make("a", { href: `#${name}` }, TITLES[name]), " ", make("span", { class: found.level }, found.level)))));
redraw();
addEventListener("resize", redraw);
