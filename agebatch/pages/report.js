"use strict";
// The contact sheet. The data are columns (see report_sheet.py); only one page of faces is in the document.
(function () {
  const source = document.getElementById("faces-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  source.remove();
  const total = data.p.length;
  const PAGE = 96;
  const by = (id) => document.getElementById(id);
  const [controls, sheet, pages] = [by("controls"), by("sheet"), by("pages")];
  const thumbOf = new Map(data.t.map((face, i) => [face, data.thumbs[i]]));
  const words = { f: "female", m: "male", "-": "gender unknown" };
  const number = new Intl.NumberFormat("en");
  let shown = [];
  let page = 0;
  let answered = null;

  // Completed years, so that a face shown as 39 is in the pyramid's band 30–39 and within "to 39".
  const years = (tenths) => (tenths < 0 ? "–" : String(Math.floor(tenths / 10)));
  const exact = (tenths) => (tenths < 0 ? "–" : (tenths / 10).toFixed(1));
  const percent = (thousandths) => (thousandths < 0 ? "–" : (thousandths / 10).toFixed(1) + " %");
  const file = (face) => data.photos[data.p[face]][1];
  const folder = (face) => data.photos[data.p[face]][0];
  const path = (face) => {
    const name = data.folders[folder(face)];
    return (name && !name.endsWith("/") ? name + "/" : name) + file(face);
  };
  const area = (face) => data.x[2][face] * data.x[3][face];
  const width = (face) => (data.h[face] < 0 ? 1e9 : data.h[face] - data.l[face]);
  const orders = {
    doubt: (a, b) => data.d[b] - data.d[a],
    gender: (a, b) => data.c[a] - data.c[b],
    width: (a, b) => width(b) - width(a),
    young: (a, b) => data.a[a] - data.a[b],
    old: (a, b) => data.a[b] - data.a[a],
    large: (a, b) => area(b) - area(a),
  };

  function limits(from, to, scale) {
    const read = (id, none) => {
      const value = parseFloat(by(id).value);
      return Number.isFinite(value) ? value * scale : none;
    };
    // The upper end includes its own unit: "to 39" means younger than 40, as people read it.
    return [read(from, -Infinity), read(to, Infinity)];
  }

  function choose() {
    // Leaving a field fires "change" once more: that must not lead back to the first page.
    const asked = [...controls.elements].map((field) => (field.type === "checkbox" ? field.checked : field.value)).join("\n");
    if (asked === answered) return;
    answered = asked;
    const gender = by("gender").value;
    const [young, old] = limits("age-from", "age-to", 10);
    const [low, high] = limits("sure-from", "sure-to", 10);
    const inside = by("folder").value === "" ? -1 : Number(by("folder").value);
    const text = by("text").value.trim().toLowerCase();
    const pictured = by("pictured") && by("pictured").checked;
    const found = new Map();
    const matches = (photo) => {
      if (!found.has(photo)) {
        const [f, name] = data.photos[photo];
        found.set(photo, (data.folders[f] + "/" + name).toLowerCase().includes(text));
      }
      return found.get(photo);
    };
    shown = [];
    for (let face = 0; face < total; face++) {
      if (gender && data.g[face] !== gender) continue;
      if (data.a[face] < young || data.a[face] >= old + 10) continue;
      if (data.c[face] < low || data.c[face] > high) continue;
      if (inside >= 0 && folder(face) !== inside) continue;
      if (pictured && !thumbOf.has(face)) continue;
      if (text && !matches(data.p[face])) continue;
      shown.push(face);
    }
    const order = orders[by("sort").value];
    if (order) shown.sort((a, b) => order(a, b) || a - b);
    page = 0;
    draw();
  }

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function tile(face) {
    const item = element("li", data.g[face]);
    const button = element("button");
    button.type = "button";
    button.dataset.face = face;
    button.tabIndex = -1;
    if (thumbOf.has(face)) {
      const image = element("img");
      image.src = thumbOf.get(face);
      image.alt = "";
      button.append(image);
    } else {
      const blank = element("span", "blank", years(data.a[face]));
      blank.setAttribute("aria-hidden", "true");
      button.append(blank);
    }
    button.append(element("span", "line who", years(data.a[face]) + ", " + words[data.g[face]]));
    button.append(element("span", "line muted", years(data.l[face]) + "–" + years(data.h[face]) + " · " + (data.c[face] < 0 ? "–" : Math.floor(data.c[face] / 10) + " %")));
    const name = element("span", "line muted");
    name.append(element("bdi", "", file(face)));
    button.append(name);
    button.title = path(face);
    item.append(button);
    return item;
  }

  function draw(focus) {
    const count = Math.max(1, Math.ceil(shown.length / PAGE));
    page = Math.min(Math.max(page, 0), count - 1);
    const part = shown.slice(page * PAGE, (page + 1) * PAGE);
    sheet.replaceChildren(...part.map(tile));
    const first = sheet.querySelector("button");
    if (first) first.tabIndex = 0;
    by("count").textContent =
      shown.length === total
        ? number.format(total) + (total === 1 ? " face" : " faces")
        : number.format(shown.length) + " of " + number.format(total) + " faces";
    by("page").textContent = "Page " + number.format(page + 1) + " of " + number.format(count);
    pages.hidden = count === 1;
    by("first").disabled = by("previous").disabled = page === 0;
    by("next").disabled = by("last").disabled = page === count - 1;
    if (focus && first) {
      first.focus({ preventScroll: true });
      by("count").scrollIntoView({ block: "start" });
    }
  }

  function step(to) {
    page = to;
    draw(true);
  }

  function show(face) {
    const rows = [
      ["Photograph", path(face)],
      ["Face", number.format(data.n[face] + 1) + " of the photograph, largest first"],
      ["Age", exact(data.a[face]) + " years"],
      ["90 % interval", exact(data.l[face]) + " to " + exact(data.h[face])],
      ["Gender", words[data.g[face]] + ", " + percent(data.c[face])],
      ["Face score", percent(data.s[face])],
      ["Box", data.x.map((column) => column[face]).join(", ") + " (x, y, w, h in pixels)"],
    ];
    by("details-list").replaceChildren(
      ...rows.flatMap(([name, value]) => {
        const text = element("dd");
        text.append(element("bdi", "", value));
        return [element("dt", "", name), text];
      }),
    );
    const picture = by("details-picture");
    picture.replaceChildren();
    if (thumbOf.has(face)) {
      const image = element("img");
      image.src = thumbOf.get(face);
      image.alt = "The face";
      picture.append(image);
    }
    by("details-title").textContent = years(data.a[face]) + ", " + words[data.g[face]];
    by("details").showModal();
  }

  sheet.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) show(Number(button.dataset.face));
  });
  // One stop of the Tab key for the whole sheet; arrows move inside it.
  sheet.addEventListener("keydown", (event) => {
    const buttons = [...sheet.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (at < 0) return;
    const across = buttons.filter((b) => b.offsetTop === buttons[0].offsetTop).length || 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + across, ArrowUp: at - across, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (!buttons[to]) return;
    buttons[at].tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  });
  by("first").addEventListener("click", () => step(0));
  by("previous").addEventListener("click", () => step(page - 1));
  by("next").addEventListener("click", () => step(page + 1));
  by("last").addEventListener("click", () => step(Infinity));

  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(choose, total > 5000 ? 150 : 0);
  };
  controls.addEventListener("input", soon);
  controls.addEventListener("change", soon); // some tools set a choice without an input event
  controls.addEventListener("reset", () => setTimeout(choose, 0));
  controls.addEventListener("submit", (event) => event.preventDefault());

  const counts = new Array(data.folders.length).fill(0);
  for (let face = 0; face < total; face++) counts[folder(face)]++;
  const listed = counts.map((count, i) => [count, i]).sort((a, b) => b[0] - a[0]).slice(0, 300);
  listed.sort((a, b) => (data.folders[a[1]] < data.folders[b[1]] ? -1 : 1));
  for (const [count, i] of listed) {
    const option = element("option", "", (data.folders[i] || "(no folder)") + " (" + number.format(count) + ")");
    option.value = i;
    by("folder").append(option);
  }
  if (!data.t.length) sheet.classList.add("plain");
  controls.hidden = false;
  choose();
})();
