"use strict";
// Told before the rows are read: the style then draws the first page of them only (see .scripted in the style).
document.documentElement.classList.add("scripted");
addEventListener("DOMContentLoaded", () => {
  const number = new Intl.NumberFormat("en");
  const words = (text) => text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const told = (shown, found, all, what) => `${number.format(shown)} of ${number.format(found)} ${what} shown` +
    (found === all ? "" : `, ${number.format(all)} in all`);
  const form = (id, changed) => {
    const found = document.getElementById(id);
    if (!found) return null;
    found.addEventListener("input", changed);
    found.addEventListener("submit", (event) => event.preventDefault());
    found.addEventListener("reset", () => setTimeout(changed));
    found.hidden = false;
    return found;
  };
  // Rows of a table, a page at a time.
  const pages = (table, moreId, size) => {
    const rows = [...table.tBodies[0].rows];
    const more = document.getElementById(moreId);
    let room = size, chosen = rows;
    const draw = () => {
      let count = 0;
      const wanted = new Set(chosen);
      for (const row of rows) row.hidden = !(wanted.has(row) && ++count <= room);
      more.hidden = chosen.length <= room;
    };
    more.querySelector("button").addEventListener("click", () => { room += size; draw(); api.moved(); });
    const api = {
      rows, moved: () => {},
      choose: (list) => { chosen = list; room = size; draw(); },
      get shown() { return Math.min(room, chosen.length); },
    };
    return api;
  };

  const findings = () => {
    const table = document.getElementById("found");
    if (!table) return;
    const paged = pages(table, "find-more", 100);
    let cause = null, chosen = paged.rows;
    const say = () => { filter.querySelector("[role=status]").textContent = told(paged.shown, chosen.length, paged.rows.length, "findings"); };
    const show = () => {
      const wanted = Object.fromEntries(new FormData(filter));
      const sought = words(wanted.text);
      chosen = paged.rows.filter((row) => (cause === null || row.dataset.c === cause) &&
        (!wanted.severity || row.dataset.v === wanted.severity) && (!wanted.kind || row.dataset.k === wanted.kind) &&
        (!wanted.persona || row.dataset.p === wanted.persona) &&
        sought.every((word) => (row.text ??= row.textContent.toLowerCase()).includes(word)));
      paged.choose(chosen);
      say();
    };
    const filter = form("find", show);
    paged.moved = say;
    filter.addEventListener("reset", () => { cause = null; });
    const only = (severity, number) => {
      filter.reset();
      setTimeout(() => {
        cause = number;
        filter.elements.severity.value = severity;
        show();
        document.getElementById("findings").scrollIntoView();
      });
    };
    for (const tile of document.querySelectorAll("[data-show]"))
      tile.addEventListener("click", (event) => { event.preventDefault(); only(tile.dataset.show, null); });
    for (const button of document.querySelectorAll("[data-cause]"))
      button.addEventListener("click", () => only("", button.dataset.cause));
    show();
    table.classList.add("ready");
  };

  const access = () => {
    const svg = document.querySelector("svg.graph");
    if (!svg) return;
    const model = JSON.parse(svg.dataset.graph);
    const table = document.getElementById("reached");
    const paged = pages(table, "table-more", 100);
    const boxes = [...svg.querySelectorAll(".box")].map((element, id) => ({
      element, id, layer: Number(element.dataset.l), title: element.querySelector("title").textContent, top: 0, shown: true,
    }));
    for (const box of boxes) box.text = box.title.toLowerCase();
    const lines = new Map([...svg.querySelectorAll(".lines path")].map((path) => [path.dataset.e, path]));
    const panel = document.getElementById("chain");
    const more = document.getElementById("reach-more");
    const PAGE = 60;
    let room = PAGE, drawn = [], pinned = null, current = null, visible = new Set(lines.values());

    // A chain is a row with one way to its role; a row without a way is a chain, too.
    const chains = (row) => {
      const ways = model.ways[model.rowWays[row]];
      return ways.length ? ways : [[-1, -1, 0]];
    };
    const parts = (row, [user, via]) => [user, via, ...model.rows[row]].filter((box) => box >= 0);
    const grants = model.grants.map((text) => text.toLowerCase());
    const matching = (wanted, sought, row) => chains(row).filter((way) =>
      (!wanted.user || (way[0] >= 0 && boxes[way[0]].title === wanted.user)) &&
      sought.every((word) => grants[way[2]]?.includes(word) || parts(row, way).some((box) => boxes[box].text.includes(word))));

    const spread = (wanted, slots) => {
      const order = [...wanted.keys()].sort((a, b) => wanted.get(a) - wanted.get(b) || a - b);
      let before = -model.step;
      for (const box of order) before = boxes[box].top = Math.max(wanted.get(box), before + model.step);
      let floor = (slots - 1) * model.step;
      for (const box of order.reverse()) {
        boxes[box].top = Math.min(boxes[box].top, floor);
        floor = boxes[box].top - model.step;
      }
    };
    const least = (map, box, top) => map.set(box, Math.min(map.get(box) ?? top, top));

    // The same rules as the page was drawn with: a box stands where the first of what it leads to does.
    const place = () => {
      const layers = [...Array(7)].map(() => new Set());
      const put = (box) => !layers[boxes[box].layer].has(box) && layers[boxes[box].layer].add(box);
      drawn.forEach(([row, ways], at) => {
        for (const box of model.rows[row]) if (box >= 0 && put(box)) boxes[box].top = at * model.step;
        for (const [user, via] of ways) if (user >= 0) { put(user); put(via); }
      });
      const slots = Math.max(1, ...layers.map((layer) => layer.size));
      spread(new Map([...layers[6]].map((box) => [box, boxes[box].top])), slots);
      const vias = new Map(), users = new Map();
      for (const [row, ways] of drawn) for (const [user, via] of ways) if (user >= 0) least(vias, via, boxes[model.rows[row][0]].top);
      spread(vias, slots);
      for (const [, ways] of drawn) for (const [user, via] of ways) if (user >= 0) least(users, user, boxes[via].top);
      spread(users, slots);
      const seen = new Set(layers.flatMap((layer) => [...layer]));
      for (const box of boxes) {
        if (box.shown !== seen.has(box.id)) box.element.toggleAttribute("hidden", box.shown);
        box.shown = seen.has(box.id);
        if (box.shown) box.element.setAttribute("transform", `translate(${model.left[box.layer]} ${box.top})`);
      }
      const before = visible;
      visible = new Set();
      for (const [row, ways] of drawn) for (const way of ways) for (const [start, end] of steps(row, way)) {
        const path = lines.get(`${start}-${end}`);
        const bend = (model.left[1] - model.widths[0]) / 2;
        const x1 = model.left[boxes[start].layer] + model.widths[boxes[start].layer], x2 = model.left[boxes[end].layer];
        const y1 = boxes[start].top + model.node / 2, y2 = boxes[end].top + model.node / 2;
        path.setAttribute("d", `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`);
        path.removeAttribute("hidden");
        visible.add(path);
      }
      for (const path of before) if (!visible.has(path)) path.setAttribute("hidden", "");
      const height = slots * model.step + 1;
      svg.setAttribute("height", height);
      svg.setAttribute("viewBox", `-1 -1 ${svg.getAttribute("width")} ${height}`);
    };
    const steps = (row, way) => {
      const found = parts(row, way);
      return found.slice(1).map((end, at) => [found[at], end]);
    };

    // -- which chains go through a box
    const pick = (box) => {
      if (box === current) return;
      current = box;
      svg.classList.toggle("picked", box !== null);
      for (const on of svg.querySelectorAll(".on")) on.classList.remove("on");
      panel.textContent = box === null ? "Point at a box, or choose it with the arrow keys, to see the chains through it; a click or Enter keeps them." : "";
      if (box === null) return;
      const lit = new Set(), granted = new Set(), layers = [...Array(7)].map(() => new Set());
      for (const [row, ways] of drawn) for (const way of ways) {
        const found = parts(row, way);
        if (!found.includes(box)) continue;
        for (const one of found) { lit.add(one); layers[boxes[one].layer].add(one); }
        if (model.grants[way[2]]) granted.add(model.grants[way[2]]);
        for (const [start, end] of steps(row, way)) lines.get(`${start}-${end}`).classList.add("on");
      }
      for (const one of lit) boxes[one].element.classList.add("on");
      layers.forEach((layer, at) => {
        tell([...layer].map((one) => boxes[one].title), layer.has(box));
        if (at === 1) tell([...granted], false);
      });
    };
    const tell = (titles, chosen) => {
      if (!titles.length) return;
      if (panel.childNodes.length) panel.append(" → ");
      const name = document.createElement(chosen ? "b" : "span");
      name.textContent = titles.length > 3 ? `${titles[0]} and ${number.format(titles.length - 1)} more` : titles.join("; ");
      panel.append(name);
    };
    const pin = (box) => {
      pinned = pinned === box ? null : box;
      for (const one of boxes) {
        one.element.classList.toggle("pin", one.id === pinned);
        one.element.setAttribute("aria-pressed", String(one.id === pinned));
      }
      pick(pinned ?? box);
    };

    // -- filter
    const filter = form("reach", () => { room = PAGE; show(); });
    const show = () => {
      const wanted = Object.fromEntries(new FormData(filter));
      const sought = words(wanted.text);
      const rows = [];
      const found = [];
      paged.rows.forEach((element, row) => {
        if (wanted.workspace && element.dataset.w !== wanted.workspace) return;
        if (wanted.mode && element.dataset.m !== wanted.mode) return;
        if (row >= model.rows.length) {
          if (!wanted.user && sought.every((word) => (element.text ??= element.textContent.toLowerCase()).includes(word))) rows.push(element);
          return;
        }
        const ways = matching(wanted, sought, row);
        if (ways.length) { rows.push(element); found.push([row, ways]); }
      });
      drawn = found.slice(0, room);
      paged.choose(rows);
      more.hidden = found.length <= room;
      filter.querySelector("[role=status]").textContent = told(drawn.length, rows.length, paged.rows.length, "rows");
      place();
      pinned = null;
      for (const box of boxes) { box.element.classList.remove("pin"); box.element.setAttribute("aria-pressed", "false"); box.element.tabIndex = -1; }
      const entry = boxes.find((box) => box.shown);
      if (entry) entry.element.tabIndex = 0;
      current = undefined;
      pick(null);
    };
    more.querySelector("button").addEventListener("click", () => { room += PAGE; show(); });

    // -- pointer and keys: one stop of the Tab key, arrows move inside
    svg.setAttribute("role", "group");
    for (const box of boxes) {
      box.element.setAttribute("role", "button");
      box.element.setAttribute("aria-label", box.title);
      box.element.addEventListener("pointerenter", (event) => { if (pinned === null && event.pointerType === "mouse") pick(box.id); });
      box.element.addEventListener("pointerleave", () => { if (pinned === null && document.activeElement !== box.element) pick(null); });
      box.element.addEventListener("focus", () => { if (pinned === null && box.element.matches(":focus-visible")) pick(box.id); });
      box.element.addEventListener("blur", () => { if (pinned === null) pick(null); });
      box.element.addEventListener("click", () => pin(box.id));
      box.element.addEventListener("keydown", (event) => {
        const to = {
          ArrowUp: () => beside(box, -1), ArrowDown: () => beside(box, 1),
          ArrowLeft: () => across(box, -1), ArrowRight: () => across(box, 1),
        }[event.key];
        if (event.key === "Enter" || event.key === " ") pin(box.id);
        else if (event.key === "Escape") { if (pinned !== null) pin(pinned); pick(null); }
        else if (!to) return;
        event.preventDefault();
        const next = to?.();
        if (!next) return;
        box.element.tabIndex = -1;
        next.element.tabIndex = 0;
        next.element.focus();
        next.element.scrollIntoView({ block: "nearest", inline: "nearest" });
      });
    }
    const beside = (box, way) => boxes.filter((one) => one.shown && one.layer === box.layer && way * (one.top - box.top) > 0)
      .sort((a, b) => way * (a.top - b.top))[0];
    // Along a line of the box, to the nearest end; else to the nearest box of a layer on that side.
    const across = (box, way) => {
      const joined = new Set();
      for (const [row, ways] of drawn) for (const one of ways) for (const [start, end] of steps(row, one)) {
        if (way > 0 && start === box.id) joined.add(end);
        if (way < 0 && end === box.id) joined.add(start);
      }
      return [...joined].map((id) => boxes[id]).sort((a, b) => Math.abs(a.top - box.top) - Math.abs(b.top - box.top))[0];
    };

    panel.hidden = false;
    show();
    table.classList.add("ready");
  };

  findings();
  access();
});
