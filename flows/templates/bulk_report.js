"use strict";
// Told before the rows are read: the style then draws the first page of them only (see .scripted in the style).
document.documentElement.classList.add("scripted");
addEventListener("DOMContentLoaded", () => {
  const PAGE = 200;
  const table = document.querySelector("table.rows");
  if (!table) return;
  const form = document.querySelector("form.filter");
  const status = form.querySelector("[role=status]");
  const more = document.querySelector("p.more");
  // The server's order is the urgency of the outcomes: it is kept as a rank to sort by.
  const all = [...table.tBodies].map((body, rank) => ({
    body, rank, n: Number(body.id.slice(1)), s: Number(body.dataset.s),
    name: body.querySelector(".name bdi").textContent, text: null,
  }));
  const number = new Intl.NumberFormat("en");
  let order = all, cause = null, room = PAGE;

  const matches = (row, wanted) => {
    const data = row.body.dataset;
    if (cause !== null && data.c !== cause) return false;
    if (wanted.outcome && data.o !== wanted.outcome) return false;
    if (wanted.type && data.t !== wanted.type) return false;
    if (wanted.workspace && data.w !== wanted.workspace) return false;
    if (!wanted.text) return true;
    row.text ??= row.body.textContent.toLowerCase();
    return row.text.includes(wanted.text);
  };

  const show = () => {
    const wanted = Object.fromEntries(new FormData(form));
    wanted.text = wanted.text.trim().toLowerCase();
    let found = 0;
    for (const row of order) row.body.hidden = !(matches(row, wanted) && ++found <= room);
    const shown = Math.min(found, room);
    status.textContent = `${number.format(shown)} of ${number.format(found)} rows shown` +
      (found === all.length ? "" : `, ${number.format(all.length)} in all`);
    more.hidden = found <= room;
  };
  const again = () => { room = PAGE; show(); };

  const sort = (header) => {
    const key = header.dataset.sort;
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    order = [...all].sort((a, b) => sign * (key === "name" ? a.name.localeCompare(b.name) : a[key] - b[key]) || a.rank - b.rank);
    // Rows of a table outside the page move without being laid out.
    const place = table.parentNode;
    table.remove();
    table.append(...order.map((row) => row.body));
    again();
    place.append(table);
    header.firstChild.focus({ preventScroll: true });
  };

  for (const header of table.tHead.querySelectorAll("[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(header));
    header.replaceChildren(button);
  }
  const only = (outcome, number) => {
    form.reset();
    cause = number;
    form.elements.outcome.value = outcome;
    again();
    document.getElementById("rows").scrollIntoView();
  };
  // A link to a row must find it, whatever the filter hides.
  const reveal = () => {
    const row = all.find((one) => `#${one.body.id}` === location.hash);
    if (!row) return;
    row.body.hidden = false;
    const details = row.body.querySelector("details");
    if (details) details.open = true;
    row.body.scrollIntoView();
  };
  for (const tile of document.querySelectorAll("[data-show]"))
    tile.addEventListener("click", (event) => { event.preventDefault(); only(tile.dataset.show, null); });
  for (const button of document.querySelectorAll("[data-cause]"))
    button.addEventListener("click", () => only("", button.dataset.cause));
  form.addEventListener("input", again);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { cause = null; setTimeout(again); });
  more.querySelector("button").addEventListener("click", () => { room += PAGE; show(); });
  addEventListener("hashchange", reveal);
  form.hidden = false;
  show();
  table.classList.add("ready");
  reveal();
});
