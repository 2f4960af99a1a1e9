// The panels of a report: a title, what is said, and pictures and tables of its numbers; beside them those of another run.
const data = JSON.parse(document.getElementById("data").textContent);
const OTHER = data.against ? `, ${data.against.run}` : "";
const TITLES = {
  looked_at: "What was looked at", reach: "How far does an error reach?", window: "What do windows cut?",
  state: "What is the carried state worth?", recovery: "Do states recover?", units: "What do units and gates do?",
  text: "Where does the text cost?", run: "How does training go?",
};

// What a line that is drawn of the other run has besides; nothing without.
const beside = (than, line) => than && { style: "other", ...line(than) };
const numbered = (values) => values.map((_, n) => n);

// Of each panel what is drawn: of: its numbers. than: those of the other run, where it has them, too.
const DRAWN = {
  looked_at: (of, than) => [table(["", ...(than ? ["this run", "the other"] : [""])], Object.keys(of).map((name) => [name, of[name], ...(than ? [than[name]] : [])]))],

  reach: (of, than) => {
    const pictures = Object.entries(of.falls).map(([name, fall]) => {
      const lags = numbered(fall.median), least = fall.median[0] * 1e-8, other = than?.falls[name];
      return figure({
        name: `The error ${name} by lag`, caption: `${name}: the norm of the error of one target, so many steps back. The band leaves out a tenth of the targets on each side; the root mean square is what few large errors make of a mean.`,
        across: "steps back", logY: true, least, range: [least, Math.max(...fall.rms, ...fall.high, ...(other?.median ?? [])) * 1.5],
        band: { x: lags, low: fall.low, high: fall.high },
        lines: [
          { name: "median", x: lags, y: fall.median, style: "first" }, { name: "root mean square", x: lags, y: fall.rms, style: "second" },
          beside(other, ({ median }) => ({ name: `median${OTHER}`, x: numbered(median), y: median })),
        ],
      });
    });
    const rows = Object.entries(of.falls).map(([name, fall]) => [name, fall.beta, fall.half, fall.one_percent, fall.one_percent_of_few]);
    const falling = make("div", {}, table(["error", "factor a step", "halves every", "1 % left after", "all but a tenth"], rows));
    const words = of.words.map((each) => [each.word, each.share, each.times]);
    if (words.length) falling.append(table(["word", "share of the error", "times"], words));
    if (!Object.keys(of.shares).length) return [make("div", { class: "figures" }, ...pictures), falling];
    const names = Object.keys(of.shares), lags = numbered(of.shares[names[0]]);
    const sums = names.map((name) => { let sum = 0; return of.shares[name].map((share) => sum += share); });
    const matrix = Math.max(0, names.findIndex((name) => name.endsWith(".W")));
    const share = figure({
      name: `Share of the gradient of ${names[matrix]} by lag`, caption: `Of the gradient of ${names[matrix]}, what comes from at most so many steps back: shares, which add up to 1.`,
      across: "steps back", range: [0, 1.05], lines: [{ name: "share", x: lags, y: sums[matrix], style: "first" }],
    });
    const at = [0, 1, 4, 16, 32, 64, 128].filter((lag) => lag < lags.length);
    return [
      make("div", { class: "figures" }, ...pictures, share),
      falling,
      make("p", {}, `An error of random direction changes by the factor ${shown(of.exponent === null ? null : Math.exp(of.exponent))} a step in the long run.`),
      folded("Shares of all gradients", table(["at most so many steps back", ...at.map(String), "mean lag"], names.map((name, n) => [name, ...at.map((lag) => sums[n][lag]), of.mean_lag[name]]))),
    ];
  },

  window: (of, than) => {
    const kept = of.kept[of.parameter], own = of.widths.length - 3, theirs = than?.kept[than.parameter];
    const marks = [{ x: of.widths[own], name: "this run" }];
    if (than && than.widths.at(-3) !== of.widths[own]) marks.push({ x: than.widths.at(-3), name: "the other" });
    const ticksX = [...new Set([...of.widths, ...(than?.widths ?? [])])].sort((a, b) => a - b);
    const plot = (what, name, caption, range) => figure({
      name: `${name} by window`, caption, across: "steps of a window", logX: true, range, ticksX, marks,
      lines: [
        { name: of.parameter, x: of.widths, y: kept[what], style: "first" }, { name: "all parameters", x: of.widths, y: of.kept.all[what], style: "second" },
        beside(than, ({ parameter, widths }) => ({ name: `${parameter}${OTHER}`, x: widths, y: theirs[what] })),
        beside(than, ({ kept: { all }, widths }) => ({ name: `all parameters${OTHER}`, x: widths, y: all[what], style: "other2" })),
      ],
    });
    const names = Object.keys(of.kept);
    return [
      make("div", { class: "figures" },
        plot("cosine", "Cosine", "Cosine of the gradient through windows with the whole one: 1 is the same direction.", [Math.min(0.5, ...kept.cosine, ...(theirs?.cosine ?? [])), 1]),
        plot("share", "Share", "What windows keep of the gradient, as a share of it.", [0, 1])),
      table(["gradient of", "share kept", "+-", "cosine", "+-", "missed", "+-"], names.map((name) => { const k = of.kept[name]; return [name, k.share[own], k.share_spread[own], k.cosine[own], k.cosine_spread[own], k.missed[own], k.missed_spread[own]]; }), names.indexOf(of.parameter)),
      folded("Windows of other lengths", table(["steps", "share kept", "cosine", "missed"], of.widths.map((width, n) => [width, kept.share[n], kept.cosine[n], kept.missed[n]]), own)),
    ];
  },

  state: (of, than) => {
    const places = ({ positions }) => positions.map((position) => Math.max(position, 0.5)), x = places(of);
    const band = { x, low: of.lost.map((lost, n) => Math.max(lost - 2 * of.error[n], 0)), high: of.lost.map((lost, n) => Math.max(lost + 2 * of.error[n], 0)) };
    return [
      figure({
        name: "What the state before a position is worth", caption: `How much more a target costs (${of.unit}) so many steps after the state was taken away; the band is two standard errors to each side.`,
        across: "steps since", logX: true, logY: true, least: of.little / 10, band, ticksX: [1, 2, 4, 8, 16, 32, 64, 128],
        lines: [
          { name: "worth of the state", x, y: of.lost, style: "first" },
          beside(than?.unit === of.unit ? than : undefined, (other) => ({ name: `worth of the state${OTHER}`, x: places(other), y: other.lost })),
        ],
      }),
      folded("Numbers", table(["steps since", "worth", "standard error"], of.positions.map((position, n) => [position, of.lost[n], of.error[n]]))),
      ...comingAgain(of, than),
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
    return [...found, ...remembering(of)];
  },

  text: (of, than) => {
    const classes = Object.entries(of.classes).sort((a, b) => b[1].share - a[1].share).map(([name, { share, each, count }]) => {
      const other = than?.classes[name];
      return [name, share, each, count, ...(than ? [other?.share, other?.each] : [])];
    });
    return [
      table(["class", "share of all loss", "each", "targets", ...(than ? ["the other: share", "each"] : [])], classes),
      ...costs(of, than),
      folded("The dearest pairs", table(["read", "to be found", "loss of all", "times"], of.pairs.map(([read, found, loss, count]) => [JSON.stringify(read), JSON.stringify(found), loss, count]))),
    ];
  },

  run: (of, than) => {
    const found = [];
    if (of.curve && of.curve.windows.length > 1) {
      const validated = ({ windows, valid }) => ({ x: windows.filter((_, n) => valid[n] !== null), y: valid.filter((value) => value !== null) });
      const other = than?.curve;
      found.push(figure({
        name: "Loss by window", caption: "The loss of training and of validation, as the log has them.", across: "windows",
        lines: [
          { name: "training", x: of.curve.windows, y: of.curve.loss, style: "first" }, { name: "validation", ...validated(of.curve), style: "second" },
          beside(other, ({ windows, loss }) => ({ name: `training${OTHER}`, x: windows, y: loss })),
          beside(other, (curve) => ({ name: `validation${OTHER}`, ...validated(curve), style: "other2" })),
        ],
      }));
    }
    if (of.updates) found.push(folded("The next updates, made on a copy", table(["update", "moves the parameters by", "norm of the gradient", "rate"], of.updates.ratio.map((ratio, n) => [n + 1, ratio, of.updates.norm[n], of.updates.rate[n]]))));
    return found;
  },
};

// The passage with what each symbol cost, and by how much more or less than with the other run, where both read the same.
function costs(of, than) {
  const mine = of.passage_losses, theirs = than?.passage_losses;
  const note = (text) => make("p", { class: "explains" }, text);
  const found = [note("The redder a symbol, the more it cost:"), passage("What each symbol cost", of.passage, mine.map((loss) => loss === null ? null : loss / 6), (n) => shown(mine[n]))];
  if (!than) return found;
  if (JSON.stringify(of.passage) !== JSON.stringify(than.passage)) {
    const why = data.fingerprint === data.against.fingerprint ? "they begin at other places" : "their corpora differ";
    return [...found, note(`The two runs read no passage in common, ${why}: there is no difference to show.`)];
  }
  const more = mine.map((loss, n) => loss === null ? null : loss - theirs[n]);
  return [
    ...found,
    note("The same, less what it cost the other run: red where it cost this one more, blue where less."),
    passage("How much more each symbol cost than with the other run", of.passage, more.map((each) => each === null ? null : each / 2), (n) => `${shown(more[n])}: here ${shown(mine[n])}, with the other run ${shown(theirs[n])}`),
  ];
}

const called = ({ name, unit }) => `${name} ${unit}`;

// Whether the symbol of so many steps back is met more often than the network expects; only text is asked for it.
function comingAgain(of, than) {
  const numbers = [of, than].map((each) => each?.again), [mine, theirs] = numbers.map((again) => again?.starts ? again : undefined);
  if (!mine) return [];
  const x = numbered(mine.fall), bptt = data.panels.looked_at.numbers.bptt;
  const band = { x, low: mine.fall.map((fall, n) => Math.max(fall - 2 * mine.error[n], 0)), high: mine.fall.map((fall, n) => Math.max(fall + 2 * mine.error[n], 0)) };
  return [figure({
    name: "What comes again", caption: `By how much the loss (${of.unit}) would fall if the network knew better when the symbol of so many steps back comes again; the band is two standard errors to each side.`,
    across: "steps back", band, marks: bptt < x.length ? [{ x: bptt, name: `windows: ${bptt}` }] : [],
    lines: [
      { name: "what is lacking", x, y: mine.fall, style: "first" },
      beside(theirs, (again) => ({ name: `what is lacking${OTHER}`, x: numbered(again.fall), y: again.fall })),
    ],
  })];
}

// The units of which the current symbol explains least, and the passage coloured by the value of one of the first.
function remembering(of) {
  if (!of.ranked.length) return [];
  const rows = of.ranked.map((each) => [called(each), each.unexplained, each.feature, each.correlation]);
  const found = [
    make("p", { class: "explains" }, "Units that remember most: what the symbol just read leaves unexplained of their variance, and the feature of the text that they go with best."),
    table(["unit", "left unexplained", "goes with", "correlation"], rows),
  ];
  const values = of.passage_values ?? [];
  if (!values.length) return found;
  const symbols = data.panels.text.numbers.passage;
  const scaled = values.map((each) => { const most = Math.max(...each.map(Math.abs)) || 1; return each.map((value) => value / most); });
  const painted = passage("The value of a unit at each symbol", symbols, scaled[0], (n) => shown(values[0][n]));
  const choices = values.map((each, number) => {
    const input = make("input", { type: "radio", name: "unit", value: number, ...(number ? {} : { checked: "" }) });
    input.addEventListener("change", () => painted.paint(scaled[number], (n) => shown(each[n])));
    return make("label", {}, input, called(of.ranked[number]));
  });
  return [...found, make("fieldset", {}, make("legend", {}, "The passage by the value of a unit: red above 0, blue below"), ...choices), painted];
}

function badge(found) {
  return make("span", { class: `level ${found.level}` }, found.level);
}

function panel(name, found, other) {
  const made = make("section", { id: name, "aria-labelledby": `${name}-title` }, badge(found), make("h2", { id: `${name}-title` }, TITLES[name]), make("p", { class: "sentence" }, found.sentence));
  if (other) made.append(make("p", { class: "otherwise" }, badge(other), make("b", {}, data.against.run), `: ${other.sentence}`));
  if (found.level !== "none") {
    const rests = [found.samples ? `${shown(found.samples)} samples` : "", found.parameters ? `${found.parameters} parameters` : "", found.seconds ? `${shown(found.seconds)} s` : ""];
    const than = other && other.level !== "none" ? other.numbers : undefined;
    made.append(make("p", { class: "rests" }, rests.filter(Boolean).join(", ")), ...DRAWN[name](found.numbers, than));
  }
  return made;
}

const described = ({ run, checkpoint, seed }) => `${run}: ${checkpoint}, seed ${seed}`;
document.getElementById("about").textContent = described(data);
if (data.against) document.getElementById("against").textContent = `against ${described(data.against)}`;
document.getElementById("panels").append(...Object.entries(data.panels).map(([name, found]) => panel(name, found, data.against?.panels[name])));
document.getElementById("contents").append(make("ul", {}, ...Object.entries(data.panels).map(([name, found]) => make("li", {}, make("a", { href: `#${name}` }, TITLES[name]), " ", make("span", { class: found.level }, found.level)))));
redraw();
addEventListener("resize", redraw);
