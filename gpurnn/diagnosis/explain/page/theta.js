// Parameters, drawn once for all steps that share them, or what has their shape, as two tables: what makes a(t), and
// what makes o(t).
function box(prefix, w) {
  const { units, symbols, columns: outs } = data,
    sign = prefix === "sum" ? "∂J/∂" : "";
  const of = (name, ...indices) =>
    make("td", {}, number(`${prefix}_${name}.${w}.${indices.join(".")}`, prefix === "sum" ? "gradient" : ""));
  const head = (texts) => texts.map((text, n) => make("th", n ? {} : { class: "split" }, text));
  const named = (caption, columnsOf, lines, cells) => {
    const body = lines.map((text, n) => {
      const groups = cells(n)
        .map((group) => {
          if (group[0]) group[0].className = "split";
          return group;
        })
        .flat();
      return make("tr", {}, make("th", {}, text), ...groups);
    });
    return make(
      "table",
      {},
      make("caption", {}, caption),
      make("tr", {}, make("th"), ...columnsOf.flatMap(head)),
      ...body,
    );
  };
  const inner = named(
    `${sign}W from h | ${sign}U from x | ${sign}b, to a:`,
    [units.map((unit) => `h${unit}`), symbols, ["b"]],
    outs,
    (n) => [units.map((_, i) => of("W", i, n)), symbols.map((_, k) => of("U", k, n)), [of("b", n)]],
  );
  const outer = named(`${sign}V from h | ${sign}c, to o:`, [units.map((unit) => `h${unit}`), ["c"]], symbols, (k) => [
    units.map((_, j) => of("V", j, k)),
    [of("c", k)],
  ]);
  const ofReset =
    "theta_b_h" in view().values ? [named(`${sign}b_h, to q:`, [["b_h"]], units, (j) => [[of("b_h", j)]])] : [];
  return make("div", { class: "box" }, inner, ...ofReset, outer);
}

function thetaTitle(w) {
  if (chosen.mode === "same" || w === 0)
    return windowCount() > 1
      ? `θ of window ${w + 1}${chosen.mode === "same" && w ? ": the same" : ""}`
      : "θ of the window";
  return `θ of window ${w + 1}: renewed once, after step ${view().begins[w] - 1}`;
}
