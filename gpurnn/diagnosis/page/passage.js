// A passage whose symbols have a colour each, and a line that tells of the one that is pointed at, or reached by arrows.
// values: of each symbol between -1 and 1, from cool to hot, or null. told: what the line says of a symbol, by its place.
function passage(name, symbols, values, told) {
  const line = make("output", { class: "told" }, "Point at a symbol, or go through them with the arrows.");
  const marks = symbols.map((symbol) => make("span", {}, symbol === "\n" ? "↵\n" : symbol));
  const text = make("p", { class: "passage", tabindex: "0", role: "group", "aria-label": name }, ...marks);
  const made = make("div", {}, text, line);
  let at = -1;
  made.paint = (of, say) => {
    marks.forEach((mark, n) => {
      const strength = Math.min(0.75, 0.75 * Math.abs(of[n] ?? 0)).toFixed(2);
      mark.style.background = `rgba(var(${of[n] < 0 ? "--cool" : "--heat"}), ${strength})`;
    });
    made.say = say;
    if (at >= 0) go(at);
  };
  const go = (n) => {
    if (!marks[n]) return;
    marks[at]?.classList.remove("at");
    marks[at = n].classList.add("at");
    line.textContent = `${JSON.stringify(symbols[n])}: ${made.say(n)}`;
  };
  text.addEventListener("mouseover", (event) => go(marks.indexOf(event.target)));
  text.addEventListener("keydown", (event) => {
    const next = { ArrowRight: at + 1, ArrowLeft: Math.max(at - 1, 0), Home: 0, End: marks.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    go(next);
    marks[at].scrollIntoView({ block: "nearest" });
  });
  made.paint(values, told);
  return made;
}
