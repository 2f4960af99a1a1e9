// The drawing above the numbers: what is joined to what.
function svg(tag, settings, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Where the columns stand: the middle, the left and the right end of each.
function placesOf(widths) {
  let left = 0;
  return widths.map((width) => [left + width / 2, left, (left += width)]);
}

function picture() {
  const at = placesOf(
      columns(
        () => WIDTH.step,
        () => WIDTH.seam,
        () => WIDTH.after,
      ),
    ),
    width = at.at(-1)[2];
  const told =
    "Each step reads x, and h of the step before, and gives h and o. The state crosses the seam, the error does not.";
  const drawing = svg("svg", { width, height: 172, role: "img", "aria-label": told });
  const defs = svg("defs", {});
  for (const kind of ["go", "come"]) {
    const marker = svg("marker", { id: kind, markerWidth: 7, markerHeight: 7, refX: 6, refY: 3, orient: "auto" });
    marker.append(svg("path", { d: "M0 0L6 3L0 6", class: kind }));
    defs.append(marker);
  }
  drawing.append(defs);
  const arrow = (kind, x1, y1, x2, y2, dashed) =>
    drawing.append(
      svg("line", {
        x1,
        y1,
        x2,
        y2,
        class: kind,
        "marker-end": `url(#${kind})`,
        ...(dashed ? { "stroke-dasharray": "4 3" } : {}),
      }),
    );
  let column = 0,
    before = null;
  for (let w = 0; w < windowCount(); w++) {
    const begin = view().begins[w],
      end = view().begins[w + 1];
    let seam = null;
    if (w) {
      seam = at[column++];
      drawing.append(svg("line", { x1: seam[0], x2: seam[0], y1: 0, y2: 172, class: "cutting" }));
    }
    const first = at[column],
      last = at[column + end - begin - 1];
    drawing.append(
      svg("rect", { x: first[1] + 4, y: 146, width: last[2] - first[1] - 8, height: 22, rx: 5, class: "shared" }),
    );
    const many = end - begin > 1 ? `all ${end - begin} steps` : "the step";
    drawing.append(
      svg(
        "text",
        { x: (first[1] + last[2]) / 2, y: 161, "text-anchor": "middle" },
        end - begin > 1 ? `θ = { U, W, b, V, c }: one copy for ${many}` : "θ: one copy",
      ),
    );
    for (let t = begin; t < end; t++, column++) {
      const [x, left] = at[column],
        linked = t > 0 && view().carry[t];
      for (const y of [28, 74]) drawing.append(svg("line", { x1: x + 26, x2: x + 26, y1: 145, y2: y, class: "share" }));
      arrow("go", x, 124, x, 96);
      arrow("go", x, 62, x, 36);
      if (linked) {
        arrow("go", before + 30, 74, x - 32, 74, seam && t === begin);
        if (!(seam && t === begin)) arrow("come", x - 30, 86, before + 32, 86);
        else {
          arrow("come", x - 30, 86, seam[0] + 6, 86);
          drawing.append(svg("text", { x: seam[0], y: 104, "text-anchor": "middle", class: "error" }, "✂ error stops"));
          drawing.append(
            svg("text", { x: seam[0], y: 64, "text-anchor": "middle", class: "state" }, `h(${t - 1}) crosses`),
          );
        }
      } else
        drawing.append(
          svg("text", { x: Math.max(left - 8, 2), y: 118, class: "small" }, t ? "document begins: h is 0" : "h is 0"),
        );
      for (const [y, text] of [
        [78, `h(${t})`],
        [26, `o(${t})`],
      ]) {
        drawing.append(svg("rect", { x: x - 24, y: y - 15, width: 48, height: 22, rx: 7, class: "node" }));
        drawing.append(svg("text", { x, y: y + 1, "text-anchor": "middle" }, text));
      }
      drawing.append(svg("text", { x, y: 138, "text-anchor": "middle" }, data.text[t]));
      before = x;
    }
  }
  return drawing;
}
