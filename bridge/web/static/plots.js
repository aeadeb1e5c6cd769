// Plots as SVG, each with its figures as text for whoever does not see it. Nothing here asks for data.

const NS = "http://www.w3.org/2000/svg";

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function text(x, y, words, anchor = "start") {
  return svg("text", { x, y, "text-anchor": anchor }, words);
}

/** A table of weekdays by hours: {Mon: [24 numbers], …}. */
export function heat(table) {
  const days = Object.entries(table);
  const top = Math.max(1, ...days.flatMap(([, row]) => row));
  const [left, size, head] = [30, 14, 16];
  const cells = days.flatMap(([day, row], y) => [
    text(0, head + y * size + 11, day),
    ...row.map((n, hour) => {
      const cell = svg("rect", {
        x: left + hour * size, y: head + y * size, width: size - 2, height: size - 2, rx: 3,
        class: n ? "cell" : "empty", ...(n ? { "fill-opacity": 0.15 + (0.85 * n) / top } : {}),
      });
      cell.append(svg("title", {}, `${day} ${hour}:00, ${n} texts`));
      return cell;
    }),
  ]);
  const hours = [0, 6, 12, 18, 23].map((hour) => text(left + hour * size, 11, String(hour)));
  const busiest = days.flatMap(([day, row]) => row.map((n, hour) => [n, day, hour])).sort((a, b) => b[0] - a[0])[0];
  return svg("svg", {
    viewBox: `0 0 ${left + 24 * size} ${head + 7 * size}`, role: "img",
    "aria-label": busiest && busiest[0] ? `Texts by weekday and hour; most on ${busiest[1]} at ${busiest[2]}:00, ${busiest[0]}` : "No texts",
  }, ...hours, ...cells);
}

/** Bars, one below another: [[name, number, words], …]. */
export function bars(rows, label) {
  const top = Math.max(...rows.map(([, n]) => n), 0) || 1;
  const [height, left, width] = [22, 128, 150];
  const shown = rows.flatMap(([name, n, words], y) => [
    text(left - 8, y * height + 15, name.length > 19 ? `${name.slice(0, 18)}…` : name, "end"),
    svg("rect", { class: n ? "bar" : "empty", x: left, y: y * height + 4, width: Math.max((n / top) * width, 1), height: height - 8, rx: 2 }),
    text(left + Math.max((n / top) * width, 1) + 6, y * height + 15, words ?? String(n)),
  ]);
  const said = rows.map(([name, n, words]) => `${name} ${words ?? n}`).join(", ");
  return svg("svg", { viewBox: `0 0 ${left + width + 72} ${Math.max(rows.length, 1) * height}`, role: "img", "aria-label": `${label}: ${said || "nothing"}` }, ...shown);
}
